"""The order of one turn of a peer's loop: record before publish. The loop runs it, and so does the simulator.

    open frames → node.step for each statement and event → one transaction, committed → one bundle per topic, sealed
    → publish → what is left for the shell: work to start, tasks to report, ids to fetch

A statement of ours is recorded when it is said for the first time, and leaves only after that. If recording fails,
nothing leaves, and the peer must stop: it cannot know what it has promised.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import msgpack

from protocol import limits
from protocol.actions import KEEP, Action, Amended, Execute, Keep, Say, Show, Wish
from protocol.bundle import Door, Opened, Opener, evidence_of, open_bundle, open_door, open_evidence
from protocol.codec import Malformed, decode, unpack
from protocol.dues import earliest
from protocol.errors import Blame, Ruling, Verdict
from protocol.events import Event, Heard, HeardAgain, Tick
from protocol.keys import PeerId, Sealer, Signature
from protocol.kinds import PLACE_OF
from protocol.node import Node
from protocol.outbox import EXHIBITS_TAG, Outbox, exhibit_frames
from protocol.replay import Replay
from protocol.statements import AnyStatement, EffectClass
from protocol.topics import TOPIC_LENGTH
from protocol.uninvited import fault_of_evidence
from protocol.wishes import note_of, wish_in

_TAG_PREFIX = msgpack.packb(EXHIBITS_TAG)
_Part = list[tuple[int, bytes]]


class Journal(Protocol):
    """Where a turn is recorded, in one transaction."""

    def record(self, received: Sequence[bytes], said: Sequence[AnyStatement], *, durable: bool) -> None:
        """Store frames heard and statements said; `durable`: they must survive a loss of power. Raises on failure."""


class Wire(Protocol):
    """Where frames go: the topic, nine bytes, and behind it the bundle."""

    def publish(self, frame: bytes) -> None: ...


class Turn:
    """A node with its journal, its wire and its seal."""

    def __init__(
        self,
        node: Node,
        journal: Journal,
        wire: Wire,
        sealer: Sealer,
        *,
        door: Door = open_door,
        opener: Opener = open_bundle,
    ) -> None:
        """`opener` opens frames as `open_bundle` does, and may share the work among those who hear the same frame."""
        self.node = node
        self.verdicts: Counter[str] = Counter()
        """How often each ruling was given: verdict and reason → count. Reasons are fixed phrases, so it is bounded."""
        self.blamed: list[int] = []
        """Which frames of the last `take` had a fault that only their connection can be blamed for, by position."""
        self._faults = 0
        self._replay = Replay(node)
        self._journal = journal
        self._wire = wire
        self.sealer = sealer
        self._door = door
        self._opener = opener
        self._recorded_seq = node.feed.seq
        self._outbox = Outbox(sealer)
        self._actions: list[Action] = []
        self._received: list[bytes] = []
        self._received_due_ms: int | None = None
        self._node_due_ms = node.deadline_ms()
        """Asked behind every step that a turn takes: nothing else moves a node."""

    def run(self, frames: Iterable[bytes], events: Iterable[Event], now_ms: int) -> list[Action]:
        """One whole turn. Frames still have their topics. Returns what is left for the shell, in order."""
        return [*self.take(frames, events, now_ms), *self.finish(now_ms)]

    def take(self, frames: Iterable[bytes], events: Iterable[Event], now_ms: int) -> list[Execute]:
        """The first step. Nothing leaves and nothing is recorded yet; it may be called again before `record`.

        Returns the work that may begin before its acceptance is recorded: that on pure tasks, which nobody notices.
        What ends at once can so be answered in the same turn.
        """
        node, actions = self.node, self._actions
        began = len(actions)
        self.blamed = []
        for part in _parts(frames, limits.TOGETHER_MAX if node.governor is not None else 1):
            kept = set[int]()
            for position, event in self._hear(part):
                for action in node.step(event, now_ms):
                    if action is KEEP:
                        kept.add(position)
                    else:
                        actions.append(action)
            self._received += [frame for position, frame in part if position in kept]
        for event in events:
            actions += node.step(event, now_ms)
        due = self._node_due_ms = node.deadline_ms()
        if due is not None and due <= now_ms:
            actions += node.step(Tick(), now_ms)
            self._node_due_ms = node.deadline_ms()
        early = [action for action in actions[began:] if type(action) is Execute and _is_pure(action)]
        if early:
            actions[began:] = [action for action in actions[began:] if action not in early]
        return early

    def finish(self, now_ms: int) -> list[Action]:
        """Record, then publish. Returns what is left for the shell, in order."""
        left = self.record(now_ms)
        self.publish(now_ms)
        return left

    def record(self, now_ms: int) -> list[Action]:
        """The second step: record. Returns what is left for the shell, in order; nothing has left yet.

        The shell may `take` what its users say to that, and record once more, before it lets all of it leave together.
        """
        if not (self._actions or self._received):
            return []
        said: dict[int, AnyStatement] = {}
        left: list[Action] = []
        durable = at_once = False
        for action in self._actions:
            if type(action) is Say:
                statement = action.statement
                if statement.seq > self._recorded_seq and statement.feed == self.node.feed.id:
                    said[statement.seq] = statement
                    durable = durable or action.durable
                self._outbox.put(action, now_ms)
            elif type(action) is Show:
                self._outbox.show(action)
            elif type(action) is Wish:
                self._received.append(note_of(action.contract))
                at_once = True
            elif type(action) is Amended:
                left.append(action)
                durable = at_once = True  # no restart goes back behind a revocation
            elif type(action) is not Keep:
                left.append(action)
            elif action.statement is not None and action.statement.seal is not None:
                self._received += exhibit_frames([evidence_of(action.statement, self.sealer)])
        self._actions.clear()
        if said or at_once or self._must_record(now_ms):
            received, self._received, self._received_due_ms = self._received, [], None
            try:
                self._journal.record(received, [said[seq] for seq in sorted(said)], durable=durable)
            except BaseException:
                self._outbox = Outbox(self.sealer)  # what is not recorded never leaves
                raise
            self._recorded_seq = max(self._recorded_seq, *said) if said else self._recorded_seq
        return left

    def publish(self, now_ms: int) -> None:
        """The last step: what was recorded leaves."""
        assert not self._actions, "nothing leaves that was not recorded"
        for frame in self._outbox.empty(now_ms):
            self._wire.publish(frame)

    def _must_record(self, now_ms: int) -> bool:
        """What was only heard promises nothing: it may wait a little for a turn that says something.

        A governor does not wait: what it has seen is what it is for.
        """
        if not self._received or self.node.governor is not None:
            return bool(self._received)
        if self._received_due_ms is None:
            self._received_due_ms = now_ms + limits.LAZY_MS
        return now_ms >= self._received_due_ms or len(self._received) >= limits.UNRECORDED_MAX

    def close(self, now_ms: int) -> None:
        """The last turn is over: record what was heard and not recorded yet, and let leave what waits for company."""
        self._actions.clear()
        for frame in self._outbox.empty(now_ms + limits.LAZY_MS):
            self._wire.publish(frame)
        if self._received:
            received, self._received = self._received, []
            self._journal.record(received, [], durable=False)

    def replay(self, received: bytes | None, said: Iterable[bytes]) -> None:
        """Take in one row of the journal: a frame heard, or payloads said. Before the first turn, in order."""
        trusting = _Trusting(self.node.peer)
        wish = wish_in(received) if received is not None else None
        if wish is not None:
            self._replay.recall_wish(wish)
        elif received is not None:
            for event in self._open(received, sealer=trusting):
                if isinstance(event, Heard):
                    self._replay.recall(event.statement)
        for payload in said:
            self._replay.recall(decode(payload))
        self._recorded_seq = self.node.feed.seq

    def resume(self, now_ms: int) -> list[Action]:
        """The first turn after a replay: whatever the journal says is open is taken up."""
        self._actions += self._replay.resume(now_ms)
        self._node_due_ms = self.node.deadline_ms()
        return self.finish(now_ms)

    def deadline_ms(self) -> int | None:
        """When the next turn is due, whatever comes in until then."""
        return earliest(self._node_due_ms, self._outbox.due_ms, self._received_due_ms)

    # Frames in

    def _hear(self, part: _Part) -> list[tuple[int, Event]]:
        """What frames say, with the position of each frame: whatever others are about comes before them."""
        heard: list[tuple[int, Event]] = []
        for position, frame in part:
            faults = self._faults
            events = self._open(frame)
            heard += [(position, event) for event in events]
            if self._faults != faults:
                self.blamed.append(position)
            if len(part) > 1:
                self._note_seen(events)
        if len(part) > 1:
            heard.sort(key=_place_in_life)
        return heard

    def _note_seen(self, events: Sequence[Event]) -> None:
        """What comes once more on another topic, before the node has heard of it, is a question already."""
        for event in events:
            if type(event) is Heard:
                self.node.holdings.seen.add(event.statement.id)

    def _open(self, frame: bytes, sealer: Sealer | None = None) -> list[Event]:
        opener, door = (self._opener, self._door) if sealer is None else (open_bundle, open_door)
        sealer = sealer or self.sealer
        if _is_of_exhibits(frame):
            return self._open_exhibits(frame, sealer)
        node = self.node
        opened = opener(frame, market=node.market, sealer=sealer, seen=node.holdings.seen, door=door)
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
            if sealer is self.sealer and self._door is not open_door:
                opened = self._without_uninvited(opened)
            events += self._count(opened)
        return events

    def _without_uninvited(self, opened: Opened) -> Opened:
        statements, rulings = list[AnyStatement](), list(opened.rulings)
        for statement in opened.statements:
            if (fault := fault_of_evidence(statement, self.node, self._door)) is not None:
                rulings.append(Ruling(Verdict.IGNORE, Blame.NOBODY, fault))
            else:
                statements.append(statement)
        return Opened(statements, opened.repeated, rulings)

    def _count(self, opened: Opened) -> list[Event]:
        for ruling in opened.rulings:
            self.verdicts[f"{ruling.verdict} ({ruling.blame}): {ruling.reason}"] += 1
            self._faults += ruling.blame is Blame.CONNECTION
        self.verdicts["accept"] += len(opened.statements)
        if opened.repeated:
            self.verdicts["ignore (nobody): seen before"] += len(opened.repeated)
        return [*map(Heard, opened.statements), *map(HeardAgain, opened.repeated)]


def _is_of_exhibits(frame: bytes) -> bool:
    return frame[1 : 1 + len(_TAG_PREFIX)] == _TAG_PREFIX


def _parts(frames: Iterable[bytes], most: int) -> Iterator[_Part]:
    """What is heard together, without topics: runs of bundles, and exhibits alone, for they must be asked for first.

    Authors do not wait for each other, and each has a wire of its own: who hears them all may hear a bid before its
    announcement. All others hear of a contract from one author, or from those who answer them.
    """
    part: _Part = []
    for position, frame in enumerate(frames):
        bare = frame[TOPIC_LENGTH:]
        if part and (len(part) == most or _is_of_exhibits(bare) or _is_of_exhibits(part[-1][1])):
            yield part
            part = []
        part.append((position, bare))
    if part:
        yield part


def _place_in_life(heard: tuple[int, Event]) -> int:
    """Where in a contract's life something is said; questions come behind all that may answer them."""
    event = heard[1]
    return PLACE_OF[type(event.statement.body)] if type(event) is Heard else len(PLACE_OF)


def _is_pure(execute: Execute) -> bool:
    return execute.task.effect is EffectClass.PURE


class _Trusting:
    """The seal of our own journal: what is in it was verified, and let in, when it came."""

    def __init__(self, peer: PeerId) -> None:
        self.peer = peer

    def sign(self, message: bytes) -> Signature:
        raise AssertionError("nothing is signed at replay")

    def verify(self, author: bytes, message: bytes, signature: bytes) -> bool:
        return True
