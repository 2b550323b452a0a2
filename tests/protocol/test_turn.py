"""The order of a turn: what leaves was recorded before, and what was recorded leaves together."""

from __future__ import annotations

import msgpack
import pytest

from protocol import limits
from protocol.events import Announce
from protocol.keys import Digest
from protocol.outbox import exhibit_frames
from protocol.states import State
from protocol.topics import TOPIC_LENGTH, governance_topic, skill_topic
from protocol.waiting import WaitingRoom
from tests.market import TestMarket, TestPeer, charter_with
from tests.protocol.overheard import PERMISSIVE


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


def overheard() -> tuple[TestPeer, Digest, list[bytes]]:
    """A governor that comes late, a task that is settled, and every frame about it, the last one first."""
    market = TestMarket(charter_with(["g"]))
    market.join("m")
    for name in ("a", "b"):
        market.join(name, shout=10)
    frames = wired(market)
    task = market.announce("m")
    market.run(200)
    said = [frame for frame in reversed(frames) if not frame.startswith(governance_topic(market.charter.id))]
    return market.join("g", policy=PERMISSIVE), task, said


def test_nothing_that_comes_in_at_once_waits_for_something_else_of_it() -> None:
    """A governor hears every author on a wire of its own, and bids may come before their announcement."""
    governor, task, frames = overheard()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WaitingRoom, "admit", lambda room, missing, guest, now_ms: pytest.fail(f"{guest} waits"))
        governor.turn.take(frames, [], 200)
    assert governor.contract(task).state is State.FINAL, "and our own vote is in it"


@pytest.mark.parametrize("at_once", [True, False])
def test_frames_are_recorded_as_they_came_and_once(at_once: bool) -> None:
    """Whatever waited for what in a governor: all that it hears is in its journal, with the frame that it came in."""
    governor, _, frames = overheard()
    for part in [frames] if at_once else [[frame] for frame in frames]:
        governor.turn.take(part, [], 200)
    governor.turn.record(200)
    recorded, came = governor.journal.rows[-1][0], dict.fromkeys(frame[TOPIC_LENGTH:] for frame in frames)
    assert len(recorded) == len(set(recorded)) >= 5
    assert recorded == [frame for frame in came if frame in recorded], "no exhibits, and nothing in another order"


def test_what_comes_twice_at_once_is_heard_once() -> None:
    """The same statement on two topics: the second is a question, and nothing is counted twice."""
    counts = list[int]()
    for times in (1, 2):
        governor, _, frames = overheard()
        governor.turn.take(frames * times, [], 200)
        counts.append(governor.turn.verdicts["accept"])
    assert counts[0] == counts[1]
