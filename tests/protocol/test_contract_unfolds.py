"""What a step waits for, what the contractor's words make of an award, and how contracts end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from protocol import limits
from protocol.contract import fold
from protocol.statements import (
    AnyStatement,
    Bid,
    Body,
    EffectClass,
    RecallReason,
    Refusal,
    Settlement,
)
from protocol.states import END_RANK, Phase, State
from tests.authors import Author, award_of, recall, task
from tests.protocol.story import ORPHANED, WITHDRAWN, Following, Story, cancel
from tests.walks import ACCEPT, DECLINE, FAILURE, PROGRESS, RENEWAL, RESULT

SETTLE = Settlement()


# Waiting


def waits(tell: Callable[[Story], tuple[AnyStatement, State]]) -> None:
    """Tell a story whose last step cites what is not yet heard; then hear it."""
    story = Story()
    cited, state = tell(story)
    before = story.reading
    assert before.missing == {cited.id}
    assert before.fault is None
    assert story.tip not in before.steps
    assert story.contract.learn(cited)
    assert (story.state, story.reading.missing, story.reading.tip) == (state, frozenset(), story.tip)
    assert story.reading.rank > before.rank


@pytest.mark.spec("M-6.9")
def test_award_waits_for_the_cited_bid() -> None:
    """Without the winner's bid an award is not judged; the other bids in its list hold nothing up."""

    def tell(story: Story) -> tuple[AnyStatement, State]:
        bid = story.ada.say(Bid(price=10, duration_ms=1), about=story.announcement)
        other = story.bo.say(Bid(price=9, duration_ms=1), about=story.announcement)
        story.step(award_of(bid, other), story.announcement)
        return bid, State.AWARDED

    waits(tell)


@pytest.mark.spec("M-6.9")
@pytest.mark.parametrize(
    ("answer", "step", "state"),
    [
        (ACCEPT, lambda award, said: (RENEWAL, said), State.AWARDED),
        (PROGRESS, lambda award, said: (RENEWAL, said), State.AWARDED),
        (RESULT, lambda award, said: (SETTLE, said), State.SETTLED),
        (DECLINE, lambda award, said: (recall(RecallReason.DECLINED, said), award), State.OPEN),
        (FAILURE, lambda award, said: (recall(RecallReason.FAILED, said), award), State.OPEN),
        (FAILURE, lambda award, said: (recall(RecallReason.STOPPED, said), award), State.OPEN),
        (RESULT, lambda award, said: (recall(RecallReason.FAILED_CHECK, said), award), State.OPEN),
        (FAILURE, lambda award, said: (cancel(said), None), State.CANCELLED),
    ],
)
def test_step_waits_for_the_cited_answer(answer: Body, step: Following, state: State) -> None:
    """A step is judged only with the one answer it cites in hand."""

    def tell(story: Story) -> tuple[AnyStatement, State]:
        award = story.award()
        said = story.ada.say(answer, about=award)
        body, about = step(award, said)
        story.step(body, about or story.announcement)
        return said, state

    waits(tell)


@pytest.mark.spec("M-6.9")
def test_step_waits_for_its_predecessor_unseen() -> None:
    """A step whose prev is unknown changes nothing until the prev is there; it is the holder's to ask for."""
    story = Story()
    award = award_of(story.bid(story.ada))
    first = story.manager.say(award, about=story.announcement, prev=story.announcement)
    story.tip = first
    story.step(WITHDRAWN, story.announcement)
    assert story.state is State.OPEN
    story.contract.learn(first)
    assert story.state is State.CANCELLED


@pytest.mark.spec("M-9.3")
def test_awaited_bid_is_let_into_a_full_contract() -> None:
    """However many bids came first, the one that the chain cites is taken, whether or not anybody has asked."""
    for ask in (True, False):
        story = Story()
        for number in range(limits.BIDS_MAX):
            story.bid(Author(f"bidder {number}"))
        late = story.ada.say(Bid(price=1, duration_ms=1), about=story.announcement)
        assert not story.contract.learn(late)
        story.step(award_of(late), story.announcement)
        assert not ask or story.reading.missing == {late.id}
        assert story.contract.learn(late)
        assert story.state is State.AWARDED


@pytest.mark.spec("M-9.2")
def test_contract_is_bounded() -> None:
    """Beyond its bound a contract takes nothing more, and says so."""
    story = Story()
    ask = story.ada.say
    for seq in range(1, limits.CONTRACT_STATEMENTS_MAX):
        assert story.contract.learn(ask(Refusal(reason=""), about=story.announcement, seq=seq))
    assert not story.contract.learn(ask(Refusal(reason=""), about=story.announcement, seq=10**6))


# Phases


