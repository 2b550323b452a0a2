"""The market's constitution: quorum, gates, and where the market's id comes from.

A gate is a pure function of announcement and charter, so that every peer computes the same oversight (SPEC section 7).
Certificates and revocations bind at the door, for new statements, and never in the fold.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from protocol.codec import encode
from protocol.keys import Digest
from protocol.notices import Charter
from protocol.statements import NO_MARKET, Announcement, AnyStatement, EffectClass, Standing, Statement

EFFECT_ORDER = {EffectClass.PURE: 0, EffectClass.REVERSIBLE: 1, EffectClass.IRREVERSIBLE: 2}
"""A child's effect class lies within its parent's when its number is not larger."""


def fault_of_charter(charter: Charter) -> str | None:
    """Say which quorum inequality a charter breaks, or None. With n governors, f of them lying:
    p + v > n + f, 2p > n + f, p ≤ n − f, v ≤ n − f.
    """
    n, f = len(charter.governors), charter.liars_max
    p, v = charter.permits_needed, charter.vetoes_needed
    if n == 0:
        return "a market without governors has no quorum" if (p, v, f) != (0, 0, 0) else None
    if len({seat.governor for seat in charter.governors}) != n:
        return "a governor has two seats"
    if p + v <= n + f:
        return f"p + v = {p + v} must exceed n + f = {n + f}: or a permit and a veto quorum could both exist"
    if 2 * p <= n + f:
        return f"2p = {2 * p} must exceed n + f = {n + f}: or two settlements could both be permitted"
    if max(p, v) > n - f:
        return f"p and v must not exceed n - f = {n - f}: or liars could block by silence"
    return None


def market_of(first: Statement[Charter]) -> Digest:
    """The market id: the id of the charter's first version. Raises ValueError for any other statement."""
    if first.body.version != 1 or first.market != NO_MARKET or first.about is not None:
        raise ValueError("the market id is the id of the charter's first version")
    return first.id


def next_version(before: Statement[Charter], body: Charter, *, made_ms: int) -> Statement[Charter]:
    """Make the version after `before`, for the authority to seal. Raises ValueError with what is wrong with it.

    All versions are in one feed, version n as its statement n: two with one number are a fork like any other.
    """
    statement = encode(
        body, market=before.market if before.body.version > 1 else before.id, author=before.author, feed=before.feed,
        seq=body.version, prev=None, made_ms=made_ms, about=before.id,
    )  # fmt: skip
    if body.version != before.body.version + 1:
        raise ValueError(f"version {body.version} does not come after version {before.body.version}")
    if (fault := fault_of_version(statement, before)) is not None:
        raise ValueError(fault)
    return statement


def fault_of_version(statement: Statement[Charter], known: Statement[Charter]) -> str | None:
    """Say why a statement is no sound version of the charter that another one is a version of, or None."""
    return fault_of_place(statement, known) or fault_of_charter(statement.body)


def fault_of_place(statement: Statement[Charter], known: Statement[Charter]) -> str | None:
    """... whether it is sound or not: who says it, and where it stands in the authority's feed."""
    first = statement.body.version == 1
    market = known.market if known.body.version > 1 else known.id
    if statement.author != known.author:
        return "only the authority says charters"
    if (statement.id if first else statement.market) != market or (statement.market == NO_MARKET) != first:
        return "charter is another market's"
    if statement.feed != known.feed or statement.seq != statement.body.version:
        return "a charter's number is its place in the authority's one feed"
    if (statement.about is None) != first:
        return "a charter is about the version before it"
    return None


def revoked_by(charter: Charter) -> frozenset[bytes]:
    """The keys that a charter revokes."""
    return frozenset(revocation.member for revocation in charter.revocations)


class Gate(Struct, frozen=True, kw_only=True, gc=False):
    """The oversight that one task needs."""

    go: bool
    """The contractor starts only with the manager's first Renewal in hand (tasks with effects)."""
    permit: bool
    """... and only with a permit quorum on the award."""
    final: bool
    """Consumers wait for `FINAL`, and the price is due only then."""
    refused: bool
    """Such a task may not be announced here at all."""


_NO_GATE: Final = Gate(go=False, permit=False, final=False, refused=False)


def gate_of(announcement: Announcement, charter: Charter) -> Gate:
    """The gate of a task, the same at every peer."""
    governed = bool(charter.governors)
    match announcement.effect:
        case EffectClass.PURE:
            return _NO_GATE
        case EffectClass.REVERSIBLE:
            permit = governed and any(
                rule.skill in ("", announcement.skill) and announcement.budget >= rule.price_min
                for rule in charter.oversight
            )
            return Gate(go=True, permit=permit, final=governed, refused=False)
        case EffectClass.IRREVERSIBLE:
            return Gate(go=True, permit=governed, final=governed, refused=not governed)


def has_seat(charter: Charter, statement: AnyStatement) -> bool:
    """Tell whether a vote comes from a governor's key *and* feed."""
    return any(seat.governor == statement.author and seat.feed == statement.feed for seat in charter.governors)


def standing_covers(standing: Standing, manager: bytes, announcement: Announcement, price: int, number: int) -> bool:
    """Tell whether use `number` of a standing permit covers an award at `price` (minor units)."""
    return (
        standing.manager == manager
        and standing.skill == announcement.skill
        and price <= standing.price_max
        and number <= standing.uses
    )
