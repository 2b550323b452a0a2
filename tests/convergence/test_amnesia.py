"""A manager that lost its journal: it ends what it hears of, once, and bows to the end that it had said before.

And a contractor that lost its own: what it had delivered and is settled it takes back in.
"""

from __future__ import annotations

import pytest

from protocol.bundle import evidence_of
from protocol.contract import Contract
from protocol.keys import Digest
from protocol.outbox import exhibit_frames
from protocol.policy import Policy
from protocol.statements import AnyStatement, Failure, FailureClass
from protocol.states import State
from protocol.topics import TOPIC_LENGTH
from tests.market import TestMarket, charter_with

NO_RULES = Policy(version=Digest(bytes(32)))


def settled(*governors: str) -> tuple[TestMarket, Digest]:
    """A market whose manager has settled a task with a, the only bidder who could hear of it then."""
    market = TestMarket(charter_with(governors))
    for name in governors:
        market.join(name, policy=NO_RULES)
    market.join("m")
    market.join("a", shout=10)
    market.run(10)
    task = market.announce("m")
    market.run(5_000)
    return market, task


def forget(market: TestMarket) -> None:
    """The manager loses its journal, and nobody hears it come back."""
    market.peers["m"].crash()
    market.cut |= {("m", name) for name in market.peers}
    market.restart("m", lose_journal=True)
    market.cut.clear()


def show(market: TestMarket, announcement: AnyStatement) -> None:
    """Somebody shows the manager what it had announced."""
    piece = evidence_of(announcement, market.peers["a"].sealer)
    market.peers["m"].run([bytes(TOPIC_LENGTH) + frame for frame in exhibit_frames([piece])])


def held(market: TestMarket, name: str, task: Digest) -> Contract:
    """The contract as a peer holds it."""
    return market.peers[name].node.holdings.contracts[task]


@pytest.mark.spec("M-6.13", "M-8.28")
def test_a_task_that_only_a_governor_remembers_is_ended() -> None:
    """No bidder waits for it, but the governor misses its end, and shows the manager what it announced."""
    market = TestMarket(charter_with(("g",)))
    market.join("g", policy=NO_RULES)
    market.join("m")
    market.run(10)
    task = market.announce("m", deadline_ms=10_000)
    market.run(100)
    forget(market)
    market.run(60_000)
    assert held(market, "g", task).reading.orphaned
    assert held(market, "m", task).reading.orphaned


@pytest.mark.spec("M-6.13", "M-8.29")
def test_an_orphan_is_said_again_to_who_may_know_better() -> None:
    """The contractor did not hear the task called orphaned; when it is seen again it does, and shows the settlement."""
    market, task = settled()
    announcement = held(market, "a", task).announcement
    forget(market)
    market.cut.add(("m", "a"))
    show(market, announcement)
    market.run(10_000)
    assert held(market, "m", task).reading.orphaned
    assert held(market, "a", task).reading.state is State.SETTLED
    market.heal()
    market.run(1_000)
    assert held(market, "m", task).reading.state is State.SETTLED


@pytest.mark.spec("M-6.13", "M-8.30")
def test_an_end_that_is_shown_comes_with_its_votes() -> None:
    """What a governor has ratified is final for the manager that forgot it too, even while the governor is away."""
    market, task = settled("g")
    assert held(market, "a", task).reading.state is State.FINAL
    announcement = held(market, "a", task).announcement
    forget(market)
    market.peers["g"].crash()
    show(market, announcement)
    market.run(10_000)
    assert held(market, "m", task).reading.state is State.FINAL


def test_the_same_manager_ends_a_forgotten_task_only_once() -> None:
    """After another restart, with its new journal, it says the same cancellation and no second one."""
    market, task = settled()
    announcement = held(market, "a", task).announcement
    forget(market)
    market.cut |= {("m", "a"), ("a", "m")}
    show(market, announcement)
    said = held(market, "m", task).reading.end
    market.restart("m")
    assert said is not None
    assert held(market, "m", task).reading.end == said
    market.heal()
    market.run(1_000)
    assert held(market, "m", task).reading.state is State.SETTLED


@pytest.mark.spec("M-8.30")
def test_a_cancel_is_shown_with_the_failure_that_it_cites() -> None:
    """Without what it cites an end cannot be read, and its manager would call the task orphaned for ever."""
    market = TestMarket()
    market.join("m")
    contractor = market.join("a", shout=10)
    contractor.work = lambda execute: Failure(failure_class=FailureClass.FATAL, reason="no", done="")
    market.run(10)
    task = market.announce("m")
    market.run(5_000)
    announcement = held(market, "a", task).announcement
    assert held(market, "a", task).reading.state is State.CANCELLED
    forget(market)
    show(market, announcement)
    market.run(10_000)
    reading = held(market, "m", task).reading
    assert not reading.missing
    assert not reading.orphaned


