"""The duties of a contractor, seen from the wire."""

from __future__ import annotations

import pytest

from protocol.events import Vote
from protocol.job import idempotency_token
from protocol.statements import (
    Acceptance,
    Announcement,
    AnyStatement,
    Award,
    Bid,
    Decline,
    EffectClass,
    Failure,
    FailureClass,
    Permit,
    Progress,
    Renewal,
    Result,
    Settlement,
)
from protocol.states import State
from tests.authors import veto
from tests.market import TestPeer, charter_with
from tests.protocol.overheard import FAILED, PERMISSIVE, Overheard

IRREVERSIBLE = {"effect": EffectClass.IRREVERSIBLE, "bid_window_ms": 50}
REVERSIBLE = {"effect": EffectClass.REVERSIBLE, "bid_window_ms": 50}


def governed(*, working: bool = True) -> Overheard:
    """A manager, a contractor that never finishes (unless it is `working`), and one governor that permits all."""
    market = Overheard(charter_with(("g",)))
    market.join("m")
    worker = market.join("a", shout=10)
    if not working:
        worker.work = lambda execute: None
    market.join("g", policy=PERMISSIVE)
    return market


@pytest.mark.spec("M-8.20")
def test_the_acceptance_comes_after_the_permits_and_cites_them() -> None:
    """The governor arrives late; until then nobody accepts."""
    market = Overheard(charter_with(("g",)))
    market.join("m")
    market.join("a", shout=10)
    market.announce("m", **IRREVERSIBLE)
    market.until(Award)
    market.run(3_000)
    assert not market.of(Acceptance)
    market.join("g", policy=PERMISSIVE)
    accepted, permitted = market.until(Acceptance), market.of(Permit)[0]
    assert accepted.at_ms >= permitted.at_ms
    assert accepted.statement.body == Acceptance(permits=(permitted.statement.id,))


@pytest.mark.spec("M-8.21", "M-6.11", "M-7.3")
@pytest.mark.parametrize("effect", EffectClass)
def test_work_with_effects_starts_with_the_go(effect: EffectClass) -> None:
    """A pure task is begun at once; the others wait for the manager's first renewal, which may never come."""
    market = governed(working=False)
    market.announce("m", effect=effect, bid_window_ms=50)
    market.until(Acceptance)
    market.deafen("m", "a")
    market.run(3_000)
    assert bool(market.peers["a"].executed) is (effect is EffectClass.PURE)
    assert bool(market.of(Renewal)) or effect is EffectClass.PURE


def late_go() -> tuple[Overheard, TestPeer, AnyStatement]:
    """A go that reaches its contractor when the lease it renews is over."""
    market = governed(working=False)
    market.announce("m", lease_ms=2_000, **REVERSIBLE)
    market.until(Acceptance)
    market.deafen("m", "a")
    go = market.until(Renewal)
    market.run(2_100)
    market.cut.clear()
    return market, market.peers["a"], go.statement


@pytest.mark.spec("M-8.22")
def test_a_go_that_comes_late_starts_nothing() -> None:
    """The contractor says Progress instead, and the renewal of that starts the work."""
    market, worker, go = late_go()
    worker.hear(go)
    assert not worker.executed
    progress = market.of(Progress, "a")[0]
    market.run(100)
    (begun,) = worker.executed
    assert [one.about for one in {said.statement.id: said.statement for said in market.of(Renewal)}.values()] == [
        go.about, progress.statement.id,
    ]  # fmt: skip
    assert begun.lease_until_ms == progress.at_ms + 2_000


@pytest.mark.spec("M-8.22")
def test_the_lease_runs_from_the_first_saying() -> None:
    """Of the acceptance for a pure task, of what was renewed for the others; never from when the answer came."""
    market = governed(working=False)
    market.announce("m", lease_ms=4_000, bid_window_ms=50)
    accepted = market.until(Acceptance)
    assert market.peers["a"].executed[0].lease_until_ms == accepted.at_ms + 4_000


