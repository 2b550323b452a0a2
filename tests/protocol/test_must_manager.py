"""The duties of a manager, seen from the wire: production nodes on a fake one."""

from __future__ import annotations

import pytest

from protocol.actions import Check
from protocol.events import Announce, Withdraw
from protocol.keys import Digest
from protocol.policy import Ruled, Stage
from protocol.statements import (
    Acceptance,
    Announcement,
    Award,
    Bid,
    Cancel,
    CancelReason,
    EffectClass,
    Failure,
    FailureClass,
    Recall,
    RecallReason,
    Renewal,
    Result,
    Settlement,
    VetoScope,
)
from protocol.states import Phase, State
from tests.market import charter_with, task_for
from tests.protocol.overheard import FAILED, PERMISSIVE, Overheard, lazy, policy, two

FATAL = Failure(failure_class=FailureClass.FATAL, reason="cannot be done", done="")


@pytest.mark.spec("M-8.8")
def test_a_manager_waits_for_its_bid_window_or_for_everybody() -> None:
    """With one silent member the award comes at the end of the window; when all have answered, before."""
    for silent in (True, False):
        market = two()
        market.join("b", shout=20)
        if silent:
            market.deafen("m", "b")
        begun = market.now_ms
        market.announce("m", bid_window_ms=500)
        awarded = market.until(Award).at_ms
        assert (awarded >= begun + 500) is silent


@pytest.mark.spec("M-8.9")
@pytest.mark.parametrize(
    "terms", [{"effect": EffectClass.IRREVERSIBLE}, {"budget": 10**9 + 1}, {"deadline_ms": 10**9 + 1}], ids=str
)
def test_what_the_charter_does_not_allow_is_not_announced(terms: dict[str, object]) -> None:
    """Nothing is said at all."""
    market = two()
    market.peers["m"].run(events=[Announce(task=task_for(market.charter, **terms))])
    assert not market.of(Announcement)


def parent() -> tuple[Overheard, Digest, Digest]:
    """A task under which its contractor may sub-contract: the market, the task and the award, of price 10."""
    market = two()
    lazy(market.peers["a"])
    market.join("b", lift=1)
    task = market.announce("m", bid_window_ms=50, deadline_ms=30_000)
    award = market.until(Award).statement.id
    market.until(Acceptance)
    return market, task, award


def sub_contract(market: Overheard, under: Digest, **terms: object) -> int:
    """The contractor tries to announce a child; how many announcements it has said by now."""
    child = task_for(market.charter, **{"skill": "lift", "deadline_ms": 20_000, **terms})
    market.peers["a"].run(events=[Announce(task=child, parent=under)])
    return len(market.bodies(Announcement, "a"))


@pytest.mark.spec("M-8.10")
def test_a_child_lies_within_its_parent() -> None:
    """Budget, deadline and effect class; and the budgets of all children together."""
    market, _, award = parent()
    assert sub_contract(market, award, budget=11) == 0
    assert sub_contract(market, award, budget=5, deadline_ms=30_001) == 0
    assert sub_contract(market, award, budget=5, effect=EffectClass.REVERSIBLE) == 0
    assert sub_contract(market, Digest(bytes(32)), budget=5) == 0
    assert sub_contract(market, award, budget=6, idempotency_key=b"one") == 1
    assert sub_contract(market, award, budget=5, idempotency_key=b"two") == 1
    assert sub_contract(market, award, budget=4, idempotency_key=b"three") == 2
    assert {said.statement.about for said in market.of(Announcement, "a")} == {award}


@pytest.mark.spec("M-8.11")
def test_a_contract_that_ends_takes_its_children_along() -> None:
    """The manager withdraws; the contractor cancels what it had announced under the award."""
    market, task, award = parent()
    lazy(market.peers["b"])
    sub_contract(market, award, budget=5)
    child = market.of(Announcement, "a")[0].statement.id
    market.run(1_000)
    assert market.peers["a"].contract(child).state is State.AWARDED
    market.peers["m"].run(events=[Withdraw(task)])
    market.run(100)
    assert market.peers["b"].contract(child).state is State.CANCELLED


