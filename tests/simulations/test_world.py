"""The world drives the production turn and node as a real peer does."""

from __future__ import annotations

from protocol.states import State
from simulations.testimony import NO_RULES
from simulations.world import World


def small_market(seed: int = 1, **settings: object) -> World:
    """A desk, two bidders of different price, and a governor."""
    world = World(seed, governors=["judge"], **settings)  # type: ignore[arg-type]
    world.join("judge", policy=NO_RULES)
    world.join("dear", skills={"shout": 9})
    world.join("cheap", skills={"shout": 5})
    world.join("desk")
    world.run_for(1_000)
    return world


def test_a_task_is_awarded_to_the_cheapest_and_ratified() -> None:
    """The plainest story: announce, bid, award, result, settlement, permit."""
    world = small_market()
    desk = world.processes["desk"]
    contract = desk.announce(world.task())
    assert contract is not None
    world.run_for(10_000)
    reading = desk.reading(contract)
    assert reading is not None
    assert reading.state is State.FINAL
    assert reading.award is not None
    assert reading.award.body.winner == world.processes["cheap"].peer
