"""The manager's chain: each row of the table, each illegal step by its name, and what others cannot do to it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from protocol.statements import (
    AnyStatement,
    Award,
    AwardRule,
    Bid,
    Body,
    RecallReason,
    Refusal,
    Settlement,
)
from protocol.states import TRANSITIONS, Phase, State
from tests.authors import Author, award_of, recall, task
from tests.protocol.story import ORPHANED, WITHDRAWN, Following, Story, cancel
from tests.walks import ACCEPT, DECLINE, FAILURE, PROGRESS, RENEWAL, RESULT

SETTLE = Settlement()


# The table


def test_announced_task_is_open() -> None:
    """An announcement alone is a contract: open, with nothing missing."""
    reading = Story().reading
    assert (reading.state, reading.phase, reading.epoch, reading.award) == (State.OPEN, Phase.NONE, 0, None)
    assert reading.steps == (reading.tip,)
    assert not reading.missing


@pytest.mark.spec("M-6.3")
def test_award_gives_the_task_to_one() -> None:
    """Open, Award → awarded."""
    story = Story()
    award = story.award()
    assert (story.state, story.phase, story.reading.epoch) == (State.AWARDED, Phase.OFFERED, 1)
    assert story.reading.award == award


@pytest.mark.spec("M-6.3")
def test_open_task_can_be_cancelled() -> None:
    """Open, Cancel → cancelled."""
    story = Story()
    end = story.step(WITHDRAWN, story.announcement)
    assert (story.state, story.reading.end, story.reading.award) == (State.CANCELLED, end, None)


@pytest.mark.spec("M-6.3")
@pytest.mark.parametrize("answer", [ACCEPT, PROGRESS])
def test_renewal_keeps_the_award(answer: Body) -> None:
    """Awarded, Renewal → awarded."""
    story = Story()
    award = story.award()
    story.step(RENEWAL, story.add(story.ada, answer, award))
    assert (story.state, story.phase, story.reading.award) == (State.AWARDED, Phase.WORKING, award)


@pytest.mark.spec("M-6.3")
def test_recall_opens_the_task_again() -> None:
    """Awarded, Recall → open; the next award counts on, and to another peer."""
    story = Story()
    story.step(recall(RecallReason.LAPSED), story.award())
    assert (story.state, story.reading.award, story.reading.epoch) == (State.OPEN, None, 1)
    story.award(story.bo, epoch=2)
    assert (story.state, story.reading.epoch) == (State.AWARDED, 2)


@pytest.mark.spec("M-6.3")
def test_settlement_ends_the_task() -> None:
    """Awarded, Settlement → settled; its award is the one that is due."""
    story = Story()
    award = story.award()
    end = story.step(SETTLE, story.add(story.ada, RESULT, award))
    assert (story.state, story.phase, story.reading.end) == (State.SETTLED, Phase.NONE, end)
    assert story.reading.award == award


@pytest.mark.spec("M-6.3", "M-6.8")
@pytest.mark.parametrize("answer", [None, DECLINE, FAILURE, RESULT])
def test_awarded_task_can_be_cancelled(answer: Body | None) -> None:
    """Awarded, Cancel → cancelled, with or without the answer that it ends on."""
    story = Story()
    award = story.award()
    said = story.add(story.ada, answer, award) if answer else None
    story.step(cancel(said), story.announcement)
    assert (story.state, story.reading.award) == (State.CANCELLED, award)


ALL_STEPS = (Award, RENEWAL, recall(RecallReason.LAPSED), SETTLE, WITHDRAWN)


@pytest.mark.spec("M-6.3", "M-6.4")
@pytest.mark.parametrize("step", ALL_STEPS, ids=lambda step: getattr(step, "__name__", type(step).__name__))
@pytest.mark.parametrize("state", [State.OPEN, State.AWARDED, State.SETTLED, State.CANCELLED])
def test_what_is_not_in_the_table_is_illegal(state: State, step: Body) -> None:
    """Every step in every state of the chain: legal by the table, or void by name."""
    story = Story()
    award = result = None
    if state is not State.OPEN:
        award = story.award()
        result = story.add(story.ada, RESULT, award)
        accepted = story.add(story.ada, ACCEPT, award)
    if state is State.SETTLED:
        story.step(SETTLE, result)
    elif state is State.CANCELLED:
        story.step(WITHDRAWN, story.announcement)
    assert story.state is state
    body = award_of(story.bid(story.bo), epoch=2 if award else 1) if step is Award else step
    about = {"Renewal": accepted, "Recall": award, "Settlement": result} if award else {}
    story.step(body, about.get(type(body).__name__, story.announcement))
    to = TRANSITIONS.get((state, type(body)))
    assert story.state is (to or State.VOID)
    assert story.reading.fault == (None if to else f"{type(body).__name__} in state {state}")


# Illegal steps, by name

Telling = Callable[[Story], object]


def lapsed(story: Story) -> AnyStatement:
    """A first epoch, in which the winner never answered."""
    return story.step(recall(RecallReason.LAPSED), story.award())


def award_with(**changes: object) -> Telling:
    """A first award that is right but for these fields."""

    def tell(story: Story) -> None:
        bid = story.bid(story.ada)
        fields = {name: getattr(award_of(bid), name) for name in Award.__struct_fields__}
        story.step(Award(**{**fields, **changes}), story.announcement)  # type: ignore[arg-type]

    return tell


def answered(step: Following, answer: Body, by: str = "ada") -> Telling:
    """An award, an answer to it by its winner (or another), and the step that follows from both."""

    def tell(story: Story) -> None:
        award = story.award()
        body, about = step(award, story.add(getattr(story, by), answer, award))
        story.step(body, about)

    return tell


def of_the_epoch_before(story: Story) -> None:
    """A result of epoch 1 settles nothing in epoch 2."""
    first = story.award()
    late = story.add(story.ada, RESULT, first)
    story.step(recall(RecallReason.EXPIRED), first)
    story.award(story.bo, epoch=2)
    story.step(SETTLE, late)


ILLEGAL: dict[str, list[Telling]] = {
    "award of another task": [lambda s: s.step(award_of(s.bid(s.ada)), s.bid(s.bo)),
                              lambda s: s.step(award_of(s.bid(s.ada)), None)],
    "award's epoch does not count on": [award_with(epoch=2), lambda s: (lapsed(s), s.award(s.bo, epoch=1))],
    "more awards than attempts": [
        lambda s: [(s.step(recall(RecallReason.LAPSED), s.award(who, epoch=number)))
                   for number, who in enumerate((s.ada, s.bo, Author("cy")), 1)] and s.award(Author("dee"), epoch=4)
    ],
    "a peer wins twice": [lambda s: (lapsed(s), s.award(s.ada, epoch=2))],
    "price above the budget": [award_with(price=101)],
    "winning bid was not considered": [award_with(considered=(bytes(32),))],
    "award contradicts the cited bid": [
        award_with(winner=Author("bo").peer),
        lambda s: s.step(award_of(s.ada.say(Bid(price=10, duration_ms=1))), s.announcement)
        and s.contract.learn(Author("ada").say(Bid(price=10, duration_ms=1))),
        lambda s: s.step(award_of(s.add(s.ada, Bid(price=10, duration_ms=1), s.bid(s.bo))), s.announcement),
        lambda s: (refused := s.add(s.ada, Refusal(reason=""), s.announcement)) and s.step(
            Award(epoch=1, winner=s.ada.peer, bid=refused.id, price=1, considered=(refused.id,), standing=None),
            s.announcement),
    ],
    "price contradicts the cited bid": [award_with(price=9), award_with(price=11)],
    "renewal of nothing": [answered(lambda award, said: (RENEWAL, None), ACCEPT)],
    "settlement of nothing": [answered(lambda award, said: (SETTLE, None), RESULT)],
    "recall of another award": [answered(lambda award, said: (recall(RecallReason.LAPSED), None), ACCEPT),
                                answered(lambda award, said: (recall(RecallReason.LAPSED), said), ACCEPT)],
    "recall cites what it does not end on": [
        answered(lambda award, said, reason=reason: (recall(reason, said), award), FAILURE)
        for reason in (RecallReason.LAPSED, RecallReason.EXPIRED, RecallReason.VETOED)
    ],
    "recall without the answer that it ends on": [
        answered(lambda award, said, reason=reason: (recall(reason), award), FAILURE)
        for reason in (RecallReason.DECLINED, RecallReason.FAILED, RecallReason.STOPPED, RecallReason.FAILED_CHECK)
    ],
    "step contradicts the cited answer": [
        answered(lambda award, said: (RENEWAL, said), RESULT),
        answered(lambda award, said: (RENEWAL, award), ACCEPT),
        answered(lambda award, said: (SETTLE, said), FAILURE),
        answered(lambda award, said: (SETTLE, award), RESULT),
        answered(lambda award, said: (recall(RecallReason.DECLINED, said), award), FAILURE),
        answered(lambda award, said: (recall(RecallReason.FAILED, said), award), DECLINE),
        answered(lambda award, said: (recall(RecallReason.STOPPED, said), award), RESULT),
        answered(lambda award, said: (recall(RecallReason.FAILED_CHECK, said), award), FAILURE),
        answered(lambda award, said: (RENEWAL, said), ACCEPT, by="bo"),
        answered(lambda award, said: (SETTLE, said), RESULT, by="bo"),
        answered(lambda award, said: (recall(RecallReason.FAILED, said), award), FAILURE, by="bo"),
        of_the_epoch_before,
        lambda s: s.step(cancel(s.add(s.ada, ACCEPT, s.award())), s.announcement),
    ],
    "cancel of another task": [lambda s: s.step(WITHDRAWN, None), lambda s: s.step(WITHDRAWN, s.award())],
    "orphaned in the announcement's own feed": [lambda s: s.step(ORPHANED, s.announcement)],
    "cancel cites what it does not end on": [lambda s: s.step(cancel(s.announcement), s.announcement)],
    "seq runs backwards": [lambda s: s.step(WITHDRAWN, s.announcement, seq=1)],
    "forked chain": [lambda s: (s.step(WITHDRAWN, s.announcement),
                                s.step(cancel(None), s.announcement, prev=s.announcement))],
}  # fmt: skip


@pytest.mark.spec("M-6.4", "M-6.5", "M-6.6", "M-6.7", "M-6.8", "M-6.10")
@pytest.mark.parametrize(("name", "tell"), [(name, tell) for name, tells in ILLEGAL.items() for tell in tells])
def test_illegal_step_voids_by_name(name: str, tell: Telling) -> None:
    """A step that contradicts the bid, the answer, the budget or the epoch makes the contract void, and says why."""
    story = Story()
    tell(story)
    assert story.reading.fault == name
    assert story.state is State.VOID


@pytest.mark.spec("M-6.6")
def test_second_price_may_be_above_the_bid_but_not_below() -> None:
    """Under the second price the award's price is not the bid's; that it is the right one is for an audit."""
    for price, state in ((10, State.AWARDED), (99, State.AWARDED), (9, State.VOID)):
        story = Story(task(award_rule=AwardRule.SECOND_PRICE))
        story.award(price=price)
        assert story.state is state


@pytest.mark.spec("M-6.8")
@pytest.mark.parametrize(
    ("reason", "answer"),
    [(RecallReason.DECLINED, DECLINE), (RecallReason.FAILED, FAILURE), (RecallReason.STOPPED, FAILURE),
     (RecallReason.FAILED_CHECK, RESULT), (RecallReason.LAPSED, None), (RecallReason.EXPIRED, None),
     (RecallReason.VETOED, None)],
)  # fmt: skip
def test_each_recall_cites_what_it_ends_on(reason: RecallReason, answer: Body | None) -> None:
    """Every reason of a recall has one fitting answer, or none."""
    story = Story()
    award = story.award()
    story.step(recall(reason, story.add(story.ada, answer, award) if answer else None), award)
    assert (story.state, story.reading.fault) == (State.OPEN, None)


# What others say never moves the chain


@pytest.mark.spec("M-6.2")
def test_steps_of_others_are_ignored() -> None:
    """A Cancel or Award by anybody else, wherever it hangs, is no step and no fault."""
    story = Story()
    before = story.reading
    for other in (story.ada, Author("manager", feed=2)):
        story.add(other, WITHDRAWN, story.announcement, prev=story.announcement)
        story.add(other, award_of(story.bid(story.bo)), story.announcement, prev=story.announcement)
    assert story.reading == before


@pytest.mark.spec("M-6.12")
def test_late_result_is_kept_and_nothing_more() -> None:
    """A result after the recall is held, and moves nothing."""
    story = Story()
    award = story.award()
    story.step(recall(RecallReason.EXPIRED), award)
    before = story.reading
    late = story.add(story.ada, RESULT, award)
    assert story.reading == before
    assert late.id in story.contract.held


@pytest.mark.spec("M-6.2")
def test_children_and_cards_move_nothing() -> None:
    """A sub-contract's announcement about the award, and anything unheard of, is held and moves nothing."""
    story = Story()
    award = story.award()
    before = story.reading
    story.add(story.ada, task(), award)
    story.add(story.bo, task(), award)
    assert story.reading == before