@pytest.mark.spec("M-8.12")
def test_a_silent_winner_is_recalled() -> None:
    """Two seconds after the award."""
    market = two()
    market.announce("m", bid_window_ms=50)
    market.until(Bid)
    market.run(1)
    market.deafen("a", "m")
    awarded, recalled = market.until(Award), market.until(Recall)
    assert recalled.statement.body == Recall(reason=RecallReason.LAPSED, answer=None)
    assert recalled.at_ms == awarded.at_ms + 2_000


@pytest.mark.spec("M-8.12", "M-8.20")
def test_without_permits_an_irreversible_task_is_denied() -> None:
    """Its governor is not there: nobody starts, and after ten seconds it is over."""
    market = two(Overheard(charter_with(("g",))))
    market.announce("m", effect=EffectClass.IRREVERSIBLE, bid_window_ms=50)
    awarded, cancelled = market.until(Award), market.until(Cancel)
    assert cancelled.statement.body == Cancel(reason=CancelReason.DENIED, answer=None)
    assert cancelled.at_ms == awarded.at_ms + 10_000
    assert not market.of(Acceptance)


@pytest.mark.spec("M-8.13")
def test_a_contractor_that_falls_silent_is_recalled_after_lease_and_grace() -> None:
    """Not a moment before the worker has stopped for sure."""
    market = two()
    lazy(market.peers["a"])
    market.announce("m", bid_window_ms=50, lease_ms=4_000)
    accepted = market.until(Acceptance)
    market.run(1)
    market.deafen("a", "m")
    recalled = market.until(Recall)
    assert recalled.statement.body == Recall(reason=RecallReason.EXPIRED, answer=None)
    assert recalled.at_ms >= accepted.at_ms + 4_000 + 500 + 400
    assert market.until(Failure).at_ms <= accepted.at_ms + 4_000


@pytest.mark.spec("M-8.14")
@pytest.mark.parametrize("passed", [True, False, None])
def test_a_result_is_settled_or_recalled(passed: bool | None) -> None:
    """Looked at and good, looked at and bad, not looked at: silence is no settlement."""
    market = two()
    manager = market.peers["m"]
    manager.check = lambda result: bool(passed)
    carry_out = manager.carry_out
    if passed is None:
        manager.carry_out = lambda actions: carry_out([one for one in actions if type(one) is not Check])  # type: ignore[method-assign]
    market.announce("m", check=True, bid_window_ms=50)
    result = market.until(Result).statement
    if passed:
        assert market.until(Settlement).statement.about == result.id
    else:
        recalled = Recall(reason=RecallReason.FAILED_CHECK, answer=result.id)
        assert market.until(Recall).statement.body == recalled
        assert not market.of(Settlement)


@pytest.mark.spec("M-8.14")
def test_a_failure_is_recalled_and_cited() -> None:
    """The step names the answer that it ends on."""
    market = two()
    market.peers["a"].work = lambda execute: FAILED
    market.announce("m", bid_window_ms=50)
    failure = market.until(Failure).statement
    assert market.until(Recall).statement.body == Recall(reason=RecallReason.FAILED, answer=failure.id)


@pytest.mark.spec("M-8.15")
@pytest.mark.parametrize(("outcome", "attempts"), [(FAILED, 1), (FATAL, 3)])
def test_the_last_attempt_and_a_fatal_failure_exhaust_the_task(outcome: Failure, attempts: int) -> None:
    """Then trying again is waste."""
    market = two()
    market.join("b", shout=20)
    market.peers["a"].work = lambda execute: outcome
    market.announce("m", bid_window_ms=50, attempts=attempts)
    failure = market.until(Failure).statement
    assert market.until(Cancel).statement.body == Cancel(reason=CancelReason.EXHAUSTED, answer=failure.id)
    assert len(market.bodies(Award)) == 1


