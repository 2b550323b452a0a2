"""One contract told step by step: who is in it, and the usual statements in few words."""

from __future__ import annotations

from collections.abc import Callable

from protocol.contract import Contract, fold
from protocol.statements import (
    Announcement,
    AnyStatement,
    Award,
    Bid,
    Body,
    Cancel,
    CancelReason,
    Statement,
    Veto,
)
from protocol.states import Phase, Reading, State
from tests.authors import Author, award_of, charter_of, permit, task

WITHDRAWN = Cancel(reason=CancelReason.WITHDRAWN, answer=None)
ORPHANED = Cancel(reason=CancelReason.ORPHANED, answer=None)
Following = Callable[[AnyStatement, AnyStatement], tuple[Body, AnyStatement | None]]
"""From an award and an answer to it: the manager's step, and what it is about."""


def cancel(answer: AnyStatement | None) -> Cancel:
    """The end of the task, on this answer if any."""
    return Cancel(reason=CancelReason.DENIED, answer=answer.id if answer else None)


class Story:
    """A manager, two bidders and some governors; every statement told is learned at once."""

    def __init__(self, announcement: Announcement | None = None, *, governors: int = 0) -> None:
        self.manager, self.ada, self.bo = Author("manager"), Author("ada"), Author("bo")
        self.governors = [Author(f"governor {number}") for number in range(governors)]
        self.charter = charter_of(*self.governors)
        self.announcement = self.manager.say(announcement or task())
        self.contract = Contract(self.announcement, self.charter)
        self.tip: AnyStatement = self.announcement

    def add(self, author: Author, body: Body, about: AnyStatement | None = None, **other: object) -> AnyStatement:
        """Somebody says something, and we hear it."""
        statement = author.say(body, about=about, **other)  # type: ignore[arg-type]
        self.contract.learn(statement)
        return statement

    def step(self, body: Body, about: AnyStatement | bytes | None, **other: object) -> AnyStatement:
        """The manager's next step, behind the last one told."""
        other.setdefault("prev", self.tip)
        self.tip = self.manager.say(body, about=about, **other)  # type: ignore[arg-type]
        self.contract.learn(self.tip)
        return self.tip

    def bid(self, author: Author, price: int = 10) -> Statement[Bid]:
        return self.add(author, Bid(price=price, duration_ms=1), self.announcement)  # type: ignore[return-value]

    def award(self, author: Author | None = None, **terms: int) -> Statement[Award]:
        """A bid by this author, and its award."""
        return self.step(award_of(self.bid(author or self.ada), **terms), self.announcement)  # type: ignore[return-value]

    def vote(self, voters: int, about: AnyStatement | None, ballot: Veto | None = None) -> None:
        """The first so many governors permit, or say this veto."""
        for governor in self.governors[:voters]:
            self.add(governor, ballot or permit(), about)

    @property
    def reading(self) -> Reading:
        """The reading, which is the same when folded in one go."""
        reading = self.contract.reading
        assert reading == fold(self.announcement, list(self.contract.held.values()), self.charter)
        return reading

    @property
    def state(self) -> State:
        return self.reading.state

    @property
    def phase(self) -> Phase:
        return self.reading.phase
