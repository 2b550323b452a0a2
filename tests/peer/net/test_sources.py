"""How much may come in at our subscriber at once, and who is late when it is more: time is a value here."""

from __future__ import annotations

from peer.net.guard.rates import Rate
from peer.net.guard.sources import SourceLimits, Sources

LIMITS = SourceLimits(member_frames=Rate(100, 50), late_ms_max=4_000)
DESCRIPTOR = 9


def passed(sources: Sources, frames: int, now_s: float) -> int:
    """How many of so many frames of one connection pass."""
    return len(sources.sift([b"frame"] * frames, [DESCRIPTOR] * frames, now_s)[0])


def opened() -> Sources:
    """The sources of a peer that has heard nothing yet."""
    return Sources(LIMITS, look=lambda: None, sponsor_of=lambda peer: peer, connections_max=4)


def test_reader_in_time_lets_a_burst_in() -> None:
    """It has just seen that nothing waits."""
    sources = opened()
    passed(sources, 1, 0.0)
    sources.emptied(10.0)
    assert (passed(sources, 51, 10.0), passed(sources, 50, 10.0), passed(sources, 1, 10.0)) == (0, 50, 0)


def test_reader_that_was_held_up_lets_in_what_came_meanwhile() -> None:
    """Two seconds' worth more than a burst: who sent it has kept to its rate."""
    sources = opened()
    passed(sources, 1, 0.0)
    sources.emptied(10.0)
    assert (passed(sources, 251, 12.0), passed(sources, 250, 12.0)) == (0, 250)


def test_nobody_is_late_for_ever() -> None:
    """In some seconds a queue is full: what more there is has not waited for us."""
    sources = opened()
    passed(sources, 1, 0.0)
    sources.emptied(10.0)
    assert (passed(sources, 451, 100.0), passed(sources, 450, 100.0)) == (0, 450)