@pytest.mark.spec("M-8.15")
@pytest.mark.parametrize(("bidders", "reason"), [(0, CancelReason.NO_BIDS), (1, CancelReason.DEADLINE)])
def test_the_deadline_ends_the_task(bidders: int, reason: CancelReason) -> None:
    """Whether nobody bid, or somebody works too long."""
    market = Overheard()
    market.join("m")
    if bidders:
        lazy(market.join("a", shout=10))
    begun = market.now_ms
    market.announce("m", bid_window_ms=50, deadline_ms=9_000)
    cancelled = market.until(Cancel)
    assert cancelled.statement.body.reason is reason
    assert cancelled.at_ms == begun + 9_000


@pytest.mark.spec("M-8.16")
@pytest.mark.parametrize("says_so", [True, False])
def test_after_a_go_only_the_contractors_own_end_frees_an_irreversible_task(says_so: bool) -> None:
    """With its Failure cited the next one may have it; when it has fallen silent, nobody."""
    market = two(Overheard(charter_with(("g",))))
    market.join("b", shout=20)
    market.join("g", policy=PERMISSIVE)
    market.peers["a"].work = lambda execute: FAILED if says_so else None
    market.announce("m", effect=EffectClass.IRREVERSIBLE, bid_window_ms=50)
    market.until(Renewal)
    if not says_so:
        market.deafen("a", "m", "g", "b")
    market.run(30_000)
    assert len(market.bodies(Award)) == (2 if says_so else 1)
    ends = [body.reason for body in market.bodies(Cancel)]
    assert ends == ([] if says_so else [CancelReason.EXHAUSTED])


@pytest.mark.spec("M-8.17", "M-7.10", "M-7.11")
@pytest.mark.parametrize("scope", VetoScope)
def test_a_veto_quorum_is_obeyed(scope: VetoScope) -> None:
    """Of the epoch: it is recalled, and the next one has the task. Of the task: it is cancelled."""
    market = two(Overheard(charter_with(("g",))))
    market.join("b", shout=20)
    stages, only = (
        ((Stage.AWARD,), (market.peers["a"].sealer.peer,)) if scope is VetoScope.EPOCH else (tuple(Stage), ())
    )
    market.join("g", policy=policy(Ruled.VETO, scope=scope, stages=stages, contractors=only))
    task = market.announce("m", effect=EffectClass.REVERSIBLE, bid_window_ms=50)
    lazy(market.peers["a"])
    market.run(10_000)
    reading = market.peers["m"].contract(task)
    if scope is VetoScope.TASK:
        assert market.bodies(Cancel) == [Cancel(reason=CancelReason.VETOED, answer=None)]
        assert reading.state is State.VETOED
    else:
        assert market.bodies(Recall) == [Recall(reason=RecallReason.VETOED, answer=None)]
        assert (reading.state, reading.epoch, reading.phase) == (State.FINAL, 2, Phase.NONE)


@pytest.mark.spec("M-8.18")
def test_one_idempotency_key_is_one_task() -> None:
    """Whoever asks twice is told of the first."""
    market = two()
    first = market.announce("m", idempotency_key=b"once", bid_window_ms=50)
    assert market.announce("m", idempotency_key=b"once", budget=7) == first
    market.run(2_000)
    assert market.announce("m", idempotency_key=b"once") == first
    assert len(market.bodies(Announcement)) == 1


@pytest.mark.spec("M-8.19")
def test_a_later_winner_gets_the_chain_before_its_award() -> None:
    """It freed all that it knew when it lost; with the second award it gets the first, and how that ended."""
    market = two()
    market.join("b", shout=20)
    market.peers["a"].work = lambda execute: FAILED
    task = market.announce("m", bid_window_ms=50)
    market.run(5_000)
    here, there = (market.peers[name].contract(task) for name in ("m", "b"))
    assert [type(step.body) for step in there.steps] == [Announcement, Award, Recall, Award, Settlement]
    assert there.steps == here.steps
    assert not there.missing