@pytest.mark.spec("M-6.11")
@pytest.mark.parametrize(
    ("effect", "renewed", "answers", "phase"),
    [
        (EffectClass.PURE, False, (), Phase.OFFERED),
        (EffectClass.PURE, False, (ACCEPT,), Phase.WORKING),
        (EffectClass.REVERSIBLE, False, (ACCEPT,), Phase.ACCEPTED),
        (EffectClass.REVERSIBLE, True, (ACCEPT,), Phase.WORKING),
        (EffectClass.REVERSIBLE, False, (PROGRESS,), Phase.ACCEPTED),
        (EffectClass.IRREVERSIBLE, True, (PROGRESS,), Phase.WORKING),
        (EffectClass.PURE, False, (DECLINE,), Phase.DECLINED),
        (EffectClass.PURE, False, (ACCEPT, FAILURE), Phase.FAILED),
        (EffectClass.PURE, False, (ACCEPT, DECLINE, FAILURE), Phase.FAILED),
        (EffectClass.IRREVERSIBLE, True, (ACCEPT, FAILURE, RESULT), Phase.DELIVERED),
    ],
)
def test_phase_is_the_contractors_strongest_word(
    effect: EffectClass, renewed: bool, answers: tuple[Body, ...], phase: Phase
) -> None:
    """Result over failure, decline and acceptance, in whatever order they come."""
    for order in (answers, answers[::-1]):
        story = Story(task(effect=effect))
        award = story.award()
        said = [story.add(story.ada, answer, award) for answer in order]
        if renewed:
            story.step(RENEWAL, next(one for one in said if one.body in (ACCEPT, PROGRESS)))
        assert story.phase is phase
        assert story.reading.go is renewed
        assert story.reading.answer == next((one for one in said if one.body == (answers or [None])[-1]), None)


def test_each_epoch_needs_its_own_go() -> None:
    """The go of an epoch that was recalled starts nobody else."""
    story = Story(task(effect=EffectClass.REVERSIBLE))
    first = story.award()
    story.step(RENEWAL, story.add(story.ada, ACCEPT, first))
    assert story.reading.go
    story.step(recall(RecallReason.EXPIRED), first)
    story.add(story.bo, ACCEPT, story.award(story.bo, epoch=2))
    assert (story.phase, story.reading.go) == (Phase.ACCEPTED, False)


@pytest.mark.spec("M-6.11")
def test_others_make_no_phase() -> None:
    """A result by a peer that did not win is no result."""
    story = Story()
    story.add(story.bo, RESULT, story.award())
    assert story.phase is Phase.OFFERED


@pytest.mark.spec("M-6.11", "M-6.16")
def test_two_results_are_no_fault() -> None:
    """A contractor that lost its journal may say another result: one is shown, the same everywhere."""
    story = Story()
    award = story.award()
    results = [story.add(ada, RESULT, award) for ada in (story.ada, Author("ada", feed=2))]
    assert story.reading.answer == min(results, key=lambda one: one.id)
    assert story.reading.fault is None


# Ends


@pytest.mark.spec("M-6.14")
def test_ends_are_ranked_as_the_law_says() -> None:
    """Cancelled and settled are equal; void, final and vetoed stand above, in this order."""
    ranks = [END_RANK[state] for state in (State.CANCELLED, State.VOID, State.FINAL, State.VETOED)]
    assert ranks == sorted(set(ranks))
    assert END_RANK[State.SETTLED] == END_RANK[State.CANCELLED] > 1
    assert END_RANK[State.OPEN] == END_RANK[State.AWARDED] == 0


@pytest.mark.spec("M-6.13")
def test_orphaned_cancel_ends_a_chain_without_an_end() -> None:
    """A manager that lost its journal cancels in its new feed; nobody else can, and not for another reason."""
    story = Story()
    story.award()
    lost = Author("manager", feed=2)
    story.add(story.ada, ORPHANED, story.announcement)
    story.add(lost, WITHDRAWN, story.announcement)
    story.add(lost, ORPHANED, story.bid(story.bo))
    assert story.state is State.AWARDED
    end = story.add(lost, ORPHANED, story.announcement)
    reading = story.reading
    assert (reading.state, reading.orphaned, reading.end, reading.fault) == (State.CANCELLED, True, end, None)


def test_two_orphaned_cancels_show_the_same_everywhere() -> None:
    """A manager that lost its journal twice ends the task once, whichever of its cancels came first."""
    story = Story()
    orphans = [Author("manager", feed=feed).say(ORPHANED, about=story.announcement) for feed in (2, 3)]
    for order in (orphans, orphans[::-1]):
        reading = fold(story.announcement, order, story.charter)
        assert (reading.end, reading.fault) == (min(orphans, key=lambda one: one.id), None)


@pytest.mark.spec("M-6.13", "M-6.14")
def test_found_end_outranks_an_orphaned_cancel() -> None:
    """When the old chain turns out to have an end after all, that is the end."""
    story = Story()
    award = story.award()
    story.add(Author("manager", feed=2), ORPHANED, story.announcement)
    orphaned = story.reading
    end = story.step(SETTLE, story.add(story.ada, RESULT, award))
    reading = story.reading
    assert (reading.state, reading.end, reading.orphaned) == (State.SETTLED, end, False)
    assert reading.rank > orphaned.rank


@pytest.mark.spec("M-6.10")
def test_fork_behind_the_end_voids_it() -> None:
    """Law 3: two steps with one prev, however late the second comes; the chain is read up to the fork."""
    story = Story()
    award = story.award()
    result = story.add(story.ada, RESULT, award)
    story.step(SETTLE, result)
    settled = story.reading
    story.step(recall(RecallReason.EXPIRED), award, prev=award)
    reading = story.reading
    assert (reading.state, reading.fault, reading.tip) == (State.VOID, "forked chain", award)
    assert reading.rank > settled.rank


@pytest.mark.spec("M-6.1", "M-6.10")
def test_same_step_twice_is_no_fork() -> None:
    """Saying the same again is one statement."""
    story = Story()
    award = story.award()
    assert not story.contract.learn(award)
    assert fold(story.announcement, [*story.contract.held.values(), award], story.charter).fault is None
