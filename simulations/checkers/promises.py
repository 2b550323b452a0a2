"""The list of all promises. Whoever adds a checker adds it here, and the tests then ask for its planted fault."""

from __future__ import annotations

from typing import Final

from simulations.checkers import awards, bounds, children, feeds, folds, liveness, starts, votes, work
from simulations.checkers.base import Checker

SAFETY: Final[tuple[type[Checker], ...]] = (
    awards.OneAward,
    awards.Recomputes,
    awards.EveryBidConsidered,
    awards.SpentOnce,
    awards.AwardedAgain,
    work.OneContractor,
    work.WithinCapacity,
    work.LeaseKept,
    work.NoStaleEpoch,
    work.PatientWithWork,
    starts.PermittedFirst,
    starts.GoFirst,
    starts.VetoHeeded,
    children.ChildrenWithin,
    children.ChildrenCancelled,
    votes.OneVoice,
    votes.SoundVote,
    votes.TriedAgainSafely,
    votes.VetoObeyed,
    feeds.NoFork,
    feeds.RecordedFirst,
    feeds.HonestNeverConvicted,
    feeds.ForksSeen,
    feeds.LogGrows,
    feeds.OneBid,
    folds.LawfulChange,
    folds.HonestNeverVoid,
    folds.NeverBack,
    folds.NeverBoth,
    folds.SameSet,
    bounds.Bounded,
)
LIVENESS: Final[tuple[type[Checker], ...]] = (
    liveness.TasksEnd,
    liveness.PartiesAgree,
    liveness.ResultsAnswered,
    liveness.Ratified,
    liveness.VetoHeard,
    liveness.GapsFilled,
    liveness.GoesQuiet,
)
PROMISES: Final = SAFETY + LIVENESS
