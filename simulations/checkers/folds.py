"""Promises about readings: what moves a contract, what never moves it back, and that its set alone decides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from protocol import limits
from protocol.contract import Contract
from protocol.keys import Digest
from protocol.kinds import CHAIN_KINDS
from protocol.notices import Charter
from protocol.statements import (
    Acceptance,
    AnyStatement,
    Award,
    Bid,
    Cancel,
    CancelReason,
    Permit,
    Progress,
    Renewal,
    Result,
    Settlement,
)
from protocol.states import Reading, State
from simulations.checkers.base import Checker, Lives, Roster
from simulations.testimony import Testimony

SAMPLED_OF: Final = 8
"""One ended contract in so many is folded again in other orders."""
FOLDED_MAX: Final = 400
"""Larger sets are not folded again: every order costs their square."""


class LawfulChange(Checker):
    """Every change of a contract is caused by a valid statement of the right author for this market."""

    def __init__(self, roster: Roster) -> None:
        super().__init__(roster)
        self._looked = Lives[tuple[int, int]]()

    def heard(self, who: Testimony, statement: AnyStatement, now_us: int) -> None:
        if statement.market != who.node.market and not isinstance(statement.body, Charter):
            raise self.broken(f"a statement of another market was let in: {statement}", who=who)

    def turned(self, who: Testimony, touched: Sequence[Contract], now_us: int) -> None:
        looked = self._looked.of(who)
        for contract in touched:
            reading = contract.reading
            steps, votes = looked.get(contract.id, (1, 0))
            looked[contract.id] = (len(reading.steps), len(contract.votes))
            fault = (
                _fault_of_steps(contract, reading, min(steps, len(reading.steps)))
                or _fault_of_votes(contract, votes)
                or _fault_of_answer(reading)
                or _fault_of_orphan(contract, reading)
            )
            if fault is not None:
                raise self.broken(fault, contract=contract.id, who=who)


def _fault_of_steps(contract: Contract, reading: Reading, looked: int) -> str | None:
    before = reading.steps[looked - 1]
    for step in reading.steps[looked:]:
        if step.author != contract.manager or step.feed != contract.announcement.feed:
            return f"another than the manager has moved it: {step}"
        if type(step.body) not in CHAIN_KINDS or step.prev != before.id or step.seq <= before.seq:
            return f"this does not follow on {before}: {step}"
        if isinstance(step.body, Award):
            bid = contract.held.get(Digest(step.body.bid))
            fits = bid is not None and isinstance(bid.body, Bid) and bid.author == step.body.winner
            if not fits or step.about != contract.id:
                return f"it was awarded to one who did not bid: {step}"
        if isinstance(step.body, Settlement | Renewal):
            cited = contract.held.get(Digest(step.about or b""))
            award = contract.held.get(Digest(cited.about or b"")) if cited is not None else None
            if cited is None or award is None or not isinstance(award.body, Award):
                return f"what it cites is not held: {step}"
            fits = isinstance(cited.body, Result if isinstance(step.body, Settlement) else (Acceptance, Progress))
            if not fits or cited.author != award.body.winner or award not in reading.steps:
                return f"what it cites is no such answer of the contractor's: {step}"
        before = step
    return None


def _fault_of_votes(contract: Contract, looked: int) -> str | None:
    seats = {(seat.governor, seat.feed) for seat in contract.charter.governors}
    for vote in contract.votes[looked:]:
        if (vote.author, vote.feed) not in seats:
            return f"a vote counts without a seat: {vote}"
        if vote.author == contract.manager:
            return f"a governor's vote on its own contract counts: {vote}"
    return None


def _fault_of_answer(reading: Reading) -> str | None:
    answer, award = reading.answer, reading.award
    if answer is None:
        return None
    if award is None or answer.author != award.body.winner or answer.about != award.id:
        return f"what counts as the contractor's answer is not: {answer}"
    return None


def _fault_of_orphan(contract: Contract, reading: Reading) -> str | None:
    if not reading.orphaned or reading.end is None:
        return None
    end = reading.end
    own = end.author == contract.manager and end.feed != contract.announcement.feed and end.about == contract.id
    if own and isinstance(end.body, Cancel) and end.body.reason is CancelReason.ORPHANED:
        return None
    return f"another than its manager has called it orphaned: {end}"


class HonestNeverVoid(Checker):
    """No contract of an honest manager is ever void, at anybody's."""

    def turned(self, who: Testimony, touched: Sequence[Contract], now_us: int) -> None:
        for contract in touched:
            fault = contract.reading.fault
            if fault is not None and self.roster.is_honest(contract.manager):
                raise self.broken(f"its honest manager broke a rule: {fault}", contract=contract.id, who=who)


class NeverBack(Checker):
    """Learning more never takes anything back: a reading moves along its chain, and at its end only up."""

    def __init__(self, roster: Roster) -> None:
        super().__init__(roster)
        self._stood = Lives[tuple[tuple[int, int, int], AnyStatement]]()

    def turned(self, who: Testimony, touched: Sequence[Contract], now_us: int) -> None:
        if not touched:
            return
        stood = self._stood.of(who)
        for contract in touched:
            reading = contract.reading
            rank = reading.rank
            before = stood.get(contract.id)
            if before is not None and rank < before[0]:
                raise self.broken(f"it went back from {before[0]} to {rank}", contract=contract.id, who=who)
            if before is not None and not rank[0] and before[1] not in reading.steps:
                raise self.broken(f"its chain no longer has {before[1]}", contract=contract.id, who=who)
            stood[contract.id] = (rank, reading.tip)


