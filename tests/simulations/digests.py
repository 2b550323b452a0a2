"""Prints the digests of a few worlds as JSON: for `test_digests` and `scripts/digests`, which run it elsewhere too."""

from __future__ import annotations

import json

from simulations import Simulation
from simulations.testimony import NO_RULES
from simulations.world.latency import WAN
from simulations.world.network import Conditions, Network
from simulations.world.work import done_after
from simulations.world.world import World
from tests.simulations.worlds import eventful


def meshed() -> World:
    """Forty bidders and ten managers who know each other from before."""
    world = World(5, Network(Conditions(latency=WAN), meshed=True), governors=["judge"])
    world.join("judge", policy=NO_RULES)
    bidders = [world.join(f"b{n}", skills={f"skill {n % 4}": 3 + n % 5}, work=done_after(30)) for n in range(40)]
    managers = [world.join(f"m{n}") for n in range(10)]
    for manager in managers:
        for bidder in bidders:
            world.acquaint(manager, bidder)
    for n in range(40):
        task = world.task(skill=f"skill {n % 4}", idempotency_key=b"%d" % n)
        world.at(world.now_us + n * 40_000, managers[n % 10].announce, task)
    world.run_for(60_000)
    return world


def digests() -> dict[str, str]:
    """Name → digest of the trace, of worlds in which everything happens that can."""
    worlds = {f"eventful {seed}": eventful(seed) for seed in range(4)}
    worlds["meshed"] = meshed()
    worlds["real keys"] = eventful(4, real_keys=True)
    found = {name: world.digest() for name, world in worlds.items()}
    for scenario in ("bad-bidders", "crash-of-manager", "returns-day"):
        found[scenario] = Simulation(scenario, seed=3, changes={"seconds": 20}).run(tasks=12).digest
    return found


if __name__ == "__main__":
    print(json.dumps(digests()))
