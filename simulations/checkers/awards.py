"""Promises about what managers decide: one award, one settlement, and both as anybody would compute them.

What is computed again here is computed by other means than in `protocol`: a checker that asked the code under test
would believe it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from protocol import limits
from protocol.contract import Contract
from protocol.keys import Digest
from protocol.statements import (
    Announcement,
    AnyStatement,
    Award,
    AwardRule,
    Bid,
    Cancel,
    CancelReason,
    Recall,
    Refusal,
    Settlement,
    Statement,
)
from protocol.states import State
from simulations.checkers.base import UNTIMED, Checker, Lives, Roster
from simulations.testimony import Testimony

AT_ONCE_MS = 5_000
"""A manager that holds a bid awards again at once; this is what slow turns and a late bid may add."""


def due_outcome(contract: Contract, award: Award, former: Iterable[bytes]) -> tuple[Digest, int] | None:
    """The bid that should win of those that an award lists, and the price due; None where one of them is missing."""
    task, bids = contract.announcement.body, []
    for listed in award.considered:
        bid = contract.held.get(Digest(listed))
        if bid is None or not isinstance(bid.body, Bid):
            return None
        if bid.body.price <= task.budget and bid.author not in former:
            bids.append(bid)
    if not bids:
        return None
    ranked = sorted(bids, key=lambda bid: (_score(task, bid.body), _tie(contract.id, bid.author)))
    winner = ranked[0]
    if task.award_rule is not AwardRule.SECOND_PRICE:
        return winner.id, winner.body.price  # type: ignore[attr-defined]
    rivals = [bid.body.price for bid in bids if bid.author != winner.author]  # type: ignore[attr-defined]
    return winner.id, min(rivals) if rivals else task.budget


def _score(task: Announcement, bid: object) -> int:
    assert isinstance(bid, Bid)
    best_value = task.award_rule is AwardRule.BEST_VALUE
    return task.price_weight * bid.price + task.duration_weight * bid.duration_ms if best_value else bid.price


def _tie(contract: bytes, bidder: bytes) -> bytes:
    return hashlib.sha256(contract + bidder).digest()


def former_winners(contract: Contract, award: Statement[Award]) -> list[bytes]:
    """Who has won a task before an award of it."""
    steps = [step.body for step in contract.reading.steps]
    return [body.winner for body in steps if isinstance(body, Award) and body.epoch < award.body.epoch]


class OneAward(Checker):
    """At most one award for a task and epoch, and one settlement for a task, are ever said by an honest manager."""

    def __init__(self, roster: Roster) -> None:
        super().__init__(roster)
        self._awards: dict[tuple[bytes, int], Digest] = {}
        self._settlements: dict[bytes, Digest] = {}

    def said(self, who: Testimony, statement: AnyStatement, now_us: int) -> None:
        body = statement.body
        if not who.honest or statement.about is None:
            return
        if isinstance(body, Award):
            first = self._awards.setdefault((statement.about, body.epoch), statement.id)
            if first != statement.id:
                raise self.broken(f"epoch {body.epoch} is awarded twice", contract=statement.about, who=who)
        elif isinstance(body, Settlement):
            contract = who.node.holdings.contract_about(statement.about)
            known = contract.id if contract is not None else statement.about
            if self._settlements.setdefault(known, statement.id) != statement.id:
                raise self.broken("the task is settled twice", contract=known, who=who)


class Recomputes(Checker):
    """Winner and price of an honest manager's award follow from the bids that it lists."""

    def said(self, who: Testimony, statement: AnyStatement, now_us: int) -> None:
        if not isinstance(statement.body, Award) or not who.honest:
            return
        contract = who.node.holdings.contracts.get(Digest(statement.about or b""))
        if contract is None:
            raise self.broken("an award of a task that its manager does not hold", contract=statement.about, who=who)
        award = statement.body
        due = due_outcome(contract, award, former_winners(contract, statement))  # type: ignore[arg-type]
        if due != (award.bid, award.price):
            should = f"{due[0].hex()[:8]} at {due[1]}" if due is not None else "nobody"
            what = f"the award goes to {award.bid.hex()[:8]} at {award.price}, and should to {should}"
            raise self.broken(what, contract=contract.id, who=who)