class NeverBoth(Checker):
    """FINAL and VETOED never both, and one settlement at most is ratified, while no more governors lie than allowed."""

    def __init__(self, roster: Roster) -> None:
        super().__init__(roster)
        self._ratified: dict[Digest, Digest] = {}
        self._vetoed: set[Digest] = set()

    def turned(self, who: Testimony, touched: Sequence[Contract], now_us: int) -> None:
        for contract in touched:
            reading = contract.reading
            if reading.state not in (State.FINAL, State.VETOED) or not who.honest:
                continue
            liars = sum(self.roster.is_liar(seat.governor) for seat in contract.charter.governors)
            if liars <= contract.charter.liars_max:
                self._note(who, contract, reading)

    def _note(self, who: Testimony, contract: Contract, reading: Reading) -> None:
        if reading.state is State.VETOED:
            self._vetoed.add(contract.id)
        ratified = _ratified(contract)
        if reading.state is State.FINAL and not ratified:
            raise self.broken("it is final without a quorum of permits", contract=contract.id, who=who)
        for settlement in ratified:
            if self._ratified.setdefault(contract.id, settlement) != settlement:
                raise self.broken("two settlements are ratified", contract=contract.id, who=who)
        if reading.compromised or (contract.id in self._ratified and contract.id in self._vetoed):
            raise self.broken("it is both final and vetoed", contract=contract.id, who=who)


def _ratified(contract: Contract) -> list[Digest]:
    """The settlements held that have their quorum of permits, counted anew."""
    seats = {(seat.governor, seat.feed) for seat in contract.charter.governors}
    permits: dict[Digest, set[bytes]] = {}
    for vote in contract.held.values():
        voted = contract.held.get(Digest(vote.about or b""))
        if (vote.author, vote.feed) not in seats or voted is None or not isinstance(vote.body, Permit):
            continue
        if isinstance(voted.body, Settlement):
            permits.setdefault(voted.id, set()).add(vote.author)
    needed = contract.charter.permits_needed
    return [settlement for settlement, by in permits.items() if needed and len(by - {contract.manager}) >= needed]


class SameSet(Checker):
    """The same set reads the same in any order and with any repeats, a merge is a join, and no more is ever less."""

    def __init__(self, roster: Roster) -> None:
        super().__init__(roster)
        self._folded = Lives[None]()

    def turned(self, who: Testimony, touched: Sequence[Contract], now_us: int) -> None:
        for contract in touched:
            if contract.id[0] % SAMPLED_OF == 0 and contract.reading.end is not None:
                folded = self._folded.of(who)
                if contract.id not in folded:
                    folded[contract.id] = None
                    self._fold_again(contract, who)

    def at_rest(self, everybody: Sequence[Testimony], now_us: int) -> None:
        held: dict[Digest, list[Contract]] = {}
        for who in everybody:
            for contract in who.node.holdings.contracts.values():
                if contract.id[0] % SAMPLED_OF == 0 and who.honest:
                    held.setdefault(contract.id, []).append(contract)
                    self._fold_again(contract, who)
        for contracts in held.values():
            for one, other in pairwise(contracts):
                self._merge(one, other)

    def _fold_again(self, contract: Contract, who: Testimony) -> None:
        if not _is_small(contract):
            return
        ordered = sorted(contract.held.values(), key=lambda statement: statement.id)
        for order in (ordered, ordered[::-1], [*reversed(contract.held.values())]):
            again = self._folded_in(contract, order, who)
            if again != contract.reading:
                raise self.broken("another order of the same set reads otherwise", contract=contract.id, who=who)

    def _folded_in(self, contract: Contract, order: Iterable[AnyStatement], who: Testimony) -> Reading:
        """The reading of a set, learnt twice over in this order; it never goes back on the way."""
        again = Contract(contract.announcement, contract.charter)
        rank = again.reading.rank
        for statement in order:
            again.learn(statement)
            again.learn(statement)
            if again.reading.rank < rank:
                raise self.broken(f"learning {statement} takes something back", contract=contract.id, who=who)
            rank = again.reading.rank
        return again.reading

    def _merge(self, one: Contract, other: Contract) -> None:
        if not (_is_small(one) and _is_small(other)):
            return
        both, again = (Contract(one.announcement, one.charter) for _ in range(2))
        for statement in (*one.held.values(), *other.held.values()):
            both.learn(statement)
        for statement in (*other.held.values(), *one.held.values()):
            again.learn(statement)
        if both.reading != again.reading:
            raise self.broken("a merge of two sets depends on which comes first", contract=one.id)
        if both.reading.rank < max(one.reading.rank, other.reading.rank):
            raise self.broken("a merge of two sets knows less than one of them", contract=one.id)


def _is_small(contract: Contract) -> bool:
    return len(contract.held) <= FOLDED_MAX and len(contract.bids) < limits.BIDS_MAX
