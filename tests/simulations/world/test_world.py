"""The world drives the production turn and node as a real peer does."""

from __future__ import annotations

import pytest

from protocol.errors import UsageError
from protocol.states import State
from simulations.world.work import done_at_once, hang
from simulations.world.world import World
from tests.simulations.worlds import eventful, small_market


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


def test_everybody_holds_the_same_end() -> None:
    """Whoever is a party or governs reads the same state out of what it holds."""
    world = small_market()
    contract = world.processes["desk"].announce(world.task())
    assert contract is not None
    world.run_for(10_000)
    readings = [world.processes[name].reading(contract) for name in ("desk", "cheap", "judge")]
    assert [reading.state for reading in readings if reading is not None] == [State.FINAL] * 3


def test_idle_peers_cost_nothing() -> None:
    """With no task, nothing is left to happen once all have met."""
    world = small_market()
    world.run_for(60_000)
    events = world.trace.events
    world.run_for(3_600_000)
    assert world.trace.events == events
    assert world.next_us() is None


def test_work_that_hangs_is_stopped_when_its_lease_is_not_renewed() -> None:
    """A manager that crashed renews nothing: the lease runs out, and the worker is stopped."""
    world = World(1)
    hazel = world.join("hazel", skills={"shout": 5}, work=hang)
    desk = world.join("desk")
    world.run_for(100)
    desk.announce(world.task())
    world.run_for(1_000)
    assert len(hazel.workers.runs) == 1
    world.crash(desk)
    world.run_for(10_000)
    assert not hazel.workers.runs


def test_what_ends_at_once_is_answered_in_the_same_turn() -> None:
    """Quick pure work: acceptance and result leave in one frame."""
    world = World(1)
    hazel = world.join("hazel", skills={"shout": 5}, work=done_at_once)
    desk = world.join("desk")
    world.run_for(100)
    desk.announce(world.task())
    world.run_for(2_000)
    kinds = [[statement.kind for statement in row.said] for row in hazel.disk.rows if row.said]
    assert any(len(turn) == 2 for turn in kinds)


def test_a_name_is_taken_once() -> None:
    """Two peers of one name would be one peer."""
    world = World(1)
    world.join("hazel")
    with pytest.raises(UsageError, match="called hazel already"):
        world.join("hazel")


def test_who_runs_is_not_restarted() -> None:
    """A restart without a crash is a mistake of the script."""
    world = World(1)
    with pytest.raises(UsageError, match="Crash it first"):
        world.restart(world.join("hazel"))


@pytest.mark.parametrize("seed", range(8))
def test_whatever_happens_every_task_ends(seed: int) -> None:
    """Losses, crashes, cuts, pauses and clogs: when all is healed, every announced task has an end that both read."""
    world = eventful(seed)
    desk = world.processes["desk"]
    for contract in desk.node.holdings.contracts.values():
        assert contract.reading.end is not None
    assert not any(process.convictions for process in world.processes.values())


def test_a_governor_that_died_with_frames_waiting_hears_again() -> None:
    """What would have woken it belongs to a life that is over; the next one is woken anew."""
    world = small_market()
    desk, judge = world.processes["desk"], world.processes["judge"]
    assert desk.announce(world.task()) is not None
    while not judge.loop.inbox:
        assert world.step()
    world.crash(judge)
    world.restart(judge)
    world.run_for(5_000)
    contract = desk.announce(world.task(idempotency_key=b"another"))
    assert contract is not None
    world.run_for(10_000)
    reading = judge.reading(contract)
    assert reading is not None
    assert reading.state is State.FINAL


def test_a_slow_disk_lets_time_pass() -> None:
    """Behind a slow commit a peer takes its next turn when there is something to do, and not before."""
    world = small_market()
    for process in world.processes.values():
        process.disk.delay_us = 5_000
    contract = world.processes["desk"].announce(world.task())
    assert contract is not None
    world.run_for(10_000)
    reading = world.processes["desk"].reading(contract)
    assert reading is not None
    assert reading.state is State.FINAL
    assert world.trace.events < 500
