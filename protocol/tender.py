"""A contract as its manager sees it: the times that only the manager counts, and what its chain says next.

`next_step` is the whole of a manager's judgement, one pure question asked again whenever something is learnt or a
timer runs out. Saying the step, and saying it again, is `protocol.manager`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from msgspec import Struct

from protocol import limits
from protocol.auction import decide, eligible
from protocol.contract import Contract
from protocol.dues import earliest
from protocol.keys import Digest
from protocol.statements import (
    Announcement,
    AnyStatement,
    Award,
    Bid,
    Body,
    Cancel,
    CancelReason,
    EffectClass,
    Failure,
    FailureClass,
    Permit,
    Progress,
    Recall,
    RecallReason,
    Refusal,
    Renewal,
    Settlement,
    Statement,
    Veto,
)
from protocol.states import Phase, Reading, State

ACCEPT_WINDOW_MS: Final = 2_000
"""How long a winner may take to confirm: it may wait for a free place, but the market must go on."""
PERMIT_WINDOW_MS: Final = 10_000
"""How long governors may take over an award before the task is denied."""
CHECK_WINDOW_MS: Final = 30_000
"""How long our own user may look at a result: silence is neither yes nor no, so then it is no."""


def grace_ms(lease_ms: int) -> int:
    """What the manager waits beyond a lease: clock drift of a thousandth and a slow turn, with much to spare."""
    return 500 + lease_ms // 10


def has_effects(announcement: Statement[Announcement]) -> bool:
    """Tell whether a task changes the world: what is said of it must survive a loss of power."""
    return announcement.body.effect is not EffectClass.PURE


class Step(Struct, frozen=True, gc=False):
    """A step to say: its body, what it is about."""

    body: Body
    about: Digest


class Tender:
    """A contract that we manage, with the times that only we count."""

    __slots__ = (
        "answered", "bid_until", "check", "checked", "checking", "contract", "deadline_at", "due_ms", "patience_until",
        "pause_ms", "phase_until", "repeat_at", "reported", "watched", "withdrawn",
    )  # fmt: skip

    def __init__(self, contract: Contract, *, check: bool, patience_ms: int, now_ms: int) -> None:
        task = contract.announcement.body
        self.contract = contract
        self.check = check
        self.checking: Digest | None = None
        self.checked: dict[Digest, bool] = {}
        self.withdrawn = False
        self.answered: dict[bytes, bool] = {}
        """Who has answered the announcement, and whether with a bid."""
        self.deadline_at = now_ms + task.deadline_ms
        self.bid_until = now_ms + task.bid_window_ms
        self.patience_until = min(now_ms + patience_ms, self.deadline_at) if patience_ms else self.deadline_at
        self.watched: tuple[object, ...] = ()
        self.phase_until: int | None = None
        self.reported: tuple[object, ...] = ()
        self.pause_ms = limits.REPEAT_FIRST_MS
        self.repeat_at: int | None = None
        self.due_ms: int | None = None

    def watch(self, reading: Reading, now_ms: int) -> None:
        """Start the timer of a phase when the contract enters it; a renewal enters it anew."""
        task = self.contract.announcement.body
        mark = (reading.state, reading.phase, len(reading.steps), reading.permitted)
        if mark == self.watched:
            return
        self.watched = mark
        self.pause_ms, self.repeat_at, self.phase_until = limits.REPEAT_FIRST_MS, None, None
        match reading.phase:
            case Phase.OFFERED:
                waits_for_permit = self.contract.gate.permit and not reading.permitted
                self.phase_until = now_ms + (PERMIT_WINDOW_MS if waits_for_permit else ACCEPT_WINDOW_MS)
                self.repeat_at = now_ms + self.pause_ms
            case Phase.ACCEPTED | Phase.WORKING:
                self.phase_until = now_ms + task.lease_ms + grace_ms(task.lease_ms)
            case Phase.DELIVERED if self.check:
                self.phase_until = now_ms + CHECK_WINDOW_MS
            case Phase.NONE if reading.state is State.OPEN and reading.epoch:
                self.bid_until = now_ms
            case Phase.NONE if reading.state is State.SETTLED and self.contract.charter.governors:
                self.pause_ms = limits.FIRST_VOTES_MS
                self.repeat_at = now_ms + self.pause_ms

    def hears(self, answer: AnyStatement) -> bool:
        """One bid per bidder, and before it one refusal: whatever else somebody answers is not held."""
        said = self.answered.get(answer.author)
        if said is None:
            return len(self.answered) < limits.CARDS_MAX
        return not said and type(answer.body) is Bid

    def next_due_ms(self, reading: Reading, now_ms: int) -> int | None:
        """When something is due next, whatever is heard until then; always later than now, where all is done."""
        if reading.state is State.SETTLED:
            return self.repeat_at
        if reading.end is not None or reading.fault is not None:
            return None
        if reading.state is State.OPEN:
            patience = self.patience_until if now_ms < self.patience_until else None
            due = earliest(self.deadline_at, self.bid_until, patience)
        else:
            due = earliest(self.deadline_at, self.phase_until, self.repeat_at)
        return max(due, now_ms + 1) if due is not None else None


def next_step(
    tender: Tender, reading: Reading, now_ms: int, *, all_answered: bool, barred: Collection[bytes] = ()
) -> Step | None:
    """The next step of the chain, or None when it is not our turn. Nothing is awarded to who is `barred`."""
    contract = tender.contract
    if reading.end is not None or reading.fault is not None:
        return None
    if reading.task_vetoed:
        return _cancel(contract, CancelReason.VETOED)
    if tender.withdrawn:
        return _cancel(contract, CancelReason.WITHDRAWN)
    if now_ms >= tender.deadline_at:
        never = reading.epoch == 0 and not eligible(contract.announcement.body, contract.bids, barred)
        return _cancel(contract, CancelReason.NO_BIDS if never else CancelReason.DEADLINE)
    if reading.state is State.OPEN:
        return _next_open(tender, reading, now_ms, all_answered=all_answered, barred=barred)
    return _next_awarded(tender, reading, now_ms)


def _next_open(
    tender: Tender, reading: Reading, now_ms: int, *, all_answered: bool, barred: Collection[bytes]
) -> Step | None:
    contract = tender.contract
    task = contract.announcement.body
    if now_ms < tender.bid_until and not all_answered and (now_ms < tender.patience_until or contract.bids):
        return None
    former = [step.body.winner for step in reading.steps if type(step.body) is Award]
    considered = [bid for bid in contract.bids if bid.author not in barred][: limits.CONSIDERED_MAX]
    outcome = decide(contract.id, task, considered, former)
    if outcome is None:
        if now_ms < tender.patience_until:
            return None
        return _cancel(contract, CancelReason.EXHAUSTED if reading.epoch else CancelReason.NO_BIDS)
    award = Award(
        epoch=reading.epoch + 1,
        winner=outcome.bid.author,
        bid=outcome.bid.id,
        price=outcome.price,
        considered=tuple([bid.id for bid in considered]),
        standing=None,
    )
    return Step(award, contract.id)


def _next_awarded(tender: Tender, reading: Reading, now_ms: int) -> Step | None:
    over = tender.phase_until is not None and now_ms >= tender.phase_until
    if reading.epoch_vetoed:
        return _recall(tender.contract, reading, RecallReason.VETOED)
    match reading.phase:
        case Phase.OFFERED if over:
            if tender.contract.gate.permit and not reading.permitted:
                return _cancel(tender.contract, CancelReason.DENIED)
            return _recall(tender.contract, reading, RecallReason.LAPSED)
        case Phase.DECLINED:
            return _recall(tender.contract, reading, RecallReason.DECLINED)
        case Phase.FAILED:
            return _after_failure(tender.contract, reading)
        case Phase.DELIVERED:
            return _next_delivered(tender, reading, over=over)
        case Phase.ACCEPTED | Phase.WORKING:
            if (renewed := _unanswered(tender.contract, reading)) is not None:
                lease = Renewal(lease_ms=tender.contract.announcement.body.lease_ms)
                return Step(lease, renewed.id)
            return _recall(tender.contract, reading, RecallReason.EXPIRED) if over else None
        case _:
            return None


def _next_delivered(tender: Tender, reading: Reading, *, over: bool) -> Step | None:
    result = reading.answer
    assert result is not None
    passed = tender.checked.get(result.id) if tender.check else True
    if passed:
        return Step(Settlement(), result.id)
    if passed is False or over:
        return _recall(tender.contract, reading, RecallReason.FAILED_CHECK)
    return None


def _cancel(contract: Contract, reason: CancelReason, answer: Digest | None = None) -> Step:
    return Step(Cancel(reason=reason, answer=answer), contract.id)


def _recall(contract: Contract, reading: Reading, reason: RecallReason) -> Step:
    """End the epoch; after the last attempt, or after an irreversible go whose contractor has not said its own end,
    the task with it.
    """
    assert reading.award is not None
    cites = reason in (
        RecallReason.DECLINED, RecallReason.FAILED, RecallReason.STOPPED, RecallReason.FAILED_CHECK,
    )  # fmt: skip
    answer = reading.answer.id if cites and reading.answer is not None else None
    own_end = reading.phase in (Phase.FAILED, Phase.DECLINED)
    irreversible = contract.announcement.body.effect is EffectClass.IRREVERSIBLE
    if reading.epoch >= contract.announcement.body.attempts or (irreversible and reading.go and not own_end):
        return _cancel(contract, CancelReason.EXHAUSTED, answer)
    return Step(Recall(reason=reason, answer=answer), reading.award.id)


def _after_failure(contract: Contract, reading: Reading) -> Step:
    failure = reading.answer
    assert failure is not None
    assert type(failure.body) is Failure
    if failure.body.failure_class is FailureClass.FATAL:
        return _cancel(contract, CancelReason.EXHAUSTED, failure.id)
    stopped = failure.body.failure_class is FailureClass.STOPPED
    return _recall(contract, reading, RecallReason.STOPPED if stopped else RecallReason.FAILED)


def _unanswered(contract: Contract, reading: Reading) -> AnyStatement | None:
    """What the contractor said last that a renewal must answer: an acceptance that waits for its go, or progress."""
    award, accepted = reading.award, reading.answer
    assert award is not None
    said = [
        answer
        for answer in contract.answers.get(award.id, ())
        if answer.author == award.body.winner and type(answer.body) is Progress
    ]
    latest = max(said, key=lambda answer: answer.seq, default=None)
    if latest is None and contract.gate.go and not reading.go:
        latest = accepted
    renewed = {step.about for step in reading.steps}
    return latest if latest is not None and latest.id not in renewed else None


def answer_to(reading: Reading, question: AnyStatement) -> AnyStatement | None:
    """The step that answers a question: to a bidder the award, to a contractor what became of its epoch.

    To a governor that shows the announcement, the end of the task.
    """
    steps = reading.steps
    if reading.orphaned:
        return reading.end
    match question.body:
        case Bid() | Refusal():
            if type(reading.tip.body) is Cancel:
                return reading.tip
            return next((step for step in reversed(steps) if type(step.body) is Award), None)
        case Veto():
            if question.about == steps[0].id or reading.end is None or question.about == reading.end.id:
                answers: tuple[type[Body], ...] = (Settlement, Cancel)
                return reading.tip if isinstance(reading.tip.body, answers) else _last_of_epoch(steps, question.about)
            return _last_of_epoch(steps, question.about)
        case Permit():
            return None
        case Announcement():
            return reading.end
        case _:
            return _last_of_epoch(steps, question.about)


def _last_of_epoch(steps: tuple[AnyStatement, ...], award: bytes | None) -> AnyStatement | None:
    """The last step after an award and before the next one, if any."""
    last = None
    for step in steps:
        if type(step.body) is Award and last is not None:
            break
        if step.id == award or last is not None:
            last = step
    return None if last is None or isinstance(last.body, Award | Announcement) else last
