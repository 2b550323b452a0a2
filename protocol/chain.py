"""The chain of one contract, step by step: which step is legal, and what it waits for.

A step is judged by the path before it and by what it cites, never by votes: illegal is only what contradicts the cited
bid, the cited answer, the budget or the epoch (SPEC section 6). It does not know which role we play.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from msgspec import Struct

from protocol.keys import Digest
from protocol.statements import (
    Acceptance,
    Announcement,
    AnyStatement,
    Award,
    AwardRule,
    Bid,
    Body,
    Cancel,
    CancelReason,
    Decline,
    Failure,
    Progress,
    Recall,
    RecallReason,
    Renewal,
    Result,
    Settlement,
    Statement,
)
from protocol.states import TRANSITIONS, State

Held = Mapping[Digest, AnyStatement]
"""All that is held of the contract, by id."""

_RECALL_CITES: Final[Mapping[RecallReason, type[Body]]] = {
    RecallReason.DECLINED: Decline,
    RecallReason.FAILED: Failure,
    RecallReason.STOPPED: Failure,
    RecallReason.FAILED_CHECK: Result,
}


class Position(Struct, frozen=True, gc=False):
    """Where one path through the chain stands."""

    state: State
    steps: tuple[AnyStatement, ...]
    epoch: int
    award: Statement[Award] | None
    winners: tuple[bytes, ...]
    renewed: bool

    @property
    def announcement(self) -> Statement[Announcement]:
        return self.steps[0]  # type: ignore[return-value]


class Missing(NamedTuple):
    """A step waits for what it cites, and nobody here holds that."""

    id: Digest


def cited_by(step: AnyStatement) -> Digest | None:
    """The answer that a step of the chain cites, if any."""
    match step.body:
        case Award(bid=bid):
            return Digest(bid)
        case Recall(answer=answer) | Cancel(answer=answer) if answer is not None:
            return Digest(answer)
        case Renewal() | Settlement() if step.about is not None:
            return Digest(step.about)
        case _:
            return None


def advance(here: Position, step: AnyStatement, held: Held) -> Position | Missing | str:
    """One step along the chain: where it leads, what it waits for, or the rule that it breaks."""
    to = TRANSITIONS.get((here.state, type(step.body)))
    if to is None:
        return f"{type(step.body).__name__} in state {here.state}"
    if step.seq <= here.steps[-1].seq:
        return "seq runs backwards"
    fault = _JUDGES[type(step.body)](here, step, held)
    if fault is not None:
        return fault
    steps = (*here.steps, step)
    if type(step.body) is Award:
        winners = (*here.winners, step.body.winner)
        return Position(to, steps, here.epoch + 1, step, winners, False)  # type: ignore[arg-type]
    if to is State.OPEN:
        return Position(to, steps, here.epoch, None, here.winners, False)
    return Position(to, steps, here.epoch, here.award, here.winners, here.renewed or type(step.body) is Renewal)


_Fault = Missing | str | None
Judge = Callable[[Position, Any, Held], _Fault]


def _judge_award(here: Position, step: Statement[Award], held: Held) -> _Fault:
    body, announced = step.body, here.announcement.body
    if step.about != here.announcement.id:
        return "award of another task"
    if body.epoch != here.epoch + 1:
        return "award's epoch does not count on"
    if body.epoch > announced.attempts:
        return "more awards than attempts"
    if body.winner in here.winners:
        return "a peer wins twice"
    if body.price > announced.budget:
        return "price above the budget"
    if body.bid not in body.considered:
        return "winning bid was not considered"
    bid = held.get(Digest(body.bid))
    if bid is None:
        return Missing(Digest(body.bid))
    if type(bid.body) is not Bid or bid.about != here.announcement.id or bid.author != body.winner:
        return "award contradicts the cited bid"
    second_price = announced.award_rule is AwardRule.SECOND_PRICE
    if body.price < bid.body.price or (body.price != bid.body.price and not second_price):
        return "price contradicts the cited bid"
    return None


def _judge_answer(here: Position, cited: bytes | None, held: Held, *kinds: type[Body]) -> _Fault:
    """Check that a cited answer is the contractor's, about this award, and of a fitting kind."""
    if cited is None:
        return None
    assert here.award is not None
    answer = held.get(Digest(cited))
    if answer is None:
        return Missing(Digest(cited))
    if answer.author != here.award.body.winner or answer.about != here.award.id or type(answer.body) not in kinds:
        return "step contradicts the cited answer"
    return None


def _judge_renewal(here: Position, step: Statement[Renewal], held: Held) -> _Fault:
    if step.about is None:
        return "renewal of nothing"
    return _judge_answer(here, step.about, held, Acceptance, Progress)


def _judge_recall(here: Position, step: Statement[Recall], held: Held) -> _Fault:
    assert here.award is not None
    if step.about != here.award.id:
        return "recall of another award"
    cites = _RECALL_CITES.get(step.body.reason)
    if cites is None:
        return "recall cites what it does not end on" if step.body.answer is not None else None
    if step.body.answer is None:
        return "recall without the answer that it ends on"
    return _judge_answer(here, step.body.answer, held, cites)


def _judge_settlement(here: Position, step: Statement[Settlement], held: Held) -> _Fault:
    if step.about is None:
        return "settlement of nothing"
    return _judge_answer(here, step.about, held, Result)


def _judge_cancel(here: Position, step: Statement[Cancel], held: Held) -> _Fault:
    if step.about != here.announcement.id:
        return "cancel of another task"
    if step.body.reason is CancelReason.ORPHANED:
        return "orphaned in the announcement's own feed"
    if step.body.answer is not None and here.award is None:
        return "cancel cites what it does not end on"
    return _judge_answer(here, step.body.answer, held, Decline, Failure, Result)


_JUDGES: Final[Mapping[type[Body], Judge]] = {
    Award: _judge_award,
    Renewal: _judge_renewal,
    Recall: _judge_recall,
    Settlement: _judge_settlement,
    Cancel: _judge_cancel,
}
