"""What can happen to a process, and what the others see of it."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.errors import UsageError
from protocol.keys import Digest
from protocol.states import State
from simulations.world.network import HEARTBEAT_US
from simulations.world.process import Process
from simulations.world.work import done_after
from simulations.world.world import World


def market(**settings: Any) -> tuple[World, Process, Process]:
    """A desk and one bidder."""
    world = World(1, **settings)
    hazel = world.join("hazel", skills={"shout": 5}, work=done_after(50))
    desk = world.join("desk")
    world.run_for(100)
    return world, desk, hazel


def end_of(world: World, desk: Process, contract: Digest | None) -> State:
    """What becomes of a task when everybody is there."""
    for process in world.processes.values():
        if not process.runs:
            world.restart(process)
    world.run_for(120_000)
    assert contract is not None
    reading = desk.reading(contract)
    assert reading is not None
    return reading.state


def test_killed_before_the_commit_nothing_was_said() -> None:
    """No frame left and no row is there: the next life says the same seq anew, and nobody can object."""
    world, desk, hazel = market()
    desk.die_in_turn(before_record=True)
    assert desk.announce(world.task()) is None
    assert not desk.runs
    assert not [said for said in desk.said() if said.kind.startswith("cfp")]
    world.restart(desk)
    world.run_for(1_000)
    contract = desk.announce(world.task())
    assert end_of(world, desk, contract) is State.SETTLED
    assert not hazel.convictions


@pytest.mark.parametrize("frames", [0, 1])
def test_killed_behind_the_commit_it_stands_by_what_it_said(frames: int) -> None:
    """The announcement is on the disk, whether or not it left: the next life takes it up."""
    world, desk, hazel = market()
    desk.die_in_turn(after_frames=frames)
    desk.announce(world.task())
    world.run_for(10)
    assert not desk.runs
    [said] = [said for said in desk.said() if said.kind.startswith("cfp")]
    assert (hazel.node.bidder.bid_about(said.id) is not None) is (frames > 0)
    assert end_of(world, desk, said.id) is State.SETTLED


def test_the_others_see_a_killed_process_go_and_come() -> None:
    """Its sockets are closed by the system at once."""
    world, desk, hazel = market()
    world.crash(hazel)
    world.run_for(1)
    assert hazel.peer not in desk.node.directory.here
    world.restart(hazel)
    world.run_for(1_000)
    assert hazel.peer in desk.node.directory.here


def test_a_machine_without_power_is_missed_at_the_heartbeat() -> None:
    """Nobody closes its sockets."""
    world, desk, hazel = market()
    world.crash(hazel, power=True)
    world.run_until(world.now_us + HEARTBEAT_US - 1)
    assert hazel.peer in desk.node.directory.here
    world.run_for(1)
    assert hazel.peer not in desk.node.directory.here


def test_after_a_loss_of_power_a_new_feed_begins() -> None:
    """What was promised loosely may be gone, so no seq of the old feed is used again."""
    world, desk, hazel = market()
    contract = desk.announce(world.task())
    world.run_for(20)
    before = desk.node.feed.id
    world.crash(desk, power=True)
    world.restart(desk)
    assert desk.node.feed.id != before
    world.run_for(120_000)
    assert not hazel.convictions
    assert contract is not None


def test_what_comes_in_a_pause_waits_and_comes_in_one_burst() -> None:
    """SIGSTOP and SIGCONT within the heartbeat: nothing is lost, and nobody noticed."""
    world, desk, hazel = market()
    world.pause(hazel)
    assert not hazel.alive
    contract = desk.announce(world.task(bid_window_ms=5_000))
    world.run_for(1_000)
    assert contract is not None
    assert hazel.node.bidder.bid_about(contract) is None
    world.go_on(hazel)
    world.run_for(1_000)
    assert hazel.node.bidder.bid_about(contract) is not None or hazel.reading(contract) is not None
    assert end_of(world, desk, contract) is State.SETTLED


def test_a_long_pause_ends_in_a_new_connection() -> None:
    """The others give it up after the heartbeat, and see it again behind the pause."""
    world, desk, hazel = market()
    world.pause(hazel)
    world.run_until(world.now_us + HEARTBEAT_US)
    assert hazel.peer not in desk.node.directory.here
    world.go_on(hazel)
    world.run_for(1_000)
    assert hazel.peer in desk.node.directory.here


def test_a_slow_disk_holds_up_what_it_records() -> None:
    """Nothing leaves before it is committed, and what comes in meanwhile waits."""
    world, desk, hazel = market()
    desk.disk.delay_us = 300_000
    contract = desk.announce(world.task(bid_window_ms=5_000))
    world.run_for(299)
    assert contract is not None
    assert hazel.node.bidder.bid_about(contract) is None
    with pytest.raises(UsageError, match="busy"):
        desk.announce(world.task(idempotency_key=b"too soon"))
    world.run_for(1)
    assert hazel.node.bidder.bid_about(contract) is not None or hazel.reading(contract) is not None
    assert end_of(world, desk, contract) is State.SETTLED


def test_a_clock_that_jumps_lets_what_is_overdue_happen() -> None:
    """A suspend in the middle of a task: its deadline has passed when the clock goes on."""
    world, desk, hazel = market()
    world.crash(hazel)
    contract = desk.announce(world.task(deadline_ms=60_000))
    world.run_for(100)
    desk.jump_clock(3_600_000_000)
    world.run_for(10)
    assert contract is not None
    reading = desk.reading(contract)
    assert reading is not None
    assert reading.state is State.CANCELLED


def test_a_copied_key_convicts_nobody() -> None:
    """Two processes with one key and a home each: two feeds, and no fork."""
    world, desk, hazel = market()
    world.copy("hazel's twin", hazel, home=False)
    contract = desk.announce(world.task())
    assert end_of(world, desk, contract) is State.SETTLED
    assert not any(process.convictions for process in world.processes.values())


def test_a_copied_home_is_outside_the_promise_and_shown_as_such() -> None:
    """Both go on with one feed: what they say next is a fork, and whoever hears both convicts them."""
    world, desk, hazel = market()
    twin = world.copy("hazel's twin", hazel, home=True)
    assert not hazel.honest
    assert not twin.honest
    world.run_for(1_000)
    for number in range(3):
        desk.announce(world.task(idempotency_key=b"%d" % number))
    world.run_for(60_000)
    assert desk.convictions


def test_the_profile_with_real_keys_runs_the_same_story() -> None:
    """Ed25519 everywhere: the same states, by other bytes."""
    states = []
    for real_keys in (False, True):
        world, desk, _ = market(real_keys=real_keys)
        states.append(end_of(world, desk, desk.announce(world.task())))
    assert states == [State.SETTLED, State.SETTLED]
