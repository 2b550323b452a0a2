"""Promises about governors: what an honest one may vote, and that its last word is its last."""

from __future__ import annotations

from typing import NamedTuple

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


class SoundPermit(Checker):
    """An honest governor permits only what it can recompute, never its own, and after an irreversible go only with the
    contractor's own end in hand, unless a person says so.
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
        if isinstance(statement.body, Permit) and award is not None:
            self._look(who, contract, award, statement.body)

    def _look(self, who: Testimony, contract: Contract, award: Statement[Award], permit: Permit) -> None:
        due = due_outcome(contract, award.body, former_winners(contract, award))
        by_hand = permit.reviewer is not None or permit.rule == "hand"
        if due != (award.body.bid, award.body.price) and not by_hand:
            raise self.broken("it permits an award that does not recompute", contract=contract.id, who=who)
        irreversible = contract.announcement.body.effect is EffectClass.IRREVERSIBLE
        if irreversible and not by_hand and _effect_may_have_happened(contract, award):
            what = f"it permits epoch {award.body.epoch}, and an earlier contractor may have done it"
            raise self.broken(what, contract=contract.id, who=who)


def _award_voted_on(contract: Contract, vote: AnyStatement) -> Statement[Award] | None:
    award_id = _read(contract, vote).award
    award = contract.held.get(Digest(award_id)) if award_id is not None else None
    return award if award is not None and isinstance(award.body, Award) else None  # type: ignore[return-value]


def _effect_may_have_happened(contract: Contract, award: Statement[Award]) -> bool:
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
