"""Promises about work: who may be at it, how many at once, and when it is over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from protocol.actions import Execute
from protocol.contract import Contract
from protocol.keys import Digest
from protocol.node import Node
from protocol.statements import (
    Acceptance,
    AnyStatement,
    Award,
    Cancel,
    CancelReason,
    Decline,
    EffectClass,
    Failure,
    Progress,
    Recall,
    RecallReason,
    Renewal,
    Result,
    Veto,
)
from protocol.states import State
from simulations.checkers.base import UNTIMED, Checker, Lives, Roster
from simulations.testimony import Testimony

ANSWERS = (Acceptance, Decline, Progress, Result, Failure)


class _AtWork(NamedTuple):
    who: Testimony
    node: Node
    award: Digest


class OneContractor(Checker):
    """At most one contractor at a time is at work on a task with effects, and nobody begins one award twice: a pure one
    only where a crash took the first beginning before it was recorded.
    """

    def __init__(self, roster: Roster) -> None:
        super().__init__(roster)
        self._at_work: dict[bytes, list[_AtWork]] = {}
        self._begun: dict[tuple[bytes, bytes, Digest], Node] = {}
        """A lost journal forgets what was begun: it counts by feed."""

    def began(self, who: Testimony, execute: Execute, now_us: int) -> None:
        award, contract = execute.award, execute.award.about or b""
        if not who.honest:
            return
        begun = (who.peer, who.node.feed.id, award.id)
        before = self._begun.get(begun)
        if before is not None and (
            before is who.node or execute.task.effect is not EffectClass.PURE or _accepts(who, award)
        ):
            raise self.broken("work on one award begins a second time", contract=contract, who=who)
        self._begun[begun] = who.node
        if execute.task.effect is EffectClass.PURE or not self.roster.is_honest(award.author):
            return
        others = [other for other in self._at_work.get(contract, ()) if _still_works(other, now_us)]
        if others:
            what = f"{others[0].who.name} is at work on this {execute.task.effect} task too"
            raise self.broken(what, contract=contract, who=who)
        self._at_work[contract] = [*others, _AtWork(who, who.node, award.id)]

    def ended(self, who: Testimony, award_id: Digest, now_us: int) -> None:
        contract = who.node.holdings.contract_about(award_id)
        if contract is None or contract.id not in self._at_work:
            return
        left = [one for one in self._at_work[contract.id] if one.who is not who or one.award != award_id]
        if left:
            self._at_work[contract.id] = left
        else:
            del self._at_work[contract.id]


def _accepts(who: Testimony, award: AnyStatement) -> bool:
    return any(isinstance(said.body, Acceptance) and said.about == award.id for said in who.said())


def _still_works(one: _AtWork, now_us: int) -> bool:
    """Its process runs, and would let the work have an effect: its lease runs on its own clock."""
    if not one.who.alive or one.who.node is not one.node:
        return False
    job = one.node.contractor.jobs.get(one.award)
    return job is None or job.lease_until is None or job.lease_until > one.who.clock_ms(now_us)


class WithinCapacity(Checker):
    """The work that an honest peer has accepted never exceeds its capacity."""

    def __init__(self, roster: Roster) -> None:
        super().__init__(roster)
        self._accepted: dict[tuple[bytes, bytes], set[bytes]] = {}

    def said(self, who: Testimony, statement: AnyStatement, now_us: int) -> None:
        body, award = type(statement.body), statement.about
        if award is None or not who.honest:
            return
        accepted = self._accepted.setdefault((who.peer, statement.feed), set())
        if body in (Result, Failure):
            accepted.discard(award)
        elif body is Acceptance:
            accepted.add(award)

    def turned(self, who: Testimony, touched: Sequence[Contract], now_us: int) -> None:
        """A turn counts as a whole: after a restart one accepts in the turn in which one gives up what was at work."""
        accepted = self._accepted.get((who.peer, who.node.feed.id), set())
        if len(accepted) > who.capacity:
            for award in [award for award in accepted if not _is_open(who, award)]:
                accepted.discard(award)
            if len(accepted) > who.capacity:
                what = f"it has accepted {len(accepted)} awards and has {who.capacity} places"
                raise self.broken(what, who=who)


def _is_open(who: Testimony, award: bytes) -> bool:
    contract = who.node.holdings.contract_about(award)
    reading = contract.reading if contract is not None else None
    return (
        reading is not None
        and reading.state is State.AWARDED
        and reading.award is not None
        and reading.award.id == award
    )


class LeaseKept(Checker):
    """Nobody honest says anything while work of its own goes on whose lease is over: it has stopped that first."""

    def said(self, who: Testimony, statement: AnyStatement, now_us: int) -> None:
        if not who.honest or now_us == UNTIMED:
            return
        now_ms = who.clock_ms(now_us)
        for job in who.node.contractor.jobs.values():
            if job.started and not job.answered and job.lease_until is not None and job.lease_until <= now_ms:
                what = f"it works on {now_ms - job.lease_until} ms behind its lease"
                raise self.broken(what, contract=job.contract.id, who=who)


class NoStaleEpoch(Checker):
    """Nobody honest begins, or says anything new, under an award that it knows to be over."""

    def __init__(self, roster: Roster) -> None:
        super().__init__(roster)
        self._over = Lives[frozenset[bytes]]()

    def turned(self, who: Testimony, touched: Sequence[Contract], now_us: int) -> None:
        for contract in touched:
            reading = contract.reading
            if contract.manager == who.peer or not reading.epoch or not who.honest:
                continue
            awards = {step.id for step in reading.steps if isinstance(step.body, Award)}
            if reading.award is not None and reading.state is State.AWARDED:
                awards.discard(reading.award.id)
            if awards:
                self._over.of(who)[contract.id] = frozenset(awards)

    def said(self, who: Testimony, statement: AnyStatement, now_us: int) -> None:
        if isinstance(statement.body, ANSWERS) and who.honest:
            self._look(who, statement.about, f"it says {statement}")

    def began(self, who: Testimony, execute: Execute, now_us: int) -> None:
        if who.honest:
            self._look(who, execute.award.id, "work begins")

    def _look(self, who: Testimony, award: bytes | None, what: str) -> None:
        contract = who.node.holdings.contract_about(award)
        if contract is not None and award in self._over.of(who).get(contract.id, ()):
            raise self.broken(f"{what} under an award that is over", contract=contract.id, who=who)


class PatientWithWork(Checker):
    """An honest manager gives up on a silent contractor no sooner than its lease and the grace are over."""

    def __init__(self, roster: Roster) -> None:
        super().__init__(roster)
        self._lease_from = Lives[int]()

    def heard(self, who: Testimony, statement: AnyStatement, now_us: int) -> None:
        """The manager counts from hearing the acceptance; a second one, of a lost journal, renews nothing."""
        if isinstance(statement.body, Acceptance) and who.honest and statement.about is not None:
            self._lease_from.of(who).setdefault(statement.about, who.clock_ms(now_us))

    def said(self, who: Testimony, statement: AnyStatement, now_us: int) -> None:
        body = statement.body
        if not isinstance(body, Renewal | Recall | Cancel) or not who.honest or now_us == UNTIMED:
            return
        contract = who.node.holdings.contract_about(statement.id)
        if contract is None or contract.manager != who.peer:
            return
        award, now_ms = _award_of(contract, statement), who.clock_ms(now_us)
        begun_ms = self._lease_from.of(who).get(award) if award is not None else None
        if isinstance(body, Renewal):
            self._lease_from.of(who)[award] = now_ms
        elif award is not None and begun_ms is not None and _gives_up(contract, award, body):
            waited_ms, lease_ms = now_ms - begun_ms, contract.announcement.body.lease_ms
            if waited_ms < lease_ms + max(500, lease_ms // 10):
                what = f"it gave up after {waited_ms} ms of a lease of {lease_ms} ms"
                raise self.broken(what, contract=contract.id, who=who)


def _award_of(contract: Contract, step: AnyStatement) -> bytes | None:
    """The award whose epoch a step renews or ends; for the end of a task, its last one."""
    match step.body:
        case Recall():
            return step.about
        case Renewal():
            renewed = contract.held.get(Digest(step.about or b""))
            return renewed.about if renewed is not None else None
        case _:
            awards = [one.id for one in contract.reading.steps if isinstance(one.body, Award)]
            return awards[-1] if awards else None


def _gives_up(contract: Contract, award: bytes, body: Recall | Cancel) -> bool:
    """Tell whether an epoch ends only because nothing more was heard of its contractor."""
    if isinstance(body, Recall):
        return body.reason is RecallReason.EXPIRED
    answered = any(isinstance(one.body, Result | Failure | Decline) for one in contract.answers.get(award, ()))
    vetoed = any(isinstance(vote.body, Veto) for vote in contract.votes)
    return body.reason is CancelReason.EXHAUSTED and not answered and not vetoed