def test_a_manager_in_a_new_feed_still_asks_whether_its_settlement_is_ratified() -> None:
    """An older journal was put back: the settlement is in it, the permit is not, and everybody else is at rest."""
    market = TestMarket(charter_with(("g",)))
    market.join("g", policy=NO_RULES)
    manager = market.join("m")
    market.join("a", shout=10)
    market.run(10)
    market.cut.add(("g", "m"))
    task = market.announce("m")
    market.run(500)
    assert held(market, "m", task).reading.state is State.SETTLED
    assert held(market, "a", task).reading.state is State.FINAL
    manager.crash()
    market.cut.clear()
    manager.life += 1
    market.restart("m")
    market.run(10_000)
    assert held(market, "m", task).reading.state is State.FINAL


@pytest.mark.spec("M-8.29")
def test_an_orphan_that_nobody_heard_of_is_said_again() -> None:
    """The contractor was here all the time and lost the one frame: nobody else would ever ask."""
    market, task = settled()
    announcement = held(market, "a", task).announcement
    forget(market)
    market.cut.add(("m", "a"))
    show(market, announcement)
    market.run(100)
    assert held(market, "m", task).reading.orphaned
    market.cut.clear()
    market.run(5_000)
    assert held(market, "m", task).reading.state is State.SETTLED


def test_a_contractor_that_was_told_of_an_orphan_hears_how_the_task_had_ended() -> None:
    """It never heard the settlement; the governor did, and shows it to the manager, which passes it on."""
    market = TestMarket(charter_with(("g",)))
    market.join("g", policy=NO_RULES)
    market.join("m")
    contractor = market.join("a", shout=10)
    market.run(10)
    task = market.announce("m")
    market.cut.add(("g", "a"))
    while not contractor.executed:
        market.run(1)
    market.cut.add(("m", "a"))
    market.run(1_000)
    assert held(market, "g", task).reading.state is State.FINAL
    assert held(market, "a", task).reading.end is None
    announcement = held(market, "a", task).announcement
    forget(market)
    market.cut.add(("g", "a"))
    show(market, announcement)
    market.run(60_000)
    assert held(market, "m", task).reading.state is State.FINAL
    assert held(market, "a", task).reading.state is State.FINAL


def settled_and_forgotten() -> tuple[TestMarket, Digest]:
    """A market without its governor, whose contractor has forgotten what it did, and is shown that it is settled."""
    market = TestMarket(charter_with(("g",)))
    market.join("m")
    market.join("a", shout=10)
    market.run(10)
    task = market.announce("m")
    market.run(500)
    market.peers["a"].crash()
    market.restart("a", lose_journal=True)
    market.run(5_000)
    return market, task


@pytest.mark.spec("M-8.36")
def test_a_contractor_takes_back_in_what_it_had_delivered() -> None:
    """It has neither bid nor result any more: shown the settlement it asks for all of it, and works no second time."""
    market, task = settled_and_forgotten()
    contractor = market.peers["a"]
    assert contractor.contract(task).state is State.SETTLED
    assert not contractor.node.holdings.waiting
    assert len(contractor.executed) == 1
    market.join("g", policy=NO_RULES)
    market.run(60_000)
    assert contractor.contract(task).state is State.FINAL


@pytest.mark.spec("M-8.36", "M-8.1")
def test_what_was_taken_back_in_outlives_another_restart() -> None:
    """It is recorded as whatever else is heard: with its new journal the contractor knows the task at once."""
    market, task = settled_and_forgotten()
    market.cut.add(("m", "a"))
    contractor = market.restart("a")
    assert contractor.contract(task).state is State.SETTLED


@pytest.mark.spec("M-8.36")
def test_an_award_without_a_bid_is_let_in_for_no_other_word() -> None:
    """A manager may award to whom it likes: only a settled result that is signed by us says that we were at work."""
    market = TestMarket()
    market.join("m")
    market.join("a", shout=10)
    market.run(10)
    task = market.announce("m")
    market.run(500)
    award = held(market, "a", task).reading.award
    assert award is not None
    contractor = market.peers["a"]
    contractor.crash()
    market.cut |= {("m", "a"), ("a", "m")}
    market.restart("a", lose_journal=True)
    contractor.hear(award)
    market.run(1_000)
    assert not contractor.node.holdings.waiting
    assert task not in contractor.node.holdings.contracts
