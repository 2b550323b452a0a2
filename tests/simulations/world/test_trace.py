"""A recorded run can be read again, and says where another run leaves it."""

from __future__ import annotations

import pytest

from protocol.errors import BadEvidence
from simulations.world.trace import Recording
from simulations.world.world import World


def recorded(seed: int) -> Recording:
    """A small run, with every happening."""
    world = World(seed)
    world.trace.lines = []
    world.join("hazel", skills={"shout": 5})
    desk = world.join("desk")
    world.run_for(100)
    desk.announce(world.task())
    world.run_for(10_000)
    assert len(world.trace.lines) == world.trace.events
    return Recording({"seed": seed}, world.trace.lines)


def test_what_is_written_is_read_again() -> None:
    """The recipe and every happening."""
    recording = recorded(1)
    assert Recording.read(f"{line}\n" for line in recording.write()) == recording


def test_a_run_of_the_same_recipe_differs_nowhere() -> None:
    """And one of another seed says in which line it does."""
    assert recorded(1).first_difference(recorded(1)) is None
    assert (recorded(1).first_difference(recorded(2)) or "").startswith("line ")


def test_a_run_that_ends_early_is_told() -> None:
    """All that there is agrees, and something is missing."""
    recording = recorded(1)
    shorter = Recording(recording.recipe, recording.lines[:-1])
    assert "happenings" in (recording.first_difference(shorter) or "")


def test_a_trace_of_another_version_says_which() -> None:
    """Nobody wonders why it does not replay."""
    with pytest.raises(BadEvidence, match="of version 7, and version 1"):
        Recording.read(['{"vendue_trace": 7, "recipe": {}}'])


@pytest.mark.parametrize("text", ["", "hello", "[]", "{}", "3", '{"vendue_trace": 1}'])
def test_what_is_no_trace_is_refused(text: str) -> None:
    """Whatever the file holds, the answer is one clear sentence."""
    with pytest.raises(BadEvidence, match="trace"):
        Recording.read([text] if text else [])
