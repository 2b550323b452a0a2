"""The classes of statement, one frozen class for each kind: here the envelope, and all that is said in contracts.

How the kinds hang together is the table in `protocol.kinds`; what is said outside contracts is in `protocol.notices`.

A statement is an envelope (`Statement`) around a body (one of the classes below). Both travel as MessagePack arrays in
the order of their fields; exact types, no floats, no maps, nothing extra (SPEC section 2). A class that exists is
valid: every bound is in its type. This module knows no bytes and no keys.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final, Generic, TypeVar

from msgspec import Meta, Struct

from protocol import limits
from protocol.keys import Digest

Bytes32 = Annotated[bytes, Meta(min_length=32, max_length=32)]
FeedId = Annotated[bytes, Meta(min_length=8, max_length=8)]
Money = Annotated[int, Meta(ge=0, le=limits.MONEY_MAX)]
DurationMs = Annotated[int, Meta(ge=0, le=limits.DURATION_MAX_MS)]
Counter = Annotated[int, Meta(ge=1, le=limits.COUNTER_MAX)]
Weight = Annotated[int, Meta(ge=0, le=1_000_000)]
Name = Annotated[str, Meta(min_length=1, max_length=limits.NAME_MAX)]
Text = Annotated[str, Meta(max_length=limits.NOTE_MAX)]
Inline = Annotated[bytes, Meta(max_length=limits.INLINE_MAX)]
Schema = Annotated[bytes, Meta(max_length=limits.SCHEMA_MAX)]
Permits = Annotated[tuple[Bytes32, ...], Meta(max_length=limits.PERMITS_MAX)]

NO_MARKET: Final = Digest(bytes(32))
"""The market field of the first version of a charter, whose id becomes the market's."""


class EffectClass(StrEnum):
    """What doing the task does to the world; it decides the oversight (SPEC section 7)."""

    PURE = "pure"
    """Nothing: it may be done twice."""
    REVERSIBLE = "reversible"
    """Something that a task of its own can undo."""
    IRREVERSIBLE = "irreversible"
    """Something that nothing undoes."""


class AwardRule(StrEnum):
    """How the winner and the price follow from the bids (SPEC section 5)."""

    LOWEST_PRICE = "lowest-price"
    SECOND_PRICE = "second-price"
    BEST_VALUE = "best-value"


class FailureClass(StrEnum):
    """What a failed attempt means for the next one."""

    RETRYABLE = "retryable"
    """Another contractor may succeed."""
    FATAL = "fatal"
    """The task itself cannot be done: trying again is waste."""
    STOPPED = "stopped"
    """The contractor was told to stop, or its lease ran out."""


class RecallReason(StrEnum):
    """Why an epoch is over without a result."""

    DECLINED = "declined"
    LAPSED = "lapsed"
    FAILED = "failed"
    EXPIRED = "expired"
    STOPPED = "stopped"
    FAILED_CHECK = "failed check"
    VETOED = "vetoed"


class CancelReason(StrEnum):
    """Why a task is over without a result."""

    NO_BIDS = "no bids"
    WITHDRAWN = "withdrawn"
    DEADLINE = "deadline"
    EXHAUSTED = "exhausted"
    DENIED = "denied"
    VETOED = "vetoed"
    ORPHANED = "orphaned"


class VetoScope(StrEnum):
    """What a veto is about: one award, or the whole task."""

    EPOCH = "epoch"
    TASK = "task"


