"""Governors' votes in the fold: quorums, scopes of a veto, standing permits, and who does not count."""

from __future__ import annotations

import pytest

from protocol.statements import (
    AnyStatement,
    Bid,
    EffectClass,
    Permit,
    RecallReason,
    Settlement,
    Standing,
    StandingUse,
    VetoScope,
)
from protocol.states import State
from tests.authors import Author, award_of, charter_of, permit, recall, task, veto
from tests.protocol.story import WITHDRAWN, Story
from tests.walks import RESULT

TASK = veto(VetoScope.TASK)


def settled(governors: int = 3) -> tuple[Story, AnyStatement, AnyStatement]:
    """A governed story up to its settlement, its award and the settlement."""
    story = Story(governors=governors)
    award = story.award()
    settlement = story.step(Settlement(), story.add(story.ada, RESULT, award))
    return story, award, settlement


@pytest.mark.spec("M-7.9")
@pytest.mark.parametrize(("governors", "needed"), [(1, 1), (3, 2), (4, 3)])
def test_permit_quorum_on_the_settlement_makes_final(governors: int, needed: int) -> None:
    """One vote short of the quorum changes nothing; the quorum makes it final."""
    story, _, settlement = settled(governors)
    story.vote(needed - 1, settlement)
    assert story.state is State.SETTLED
    story.vote(needed, settlement)
    assert story.state is State.FINAL


@pytest.mark.spec("M-7.8", "M-7.9")
def test_permits_of_the_award_ratify_nothing() -> None:
    """An award's permits are for the start; the settlement needs its own."""
    story, award, _ = settled()
    story.vote(3, award)
    assert story.state is State.SETTLED
    assert story.reading.permitted


@pytest.mark.spec("M-7.6")
def test_one_governor_counts_once() -> None:
    """Three permits by one governor are one voice."""
    story, _, settlement = settled()
    for _ in range(3):
        story.vote(1, settlement)
    assert story.state is State.SETTLED


@pytest.mark.spec("M-7.5", "M-7.9")
def test_without_governors_nothing_is_final() -> None:
    """In a market without governors the settlement is the end, and nobody's vote counts."""
    story = Story()
    settlement = story.step(Settlement(), story.add(story.ada, RESULT, story.award()))
    story.add(Author("governor 0"), permit(), settlement)
    story.add(Author("governor 0"), TASK, story.announcement)
    assert story.state is State.SETTLED


@pytest.mark.spec("M-7.5")
def test_votes_without_a_seat_do_not_count() -> None:
    """A stranger, or a governor in the feed of another life, has no vote."""
    story, _, settlement = settled(1)
    for nobody in (Author("stranger"), Author("governor 0", feed=2)):
        story.add(nobody, permit(), settlement)
        story.add(nobody, TASK, story.announcement)
    assert story.state is State.SETTLED


@pytest.mark.spec("M-7.7")
@pytest.mark.parametrize("role", ["manager", "ada"])
def test_governor_does_not_vote_on_its_own_contract(role: str) -> None:
    """Neither as the manager nor as the contractor: its permits of award and settlement are not counted."""
    story = Story(governors=1)
    own = getattr(story, role)
    story.charter = story.contract.charter = charter_of(own)
    award = story.award()
    story.add(own, permit(), award)
    story.add(own, permit(), story.step(Settlement(), story.add(story.ada, RESULT, award)))
    story.add(own, veto(), award)
    reading = story.reading
    assert (reading.state, reading.permitted, reading.epoch_vetoed) == (State.SETTLED, False, False)


@pytest.mark.spec("M-7.10")
def test_epoch_veto_obliges_and_moves_nothing_yet() -> None:
    """A veto quorum on an award is the manager's to obey: it recalls, and the task goes on."""
    story = Story(governors=3)
    award = story.award()
    story.vote(1, award, veto())
    assert not story.reading.epoch_vetoed
    story.vote(2, award, veto())
    assert (story.state, story.reading.epoch_vetoed, story.reading.task_vetoed) == (State.AWARDED, True, False)
    story.step(recall(RecallReason.VETOED), award)
    assert (story.state, story.reading.epoch_vetoed) == (State.OPEN, False)
    story.award(story.bo, epoch=2)
    assert (story.state, story.reading.epoch_vetoed) == (State.AWARDED, False)


@pytest.mark.spec("M-7.10")
@pytest.mark.parametrize("about", ["award", "settlement"])
def test_vetoed_epoch_that_was_settled_is_vetoed(about: str) -> None:
    """Veto of the award or of its settlement, in time or late: the settlement does not stand."""
    story, award, settlement = settled()
    story.vote(2, award if about == "award" else settlement, veto())
    assert story.state is State.VETOED


@pytest.mark.spec("M-7.10")
def test_vetoes_of_award_and_settlement_add_up() -> None:
    """Both are against the same epoch."""
    story, award, settlement = settled()
    story.add(story.governors[0], veto(), award)
    story.add(story.governors[1], veto(), settlement)
    assert story.state is State.VETOED


@pytest.mark.spec("M-7.10")
def test_veto_of_an_earlier_epoch_does_not_reach_the_settled_one() -> None:
    """Votes count per epoch."""
    story = Story(governors=3)
    first = story.award()
    story.vote(3, first, veto())
    story.step(recall(RecallReason.VETOED), first)
    second = story.award(story.bo, epoch=2)
    story.step(Settlement(), story.add(story.bo, RESULT, second))
    assert story.state is State.SETTLED


