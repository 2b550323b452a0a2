"""Only a fork convicts (law 3): each author once, with the two statements that cannot both be honest."""

from __future__ import annotations

from itertools import chain

from protocol import limits
from protocol.actions import KEEP, Action, Convict
from protocol.contract import Contract
from protocol.holdings import Forks
from protocol.notices import Charter
from protocol.statements import AnyStatement, Award, Bid, Statement


class Convictions:
    """Who is convicted here, and by what."""

    def __init__(self, forks: Forks) -> None:
        self._forks = forks
        self._convicted: set[bytes] = set()

    def by_seq(self, statement: AnyStatement) -> list[Action]:
        """Two statements of one feed with one seq."""
        other = self._forks.look(statement)
        return self._convict(other, statement, "two statements with one seq") if other is not None else []

    def by_version(self, first: Statement[Charter], second: Statement[Charter]) -> list[Action]:
        """Two charters with one number, which is their seq, however long ago the first of them was heard."""
        return self._convict(first, second, "two statements with one seq")

    def by_use(self, award: AnyStatement) -> list[Action]:
        """One use of a standing permit spent twice convicts too."""
        use = award.body.standing if type(award.body) is Award else None
        other = self._forks.spend(award, use) if use is not None else None
        return self._convict(other, award, "one use of a standing permit spent twice") if other is not None else []

    def by_prev(self, contract: Contract, statement: AnyStatement) -> list[Action]:
        """Two statements of one feed with one prev in one contract convict too: steps, answers, votes or bids."""
        prev = statement.prev
        if prev is None:
            return []
        answers = contract.answers.get(statement.about or b"", ())
        bids = contract.bids if type(statement.body) is Bid else ()
        for other in chain(contract.said_after(prev), answers, contract.votes, bids):
            if other.prev != prev or other.id == statement.id:
                continue
            if other.author == statement.author and other.feed == statement.feed:
                return self._convict(other, statement, "two statements with one prev")
        return []

    def _convict(self, first: AnyStatement, second: AnyStatement, reason: str) -> list[Action]:
        if second.author in self._convicted or len(self._convicted) >= limits.FEEDS_MAX:
            return []
        self._convicted.add(second.author)
        return [KEEP, Convict(first=first, second=second, reason=reason)]
