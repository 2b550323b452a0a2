"""The contract: the fold from a set of statements to a reading of them.

The fold is a function of the *set* of statements held (SPEC section 6): it looks at no arrival order and no clock, and
learning more never takes anything back. It does not know which role we play. The manager's statements in the
announcement's feed form a chain by `prev`; only the chain, the votes and a proof of fault move the state.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from protocol import limits
from protocol.chain import Position, advance
from protocol.charter import Gate, gate_of, has_seat, standing_covers
from protocol.keys import Digest
from protocol.kinds import CHAIN_KINDS
from protocol.notices import Charter
from protocol.statements import (
    Acceptance,
    Announcement,
    AnyStatement,
    Award,
    Bid,
    Body,
    Cancel,
    CancelReason,
    Decline,
    Failure,
    Permit,
    Progress,
    Refusal,
    Result,
    Settlement,
    Statement,
    Veto,
    VetoScope,
)
from protocol.states import Phase, Reading, State

_ENDS: Final = (State.SETTLED, State.CANCELLED)
_LAST_WORDS: Final[tuple[tuple[type[Body], Phase], ...]] = (
    (Result, Phase.DELIVERED), (Failure, Phase.FAILED), (Decline, Phase.DECLINED),
)  # fmt: skip
"""What ends a contractor's part of an epoch, and the phase that it makes; the first of these that is held counts."""


