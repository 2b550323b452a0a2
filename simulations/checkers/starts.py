"""Promises about beginning: on whose word work may start, and on whose it must not."""

from __future__ import annotations

from collections.abc import Sequence

from protocol.actions import Execute
from protocol.contract import Contract
from protocol.keys import Digest
from protocol.statements import (
    Acceptance,
    AnyStatement,
    Award,
    EffectClass,
    Permit,
    Renewal,
    Veto,
    VetoScope,
)
from simulations.checkers.base import Checker, Lives, Roster
from simulations.testimony import Testimony


class PermittedFirst(Checker):
    """Nobody honest accepts a task that needs permits without citing a quorum of them, held and about this award."""

    def said(self, who: Testimony, statement: AnyStatement, now_us: int) -> None:
        if not isinstance(statement.body, Acceptance) or not who.honest:
            return
        contract = who.node.holdings.contract_about(statement.about)
        award = contract.held.get(Digest(statement.about or b"")) if contract is not None else None
        if contract is None or award is None or not isinstance(award.body, Award):
            raise self.broken("it accepts an award that it does not hold", who=who)
        needed = contract.charter.permits_needed if needs_permit(contract) else 0
        by = {permit.author for permit in _permits_cited(contract, award, statement.body)}
        if len(by) < needed:
            what = f"it accepts with {len(by)} of {needed} permits in hand"
            raise self.broken(what, contract=contract.id, who=who)


def needs_permit(contract: Contract) -> bool:
    """Read from announcement and charter alone whether a task may start only with permits."""
    task, charter = contract.announcement.body, contract.charter
    if not charter.governors or task.effect is EffectClass.PURE:
        return False
    if task.effect is EffectClass.IRREVERSIBLE:
        return True
    return any(rule.skill in ("", task.skill) and task.budget >= rule.price_min for rule in charter.oversight)


def _permits_cited(contract: Contract, award: AnyStatement, acceptance: Acceptance) -> list[AnyStatement]:
    """Those that count of the permits that an acceptance cites."""
    assert isinstance(award.body, Award)
    seats = {(seat.governor, seat.feed) for seat in contract.charter.governors}
    use, task, counted = award.body.standing, contract.announcement.body, list[AnyStatement]()
    for cited in acceptance.permits:
        permit = contract.held.get(Digest(cited))
        if permit is None or not isinstance(permit.body, Permit) or (permit.author, permit.feed) not in seats:
            continue
        standing = permit.body.standing
        covered = (
            standing is not None
            and use is not None
            and use.permit == permit.id
            and (standing.manager, standing.skill) == (contract.manager, task.skill)
            and award.body.price <= standing.price_max
            and use.number <= standing.uses
        )
        own = permit.author in (contract.manager, award.body.winner)
        if (permit.about == award.id or covered) and not own:
            counted.append(permit)
    return counted


class GoFirst(Checker):
    """Nobody honest begins a task with effects before its manager's go for this very epoch is held."""

    def began(self, who: Testimony, execute: Execute, now_us: int) -> None:
        award = execute.award
        if execute.task.effect is EffectClass.PURE or not who.honest:
            return
        contract = who.node.holdings.contract_about(award.id)
        held = contract.held if contract is not None else {}
        for step in held.values():
            answer = held.get(Digest(step.about or b"")) if isinstance(step.body, Renewal) else None
            if answer is not None and answer.about == award.id and step.author == award.author:
                return
        raise self.broken("work with effects begins without a go", contract=award.about, who=who)


class VetoHeeded(Checker):
    """Nobody honest accepts or begins what a quorum of vetoes is known to be against, not even after a restart."""

    def __init__(self, roster: Roster) -> None:
        super().__init__(roster)
        self._fresh = Lives[AnyStatement](by_contract=False)
        self._recorded = Lives[AnyStatement](by_contract=False)
        self._in_mind = Lives[dict[bytes, None]](by_contract=False)
        """What is vetoed → by which seats."""
        self._on_disk: dict[tuple[bytes, bytes], dict[bytes, dict[bytes, None]]] = {}
        """(author, feed) → the same, as far as no crash of the process takes it."""

    def heard(self, who: Testimony, statement: AnyStatement, now_us: int) -> None:
        if isinstance(statement.body, Veto) and who.honest:
            self._fresh.of(who)[statement.id] = statement

    def said(self, who: Testimony, statement: AnyStatement, now_us: int) -> None:
        if not who.honest:
            return
        if isinstance(statement.body, Acceptance) and statement.about is not None:
            self._refuse(who, Digest(statement.about))
        if fresh := self._fresh.of(who):
            self._recorded.of(who).update(fresh)  # what was heard is recorded with what is said

    def turned(self, who: Testimony, touched: Sequence[Contract], now_us: int) -> None:
        fresh, recorded = self._fresh.of(who), self._recorded.of(who)
        if not fresh:
            return
        on_disk = self._on_disk.setdefault((who.peer, who.node.feed.id), {})
        for veto in fresh.values():
            _note(who, veto, self._in_mind.of(who))
        for veto in recorded.values():
            _note(who, veto, on_disk)
            del fresh[veto.id]
        recorded.clear()

    def began(self, who: Testimony, execute: Execute, now_us: int) -> None:
        if who.honest:
            self._refuse(who, execute.award.id)

    def _refuse(self, who: Testimony, award: Digest) -> None:
        contract = who.node.holdings.contract_about(award)
        if contract is None or not contract.charter.vetoes_needed:
            return
        for known in (self._in_mind.of(who), self._on_disk.get((who.peer, who.node.feed.id), {})):
            by = {*known.get(award, ()), *known.get(contract.id, ())}
            if len(by) >= contract.charter.vetoes_needed:
                raise self.broken("it goes to work on what it knows to be vetoed", contract=contract.id, who=who)


def _note(who: Testimony, veto: AnyStatement, known: dict[bytes, dict[bytes, None]]) -> None:
    """Count a veto that is about a contract held here, and whose author may vote on it."""
    contract = who.node.holdings.contract_about(veto.id)
    if contract is None or not isinstance(veto.body, Veto):
        return
    seats = {(seat.governor, seat.feed) for seat in contract.charter.governors}
    if (veto.author, veto.feed) in seats and veto.author not in (contract.manager, who.peer):
        against = contract.id if veto.body.scope is VetoScope.TASK else Digest(veto.about or b"")
        known.setdefault(against, {})[veto.author] = None
