"""Contracts along the manager's chain: legal, waiting, void, and what moves nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import structs

from protocol.statements import AnyStatement, AwardRule, Bid, Cancel, CancelReason, EffectClass, RecallReason
from tests.authors import award_of, recall
from tests.vectors.telling import LAPSED, ORPHANED, SETTLE, WITHDRAWN, Telling, case
from tests.walks import ACCEPT, DECLINE, FAILURE, PROGRESS, RENEWAL, RESULT

# Along the chain


@case
def announced() -> Telling:
    """An announcement alone."""
    return Telling()


@case
def bids_move_nothing() -> Telling:
    """Two bids, and the task is still open."""
    told = Telling()
    told.bid(told.ada)
    told.bid(told.bo, 12)
    return told


@case
def awarded() -> Telling:
    """The cheaper of two bids has the task, and has not answered."""
    told = Telling()
    dearer = told.bid(told.bo, 12)
    told.step(award_of(told.bid(told.ada), dearer))
    return told


@case
def accepted_pure() -> Telling:
    """A pure task is worked on from the acceptance on."""
    told = Telling()
    told.add(told.ada, ACCEPT, told.award())
    return told


def with_effects(**terms: object) -> tuple[Telling, AnyStatement, AnyStatement]:
    """A reversible task up to its acceptance."""
    told = Telling(effect=EffectClass.REVERSIBLE, **terms)
    award = told.award()
    return told, award, told.add(told.ada, ACCEPT, award)


@case
def accepted_with_effects() -> Telling:
    """A task with effects waits for the go."""
    return with_effects()[0]


@case
def go() -> Telling:
    """The first renewal is the go."""
    told, _, accepted = with_effects()
    told.step(RENEWAL, accepted)
    return told


@case
def renewed_on_progress() -> Telling:
    """The lease runs on; the phase is the same."""
    told, award, accepted = with_effects()
    told.step(RENEWAL, accepted)
    told.step(RENEWAL, told.add(told.ada, PROGRESS, award))
    return told


def answered(*bodies: Any) -> tuple[Telling, AnyStatement, list[AnyStatement]]:
    """An award and what its winner says."""
    told = Telling()
    award = told.award()
    return told, award, [told.add(told.ada, body, award) for body in bodies]


@case
def declined() -> Telling:
    """The winner cannot."""
    return answered(DECLINE)[0]


@case
def failed() -> Telling:
    """The contractor has failed."""
    return answered(ACCEPT, FAILURE)[0]


@case
def delivered() -> Telling:
    """A result is in hand, and outweighs a failure."""
    return answered(ACCEPT, FAILURE, RESULT)[0]


@case
def settled() -> Telling:
    """The manager accepted the result."""
    told, _, said = answered(ACCEPT, RESULT)
    told.step(SETTLE, said[-1])
    return told


@case
def recalled_and_awarded_again() -> Telling:
    """The first epoch lapsed; the second is another's."""
    told = Telling()
    told.step(LAPSED, told.award())
    told.award(told.bo, epoch=2)
    return told


@case
def cancelled_on_a_failure() -> Telling:
    """The task is over on the failure that the cancellation cites."""
    told, _, said = answered(ACCEPT, FAILURE)
    told.step(Cancel(reason=CancelReason.EXHAUSTED, answer=said[-1].id))
    return told


@case
def second_price() -> Telling:
    """Under the second price the award is dearer than the bid."""
    told = Telling(award_rule=AwardRule.SECOND_PRICE)
    other = told.bid(told.bo, 12)
    told.step(award_of(told.bid(told.ada), other, price=12))
    return told


# Waiting


@case
def award_waits_for_its_bid() -> Telling:
    """The cited bid is not held: the award is not judged, and the bid's id is missing."""
    told = Telling()
    told.step(award_of(told.say(told.ada, Bid(price=10, duration_ms=1_000), told.announcement)))
    return told