class EveryBidConsidered(Checker):
    """An honest manager's award considers every bid that it held before the turn, and does not come before the end of
    the bid window unless every member here whose card has the skill has answered.
    """

    def __init__(self, roster: Roster) -> None:
        super().__init__(roster)
        self._held = Lives[tuple[int, set[bytes]]]()
        self._announced = Lives[int]()

    def said(self, who: Testimony, statement: AnyStatement, now_us: int) -> None:
        if not who.honest:
            return
        if isinstance(statement.body, Announcement):
            self._announced.of(who)[statement.id] = who.clock_ms(now_us)
            self._held.of(who)[statement.id] = (0, who.node.directory.offering(statement.body.skill))
        elif isinstance(statement.body, Award) and statement.about is not None:
            contract = who.node.holdings.contracts.get(Digest(statement.about))
            if contract is not None:
                self._look(who, contract, statement.body, now_us)

    def _look(self, who: Testimony, contract: Contract, award: Award, now_us: int) -> None:
        held, offering = self._held.of(who).get(contract.id, (0, set[bytes]()))
        known = {bid.id for bid in contract.bids[: min(held, limits.CONSIDERED_MAX)]}
        omitted = known.difference(award.considered)
        if omitted:
            raise self.broken(f"the award omits {len(omitted)} of {held} bids held", contract=contract.id, who=who)
        begun_ms = self._announced.of(who).get(contract.id)
        if award.epoch > 1 or begun_ms is None or now_us == UNTIMED:
            return
        if who.clock_ms(now_us) - begun_ms >= contract.announcement.body.bid_window_ms:
            return
        heard = contract.held.values()
        answered = {one.author for one in heard if isinstance(one.body, Bid | Refusal) and one.about == contract.id}
        ignored = (offering & who.node.directory.offering(contract.announcement.body.skill)) - answered
        if ignored:
            what = f"the award comes before the bid window is over, and {len(ignored)} have not answered"
            raise self.broken(what, contract=contract.id, who=who)

    def turned(self, who: Testimony, touched: Sequence[Contract], now_us: int) -> None:
        for contract in touched:
            if contract.manager == who.peer and contract.reading.state is State.OPEN:
                offering = who.node.directory.offering(contract.announcement.body.skill)
                self._held.of(who)[contract.id] = (len(contract.bids), offering)


class SpentOnce(Checker):
    """An honest manager spends each use of a standing permit once in its feed."""

    def __init__(self, roster: Roster) -> None:
        super().__init__(roster)
        self._spent: dict[tuple[bytes, bytes, bytes, int], Digest] = {}

    def said(self, who: Testimony, statement: AnyStatement, now_us: int) -> None:
        if not isinstance(statement.body, Award) or statement.body.standing is None or not who.honest:
            return
        use = statement.body.standing
        key = (who.peer, statement.feed, use.permit, use.number)
        if self._spent.setdefault(key, statement.id) != statement.id:
            raise self.broken(f"use {use.number} of a standing permit is spent twice", who=who)


class AwardedAgain(Checker):
    """A task whose epoch is over is awarded again at once, while attempts are left and somebody else has bid."""

    def __init__(self, roster: Roster) -> None:
        super().__init__(roster)
        self._recalled = Lives[int]()

    def said(self, who: Testimony, statement: AnyStatement, now_us: int) -> None:
        body = statement.body
        if not isinstance(body, Award | Recall | Cancel) or not who.honest or now_us == UNTIMED:
            return
        contract = who.node.holdings.contract_about(statement.id)
        if contract is None or contract.manager != who.peer:
            return
        recalled = self._recalled.of(who)
        if isinstance(body, Recall) and _somebody_is_left(contract):
            recalled[contract.id] = who.clock_ms(now_us)
        elif isinstance(body, Award):
            recalled.pop(contract.id, None)
        elif isinstance(body, Cancel) and contract.id in recalled:
            waited_ms = who.clock_ms(now_us) - recalled.pop(contract.id)
            given_up = body.reason in (CancelReason.EXHAUSTED, CancelReason.NO_BIDS)
            if given_up or (body.reason is CancelReason.DEADLINE and waited_ms > AT_ONCE_MS):
                what = f"cancelled ({body.reason}) {waited_ms} ms after a recall, though somebody else has bid"
                raise self.broken(what, contract=contract.id, who=who)


def _somebody_is_left(contract: Contract) -> bool:
    task, awards = contract.announcement.body, [one.body for one in contract.held.values()]
    winners = {body.winner for body in awards if isinstance(body, Award)}
    if len(winners) >= task.attempts:
        return False
    return any(bid.body.price <= task.budget and bid.author not in winners for bid in contract.bids)
