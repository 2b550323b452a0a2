"""Promises about governors: what an honest one may vote, and that its last word is its last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from protocol.contract import Contract
from protocol.keys import Digest
from protocol.statements import (
    AnyStatement,
    Award,
    Decline,
    EffectClass,
    Failure,
    Permit,
    Recall,
    Renewal,
    Settlement,
    Statement,
    Veto,
    VetoScope,
)
from simulations.checkers.awards import due_outcome, former_winners
from simulations.checkers.base import Checker, Roster
from simulations.testimony import Testimony

BY_HAND: Final = "hand"
"""The rule that a person's votes name in simulations; in a real market they name a reviewer."""


class _Vote(NamedTuple):
    """A vote as it counts: on which award's epoch, and whether on the award itself, its settlement, or the task."""

    permits: bool
    stage: str
    award: bytes | None
    epoch: int


class OneVoice(Checker):
    """An honest governor permits one award an epoch and one settlement a task, and says nothing after its last word."""

    def __init__(self, roster: Roster) -> None:
        super().__init__(roster)
        self._votes: dict[tuple[bytes, bytes, Digest], list[_Vote]] = {}

    def said(self, who: Testimony, statement: AnyStatement, now_us: int) -> None:
        if not isinstance(statement.body, Permit | Veto) or statement.about is None or not who.honest:
            return
        contract = who.node.holdings.contract_about(statement.about)
        if contract is None:
            raise self.broken("it votes on what it does not hold", who=who)
        vote = _read(contract, statement)
        before = self._votes.setdefault((who.peer, statement.feed, contract.id), [])
        fault = next((fault for one in before if (fault := _contradiction(one, vote)) is not None), None)
        if fault is not None:
            raise self.broken(fault, contract=contract.id, who=who)
        before.append(vote)


def _read(contract: Contract, vote: AnyStatement) -> _Vote:
    voted, stage = contract.held.get(Digest(vote.about or b"")), "task"
    award = voted
    if voted is not None and isinstance(voted.body, Settlement):
        result = contract.held.get(Digest(voted.about or b""))
        stage, award = "settlement", contract.held.get(Digest(result.about or b"")) if result is not None else None
    elif voted is not None and isinstance(voted.body, Award):
        stage = "award"
    if isinstance(vote.body, Veto) and vote.body.scope is VetoScope.TASK:
        stage = "task"
    epoch = award.body.epoch if award is not None and isinstance(award.body, Award) else 0
    return _Vote(isinstance(vote.body, Permit), stage, award.id if award is not None else None, epoch)


def _contradiction(before: _Vote, vote: _Vote) -> str | None:
    if before.stage == "task":
        return "it votes again after its veto of the task"
    if before.permits and before.stage == "settlement":
        return "it votes again after it has permitted a settlement"
    if vote.stage == "task":
        return None
    if not before.permits and before.award == vote.award:
        return "it votes again on an epoch that it has vetoed"
    if before.permits and vote.permits and before.stage == vote.stage == "award" and before.epoch == vote.epoch:
        return f"it permits two awards of epoch {vote.epoch}"
    return None


class SoundVote(Checker):
    """An honest governor votes only on what it can recompute, and on nothing of its own; unless a person says so, it
    permits a second irreversible attempt only with the first contractor's own end in hand.
    """

    def said(self, who: Testimony, statement: AnyStatement, now_us: int) -> None:
        if not isinstance(statement.body, Permit | Veto) or statement.about is None or not who.honest:
            return
        contract = who.node.holdings.contract_about(statement.about)
        award = _award_voted_on(contract, statement) if contract is not None else None
        if contract is None:
            return
        if who.peer in (contract.manager, award.body.winner if award is not None else None):
            raise self.broken("it votes on a contract of its own", contract=contract.id, who=who)
        if award is None or statement.body.rule == BY_HAND:
            return
        missing = [listed for listed in award.body.considered if listed not in contract.held]
        if missing and _read(contract, statement).stage != "task":
            raise self.broken(f"it votes without {len(missing)} of the listed bids", contract=contract.id, who=who)
        if isinstance(statement.body, Permit):
            self._look(who, contract, award, statement.body)

    def _look(self, who: Testimony, contract: Contract, award: Statement[Award], permit: Permit) -> None:
        due = due_outcome(contract, award.body, former_winners(contract, award))
        by_hand = permit.reviewer is not None or permit.rule == BY_HAND
        if due != (award.body.bid, award.body.price) and not by_hand:
            raise self.broken("it permits an award that does not recompute", contract=contract.id, who=who)
        irreversible = contract.announcement.body.effect is EffectClass.IRREVERSIBLE
        if irreversible and not by_hand and effect_may_have_happened(contract, award):
            what = f"it permits epoch {award.body.epoch}, and an earlier contractor may have done it"
            raise self.broken(what, contract=contract.id, who=who)


def _award_voted_on(contract: Contract, vote: AnyStatement) -> Statement[Award] | None:
    award_id = _read(contract, vote).award
    award = contract.held.get(Digest(award_id)) if award_id is not None else None
    return award if award is not None and isinstance(award.body, Award) else None  # type: ignore[return-value]


def effect_may_have_happened(contract: Contract, award: Statement[Award]) -> bool:
    """Tell whether an earlier epoch had its go, and ended without its contractor's own word."""
    had_go = False
    for step in contract.reading.steps:
        if step.id == award.id:
            return False
        match step.body:
            case Award():
                had_go = False
            case Renewal():
                had_go = True
            case Recall(answer=answer) if had_go:
                own_end = contract.held.get(Digest(answer)) if answer is not None else None
                if own_end is None or not isinstance(own_end.body, Failure | Decline):
                    return True
    return False


class TriedAgainSafely(Checker):
    """An honest manager awards an irreversible task again only with the own end in hand of who had its go."""

    def said(self, who: Testimony, statement: AnyStatement, now_us: int) -> None:
        if not isinstance(statement.body, Award) or not who.honest:
            return
        contract = who.node.holdings.contracts.get(Digest(statement.about or b""))
        if contract is None or contract.announcement.body.effect is not EffectClass.IRREVERSIBLE:
            return
        if effect_may_have_happened(contract, statement):  # type: ignore[arg-type]
            raise self.broken("it awards again what may be done already", contract=contract.id, who=who)


class VetoObeyed(Checker):
    """An honest manager ends in the same turn what it learns a quorum of vetoes against: the epoch, or the task."""

    def turned(self, who: Testimony, touched: Sequence[Contract], now_us: int) -> None:
        for contract in touched:
            if contract.manager != who.peer or not contract.votes or not who.honest:
                continue
            reading, needed = contract.reading, contract.charter.vetoes_needed
            if contract.announcement.feed != who.node.feed.id or reading.end is not None or reading.fault is not None:
                continue
            against_task, against_epoch = set[bytes](), set[bytes]()
            for vote in contract.votes:
                if isinstance(vote.body, Veto) and vote.body.scope is VetoScope.TASK:
                    against_task.add(vote.author)
                elif isinstance(vote.body, Veto) and reading.award is not None and vote.about == reading.award.id:
                    against_epoch.add(vote.author)
            winner = reading.award.body.winner if reading.award is not None else None
            if len(against_task) >= needed or len((against_task | against_epoch) - {winner}) >= needed:
                raise self.broken("it goes on with what is vetoed", contract=contract.id, who=who)
