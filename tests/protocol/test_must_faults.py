"""What convicts and what does not; what an audit finds and the fold leaves alone."""

from __future__ import annotations

import pytest
from msgspec import structs

from protocol import limits
from protocol.codec import encode
from protocol.holdings import Forks
from protocol.statements import (
    AnyStatement,
    Bid,
    Cancel,
    CancelReason,
    EffectClass,
    RecallReason,
    Refusal,
    Settlement,
    Standing,
    StandingUse,
)
from protocol.states import State
from tests.authors import Author, award_of, permit, recall, task, veto
from tests.market import TestPeer, charter_with, task_for
from tests.protocol.overheard import PERMISSIVE, Overheard
from tests.protocol.story import WITHDRAWN, Story
from tests.walks import RESULT


def watcher(*, seats: tuple[str, ...] = ("watcher",)) -> tuple[Overheard, TestPeer]:
    """A market with one governor, which holds everything that it hears."""
    market = Overheard(charter_with(seats))
    return market, market.join("watcher", policy=PERMISSIVE)


def announce(market: Overheard, manager: Author, key: bytes = b"key", **place: int) -> AnyStatement:
    """A manager by hand says that it wants a task done."""
    body = task_for(market.charter, idempotency_key=key)
    return manager.say(body, market=market.charter.id, **place)


@pytest.mark.spec("M-6.16", "M-6.17")
def test_two_statements_with_one_seq_convict_and_void_nothing() -> None:
    """Across two contracts: the author is convicted, once, and both contracts live on."""
    market, ear = watcher()
    manager = Author("manager")
    first, second = announce(market, manager), announce(market, manager, b"other", seq=1)
    for said in (first, second, first):
        ear.hear(said)
    (conviction,) = ear.convictions
    assert {conviction.first.id, conviction.second.id} == {first.id, second.id}
    assert [ear.contract(said.id).state for said in (first, second)] == [State.OPEN, State.OPEN]


@pytest.mark.spec("M-6.16", "M-6.10")
def test_two_steps_with_one_prev_convict_and_void() -> None:
    """Within a contract: the manager is convicted, and the contract is void."""
    market, ear = watcher()
    manager = Author("manager")
    announcement = announce(market, manager)
    ends = [
        manager.say(Cancel(reason=reason, answer=None), about=announcement, prev=announcement, market=market.charter.id)
        for reason in (CancelReason.WITHDRAWN, CancelReason.DEADLINE)
    ]
    for said in (announcement, *ends):
        ear.hear(said)
    assert [{one.first.id, one.second.id} for one in ear.convictions] == [{end.id for end in ends}]
    assert ear.contract(announcement.id).state is State.VOID


@pytest.mark.spec("M-6.16")
@pytest.mark.parametrize("kind", ["answer", "vote", "bid"])
def test_two_words_with_one_prev_convict_whoever_says_them(kind: str) -> None:
    """Not only managers fork: a contractor's two results, a governor's two votes, a bidder's two bids."""
    market, ear = watcher(seats=("watcher", "other", "third"))
    manager, ada, place = Author("manager"), Author("ada"), {"market": market.charter.id}
    announcement = announce(market, manager)
    refusal = ada.say(Refusal(reason=""), about=announcement, **place)
    bids = [ada.say(Bid(price=price, duration_ms=1), about=announcement, prev=refusal, **place) for price in (10, 11)]
    award = manager.say(award_of(bids[0]), about=announcement, prev=announcement, **place)
    results = [
        ada.say(structs.replace(RESULT, output=output), about=award, prev=bids[0], **place) for output in (b"1", b"2")
    ]
    seat = market.join("other", policy=PERMISSIVE)
    votes = [
        encode(
            body,
            author=seat.node.peer,
            feed=seat.node.feed.id,
            seq=seq,
            prev=announcement.id,
            made_ms=0,
            about=award.id,
            **place,
        )
        for seq, body in ((8, permit()), (9, veto()))
    ]
    fork = {"answer": results, "vote": votes, "bid": bids}[kind]
    for said in dict.fromkeys((announcement, refusal, bids[0], award, *fork)):
        ear.hear(said)
    assert [{one.first.id, one.second.id} for one in ear.convictions] == [{one.id for one in fork}]
    assert ear.contract(announcement.id).state is State.AWARDED


@pytest.mark.spec("M-6.16")
def test_one_use_of_a_standing_permit_spent_twice_convicts() -> None:
    """Two awards of one feed with the same numbered use are a fork; two numbers are none."""
    for second, convicted in ((1, 1), (2, 0)):
        market, ear = watcher()
        manager, ada = Author("manager"), Author("ada")
        place = {"market": market.charter.id}
        terms = Standing(manager=manager.peer, skill="shout", price_max=50, uses=5)
        given = Author("giver").say(permit(terms), **place)
        for key, number in ((b"one", 1), (b"two", second)):
            announcement = announce(market, manager, key)
            bid = ada.say(Bid(price=10, duration_ms=1), about=announcement, **place)
            award = award_of(bid, standing=StandingUse(permit=given.id, number=number))
            for said in (announcement, bid, manager.say(award, about=announcement, prev=announcement, **place)):
                ear.hear(said)
        assert len(ear.convictions) == convicted


