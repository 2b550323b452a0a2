"""Planted faults in what is said: votes, feeds and disks."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from protocol.contract import Contract
from protocol.convictions import Convictions
from protocol.events import Vote
from protocol.statements import (
    Award,
    Bid,
    Cancel,
    CancelReason,
    EffectClass,
    Recall,
    Result,
    Settlement,
)
from protocol.tender import Step
from protocol.topics import peer_topic
from simulations.checkers import feeds, votes
from tests.simulations.stage import PERMIT, VETO, Stage, breaks

# Votes


@breaks(votes.OneVoice)
def a_permit_behind_the_last_word(patch: pytest.MonkeyPatch) -> None:
    """A permit behind the last word."""
    stage = Stage(votes.OneVoice)
    contract = stage.task()
    settlement = stage.held(stage.g, contract, Settlement)
    stage.tell("said", stage.g, stage.word(stage.g, PERMIT, about=settlement.id))


@breaks(votes.SoundVote)
def a_wrong_award_is_permitted(patch: pytest.MonkeyPatch) -> None:
    """A wrong award is permitted."""
    patch.setattr("protocol.auction.score", lambda announcement, bid: -bid.price)
    Stage(votes.SoundVote).task()


@breaks(votes.SoundVote)
def a_second_irreversible_epoch_is_permitted(patch: pytest.MonkeyPatch) -> None:
    """A lying manager awards again though the first contractor, whose go it had, has not said how it ended."""
    patch.setattr("protocol.tender._recall", _recall_always)
    patch.setattr("protocol.governor.may_have_happened", lambda *place: False)
    stage = Stage(votes.SoundVote, liar="m")
    stage.a.work = lambda execute: None
    stage.task(EffectClass.IRREVERSIBLE, run_ms=100)
    stage.a.crash()
    stage.market.run(20_000)


@breaks(votes.SoundVote)
def a_vote_without_the_listed_bids(patch: pytest.MonkeyPatch) -> None:
    """A vote without the listed bids."""
    patch.setattr("protocol.governor._missing_bids", lambda contract, award: [])
    patch.setattr("protocol.governor.fault_of_award", lambda contract, reading, award: None)
    stage = Stage(votes.SoundVote)
    stage.market.cut.add(("b", "g"))
    stage.task()


@breaks(votes.TriedAgainSafely)
def an_irreversible_task_is_awarded_again(patch: pytest.MonkeyPatch) -> None:
    """The lease of a contractor that had its go runs out, and the manager takes the next one."""
    patch.setattr("protocol.tender._recall", _recall_always)
    stage = Stage(votes.TriedAgainSafely)
    stage.a.work = lambda execute: None
    stage.task(EffectClass.IRREVERSIBLE, run_ms=100)
    stage.a.crash()
    stage.market.run(20_000)


@breaks(votes.VetoObeyed)
def a_manager_goes_on_under_a_veto(patch: pytest.MonkeyPatch) -> None:
    """A manager goes on under a veto."""
    patch.setattr("protocol.manager.next_step", lambda *place, **more: None)
    stage = Stage(votes.VetoObeyed)
    contract = stage.task(run_ms=100)
    stage.g.run(events=[Vote(about=contract, body=VETO)])
    stage.market.run(100)


def _recall_always(contract: Contract, reading: object, reason: object) -> object:
    return Step(Recall(reason=reason, answer=None), reading.award.id)  # type: ignore[attr-defined, arg-type]


# Feeds


@breaks(feeds.NoFork)
def one_seq_is_said_twice(patch: pytest.MonkeyPatch) -> None:
    """One seq is said twice."""
    stage = Stage(feeds.NoFork)
    award = stage.held(stage.m, stage.task(), Award)
    stage.m.slander(peer_topic(stage.a.peer), replace(award.body, price=11), like=award)
    stage.market.run(100)


@breaks(feeds.RecordedFirst)
def a_statement_leaves_unrecorded(patch: pytest.MonkeyPatch) -> None:
    """A statement leaves unrecorded."""
    stage = Stage(feeds.RecordedFirst)
    award = stage.held(stage.m, stage.task(), Award)
    stage.m.slander(peer_topic(stage.a.peer), replace(award.body, price=11), like=award)


@breaks(feeds.RecordedFirst)
def a_forgery_is_believed(patch: pytest.MonkeyPatch) -> None:
    """A forgery is believed."""
    stage = Stage(feeds.RecordedFirst)
    contract = stage.task()
    stage.a.hear(stage.word(stage.m, Cancel(reason=CancelReason.WITHDRAWN, answer=None), about=contract))


@breaks(feeds.HonestNeverConvicted)
def an_honest_peer_is_convicted(patch: pytest.MonkeyPatch) -> None:
    """An honest peer is convicted."""
    stage = Stage(feeds.HonestNeverConvicted)
    award = stage.held(stage.m, stage.task(), Award)
    stage.m.slander(peer_topic(stage.a.peer), replace(award.body, price=11), like=award)
    stage.market.run(100)


@breaks(feeds.ForksSeen)
def a_fork_is_not_noticed(patch: pytest.MonkeyPatch) -> None:
    """A fork is not noticed."""
    patch.setattr(Convictions, "_convict", lambda self, first, second, reason: [])
    stage = Stage(feeds.ForksSeen, liar="m")
    award = stage.held(stage.m, stage.task(), Award)
    stage.m.slander(peer_topic(stage.a.peer), replace(award.body, price=11), like=award)
    stage.market.run(100)


@breaks(feeds.ForksSeen)
def a_contractors_fork_is_not_noticed(patch: pytest.MonkeyPatch) -> None:
    """A contractor's fork is not noticed."""
    patch.setattr(Convictions, "by_prev", lambda self, contract, statement: [])
    stage = Stage(feeds.ForksSeen, liar="a")
    result = stage.held(stage.a, stage.task(), Result)
    body = replace(result.body, output=b"another")
    stage.a.slander(peer_topic(stage.m.peer), body, like=result, seq=stage.a.node.feed.seq + 1)
    stage.market.run(100)


@breaks(feeds.LogGrows)
def a_disk_forgets_a_row(patch: pytest.MonkeyPatch) -> None:
    """A disk forgets a row."""
    stage = Stage(feeds.LogGrows)
    stage.task()
    said = [number for number, row in enumerate(stage.a.journal.rows) if row[1]]
    del stage.a.journal.rows[said[1]]
    stage.market.at_rest()


@breaks(feeds.LogGrows)
def a_number_is_left_out(patch: pytest.MonkeyPatch) -> None:
    """A number is left out."""
    stage = Stage(feeds.LogGrows)
    stage.tell("said", stage.a, stage.word(stage.a, Bid(price=1, duration_ms=1), about=bytes(32), seq=9))


@breaks(feeds.OneBid)
def a_bidder_bids_twice(patch: pytest.MonkeyPatch) -> None:
    """A bidder bids twice."""
    stage = Stage(feeds.OneBid)
    contract = stage.task()
    stage.tell("said", stage.a, stage.word(stage.a, Bid(price=1, duration_ms=1), about=contract))
