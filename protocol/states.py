"""The states of a contract, what the contractor has said in one, and the one table that moves them.

It is data, and does not know which role we play. What makes a step legal beyond the table is `protocol.chain`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from msgspec import Struct

from protocol.keys import Digest
from protocol.statements import AnyStatement, Award, Body, Cancel, Recall, Renewal, Settlement, Statement


class State(StrEnum):
    """What the chain and the votes say."""

    OPEN = "open"
    """The task is announced; bids are welcome."""
    AWARDED = "awarded"
    """One bidder has the task, for one epoch."""
    CANCELLED = "cancelled"
    """The task is over without a result."""
    SETTLED = "settled"
    """The manager accepted the result; in a governed market this is provisional."""
    VOID = "void"
    """The manager broke the rules: a forked chain or an illegal step."""
    FINAL = "final"
    """A permit quorum ratified the settlement."""
    VETOED = "vetoed"
    """A veto quorum stopped the task, or an epoch that was settled nonetheless."""


class Phase(StrEnum):
    """What the contractor of the open epoch has said."""

    NONE = "none"
    """There is no open epoch."""
    OFFERED = "offered"
    """The winner has not answered."""
    ACCEPTED = "accepted"
    """The contractor has confirmed, and waits for the go."""
    WORKING = "working"
    """The contractor works: a pure task since its acceptance, a task with effects since the go."""
    DECLINED = "declined"
    """The winner cannot."""
    FAILED = "failed"
    """The contractor has failed."""
    DELIVERED = "delivered"
    """The contractor has said a result."""


TRANSITIONS: Final[Mapping[tuple[State, type[Body]], State]] = {
    (State.OPEN, Award): State.AWARDED,
    (State.OPEN, Cancel): State.CANCELLED,
    (State.AWARDED, Renewal): State.AWARDED,
    (State.AWARDED, Recall): State.OPEN,
    (State.AWARDED, Settlement): State.SETTLED,
    (State.AWARDED, Cancel): State.CANCELLED,
}
"""The chain's steps. What is not here is illegal."""

END_RANK: Final[Mapping[State, int]] = {
    State.OPEN: 0,
    State.AWARDED: 0,
    State.CANCELLED: 2,
    State.SETTLED: 2,
    State.VOID: 3,
    State.FINAL: 4,
    State.VETOED: 5,
}
"""At the chain's end the state moves only up; an orphaned cancellation has rank 1."""

PHASE_RANK: Final[Mapping[Phase, int]] = {phase: rank for rank, phase in enumerate(Phase)}


class Reading(Struct, frozen=True, kw_only=True, gc=False):
    """What a set of statements says about one contract."""

    state: State
    phase: Phase
    epoch: int
    """Awards so far."""
    award: Statement[Award] | None
    """The open award; at the end, the one that the end is about."""
    go: bool
    """The open epoch has had its go."""
    answer: AnyStatement | None
    """The contractor's statement that makes the phase."""
    steps: tuple[AnyStatement, ...]
    """The chain, announcement first, up to its end or to the fault."""
    end: AnyStatement | None
    """The settlement or the cancellation."""
    orphaned: bool
    fault: str | None
    """Why the contract is void."""
    missing: frozenset[Digest]
    """Ids the chain cites and nobody here holds: to be fetched."""
    permitted: bool
    """The open award has its permit quorum."""
    epoch_vetoed: bool
    """The open award has a veto quorum."""
    task_vetoed: bool
    compromised: bool
    """Both a permit and a veto quorum exist: more governors lied than the charter allows for."""

    @property
    def tip(self) -> AnyStatement:
        return self.steps[-1]

    @property
    def rank(self) -> tuple[int, int, int]:
        """Never smaller once more is known: what the end is worth, then the chain's length, then the phase."""
        end = 1 if self.orphaned and self.state is State.CANCELLED else END_RANK[self.state]
        return (end, 0, 0) if end else (0, len(self.steps), PHASE_RANK[self.phase])