@case
def recall_waits_for_its_answer() -> Telling:
    """The cited failure is not held: the contract is still awarded."""
    told = Telling()
    award = told.award()
    told.step(recall(RecallReason.FAILED, told.say(told.ada, FAILURE, award)), award)
    return told


@case
def step_waits_for_its_prev() -> Telling:
    """The award between the announcement and the cancellation is not held: nothing has moved."""
    told = Telling()
    told.say(told.manager, award_of(told.bid(told.ada)), told.announcement)
    told.step(WITHDRAWN)
    return told


# Void


def void(doc: str, name: str, tell: Callable[[Telling], object], **terms: object) -> None:
    """Put a story among the vectors whose last step breaks a rule."""

    def told() -> Telling:
        telling = Telling(**terms)  # type: ignore[arg-type]
        tell(telling)
        return telling

    told.__name__, told.__doc__ = name, doc
    case(told)


void("Two steps with one prev: the chain is read up to the fork.", "forked",
     lambda t: (t.award(), t.step(WITHDRAWN, prev=t.announcement)))  # fmt: skip
void("Nothing follows an end.", "step_behind_the_end", lambda t: (t.step(WITHDRAWN), t.award()))
void("Only what was awarded can be recalled.", "recall_of_nothing", lambda t: t.step(LAPSED))
void("A step's seq is larger than its predecessor's.", "seq_backwards", lambda t: t.step(WITHDRAWN, seq=1))
void("The epoch counts the awards.", "epoch_jumps", lambda t: t.award(epoch=2))
void("No more awards than attempts.", "too_many_attempts",
     lambda t: (t.step(LAPSED, t.award()), t.award(t.bo, epoch=2)), attempts=1)  # fmt: skip
void("A peer wins a task at most once.", "wins_twice", lambda t: (t.step(LAPSED, t.award()), t.award(epoch=2)))
void("The price is within the budget.", "price_above_budget",
     lambda t: t.step(award_of(t.bid(t.ada, 101))))  # fmt: skip
void("The price is the bid's.", "price_is_not_the_bids", lambda t: t.award(price=11))
void("Nobody is paid less than the bid.", "second_price_below_the_bid", lambda t: t.award(price=9),
     award_rule=AwardRule.SECOND_PRICE)  # fmt: skip
void("The winner is who said the bid.", "award_of_anothers_bid",
     lambda t: t.step(structs.replace(award_of(t.bid(t.ada)), winner=t.bo.peer)))  # fmt: skip
void("The answer cited is a result.", "settlement_of_a_failure",
     lambda t: t.step(SETTLE, t.add(t.ada, FAILURE, t.award())))  # fmt: skip
void("The answer cited is the winner's.", "settlement_of_anothers_result",
     lambda t: t.step(SETTLE, t.add(t.bo, RESULT, t.award())))  # fmt: skip
void("What the contractor said is cited.", "recall_without_its_answer",
     lambda t: t.step(recall(RecallReason.FAILED), t.award()))  # fmt: skip
void("A lapse ends on no answer.", "recall_with_a_needless_answer",
     lambda t: (a := t.award()) and t.step(recall(RecallReason.LAPSED, t.add(t.ada, FAILURE, a)), a))  # fmt: skip
void("Orphaned is said in another feed only.", "orphaned_in_its_own_feed", lambda t: t.step(ORPHANED))


# What moves nothing


@case
def late_result_moves_nothing() -> Telling:
    """A result of a recalled epoch is held, and nothing more."""
    told = Telling()
    award = told.award()
    told.step(LAPSED, award)
    told.add(told.ada, RESULT, award)
    return told


@case
def others_steps_are_ignored() -> Telling:
    """A stranger's cancellation and a loser's result are no fault of the manager."""
    told = Telling()
    award = told.award()
    told.add(told.bo, RESULT, award)
    told.add(told.cy, WITHDRAWN, told.announcement, prev=award)
    return told
