"""The duties of everybody and of a bidder, seen from the wire: production nodes on a fake one."""

from __future__ import annotations

from itertools import pairwise

import pytest

from protocol import limits
from protocol.events import HeardAgain
from protocol.statements import (
    Acceptance,
    Announcement,
    Bid,
    EffectClass,
    Refusal,
    Result,
    Settlement,
)
from protocol.states import State
from tests.authors import Author
from tests.market import task_for
from tests.protocol.overheard import Overheard, two

# Of everybody


@pytest.mark.spec("M-8.1")
def test_what_could_not_be_recorded_is_not_said() -> None:
    """When the transaction fails, nothing of that turn leaves, and the peer stops."""
    market = two()
    task = market.announce("m")
    worker = market.peers["a"]
    worker.journal.fail_at = len(worker.journal.rows)
    market.said.clear()
    market.run(1_000)
    assert not worker.alive
    assert not [said for said in market.said if said.by == "a"]
    assert market.peers["m"].contract(task).state is State.OPEN


@pytest.mark.spec("M-8.1", "M-2.7", "M-2.8")
@pytest.mark.parametrize("who", ["m", "a"])
@pytest.mark.parametrize("row", range(1, 6))
def test_after_a_crash_no_number_and_no_predecessor_is_used_twice(who: str, row: int) -> None:
    """Whatever the transaction that failed, all that ever left has one statement for each seq and each prev."""
    market = two()
    market.announce("m", bid_window_ms=50)
    crashed = market.peers[who]
    crashed.journal.fail_at = len(crashed.journal.rows) + row - 1
    market.run(3_000)
    market.restart(who)
    market.run(90_000)
    left = {said.statement.id: said.statement for said in market.said}.values()
    assert len({(one.author, one.feed, one.seq) for one in left}) == len(left)
    linked = [one for one in left if one.prev is not None]
    assert len({(one.author, one.feed, one.prev) for one in linked}) == len(linked)


@pytest.mark.spec("M-8.3")
def test_who_waits_says_it_again_with_growing_pauses() -> None:
    """A result whose settlement does not come is said again: the same statement, ever more rarely."""
    market = two()
    market.announce("m", bid_window_ms=50)
    market.until(Result)
    market.cut |= {("m", "a"), ("a", "m")}
    market.run(20_000)
    times = [said.at_ms for said in market.of(Result)]
    pauses = [after - before for before, after in pairwise(times)]
    assert len(market.bodies(Result)) == 1
    assert len(pauses) >= 4
    assert pauses == sorted(pauses)
    assert limits.REPEAT_FIRST_MS <= pauses[0] < pauses[-1]


@pytest.mark.spec("M-8.4", "M-4.7")
def test_a_question_is_answered_again_but_not_too_often() -> None:
    """A result that is heard again brings the settlement again, once in 100 ms."""
    market = two()
    market.announce("m", bid_window_ms=50)
    result = market.until(Result).statement
    market.until(Settlement)
    market.run(1_000)
    market.said.clear()
    manager = market.peers["m"]
    for _ in range(5):
        manager.run(events=[HeardAgain(result.id)])
    assert len(market.of(Settlement)) == 1
    market.run(limits.ANSWER_AGAIN_MS)
    manager.run(events=[HeardAgain(result.id)])
    assert len(market.of(Settlement)) == 2
    assert len({said.statement.id for said in market.of(Settlement)}) == 1


# Of a bidder


@pytest.mark.spec("M-8.5")
def test_a_bidder_says_one_bid() -> None:
    """However often it hears the announcement, it says the same bid."""
    market = two()
    task = market.announce("m", bid_window_ms=500)
    announcement = market.until(Announcement).statement
    market.deafen("a", "m")
    market.run(10)
    for _ in range(3):
        market.peers["a"].hear(announcement)
        market.run(300)
    assert len(market.of(Bid)) > 1
    assert len(market.bodies(Bid)) == 1
    assert announcement.id == task


@pytest.mark.spec("M-8.5")
def test_a_refusal_may_come_before_the_bid() -> None:
    """A busy peer refuses, and bids when a place is free."""
    market = Overheard()
    market.join("m")
    market.join("a", capacity=1, shout=10).work_ms = 300
    market.announce("m", bid_window_ms=50)
    market.until(Acceptance)
    second = market.announce("m", bid_window_ms=50, idempotency_key=b"second")
    market.run(5_000)
    answers = [said.statement for said in market.said if said.by == "a" and said.statement.about == second]
    kinds = [type(one.body) for one in {one.id: one for one in answers}.values()]
    assert kinds[:2] == [Refusal, Bid]
    assert kinds.count(Bid) == 1


@pytest.mark.spec("M-8.6")
def test_a_loser_says_its_old_bid_again() -> None:
    """Long after it lost, it answers the announcement with the bid it said then."""
    market = two()
    market.join("b", shout=20)
    market.announce("m", bid_window_ms=50)
    announcement = market.until(Announcement).statement
    market.until(Settlement)
    market.run(500)
    (before,) = {said.statement.id for said in market.of(Bid, "b")}
    market.said.clear()
    market.peers["b"].hear(announcement)
    assert [said.statement.id for said in market.of(Bid, "b")] == [before]


@pytest.mark.spec("M-8.7", "M-7.3")
def test_an_irreversible_task_is_refused_where_nobody_governs() -> None:
    """A manager that announces one all the same gets a refusal."""
    market = two()
    body = task_for(market.charter, effect=EffectClass.IRREVERSIBLE)
    market.peers["a"].hear(Author("rogue").say(body, market=market.charter.id))
    assert market.bodies(Refusal, "a")
    assert not market.bodies(Bid)