@pytest.mark.spec("M-6.16")
def test_gaps_feeds_and_late_words_convict_nobody() -> None:
    """A missing seq, two results from two lives of a contractor, a bid behind the end: the honest do all of it."""
    market, ear = watcher()
    manager, ada, place = Author("manager"), Author("ada"), {"market": market.charter.id}
    announcement = announce(market, manager, seq=7)
    bid = ada.say(Bid(price=10, duration_ms=1), about=announcement, **place)
    award = manager.say(award_of(bid), about=announcement, prev=announcement, seq=8, **place)
    results = [life.say(RESULT, about=award, **place) for life in (ada, Author("ada", feed=2))]
    end = manager.say(WITHDRAWN, about=announcement, prev=award, seq=20, **place)
    late = Author("bo").say(Bid(price=1, duration_ms=1), about=announcement, **place)
    for said in (announcement, bid, award, *results, end, late, *results):
        ear.hear(said)
    assert not ear.convictions
    assert ear.contract(announcement.id).state is State.CANCELLED


@pytest.mark.spec("M-5.6", "M-6.4")
def test_a_wrong_winner_is_for_the_audit_not_for_the_fold() -> None:
    """The dearer of two listed bids was awarded, at its own price: wrong, and not void."""
    story = Story(task())
    cheap, dear = story.bid(story.bo, 5), story.bid(story.ada, 10)
    story.step(award_of(dear, cheap), story.announcement)
    assert (story.state, story.reading.fault) == (State.AWARDED, None)


@pytest.mark.spec("M-5.6")
def test_an_award_lists_its_winning_bid() -> None:
    """A list without the bid that won is illegal."""
    story = Story()
    award = structs.replace(award_of(story.bid(story.ada)), considered=(story.bid(story.bo).id,))
    story.step(award, story.announcement)
    assert story.reading.fault == "winning bid was not considered"


@pytest.mark.spec("M-7.8")
def test_an_award_is_permitted_by_its_own_permits_only() -> None:
    """Permits of the announcement, of another epoch's award or of the settlement permit no award."""
    story = Story(task(effect=EffectClass.IRREVERSIBLE), governors=1)
    first = story.award()
    story.vote(1, story.announcement)
    assert not story.reading.permitted
    story.vote(1, first)
    assert story.reading.permitted
    story.step(recall(RecallReason.LAPSED), first)
    second = story.award(story.bo, epoch=2)
    assert not story.reading.permitted
    story.vote(1, story.step(Settlement(), story.add(story.bo, RESULT, second)))
    assert not story.reading.permitted


@pytest.mark.spec("M-9.2")
def test_a_flood_of_unknown_statements_is_bounded() -> None:
    """Statements about ids that nobody holds wait, but only so many of one author, and so many in all."""
    market, ear = watcher(seats=())
    for number in range(limits.WAITING_MAX // limits.WAITING_PER_AUTHOR_MAX + 2):
        flooder = Author(f"flooder {number}")
        for at in range(limits.WAITING_PER_AUTHOR_MAX + 10):
            about = number.to_bytes(2) + at.to_bytes(30)
            ear.hear(flooder.say(Bid(price=1, duration_ms=1), about=about, market=market.charter.id))
    assert 0 < len(ear.node.holdings.waiting) <= limits.WAITING_MAX


def test_what_is_remembered_against_forks_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Feeds and seqs have bounds of their own; large statements on many feeds reach the bound in bytes first."""
    monkeypatch.setattr(limits, "FORK_BYTES_MAX", 100_000)
    forks = Forks()
    feeds = [Author(f"author {number}") for number in range(5)]
    said = [author.say(Refusal(reason="x" * 1_000), about=bytes(32)) for _ in range(60) for author in feeds]
    assert not any(forks.look(statement) for statement in said)
    assert 0 < forks.bytes <= limits.FORK_BYTES_MAX
    for author in feeds:  # each feed remembers its latest
        assert forks.look(author.say(Refusal(reason="y"), about=bytes(32), seq=60)) is not None


@pytest.mark.spec("M-9.2")
def test_gaps_in_many_feeds_of_one_author_are_watched_within_a_bound() -> None:
    """A member that begins a feed with each statement neither slows a governor nor takes the room of others."""
    market, ear = watcher()
    honest, flooder = announce(market, Author("manager")), Author("flooder")
    ear.hear(honest)
    for feed in range(2 * limits.FEEDS_PER_AUTHOR_MAX):
        ear.hear(announce(market, Author("flooder", feed=feed), seq=5))
    assert ear.node.governor is not None
    watched = [*ear.node.governor.gaps.feeds]
    assert (honest.author, honest.feed) in watched
    assert sum(author == flooder.peer for author, _ in watched) == limits.FEEDS_PER_AUTHOR_MAX
    market.run(2_000)
    assert len(market.fetched_at) <= 2 * limits.FEEDS_PER_AUTHOR_MAX  # two askings each in that time


@pytest.mark.parametrize("seats", [(), ("watcher",)], ids=["a bidder", "a governor"])
def test_steps_about_nothing_are_ignored(seats: tuple[str, ...]) -> None:
    """No honest node says an award or a cancellation about nothing: whoever hears one goes on."""
    market, ear = watcher(seats=seats)
    liar = Author("liar")
    story = Story()
    for body in (award_of(story.bid(story.ada)), Cancel(reason=CancelReason.WITHDRAWN, answer=None)):
        ear.hear(liar.say(body, market=market.charter.id))
    manager = Author("manager")
    ear.hear(announce(market, manager))
    assert ear.alive
    assert not ear.convictions


@pytest.mark.spec("M-9.4")
def test_a_missing_seq_is_no_gap_at_once() -> None:
    """What a governor has not heard may be on another topic's way: it asks after 200 ms, and not before."""
    market, ear = watcher()
    manager = Author("manager")
    ear.hear(announce(market, manager))
    begun = market.now_ms
    ear.hear(announce(market, manager, b"third", seq=3))
    market.run(limits.GAP_MS - 1)
    assert not market.fetched_at
    market.run(2_000)
    assert min(market.fetched_at) >= begun + limits.GAP_MS
