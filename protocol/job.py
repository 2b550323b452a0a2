"""One award to us, with the times that only its contractor counts: lease, progress, repeats.

It says nothing itself: what is said when is `protocol.contractor`.
"""

from __future__ import annotations

import hashlib
from typing import Final, TypeGuard

from protocol import limits
from protocol.contract import Contract
from protocol.dues import earliest
from protocol.keys import Digest
from protocol.statements import (
    Announcement,
    AnyStatement,
    Award,
    Decline,
    Failure,
    Renewal,
    Result,
    Statement,
)
from protocol.states import Reading, State

BUSY: Final = "busy"
RESTARTED: Final = "the peer was restarted during the work"
PLACE_WAIT_MS: Final = 500
"""How long an award may wait for a free place before it is declined: well within the manager's accept window."""

_LAST_WORDS: Final = frozenset({Result, Failure, Decline})
UNCONFIRMED_MS: Final = 1_000
"""When a winner that may not confirm yet (no permit, or a veto) asks for the first time what became of its award."""


def idempotency_token(announcement: Statement[Announcement]) -> Digest:
    """H(manager, idempotency key): what a sink sees is the same for every attempt at a task (SPEC section 8)."""
    return Digest(hashlib.sha256(b"vendue.token\0" + announcement.author + announcement.body.idempotency_key).digest())


class Job:
    """One award to us, with the times that only we count."""

    __slots__ = (
        "award", "contract", "due_ms", "first_said", "forget_at", "last", "lease_until", "offered_at", "pause_ms",
        "progress_at", "repeat_at", "settled", "started",
    )  # fmt: skip

    def __init__(self, contract: Contract, award: Statement[Award], now_ms: int) -> None:
        self.contract = contract
        self.award = award
        self.offered_at = now_ms
        self.forget_at = now_ms + contract.announcement.body.deadline_ms
        self.first_said: dict[Digest, int] = {}
        self.last: AnyStatement | None = None
        self.started = False
        self.settled = False
        self.lease_until: int | None = None
        self.progress_at: int | None = None
        self.repeat_at: int | None = now_ms + UNCONFIRMED_MS
        self.pause_ms = limits.REPEAT_FIRST_MS
        self.due_ms: int | None = None

    @property
    def answered(self) -> bool:
        """The contractor has said its last word on this award."""
        return self.last is not None and type(self.last.body) in _LAST_WORDS

    @property
    def accepted(self) -> bool:
        return self.last is not None and type(self.last.body) is not Decline

    def renewed_until(self, reading: Reading) -> int:
        """How long the lease runs by the renewals held, each counted from the first saying of what it renews."""
        until = self.lease_until or 0
        for step in reading.steps:
            if type(step.body) is Renewal and step.about in self.first_said:
                until = max(until, self.first_said[Digest(step.about)] + step.body.lease_ms)
        return until

    def next_due_ms(self, now_ms: int, *, queued: bool) -> int | None:
        """When something is due next, whatever is heard until then; always later than now, where all is done."""
        at_work = self.started and not self.answered
        due = earliest(
            self.lease_until if at_work else None,
            self.progress_at if at_work else None,
            self.repeat_at,
            self.offered_at + PLACE_WAIT_MS if queued and self.last is None else None,
        )
        return max(due, now_ms + 1) if due is not None else None


def is_award_to(step: AnyStatement, winner: bytes) -> TypeGuard[Statement[Award]]:
    """Tell whether a statement awards a task to this peer."""
    return type(step.body) is Award and step.body.winner == winner


def is_award_of(announcement: AnyStatement, award: AnyStatement, winner: bytes) -> bool:
    """Tell whether this is its manager's award of a task to this peer."""
    return is_award_to(award, winner) and award.author == announcement.author and award.feed == announcement.feed


def is_over(contract: Contract, award: Statement[Award]) -> bool:
    """Tell whether an award of ours needs nothing more of us: its epoch is past, or the contract has ended for good.

    In a governed market a settlement is provisional, so the result is repeated until the votes are in (law 5). A veto
    of the task is the end when its manager has said so.
    """
    reading = contract.reading
    if reading.state is State.AWARDED:
        return is_past(reading, award)
    match reading.state:
        case State.VETOED if reading.end is None and reading.fault is None:
            return is_past(reading, award)
        case State.FINAL | State.VETOED | State.VOID | State.CANCELLED:
            return True
        case State.SETTLED:
            return not contract.charter.governors
        case _:
            return is_past(reading, award)


def is_past(reading: Reading, award: Statement[Award]) -> bool:
    """Tell whether the epoch of an award is over."""
    return award in reading.steps and (reading.award is None or reading.award.id != award.id)