@pytest.mark.spec("M-7.11")
@pytest.mark.parametrize("ended", [True, False])
def test_task_veto_is_vetoed_at_once(ended: bool) -> None:
    """A veto quorum against the task makes it vetoed, whatever the chain says."""
    story = Story(governors=3)
    if ended:
        story.step(WITHDRAWN, story.announcement)
    story.vote(1, story.announcement, TASK)
    assert story.state is (State.CANCELLED if ended else State.OPEN)
    story.vote(2, story.announcement, TASK)
    assert (story.state, story.reading.task_vetoed) == (State.VETOED, True)


@pytest.mark.spec("M-7.10", "M-7.11")
def test_task_veto_counts_against_each_epoch_too() -> None:
    """One against the task and one against the epoch are two against the epoch, and not against the task."""
    story = Story(governors=3)
    award = story.award()
    story.add(story.governors[0], TASK, story.announcement)
    story.add(story.governors[1], veto(), award)
    assert (story.reading.epoch_vetoed, story.reading.task_vetoed) == (True, False)


@pytest.mark.spec("M-7.13", "M-7.6")
def test_both_quorums_are_shown_as_vetoed_and_compromised() -> None:
    """When more governors lied than the charter allows for, the veto is shown, and the finding with it."""
    story, award, settlement = settled()
    story.vote(2, settlement)
    final = story.reading
    assert (final.state, final.compromised) == (State.FINAL, False)
    story.vote(2, award, veto())
    assert (story.state, story.reading.compromised) == (State.VETOED, True)
    assert story.reading.rank > final.rank


@pytest.mark.spec("M-6.15")
def test_ratified_settlement_on_a_forked_chain_is_final() -> None:
    """Final stands above void: what a quorum has ratified is not undone by the manager's later fork."""
    story, award, settlement = settled()
    story.step(recall(RecallReason.EXPIRED), award, prev=award)
    assert story.state is State.VOID
    story.vote(2, settlement)
    assert (story.state, story.reading.fault) == (State.FINAL, "forked chain")


# Standing permits


def standing_story(
    *, price: int = 10, number: int = 1, giver: Author | None = None, hear: bool = True, **terms: object
) -> Story:
    """A reversible task whose award uses a standing permit by the one governor."""
    story = Story(task(effect=EffectClass.REVERSIBLE), governors=1)
    if giver is not None:
        story.charter = story.contract.charter = charter_of(giver)
    named = {"manager": story.manager.peer, "skill": "sum", "price_max": 10, "uses": 2, **terms}
    given = (giver or story.governors[0]).say(permit(Standing(**named)))  # type: ignore[arg-type]
    if hear:
        story.contract.learn(given)
    use = StandingUse(permit=given.id, number=number)
    story.step(award_of(story.bid(story.ada, price), standing=use), story.announcement)
    return story


@pytest.mark.spec("M-7.12")
def test_standing_permit_permits_the_award_that_uses_it() -> None:
    """Within manager, skill, price and uses the standing permit is that governor's vote."""
    assert standing_story(number=2).reading.permitted


@pytest.mark.spec("M-7.12")
@pytest.mark.parametrize(
    "differs",
    [{"price": 11}, {"number": 3}, {"skill": "add"}, {"manager": Author("bo").peer}, {"hear": False},
     {"giver": Author("manager")}, {"giver": Author("ada")}],
    ids=lambda differs: next(iter(differs)),
)  # fmt: skip
def test_standing_permit_permits_nothing_else(differs: dict[str, object]) -> None:
    """Above its price or uses, for another, not held, or given to oneself it permits nothing; it holds nothing up."""
    story = standing_story(**differs)  # type: ignore[arg-type]
    assert (story.state, story.reading.permitted, story.reading.missing) == (State.AWARDED, False, frozenset())


@pytest.mark.spec("M-7.12")
def test_standing_permit_of_a_stranger_permits_nothing() -> None:
    """Only a seat gives standing permits."""
    story = standing_story(hear=False)
    stranger = Author("stranger").say(permit(Standing(manager=story.manager.peer, skill="sum", price_max=10, uses=2)))
    story.contract.learn(stranger)
    use = StandingUse(permit=stranger.id, number=1)
    award = story.tip
    story.step(recall(RecallReason.LAPSED), award)
    story.step(award_of(story.bid(story.bo), epoch=2, standing=use), story.announcement)
    assert (story.state, story.reading.permitted) == (State.AWARDED, False)


@pytest.mark.spec("M-7.12")
def test_plain_permit_is_no_standing_one() -> None:
    """Citing an ordinary permit as a standing one permits nothing."""
    story = Story(task(effect=EffectClass.REVERSIBLE), governors=1)
    plain = story.add(story.governors[0], permit())
    assert isinstance(plain.body, Permit)
    use = StandingUse(permit=plain.id, number=1)
    story.step(award_of(story.bid(story.ada), standing=use), story.announcement)
    assert not story.reading.permitted


@pytest.mark.spec("M-7.10")
def test_bid_posing_as_a_result_carries_no_veto() -> None:
    """A veto reaches an epoch only by its award, or by a settlement of a result of it."""
    story = Story(governors=1)
    award = story.award()
    poser = story.bo.say(Bid(price=1, duration_ms=1), about=award)
    false = story.add(Author("stranger"), Settlement(), poser)
    story.add(story.governors[0], veto(), false)
    assert not story.reading.epoch_vetoed
    story.contract.learn(poser)
    assert not story.reading.epoch_vetoed
