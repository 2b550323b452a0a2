"""What leaves at the end of a turn: one bundle per topic, and how little is enough.

A statement may be lazy: it waits a little for company on its topic. It may be spared: where another topic carries it
to the same peer in this very turn, one copy is enough. Both only save signatures; nothing is ever left unsaid.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgpack

from protocol import limits
from protocol.actions import Say, Show
from protocol.bundle import evidence_of, seal
from protocol.keys import Sealer
from protocol.statements import AnyStatement

EXHIBITS_TAG = "vendue-exhibits/1"

_HEAD = 5
"""The longest head of a byte string in MessagePack."""
_ROOM = limits.BUNDLE_MAX - 256
"""Beside what is packed, a frame has a tag, a market, an author and a signature."""
_Statements = dict[bytes, AnyStatement]


class Outbox:
    """The statements and exhibits that wait to leave."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._topics: dict[bytes, _Statements] = {}
        self._lazy: dict[bytes, _Statements] = {}
        self._spared: list[Say] = []
        self._shown: dict[bytes, list[AnyStatement]] = {}
        self.due_ms: int | None = None
        """When the lazy ones leave even without company."""

    def put(self, say: Say, now_ms: int) -> None:
        """Let a statement of ours leave on its topic: a second copy on the same topic is none."""
        if say.lazy:
            self._lazy.setdefault(say.topic, {})[say.statement.id] = say.statement
            if self.due_ms is None:
                self.due_ms = now_ms + limits.LAZY_MS
            return
        self._topics.setdefault(say.topic, {})[say.statement.id] = say.statement
        if say.unless is not None:
            self._spared.append(say)

    def show(self, show: Show) -> None:
        """Let somebody else's statement leave as evidence."""
        self._shown.setdefault(show.topic, []).append(show.statement)

    def empty(self, now_ms: int) -> list[bytes]:
        """Seal and pack what leaves now: frames, each with its topic before it."""
        if not (self._topics or self._lazy or self._shown):
            return []
        topics, self._topics = self._topics, {}
        if self._lazy:
            overdue = self.due_ms is not None and now_ms >= self.due_ms
            for topic in [topic for topic in self._lazy if overdue or topic in topics]:
                topics.setdefault(topic, {}).update(self._lazy.pop(topic))
            if not self._lazy:
                self.due_ms = None
        for say in self._spared:
            assert say.unless is not None, "only what another topic may carry is spared"
            if say.statement.id in topics.get(say.unless, ()):
                del topics[say.topic][say.statement.id]
        self._spared.clear()
        frames = [frame for topic, statements in topics.items() for frame in self._seal(topic, [*statements.values()])]
        for topic, others in self._shown.items():
            pieces = [evidence_of(statement, self._sealer) for statement in others]
            frames += [topic + frame for frame in exhibit_frames(pieces)]
        self._shown.clear()
        return frames

    def _seal(self, topic: bytes, statements: list[AnyStatement]) -> list[bytes]:
        sizes = [len(statement.payload) for statement in statements]
        return [
            topic + seal(statements[first:behind], self._sealer)
            for first, behind in _fitting(sizes, limits.BUNDLE_STATEMENTS_MAX)
        ]


def exhibit_frames(pieces: Sequence[bytes]) -> list[bytes]:
    """Pack evidence, shown or fetched, as frames without a topic."""
    sizes = [len(piece) for piece in pieces]
    return [
        msgpack.packb((EXHIBITS_TAG, pieces[first:behind]))
        for first, behind in _fitting(sizes, limits.EVIDENCE_FRAME_MAX)
    ]


def _fitting(sizes: Sequence[int], most: int) -> Iterator[tuple[int, int]]:
    """Part things of these sizes into runs that fit in one frame each: at most so many, and no larger than is read."""
    first, filled = 0, 0
    for at, size in enumerate(sizes):
        if at - first == most or (at > first and filled + size + _HEAD > _ROOM):
            yield first, at
            first, filled = at, 0
        filled += size + _HEAD
    if sizes:
        yield first, len(sizes)
