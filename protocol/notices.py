"""Notices: what is said outside contracts. Cards, charters and what they are made of, checkpoints and pauses.

Their `prev` is nil, so only their seq can fork.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from protocol import limits
from protocol.statements import Body, Bytes32, Counter, DurationMs, FeedId, Money, Name, Part, Schema, Text


class Admission(StrEnum):
    """Who may be a member."""

    OPEN = "open"
    INVITE = "invite"
    LIST = "list"


class Offered(Part, frozen=True, kw_only=True):
    """One skill on a card, with the JSON Schemas (JSON text) of its input and output."""

    skill: Name
    input_schema: Schema
    output_schema: Schema


class Card(Body, frozen=True, kw_only=True):
    """Who a peer is and what it can do."""

    name: Annotated[str, Meta(max_length=limits.NAME_MAX)]
    skills: Annotated[tuple[Offered, ...], Meta(max_length=limits.SKILLS_MAX)]
    capacity: Annotated[int, Meta(ge=0, le=1_000_000)]
    addresses: Annotated[tuple[Annotated[str, Meta(max_length=255)], ...], Meta(max_length=limits.ADDRESSES_MAX)]
    transport_key: Bytes32 | None
    certificate: Annotated[bytes, Meta(max_length=limits.CERTIFICATE_MAX)] | None


class Seat(Part, frozen=True, kw_only=True):
    """A governor: a key *and* a feed, for one that lost its journal is a new governor."""

    governor: Bytes32
    feed: FeedId


class Oversight(Part, frozen=True, kw_only=True):
    """Reversible tasks of this skill (empty: any) from this price on need a permit before they start."""

    skill: Annotated[str, Meta(max_length=limits.NAME_MAX)]
    price_min: Money


class Revocation(Part, frozen=True, kw_only=True):
    """A member is out; what it said up to this seq of this feed stands."""

    member: Bytes32
    feed: FeedId
    last_seq: Annotated[int, Meta(ge=0, le=limits.COUNTER_MAX)]


class Charter(Body, frozen=True, kw_only=True):
    """The constitution of a market, by its authority; the id of the first version is the market id."""

    name: Name
    version: Counter
    admission: Admission
    admitters: Annotated[tuple[Bytes32, ...], Meta(max_length=limits.RULES_MAX)]
    governors: Annotated[tuple[Seat, ...], Meta(max_length=limits.PERMITS_MAX)]
    liars_max: Annotated[int, Meta(ge=0, le=limits.PERMITS_MAX)]
    permits_needed: Annotated[int, Meta(ge=0, le=limits.PERMITS_MAX)]
    vetoes_needed: Annotated[int, Meta(ge=0, le=limits.PERMITS_MAX)]
    oversight: Annotated[tuple[Oversight, ...], Meta(max_length=limits.RULES_MAX)]
    revocations: Annotated[tuple[Revocation, ...], Meta(max_length=limits.REVOCATIONS_MAX)]
    budget_max: Money
    deadline_max_ms: DurationMs


class Checkpoint(Body, frozen=True, kw_only=True):
    """The signed head of a governor's audit log, as a C2SP checkpoint's three lines."""

    origin: Name
    size: Annotated[int, Meta(ge=0, le=limits.COUNTER_MAX)]
    root: Bytes32


class Pause(Body, frozen=True, kw_only=True):
    """Governors stop a skill (rate 0) or limit it, for a while."""

    skill: Name
    awards_per_minute: Annotated[int, Meta(ge=0, le=1_000_000)]
    duration_ms: DurationMs
    reason: Text
