"""Planted faults in what is read, held, and never comes to an end."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from protocol.contract import Contract
from protocol.events import Vote
from protocol.keys import Digest
from protocol.manager import Manager
from protocol.statements import (
    Bid,
    Cancel,
    CancelReason,
    Settlement,
)
from protocol.topics import peer_topic
from simulations.checkers import bounds, folds, liveness
from simulations.checkers.liveness import bound_ms
from tests.simulations.stage import FAILURE, PERMIT, VETO, Stage, breaks

# Readings


@breaks(folds.LawfulChange)
def a_foreign_orphan_ends_a_task(patch: pytest.MonkeyPatch) -> None:
    """A foreign orphan ends a task."""
    stage = Stage(folds.LawfulChange, liar="b")
    stage.a.work = lambda execute: None
    contract = stage.task(run_ms=100)
    orphan = stage.word(stage.b, Cancel(reason=CancelReason.ORPHANED, answer=None), about=contract)
    held = stage.contract(stage.a, contract)
    held._orphans.append(orphan)
    held._reading = None
    stage.tell("turned", stage.a, [held])


@breaks(folds.LawfulChange)
def a_stranger_votes(patch: pytest.MonkeyPatch) -> None:
    """A stranger votes."""
    patch.setattr("protocol.contract.has_seat", lambda charter, vote: True)
    patch.setattr("protocol.welcome.has_seat", lambda charter, vote: True)
    stage = Stage(folds.LawfulChange, liar="b")
    contract = stage.task()
    settlement = stage.held(stage.m, contract, Settlement)
    place = {"seq": 99, "prev": None, "about": settlement.id, "feed": stage.b.node.feed.id}
    stage.b.slander(peer_topic(stage.m.peer), PERMIT, like=settlement, **place)
    stage.market.run(100)


@breaks(folds.LawfulChange)
def a_statement_of_another_market_is_let_in(patch: pytest.MonkeyPatch) -> None:
    """A statement of another market is let in."""
    stage = Stage(folds.LawfulChange)
    foreign = stage.word(stage.m, Bid(price=1, duration_ms=1), about=bytes(32), market=bytes(31) + b"x")
    stage.a.hear(foreign)


@breaks(folds.HonestNeverVoid)
def an_illegal_step(patch: pytest.MonkeyPatch) -> None:
    """An illegal step."""
    stage = Stage(folds.HonestNeverVoid)
    contract = stage.task()
    tip = stage.contract(stage.m, contract).reading.tip
    place = {"seq": stage.m.node.feed.seq + 1, "prev": tip.id, "about": tip.about}
    stage.m.slander(peer_topic(stage.a.peer), Settlement(), like=tip, **place)
    stage.market.run(100)


@breaks(folds.NeverBack)
def a_settlement_is_taken_back(patch: pytest.MonkeyPatch) -> None:
    """A settlement is taken back."""
    stage = Stage(folds.NeverBack)
    held = stage.contract(stage.a, stage.task())
    stage.tell("turned", stage.a, [Contract(held.announcement, held.charter)])


@breaks(folds.NeverBoth)
def a_governor_permits_and_vetoes(patch: pytest.MonkeyPatch) -> None:
    """A governor permits and vetoes."""
    stage = Stage(folds.NeverBoth)
    contract = stage.task()
    settlement = stage.held(stage.m, contract, Settlement)
    place = {"seq": 99, "prev": None, "about": contract, "feed": stage.g.node.feed.id}
    stage.g.slander(peer_topic(stage.m.peer), VETO, like=settlement, **place)
    stage.market.run(100)


@breaks(folds.SameSet)
def a_reading_depends_on_more_than_the_set(patch: pytest.MonkeyPatch) -> None:
    """A reading depends on more than the set."""
    patch.setattr(folds, "SAMPLED_OF", 1)
    stage = Stage(folds.SameSet)
    held = stage.contract(stage.a, stage.task())
    held._reading = replace(held.reading, epoch=9)
    stage.market.at_rest()


@breaks(bounds.Bounded)
def more_stands_than_there_is_room_for(patch: pytest.MonkeyPatch) -> None:
    """More stands than there is room for."""
    stage = Stage(bounds.Bounded)
    standing = stage.a.node.holdings.standing
    standing.update({Digest(bytes([n % 256, n // 256])): None for n in range(2_000)})  # type: ignore[misc]
    stage.market.at_rest()


# Liveness


@breaks(liveness.TasksEnd)
def a_task_is_open_for_ever(patch: pytest.MonkeyPatch) -> None:
    """A task is open for ever."""
    stage = Stage(liveness.TasksEnd)
    patch.setattr(Manager, "tick", lambda self, now_ms: self._timers.clear() or [])
    stage.market.cut |= {("a", "m"), ("b", "m")}
    stage.task(run_ms=bound_ms([stage.market.task()]))
    stage.market.at_rest()


@breaks(liveness.PartiesAgree)
def a_governor_never_hears_the_end(patch: pytest.MonkeyPatch) -> None:
    """A governor never hears the end."""
    stage = Stage(liveness.PartiesAgree)
    stage.a.work_ms = 300
    stage.task(run_ms=100)
    stage.market.cut |= {("m", "g"), ("a", "g")}
    stage.market.run(90_000)
    stage.market.at_rest()


@breaks(liveness.ResultsAnswered)
def a_result_is_never_answered(patch: pytest.MonkeyPatch) -> None:
    """A result is never answered."""
    stage = Stage(liveness.ResultsAnswered)
    stage.a.work_ms = 300
    stage.task(run_ms=100)
    stage.market.cut.add(("a", "m"))
    stage.market.run(2_000)
    stage.market.at_rest()


@breaks(liveness.Ratified)
def a_governor_never_votes(patch: pytest.MonkeyPatch) -> None:
    """A governor never votes."""
    patch.setattr("protocol.governor.Governor._may_permit", lambda *place: False)
    stage = Stage(liveness.Ratified)
    stage.task(run_ms=bound_ms([stage.market.task()]))
    stage.market.at_rest()


@breaks(liveness.VetoHeard)
def a_veto_is_never_heard(patch: pytest.MonkeyPatch) -> None:
    """A veto is never heard."""
    stage = Stage(liveness.VetoHeard)
    stage.a.work = lambda execute: None
    contract = stage.task(run_ms=100)
    stage.market.cut.add(("g", "m"))
    stage.g.run(events=[Vote(about=contract, body=VETO)])
    stage.market.run(1_000)
    stage.market.at_rest()


@breaks(liveness.GapsFilled)
def a_gap_is_never_filled(patch: pytest.MonkeyPatch) -> None:
    """A gap is never filled."""
    stage = Stage(liveness.GapsFilled)
    later = stage.word(stage.m, FAILURE, about=None, seq=stage.m.node.feed.seq + 5)
    assert stage.g.node.governor is not None
    stage.g.node.governor.gaps.note(later, stage.market.now_ms)
    stage.market.at_rest()


@breaks(liveness.GoesQuiet)
def a_peer_never_stops_talking(patch: pytest.MonkeyPatch) -> None:
    """A peer never stops talking."""
    patch.setattr("protocol.limits.REPEAT_FACTOR", 1)
    stage = Stage(liveness.GoesQuiet)
    stage.market.cut.add(("g", "m"))
    stage.market.cut.add(("g", "a"))
    stage.task(run_ms=60_000)
    stage.market.at_rest()
