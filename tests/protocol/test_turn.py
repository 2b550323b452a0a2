"""The order of a turn: what leaves was recorded before, and what was recorded leaves together."""

from __future__ import annotations

import msgpack
import pytest

from protocol import limits
from protocol.events import Announce
from protocol.outbox import exhibit_frames
from protocol.topics import TOPIC_LENGTH, skill_topic
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


def test_what_is_too_large_for_one_frame_leaves_in_several() -> None:
    """A hundred tasks with the largest inputs in one turn: every frame is one that others read."""
    market = TestMarket()
    manager, worker = market.join("m"), market.join("a", shout=10)
    frames = wired(market)
    events = [
        Announce(task=market.task(idempotency_key=b"%d" % number, input=bytes(limits.INLINE_MAX)))
        for number in range(100)
    ]
    manager.run(events=events)
    assert max(map(len, frames)) - TOPIC_LENGTH <= limits.BUNDLE_MAX
    assert len([frame for frame in frames if frame[:TOPIC_LENGTH] == skill_topic("shout")]) == 2
    market.run(100)
    assert not [reason for reason in worker.turn.verdicts if reason.startswith("reject")]


def test_evidence_too_large_for_one_frame_leaves_in_several() -> None:
    """However it is asked for; one piece always fits."""
    sizes = [100, limits.STATEMENT_MAX, *[limits.STATEMENT_MAX] * 20, 5, *[1] * 200]
    pieces = [bytes(size) for size in sizes]
    frames = exhibit_frames(pieces)
    assert max(map(len, frames)) <= limits.BUNDLE_MAX
    unpacked = [msgpack.unpackb(frame)[1] for frame in frames]
    assert [piece for group in unpacked for piece in group] == pieces
    assert max(map(len, unpacked)) == limits.EVIDENCE_FRAME_MAX
    assert exhibit_frames([]) == []