class Contract:
    """All statements held under one announcement, and their reading.

    `learn` may be called in any order and any number of times. `reading` is computed when it is asked for.
    """

    __slots__ = (
        "_children", "_orphans", "_reading", "_walked",
        "announcement", "answers", "bids", "charter", "gate", "held", "id", "votes",
    )  # fmt: skip

    def __init__(self, announcement: Statement[Announcement], charter: Charter) -> None:
        self.announcement = announcement
        self.id = announcement.id
        self.charter = charter
        self.gate: Gate = gate_of(announcement.body, charter)
        self.held: dict[Digest, AnyStatement] = {announcement.id: announcement}
        self.bids: list[Statement[Bid]] = []
        self.answers: dict[bytes, list[AnyStatement]] = {}
        self.votes: list[Statement[Permit] | Statement[Veto]] = []
        self._children: dict[bytes, list[AnyStatement]] = {}
        self._orphans: list[AnyStatement] = []
        self._reading: Reading | None = None
        self._walked = self._beginning()
        """The chain as last walked; answers and votes leave it as it is."""

    @property
    def manager(self) -> bytes:
        return self.announcement.author

    def learn(self, statement: AnyStatement) -> bool:
        """Take one more statement into the set; False when it is held already, or the contract is full."""
        if statement.id in self.held or len(self.held) >= limits.CONTRACT_STATEMENTS_MAX:
            return False
        body = type(statement.body)
        if body is Bid:
            return self._learn_bid(statement)
        self.held[statement.id] = statement
        self._reading = None
        if body in CHAIN_KINDS or statement.id in self._walked.missing:
            self._walk_again(statement)
        if body in CHAIN_KINDS:
            self._learn_step(statement)
        elif body in (Permit, Veto):
            if has_seat(self.charter, statement) and statement.author != self.manager:
                self.votes.append(statement)  # type: ignore[arg-type]
        elif body is not Refusal and statement.about is not None:
            self.answers.setdefault(statement.about, []).append(statement)
        return True

    def _learn_bid(self, bid: AnyStatement) -> bool:
        """Bids are many and move nothing, unless the chain waits for this one: then no bound keeps it out."""
        if len(self.bids) >= limits.BIDS_MAX and bid.id not in self.reading.missing:
            return False
        self.bids.append(bid)  # type: ignore[arg-type]
        self.held[bid.id] = bid
        if bid.id in self._walked.missing:
            self._reading = None
            self._walk_again(bid)
        return True

    def _learn_step(self, step: AnyStatement) -> None:
        if step.author != self.manager:
            return
        if step.feed == self.announcement.feed:
            if step.prev is not None:
                self._children.setdefault(step.prev, []).append(step)
        elif type(step.body) is Cancel and step.body.reason is CancelReason.ORPHANED and step.about == self.id:
            self._orphans.append(step)

    @property
    def disowned(self) -> bool:
        """The manager has called the task orphaned, and its old chain has an end all the same."""
        return bool(self._orphans) and self.reading.end is not None and not self.reading.orphaned

    def said_after(self, prev: bytes) -> list[AnyStatement]:
        """The steps held that name this predecessor: more than one is a fork."""
        return self._children.get(prev, [])

    def unlinked(self) -> list[Digest]:
        """The predecessors that steps held here name, and that are not held themselves."""
        return [Digest(prev) for prev in self._children if prev not in self.held]

    @property
    def reading(self) -> Reading:
        if self._reading is None:
            self._reading = self._fold()
        return self._reading

    # The fold

    def _fold(self) -> Reading:
        if not self._walked.whole:
            self._walked = self._walk(self._walked)
        position, fault = self._walked.position, self._walked.fault
        award, state = position.award, position.state
        end = position.steps[-1] if state in _ENDS else None
        orphaned = False
        if end is None and self._orphans:
            state, end, orphaned = State.CANCELLED, min(self._orphans, key=lambda orphan: orphan.id), True
        if fault is not None:
            state = State.VOID
        final = task_vetoed = vetoed = False
        if self.votes:
            final = any(self._permits(settlement.id, of) for settlement, of in self._walked.settled)
            task_vetoed = self._vetoes(None)
            vetoed = task_vetoed or any(self._vetoes(of) for _, of in self._walked.settled)
        if final:
            state = State.FINAL
        if vetoed:
            state = State.VETOED
        phase, answer = self._phase(position) if state is State.AWARDED else (Phase.NONE, None)
        return Reading(
            state=state, phase=phase, epoch=position.epoch, award=award, go=self.gate.go and position.renewed,
            answer=answer, steps=position.steps, end=end, orphaned=orphaned, fault=fault, missing=self._walked.missing,
            permitted=award is not None and self._permits(award.id, award),
            epoch_vetoed=award is not None and self._vetoes(award), task_vetoed=task_vetoed,
            compromised=final and vetoed,
        )  # fmt: skip

    def _beginning(self) -> _Walk:
        """Where every walk begins."""
        start = Position(State.OPEN, (self.announcement,), 0, None, (), False)
        return _Walk(start, None, frozenset(), (), whole=False)

    def _walk_again(self, learnt: AnyStatement) -> None:
        """Something was learnt that lies on the chain: go on from its end, if that is all, or from the beginning."""
        walked = self._walked
        if walked.fault is None and not walked.missing and learnt.prev == walked.position.steps[-1].id:
            self._walked = _Walk(walked.position, None, walked.missing, walked.settled, whole=False)
        else:
            self._walked = self._beginning()

    def _walk(self, begun: _Walk) -> _Walk:
        """Follow the chain; behind a fork follow every branch, for a settlement there may still be ratified."""
        main, fault, missing = begun.position, None, list[Digest]()
        settled = list(begun.settled)
        paths = [main]
        while paths:
            here = paths.pop()
            steps = self._children.get(here.steps[-1].id, ())
            if len(steps) > 1 and fault is None:
                fault = "forked chain"
            for step in steps:
                there = advance(here, step, self.held)
                if isinstance(there, Position):
                    paths.append(there)
                    if there.state is State.SETTLED and there.award is not None:
                        settled.append((step, there.award))
                    if fault is None:
                        main = there
                elif isinstance(there, str):
                    fault = fault or there
                else:
                    missing.append(there.id)
        return _Walk(main, fault, frozenset(missing), tuple(settled), whole=True)

    def _phase(self, position: Position) -> tuple[Phase, AnyStatement | None]:
        award = position.award
        assert award is not None
        said: dict[type[Body], AnyStatement] = {}
        for answer in self.answers.get(award.id, ()):
            if answer.author == award.body.winner:
                body = type(answer.body)
                if body not in said or answer.id < said[body].id:
                    said[body] = answer
        for body, phase in _LAST_WORDS:
            if body in said:
                return phase, said[body]
        accepted = said.get(Acceptance) or said.get(Progress)
        if accepted is None:
            return Phase.OFFERED, None
        working = position.renewed or not self.gate.go
        return (Phase.WORKING if working else Phase.ACCEPTED), accepted

    # Votes: each governor counts once toward each quorum; contradictory votes all count, none is subtracted.

    def _permits(self, about: Digest, award: Statement[Award]) -> bool:
        needed = self.charter.permits_needed
        if not needed or not (self.votes or award.body.standing):
            return False
        winner = award.body.winner
        governors = {
            vote.author
            for vote in self.votes
            if vote.about == about and vote.author != winner and type(vote.body) is Permit
        }
        if about == award.id and (governor := self._standing(award)) is not None:
            governors.add(governor)
        return len(governors) >= needed

    def _standing(self, award: Statement[Award]) -> bytes | None:
        """The governor whose standing permit covers this award, if that permit is held."""
        use = award.body.standing
        permit = self.held.get(Digest(use.permit)) if use is not None else None
        if use is None or permit is None or type(permit.body) is not Permit or permit.body.standing is None:
            return None
        covers = standing_covers(
            permit.body.standing, self.manager, self.announcement.body, award.body.price, use.number
        )
        own = permit.author in (self.manager, award.body.winner)  # nobody permits a contract of its own
        return permit.author if covers and not own and has_seat(self.charter, permit) else None

    def _vetoes(self, award: Statement[Award] | None) -> bool:
        """Tell whether a veto quorum stands against an epoch, or (None) against the whole task.

        A veto of the task counts against each of its epochs too.
        """
        needed = self.charter.vetoes_needed
        if not needed or not self.votes:
            return False
        governors = set()
        for vote in self.votes:
            if type(vote.body) is not Veto:
                continue
            against_task = vote.body.scope is VetoScope.TASK
            if award is None:
                counts = against_task
            else:
                of = vote.about if vote.about == award.id else self._award_of_settlement(vote.about)
                counts = (against_task or of == award.id) and vote.author != award.body.winner
            if counts:
                governors.add(vote.author)
        return len(governors) >= needed

    def award_of(self, voted: bytes | None) -> Digest | None:
        """The award that a vote on an award or a settlement is about, as far as it is held."""
        held = self.held.get(Digest(voted)) if voted is not None else None
        found = voted if held is not None and type(held.body) is Award else self._award_of_settlement(voted)
        return Digest(found) if found is not None else None

    def _award_of_settlement(self, about: bytes | None) -> bytes | None:
        settlement = self.held.get(Digest(about)) if about is not None else None
        if settlement is None or type(settlement.body) is not Settlement or settlement.about is None:
            return None
        result = self.held.get(Digest(settlement.about))
        return result.about if result is not None and type(result.body) is Result else None


class _Walk(Struct, frozen=True, gc=False):
    """Where the chain leads, what breaks or stops it, and each settlement on any of its branches."""

    position: Position
    fault: str | None
    missing: frozenset[Digest]
    settled: tuple[tuple[AnyStatement, Statement[Award]], ...]
    whole: bool
    """Nothing that was learnt since lies on the chain."""


def fold(announcement: Statement[Announcement], statements: Iterable[AnyStatement], charter: Charter) -> Reading:
    """The reading of a set of statements under one announcement."""
    contract = Contract(announcement, charter)
    for statement in statements:
        contract.learn(statement)
    return contract.reading
