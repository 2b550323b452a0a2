"""One contract told from fixed seeds, in a market of its own: what the vectors are made of.

The stories of `tests/protocol` leave out what the fold never looks at. These statements are whole: they name the
market, its charter and each author's previous statement, so that any reader can check them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from msgspec import structs

from protocol.bundle import evidence_of
from protocol.codec import encode
from protocol.keys import Digest
from protocol.notices import Charter
from protocol.statements import (
    NO_MARKET,
    Announcement,
    AnyStatement,
    Award,
    Bid,
    Body,
    Cancel,
    CancelReason,
    RecallReason,
    Settlement,
    Statement,
)
from tests.authors import Author, award_of, charter_of, recall, task

B = TypeVar("B", bound=Body)
FIRST_MS = 1_767_225_600_000
"""The wall clock of the first statement, 2026-01-01 00:00 UTC."""
WITHDRAWN = Cancel(reason=CancelReason.WITHDRAWN, answer=None)
ORPHANED = Cancel(reason=CancelReason.ORPHANED, answer=None)
LAPSED = recall(RecallReason.LAPSED)
SETTLE = Settlement()


class Telling:
    """A manager, bidders and governors; `statements` is the set that is told, the announcement not in it."""

    def __init__(self, *, governors: int = 0, clock_ms: int = 1_000, **terms: object) -> None:
        """`clock_ms` is how far the wall clock has come at each statement."""
        self.governors = [Author(f"governor {number}") for number in range(governors)]
        self.manager, self.ada, self.bo, self.cy = (Author(name) for name in ("manager", "ada", "bo", "cy"))
        self._seals: dict[bytes, Author] = {}
        self._seqs: dict[bytes, int] = {}
        self._last: dict[bytes, AnyStatement] = {}
        self._clock_ms = clock_ms
        self._told = 0
        self.market = NO_MARKET
        self.statements: list[AnyStatement] = []
        self.charter: Statement[Charter] = self._say(Author("authority"), charter_of(*self.governors))
        self.market = Digest(self.charter.id)
        body = structs.replace(task(**terms), charter=self.charter.id)  # type: ignore[arg-type]
        self.announcement: Statement[Announcement] = self._say(self.manager, body)
        self.tip: AnyStatement = self.announcement

    def _say(
        self, author: Author, body: B, *, about: AnyStatement | None = None, prev: AnyStatement | None = None,
        seq: int | None = None,
    ) -> Statement[B]:  # fmt: skip
        """Say the next thing; `prev` and `seq` are those of an honest author unless they are given."""
        own = self._seqs.get(author.feed, 0) + 1
        before = prev or self._last.get(author.feed)
        said = encode(
            body, market=self.market, author=author.peer, feed=author.feed, seq=seq or own,
            prev=before.id if before else None, made_ms=FIRST_MS + self._clock_ms * self._told,
            about=about.id if about else None,
        )  # fmt: skip
        self._seqs[author.feed] = own
        self._last[author.feed] = said
        self._seals[author.peer] = author
        self._told += 1
        return said

    def say(self, author: Author, body: B, about: AnyStatement | None, **place: object) -> Statement[B]:
        """Somebody says something that nobody has heard yet."""
        return self._say(author, body, about=about, **place)  # type: ignore[arg-type]

    def add(self, author: Author, body: B, about: AnyStatement | None, **place: object) -> Statement[B]:
        """Somebody says something, and it is in the set."""
        said = self.say(author, body, about, **place)
        self.statements.append(said)
        return said

    def step(self, body: B, about: AnyStatement | None = None, **place: object) -> Statement[B]:
        """The manager's next step, about the announcement unless something else is named."""
        said = self.add(self.manager, body, about or self.announcement, **place)
        self.tip = said
        return said

    def bid(self, author: Author, price: int = 10) -> Statement[Bid]:
        return self.add(author, Bid(price=price, duration_ms=1_000), self.announcement)

    def award(self, author: Author | None = None, **terms: object) -> Statement[Award]:
        """A bid by this author, and its award."""
        return self.step(award_of(self.bid(author or self.ada), **terms))  # type: ignore[arg-type]

    def vote(self, about: AnyStatement | None, ballot: Body, *voters: int) -> None:
        """The governors of these numbers say the same."""
        for voter in voters:
            self.add(self.governors[voter], ballot, about)

    def evidence(self, statement: AnyStatement) -> bytes:
        """The statement under a seal of its own."""
        return evidence_of(statement, self._seals[statement.author].sealer)


Tell = Callable[[], Telling]
CASES: Final[list[Tell]] = []
"""Every story that goes into the vectors, under its function's name and with its docstring."""


def case(tell: Tell) -> Tell:
    """Put a story among the vectors."""
    CASES.append(tell)
    return tell