@pytest.mark.spec("M-8.23")
def test_the_worker_stops_at_the_end_of_its_lease() -> None:
    """Cut off from its manager it stops by itself, and says so."""
    market = governed(working=False)
    market.announce("m", lease_ms=4_000, **REVERSIBLE)
    market.until(Renewal)
    market.run(2)
    market.deafen("m", "a")
    lease_until_ms = market.peers["a"].executed[0].lease_until_ms
    failed = market.until(Failure)
    assert failed.at_ms == lease_until_ms
    assert failed.statement.body.failure_class is FailureClass.STOPPED
    assert market.peers["a"].stopped == [market.of(Award)[0].statement.id]


@pytest.mark.spec("M-8.23")
def test_the_worker_stops_under_a_veto() -> None:
    """Even when its manager cannot tell it to."""
    market = governed(working=False)
    market.announce("m", **REVERSIBLE)
    award = market.until(Award).statement
    market.until(Renewal)
    market.run(2)
    market.deafen("m", "a")
    market.peers["g"].run(events=[Vote(about=award.id, body=veto())])
    market.run(100)
    assert market.peers["a"].stopped == [award.id]
    assert market.of(Failure)[0].statement.body.failure_class is FailureClass.STOPPED


@pytest.mark.spec("M-8.24")
def test_accepted_work_never_exceeds_the_capacity() -> None:
    """Five tasks for two places: all are bid on at once, two are worked on."""
    market = Overheard()
    market.join("m")
    market.join("a", capacity=2, shout=10).work_ms = 300
    for number in range(5):
        market.announce("m", idempotency_key=bytes([number]), bid_window_ms=50)
    market.run(30_000)
    assert len(market.bodies(Bid)) == 5
    said = {each.statement.id: each.statement.body for each in market.said if each.by == "a"}
    at_work = most = 0
    for body in said.values():
        at_work += isinstance(body, Acceptance) - isinstance(body, Result | Failure)
        most = max(most, at_work)
    assert most == 2
    assert len(market.bodies(Settlement)) + len(market.bodies(Decline)) >= 5


@pytest.mark.spec("M-8.25")
def test_a_restarted_contractor_says_that_it_has_failed() -> None:
    """It cannot know what was done, and does not begin anew."""
    market = governed(working=False)
    market.announce("m", **REVERSIBLE)
    market.until(Renewal)
    market.run(2)
    assert len(market.peers["a"].executed) == 1
    market.restart("a")
    failed = market.until(Failure)
    assert failed.statement.body.failure_class is FailureClass.RETRYABLE
    assert failed.statement.about == market.of(Award)[0].statement.id
    assert len(market.peers["a"].executed) == 1


@pytest.mark.spec("M-8.26")
def test_a_result_is_repeated_until_it_is_final() -> None:
    """The settlement is provisional where there are governors: the result is said on until their votes are in."""
    market = governed()
    market.deafen("g", "a", "m")
    task = market.announce("m", bid_window_ms=50)
    market.until(Settlement)
    market.run(8_000)
    worker = market.peers["a"]
    assert worker.contract(task).state is State.SETTLED
    assert len(market.of(Result)) > 3
    market.cut.clear()
    market.run(60_000)
    assert worker.contract(task).state is State.FINAL
    before = len(market.of(Result))
    market.run(120_000)
    assert len(market.of(Result)) == before


@pytest.mark.spec("M-8.27")
def test_every_attempt_has_the_same_token_and_another_epoch() -> None:
    """What a sink sees is the same task; what fences it counts on."""
    market = Overheard()
    market.join("m")
    market.join("a", shout=10).work = lambda execute: FAILED
    market.announce("m", bid_window_ms=50, idempotency_key=b"once")
    market.until(Failure)
    market.join("b", shout=20)
    market.run(10_000)
    runs = [run for name in ("a", "b") for run in market.peers[name].executed]
    announcement = market.of(Announcement)[0].statement
    assert [run.award.body.epoch for run in runs] == [1, 2]
    assert {run.token for run in runs} == {idempotency_token(announcement)}  # type: ignore[arg-type]
