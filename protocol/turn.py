"""The order of one turn of a peer's loop: record before publish. The loop runs it, and so does the simulator.

    open frames → node.step for each statement and event → one transaction, committed → one bundle per topic, sealed
    → publish → what is left for the shell: work to start, tasks to report, ids to fetch

A statement of ours is recorded when it is said for the first time, and leaves only after that. If recording fails,
nothing leaves, and the peer must stop: it cannot know what it has promised.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Protocol

import msgpack

from protocol import limits
from protocol.actions import KEEP, Action, Keep, Say, Show
from protocol.bundle import Door, Opened, evidence_of, open_bundle, open_door, open_evidence, seal
from protocol.codec import Malformed, decode, unpack
from protocol.errors import Blame, Ruling, Verdict
from protocol.events import Event, Heard, HeardAgain, Tick
from protocol.keys import PeerId, Sealer, Signature
from protocol.node import Node
from protocol.statements import AnyStatement
from protocol.topics import TOPIC_LENGTH

EXHIBITS_TAG = "vendue-exhibits/1"
_TAG_PREFIX = msgpack.packb(EXHIBITS_TAG)


class Journal(Protocol):
    """Where a turn is recorded, in one transaction."""

    def record(self, received: Sequence[bytes], said: Sequence[AnyStatement], *, durable: bool) -> None:
        """Store frames heard and statements said; `durable`: they must survive a loss of power. Raises on failure."""


class Wire(Protocol):
    """Where frames go: the topic, nine bytes, and behind it the bundle."""

    def publish(self, frame: bytes) -> None: ...


class Turn:
    """A node with its journal, its wire and its seal."""

    def __init__(self, node: Node, journal: Journal, wire: Wire, sealer: Sealer, *, door: Door = open_door) -> None:
        self.node = node
        self.verdicts: Counter[str] = Counter()
        """How often each ruling was given: verdict and reason → count. Reasons are fixed phrases, so it is bounded."""
        self._journal = journal
        self._wire = wire
        self.sealer = sealer
        self._door = door
        self._recorded_seq = node.feed.seq
        self._lazy: dict[bytes, dict[bytes, AnyStatement]] = {}
        self._lazy_due_ms: int | None = None

    def run(self, frames: Iterable[bytes], events: Iterable[Event], now_ms: int) -> list[Action]:
        """One turn. Frames still have their topics. Returns what is left for the shell, in order."""
        node, received, actions = self.node, list[bytes](), list[Action]()
        for frame in frames:
            kept = False
            for event in self._open(frame[TOPIC_LENGTH:]):
                for action in node.step(event, now_ms):
                    if action is KEEP:
                        kept = True
                    else:
                        actions.append(action)
            if kept:
                received.append(frame[TOPIC_LENGTH:])
        for event in events:
            actions += node.step(event, now_ms)
        due = node.deadline_ms()
        if due is not None and due <= now_ms:
            actions += node.step(Tick(), now_ms)
        return self._carry_out(actions, received, now_ms)

    def replay(self, received: bytes | None, said: Iterable[bytes]) -> None:
        """Take in one row of the journal: a frame heard, or payloads said. Before the first turn, in order."""
        trusting = _Trusting(self.node.peer)
        if received is not None:
            for event in self._open(received, sealer=trusting):
                if isinstance(event, Heard):
                    self.node.recall(event.statement)
        for payload in said:
            self.node.recall(decode(payload))
        self._recorded_seq = self.node.feed.seq

    def resume(self, now_ms: int) -> list[Action]:
        """The first turn after a replay: whatever the journal says is open is taken up."""
        return self._carry_out(self.node.resume(now_ms), [], now_ms)

    def deadline_ms(self) -> int | None:
        """When the next turn is due, whatever comes in until then."""
        dues = [due for due in (self.node.deadline_ms(), self._lazy_due_ms) if due is not None]
        return min(dues, default=None)

    # Frames in

    def _open(self, frame: bytes, sealer: Sealer | None = None) -> list[Event]:
        sealer = sealer or self.sealer
        if frame[1 : 1 + len(_TAG_PREFIX)] == _TAG_PREFIX:
            return self._open_exhibits(frame, sealer)
        node = self.node
        opened = open_bundle(frame, market=node.market, sealer=sealer, seen=node.holdings.seen, door=self._door)
        return self._count(opened)

    def _open_exhibits(self, frame: bytes, sealer: Sealer) -> list[Event]:
        try:
            if len(frame) > limits.BUNDLE_MAX:
                raise Malformed("frame too long")
            fields = unpack(frame, bytes_max=limits.STATEMENT_MAX * 2, items_max=limits.EVIDENCE_FRAME_MAX)
            match fields:
                case [_, list(pieces)] if all(type(piece) is bytes for piece in pieces):
                    return self._admit(pieces, sealer)
            raise Malformed("not exhibits")
        except Malformed as error:
            return self._count(Opened([], [], [Ruling(Verdict.REJECT, Blame.CONNECTION, str(error))]))

    def _admit(self, pieces: Iterable[bytes], sealer: Sealer) -> list[Event]:
        events: list[Event] = []
        for piece in pieces:
            opened = open_evidence(piece, market=self.node.market, sealer=sealer, seen=self.node.holdings.seen)
            events += self._count(opened)
        return events

    def _count(self, opened: Opened) -> list[Event]:
        for ruling in opened.rulings:
            self.verdicts[f"{ruling.verdict} ({ruling.blame}): {ruling.reason}"] += 1
        self.verdicts["accept"] += len(opened.statements)
        if opened.repeated:
            self.verdicts["ignore (nobody): seen before"] += len(opened.repeated)
        return [*map(Heard, opened.statements), *map(HeardAgain, opened.repeated)]

    # Statements out

    def _carry_out(self, actions: list[Action], received: list[bytes], now_ms: int) -> list[Action]:
        said: dict[int, AnyStatement] = {}
        topics: dict[bytes, dict[bytes, AnyStatement]] = {}
        shown: dict[bytes, list[AnyStatement]] = {}
        left: list[Action] = []
        durable = False
        for action in actions:
            if type(action) is Say:
                statement = action.statement
                if statement.seq > self._recorded_seq and statement.feed == self.node.feed.id:
                    said[statement.seq] = statement
                    durable = durable or action.durable
                if action.lazy:
                    self._lazy.setdefault(action.topic, {})[statement.id] = statement
                    if self._lazy_due_ms is None:
                        self._lazy_due_ms = now_ms + limits.LAZY_MS
                else:
                    topics.setdefault(action.topic, {})[statement.id] = statement
            elif type(action) is Show:
                shown.setdefault(action.topic, []).append(action.statement)
            elif type(action) is not Keep:
                left.append(action)
            elif action.statement is not None and action.statement.seal is not None:
                received += exhibit_frames([evidence_of(action.statement, self.sealer)])
        if said or received:
            self._journal.record(received, [said[seq] for seq in sorted(said)], durable=durable)
            self._recorded_seq = max(self._recorded_seq, *said) if said else self._recorded_seq
        self._publish(topics, shown, now_ms)
        return left

    def _publish(
        self, topics: dict[bytes, dict[bytes, AnyStatement]], shown: dict[bytes, list[AnyStatement]], now_ms: int
    ) -> None:
        """One bundle per topic. What was lazy goes along with company, or when its time is up."""
        if self._lazy:
            overdue = self._lazy_due_ms is not None and now_ms >= self._lazy_due_ms
            for topic in [topic for topic in self._lazy if overdue or topic in topics]:
                topics.setdefault(topic, {}).update(self._lazy.pop(topic))
            if not self._lazy:
                self._lazy_due_ms = None
        for topic, statements in topics.items():
            batch = list(statements.values())
            for start in range(0, len(batch), limits.BUNDLE_STATEMENTS_MAX):
                self._wire.publish(topic + seal(batch[start : start + limits.BUNDLE_STATEMENTS_MAX], self.sealer))
        for topic, others in shown.items():
            for frame in exhibit_frames([evidence_of(statement, self.sealer) for statement in others]):
                self._wire.publish(topic + frame)


def exhibit_frames(pieces: Sequence[bytes]) -> list[bytes]:
    """Pack evidence, shown or fetched, as frames without a topic."""
    most = limits.EVIDENCE_FRAME_MAX
    return [msgpack.packb((EXHIBITS_TAG, pieces[start : start + most])) for start in range(0, len(pieces), most)]


class _Trusting:
    """The seal of our own journal: what is in it was verified when it came in."""

    def __init__(self, peer: PeerId) -> None:
        self.peer = peer

    def sign(self, message: bytes) -> Signature:
        raise AssertionError("nothing is signed at replay")

    def verify(self, author: bytes, message: bytes, signature: bytes) -> bool:
        return True
