"""A run is told in words, so that people can read what went wrong."""

from __future__ import annotations

from simulations.story import Story
from simulations.world.world import World
from tests.simulations.worlds import small_market


def told(world: World, **task: object) -> list[str]:
    """What happens to one task of the desk, told from its announcement on; without the times."""
    story = Story.of(world)
    world.processes["desk"].announce(world.task(**task))
    world.run_for(1_500)
    return [line[8:] for line in story.tell()]


def test_a_task_is_told_from_its_announcement_to_its_end() -> None:
    """Everybody is called by name, and every statement says what it is about."""
    lines = told(small_market())
    for line in (
        "desk says to all: Announcement t1",
        "desk reports t1: open",
        "cheap says to desk: Bid t1 5",
        "desk says to cheap: Award t1/1 to cheap at 5, of 2 bids",
        "cheap starts work on t1/1",
        "cheap says to desk: Result t1/1",
        "desk reports t1: settled",
        "judge says to desk: Permit t1/1 Result Settlement",
        "desk reports t1: final",
    ):
        assert line in lines
    assert lines[0] == "desk says to all: Announcement t1"


def test_what_was_told_is_not_told_again() -> None:
    """Each part of a story is what happened since the last."""
    world = small_market()
    story = Story.of(world)
    world.processes["desk"].announce(world.task())
    assert story.text()
    assert not story.text()


def test_what_is_no_frame_is_told_as_such() -> None:
    """A liar may send anything; who reads its story is not told nothing for it."""
    world = small_market()
    story = Story.of(world)
    for rubbish in (b"", b"\xc1", b"\x00\x00", b"\x92\xa1x\x91\x01"):
        world.publish(world.processes["cheap"], bytes(9) + rubbish)
    assert [line[8:] for line in story.tell()] == ["cheap sends to all what is no frame"] * 4


def test_repeats_may_be_left_out() -> None:
    """A long rest is told in few lines."""
    world = small_market()
    world.crash(world.processes["cheap"])
    world.crash(world.processes["dear"])
    story = Story.of(world)
    world.processes["desk"].announce(world.task())
    world.run_for(600)
    assert any("says again" in line for line in story.tell())
    story.repeats = False
    world.run_for(5_000)
    assert not any("says again" in line for line in story.tell())
