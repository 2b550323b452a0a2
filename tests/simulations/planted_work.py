"""Planted faults in awards, work, its start and its children."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from protocol import tender
from protocol.events import Vote, Withdraw
from protocol.keys import Digest
from protocol.manager import Manager
from protocol.statements import (
    Acceptance,
    Announcement,
    Award,
    AwardRule,
    Bid,
    EffectClass,
    Result,
    Settlement,
    StandingUse,
)
from simulations.checkers import awards, children, starts, work
from tests.simulations.stage import FAILURE, VETO, Stage, breaks

# Awards


@breaks(awards.OneAward)
def two_awards_of_one_epoch(patch: pytest.MonkeyPatch) -> None:
    """Two awards of one epoch."""
    stage = Stage(awards.OneAward)
    award = stage.held(stage.m, stage.task(), Award)
    stage.tell("said", stage.m, stage.word(stage.m, replace(award.body, price=11), about=award.about))


@breaks(awards.OneAward)
def two_settlements_of_one_task(patch: pytest.MonkeyPatch) -> None:
    """Two settlements of one task."""
    stage = Stage(awards.OneAward)
    result = stage.held(stage.m, stage.task(), Result)
    stage.tell("said", stage.m, stage.word(stage.m, Settlement(), about=result.id))


@breaks(awards.Recomputes)
def the_dearest_bid_wins(patch: pytest.MonkeyPatch) -> None:
    """The dearest bid wins."""
    patch.setattr("protocol.auction.score", lambda announcement, bid: -bid.price)
    Stage(awards.Recomputes).task()


@breaks(awards.Recomputes)
def the_second_price_is_not_the_second(patch: pytest.MonkeyPatch) -> None:
    """The second price is not the second."""
    true = tender.decide

    def wrong(contract: Digest, task: Announcement, *rest: object) -> object:
        outcome = true(contract, task, *rest)  # type: ignore[arg-type]
        return outcome and outcome._replace(price=outcome.price + 1)

    patch.setattr(tender, "decide", wrong)
    Stage(awards.Recomputes).task(award_rule=AwardRule.SECOND_PRICE)


@breaks(awards.EveryBidConsidered)
def the_award_omits_a_bid(patch: pytest.MonkeyPatch) -> None:
    """The award omits a bid."""
    stage = Stage(awards.EveryBidConsidered)
    stage.market.cut.add(("b", "m"))
    contract = stage.task(run_ms=10)
    bid = stage.held(stage.m, contract, Bid)
    late = stage.word(stage.b, Bid(price=1, duration_ms=1), about=contract)
    stage.contract(stage.m, contract).learn(late)
    stage.tell("turned", stage.m, [stage.contract(stage.m, contract)])
    award = Award(epoch=1, winner=bid.author, bid=bid.id, price=10, considered=(bid.id,), standing=None)
    stage.tell("said", stage.m, stage.word(stage.m, award, about=contract))


@breaks(awards.EveryBidConsidered)
def the_early_close_ignores_a_member(patch: pytest.MonkeyPatch) -> None:
    """The early close ignores a member."""
    patch.setattr(Manager, "_all_answered", lambda self, tender: bool(tender.answered))
    stage = Stage(awards.EveryBidConsidered)
    stage.market.cut.add(("b", "m"))
    stage.task()


@breaks(awards.SpentOnce)
def one_use_is_spent_twice(patch: pytest.MonkeyPatch) -> None:
    """One use is spent twice."""
    stage = Stage(awards.SpentOnce)
    award = stage.held(stage.m, stage.task(), Award)
    for price in (10, 11):
        body = replace(award.body, price=price, standing=StandingUse(permit=bytes(32), number=1))
        stage.tell("said", stage.m, stage.word(stage.m, body, about=award.about))


@breaks(awards.AwardedAgain)
def the_second_bidder_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """The second bidder is forgotten."""
    true = tender.decide

    def forgetful(contract: Digest, task: Announcement, bids: object, former: object) -> object:
        return None if former else true(contract, task, bids, former)  # type: ignore[arg-type]

    patch.setattr(tender, "decide", forgetful)
    stage = Stage(awards.AwardedAgain)
    stage.a.work = lambda execute: FAILURE
    stage.task(run_ms=70_000)


# Work


@breaks(work.OneContractor)
def two_are_at_work(patch: pytest.MonkeyPatch) -> None:
    """Two are at work."""
    stage = Stage(work.OneContractor)
    stage.a.work = lambda execute: None
    contract = stage.task(EffectClass.REVERSIBLE, run_ms=1_000)
    stage.tell("began", stage.b, stage.execute(stage.a, contract))


@breaks(work.OneContractor)
def one_award_is_begun_twice(patch: pytest.MonkeyPatch) -> None:
    """One award is begun twice."""
    stage = Stage(work.OneContractor)
    contract = stage.task()
    stage.tell("began", stage.a, stage.execute(stage.a, contract))


@breaks(work.WithinCapacity)
def more_is_accepted_than_there_are_places(patch: pytest.MonkeyPatch) -> None:
    """More is accepted than there are places."""
    patch.setattr("protocol.contractor.Contractor.has_place", lambda self: True)
    stage = Stage(work.WithinCapacity, capacity=1)
    stage.a.work = lambda execute: None
    for key in (b"1", b"2"):
        stage.task(idempotency_key=key, run_ms=50)


@breaks(work.LeaseKept)
def a_lease_that_is_over_stops_nothing(patch: pytest.MonkeyPatch) -> None:
    """A lease that is over stops nothing."""
    stage = Stage(work.LeaseKept)
    stage.a.work = lambda execute: None
    stage.task(run_ms=50)
    job = next(iter(stage.a.node.contractor.jobs.values()))
    job.lease_until = stage.market.now_ms
    stage.tell("said", stage.a, stage.word(stage.a, FAILURE, about=job.award.id))


@breaks(work.NoStaleEpoch)
def a_result_under_an_award_that_is_over(patch: pytest.MonkeyPatch) -> None:
    """A result under an award that is over."""
    stage = Stage(work.NoStaleEpoch)
    stage.a.work = lambda execute: FAILURE
    contract = stage.task()
    first = stage.held(stage.a, contract, Award)
    stage.tell("said", stage.a, stage.word(stage.a, FAILURE, about=first.id))


@breaks(work.PatientWithWork)
def the_lease_has_no_grace(patch: pytest.MonkeyPatch) -> None:
    """The lease has no grace."""
    patch.setattr("protocol.tender.grace_ms", lambda lease_ms: 0)
    stage = Stage(work.PatientWithWork)
    stage.a.work = lambda execute: None
    stage.task(run_ms=20)
    stage.a.crash()
    stage.market.run(10_000)


# Starts


@breaks(starts.PermittedFirst)
def an_acceptance_without_permits(patch: pytest.MonkeyPatch) -> None:
    """An acceptance without permits."""
    stage = Stage(starts.PermittedFirst)
    award = stage.held(stage.a, stage.task(EffectClass.IRREVERSIBLE), Award)
    stage.tell("said", stage.a, stage.word(stage.a, Acceptance(permits=()), about=award.id))


@breaks(starts.GoFirst)
def work_begins_without_a_go(patch: pytest.MonkeyPatch) -> None:
    """Work begins without a go."""
    stage = Stage(starts.GoFirst)
    stage.market.latency_ms = (10, 10)
    contract = stage.task(EffectClass.REVERSIBLE, run_ms=35)
    stage.tell("began", stage.a, stage.execute(stage.a, contract))


@breaks(starts.VetoHeeded)
def a_known_veto_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """A known veto is forgotten."""
    stage = Stage(starts.VetoHeeded)
    stage.a.work = lambda execute: None
    contract = stage.task(EffectClass.REVERSIBLE, run_ms=100)
    stage.g.run(events=[Vote(about=contract, body=VETO)])
    stage.market.run(100)
    stage.tell("began", stage.a, stage.execute(stage.a, contract))


# Children


@breaks(children.ChildrenWithin)
def a_child_costs_more_than_its_parent_pays(patch: pytest.MonkeyPatch) -> None:
    """A child costs more than its parent pays."""
    patch.setattr("protocol.manager.fault_of_child", lambda *place: None)
    stage = Stage(children.ChildrenWithin)
    stage.a.work = lambda execute: None
    award = stage.held(stage.a, stage.task(run_ms=100), Award)
    stage.market.announce("a", parent=award.id, idempotency_key=b"child", budget=11)


@breaks(children.ChildrenCancelled)
def a_child_goes_on_behind_its_parent(patch: pytest.MonkeyPatch) -> None:
    """A child goes on behind its parent."""
    patch.setattr(Manager, "withdraw_children", lambda self, award, now_ms: [])
    stage = Stage(children.ChildrenCancelled, governed=False)
    stage.a.work = lambda execute: None
    stage.b.work = lambda execute: None
    contract = stage.task(run_ms=100)
    award = stage.held(stage.a, contract, Award)
    stage.a.node.contractor.on_released = lambda award, now_ms: []
    stage.market.announce("a", parent=award.id, idempotency_key=b"child", budget=5)
    stage.m.run(events=[Withdraw(contract)])
    stage.market.run(100)
