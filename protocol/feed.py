"""Our own feed: the one place where this peer's statements get their seq, their prev and their bytes.

A feed is one journal life of one author. Two statements with one seq, or with one prev in one contract, would convict
us (SPEC section 6), so the feed remembers the last thing said in every contract, and when it can remember no more it
opens its mouth in no new one. It refuses to know what a statement is for.
"""

from __future__ import annotations

from typing import Final, TypeVar

from protocol import codec
from protocol.keys import Digest, PeerId
from protocol.kinds import OUTSIDE_CONTRACTS
from protocol.statements import AnyStatement, Body, Statement

SPOKEN_MAX: Final = 262_144
"""Contracts that one feed can speak in, some 60 MB of memory; then a new feed is due."""

B = TypeVar("B", bound=Body)


class Feed:
    """What one author says, numbered from 1 without gaps."""

    __slots__ = ("_last", "_spoken_in", "author", "id", "market", "seq", "wall_offset_ms")

    def __init__(self, *, market: Digest, author: PeerId, feed_id: bytes, wall_offset_ms: int = 0) -> None:
        """`feed_id` is 8 random bytes, new whenever a journal is born; the wall clock is `now_ms + wall_offset_ms`."""
        self.market = market
        self.author = author
        self.id = feed_id
        self.seq = 0
        self.wall_offset_ms = wall_offset_ms
        self._last: dict[Digest, Digest] = {}
        self._spoken_in: dict[Digest, Digest] = {}
        """During a replay: the last statement in each contract → the contract."""

    def say(self, body: B, *, about: Digest | None, contract: Digest | None, now_ms: int) -> Statement[B]:
        """Make the next statement. `contract` is nil for an announcement, which begins one, and outside contracts."""
        statement = codec.encode(
            body,
            market=self.market,
            author=self.author,
            feed=self.id,
            seq=self.seq + 1,
            prev=self._last.get(contract) if contract is not None else None,
            made_ms=max(0, now_ms + self.wall_offset_ms),
            about=about,
        )
        self.seq += 1
        if self._spoken_in:
            self._spoken_in.clear()
        if type(body) not in OUTSIDE_CONTRACTS:
            self._last[contract or statement.id] = statement.id
        return statement

    def has_spoken(self, contract: Digest) -> bool:
        """Tell whether this feed has said anything in a contract."""
        return contract in self._last

    @property
    def full(self) -> bool:
        return len(self._last) >= SPOKEN_MAX

    def remember(self, statement: AnyStatement, contract: Digest) -> None:
        """Take back in, at replay, what this feed has said before.

        `contract` counts only for the first statement in a contract: all others name their predecessor, so that no
        prev is used twice even if a contract itself cannot be put together again.
        """
        if statement.feed != self.id:
            return
        self.seq = max(self.seq, statement.seq)
        if type(statement.body) in OUTSIDE_CONTRACTS:
            return
        known = self._spoken_in.pop(Digest(statement.prev), None) if statement.prev is not None else None
        self._last[known or contract] = statement.id
        self._spoken_in[statement.id] = known or contract