class Part(Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """A frozen array of exactly its fields."""


class Body(Part, frozen=True, kw_only=True):
    """What every kind's body is."""


class Standing(Part, frozen=True, kw_only=True):
    """What a standing permit allows: so many awards by one manager, for one skill, up to a price."""

    manager: Bytes32
    skill: Name
    price_max: Money
    uses: Annotated[int, Meta(ge=1, le=10_000)]


class StandingUse(Part, frozen=True, kw_only=True):
    """One numbered use of a standing permit; spending one number twice convicts."""

    permit: Bytes32
    number: Annotated[int, Meta(ge=1, le=10_000)]


class Announcement(Body, frozen=True, kw_only=True):
    """A manager wants a task done."""

    charter: Bytes32
    skill: Name
    input: Inline
    input_digest: Bytes32 | None
    requirements: Annotated[tuple[Name, ...], Meta(max_length=16)]
    budget: Money
    award_rule: AwardRule
    price_weight: Weight
    duration_weight: Weight
    effect: EffectClass
    bid_window_ms: DurationMs
    lease_ms: DurationMs
    deadline_ms: DurationMs
    attempts: Annotated[int, Meta(ge=1, le=limits.ATTEMPTS_MAX)]
    idempotency_key: Annotated[bytes, Meta(min_length=1, max_length=limits.KEY_MAX)]
    traceparent: Annotated[str, Meta(max_length=55)]


class Bid(Body, frozen=True, kw_only=True):
    """A bidder would do it at this price, in this time. It does not bind."""

    price: Money
    duration_ms: DurationMs


class Refusal(Body, frozen=True, kw_only=True):
    """A bidder says that it will not bid now."""

    reason: Text


class Award(Body, frozen=True, kw_only=True):
    """The manager awards the task; to every other bidder it is the rejection."""

    epoch: Counter
    winner: Bytes32
    bid: Bytes32
    price: Money
    considered: Annotated[tuple[Bytes32, ...], Meta(min_length=1, max_length=limits.CONSIDERED_MAX)]
    standing: StandingUse | None


class Acceptance(Body, frozen=True, kw_only=True):
    """The winner confirms late: "I start", citing the permits it needed."""

    permits: Permits


class Decline(Body, frozen=True, kw_only=True):
    """The winner cannot, after all."""

    reason: Text


class Progress(Body, frozen=True, kw_only=True):
    """The contractor is at work, and asks for the lease to run on."""

    permille: Annotated[int, Meta(ge=0, le=1000)]
    note: Text
    partial: Annotated[bytes, Meta(max_length=limits.PARTIAL_MAX)]


class Renewal(Body, frozen=True, kw_only=True):
    """The manager lets the lease run on; the first one, for tasks with effects, is the go."""

    lease_ms: DurationMs


class Result(Body, frozen=True, kw_only=True):
    """The contractor has done it."""

    output: Inline
    output_digest: Bytes32 | None
    usage_ms: DurationMs


class Failure(Body, frozen=True, kw_only=True):
    """The contractor has not, and says why and what was done of it."""

    failure_class: FailureClass
    reason: Text
    done: Text


class Recall(Body, frozen=True, kw_only=True):
    """The manager ends an epoch, citing the answer that it ends on, if any."""

    reason: RecallReason
    answer: Bytes32 | None


class Settlement(Body, frozen=True, kw_only=True):
    """The manager accepts the result; the price due is the award's."""


class Cancel(Body, frozen=True, kw_only=True):
    """The manager ends the task without a result, citing the answer that it ends on, if any."""

    reason: CancelReason
    answer: Bytes32 | None


class Permit(Body, frozen=True, kw_only=True):
    """A governor lets an award start or a settlement stand; without `about`, it gives a standing permit."""

    rule: Name
    policy: Bytes32
    reason: Text
    grounds: Permits
    reviewer: Bytes32 | None
    standing: Standing | None


class Veto(Body, frozen=True, kw_only=True):
    """A governor stops an epoch or a task."""

    scope: VetoScope
    rule: Name
    policy: Bytes32
    reason: Text
    grounds: Permits
    reviewer: Bytes32 | None


B = TypeVar("B", bound=Body, covariant=True)


class Statement(Struct, Generic[B], frozen=True, array_like=True, forbid_unknown_fields=True, gc=False, eq=False):
    """One signed message: the fields that travel, and three that do not.

    `made_ms` is the author's wall clock, for people only. Two statements are equal when their ids are.
    """

    kind: str
    market: Bytes32
    author: Bytes32
    feed: FeedId
    seq: Counter
    prev: Bytes32 | None
    made_ms: Annotated[int, Meta(ge=0, le=limits.COUNTER_MAX)]
    about: Bytes32 | None
    body: B
    payload: bytes
    """The bytes that were received or made: nothing is ever encoded a second time."""
    id: Digest
    """The RFC 6962 leaf hash of the payload's pre-authentication encoding."""
    seal: Any = None
    """The bundle or evidence that it came in; None for our own."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Statement) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"<{type(self.body).__name__} {self.id.hex()[:8]} seq {self.seq} by {self.author.hex()[:8]}>"


AnyStatement = Statement[Body]
