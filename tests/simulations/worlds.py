"""Small worlds that the tests of the simulator share."""

from __future__ import annotations

from typing import Any

from simulations.testimony import NO_RULES
from simulations.world.latency import LAN
from simulations.world.network import Burst, Conditions, Network
from simulations.world.work import done_after
from simulations.world.world import World

BAD = Conditions(latency=LAN, loss=0.05, burst=Burst(0.02, 0.2, 0.9), repeat=0.05, reorder=0.1)


def small_market(seed: int = 1, conditions: Conditions | None = None, **settings: Any) -> World:
    """A desk, two bidders of different price, and a governor, who have found each other."""
    world = World(seed, Network(conditions), governors=["judge"], **settings)
    world.join("judge", policy=NO_RULES)
    world.join("dear", skills={"shout": 9}, work=done_after(20))
    world.join("cheap", skills={"shout": 5}, work=done_after(20))
    world.join("desk")
    world.run_for(1_000)
    return world


def eventful(seed: int, **settings: Any) -> World:
    """Everything that can befall a small market, one after the other."""
    world = small_market(seed, BAD, **settings)
    desk, cheap, dear, judge = (world.processes[name] for name in ("desk", "cheap", "dear", "judge"))
    for number in range(6):
        if desk.alive:
            desk.announce(world.task(idempotency_key=b"task %d" % number))
        world.run_for(150)
        match number:
            case 0:
                world.crash(cheap, power=True)
            case 1:
                world.restart(cheap)
                world.network.cut(desk, dear)
                world.pause(judge)
            case 2:
                world.network.mend(desk, dear)
                world.go_on(judge)
                dear.drift_clock(20_000)
            case 3:
                desk.die_in_turn(after_frames=1)
            case 4:
                if not desk.runs:
                    world.restart(desk)
                world.network.clog(dear, desk)
            case _:
                world.network.unclog(dear, desk)
        world.run_for(2_500)
    world.network.heal()
    world.run_for(120_000)
    return world
