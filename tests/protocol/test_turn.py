"""The order of a turn: what leaves was recorded before, and what was recorded leaves together."""

from __future__ import annotations

import pytest

from protocol.events import Announce
from tests.market import TestMarket


def wired(market: TestMarket) -> list[bytes]:
    """Every frame that a peer publishes from now on."""
    frames: list[bytes] = []
    market.on_published = lambda sender, frame: frames.append(frame)
    return frames


def test_what_was_recorded_leaves_with_what_our_user_says_to_it() -> None:
    """Two recordings, one publication: everything for one topic leaves in one frame."""
    market = TestMarket()
    manager = market.join("m")
    frames = wired(market)
    for key in (b"1", b"2"):
        manager.turn.take([], [Announce(task=market.task(idempotency_key=key))], market.now_ms)
        manager.turn.record(market.now_ms)
        assert not frames
    manager.turn.publish(market.now_ms)
    assert len(frames) == 1
    assert len(manager.said()) == 3, "a card, and two announcements"


def test_what_could_not_be_recorded_never_leaves() -> None:
    """After a recording that failed, nothing of that turn is published, whoever asks for it."""
    market = TestMarket()
    manager = market.join("m")
    frames = wired(market)
    manager.journal.fail_at = len(manager.journal.rows)
    manager.turn.take([], [Announce(task=market.task())], market.now_ms)
    with pytest.raises(OSError, match="no transaction"):
        manager.turn.record(market.now_ms)
    manager.turn.publish(market.now_ms)
    manager.turn.close(market.now_ms)
    assert not frames


def test_a_peer_that_leaves_says_first_what_waits_for_company() -> None:
    """The settlement of a pure task may wait a little; its contractor hears it although the manager leaves at once."""
    market = TestMarket()
    manager, worker = market.join("m"), market.join("a", shout=10)
    task = market.announce("m", bid_window_ms=50)
    while not any(reading.end for _, reading in manager.reports):
        market.run(1)
    manager.turn.close(market.now_ms)
    manager.crash()
    market.run(10)
    assert worker.contract(task).end is not None
