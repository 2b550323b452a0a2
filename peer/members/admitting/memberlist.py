"""Who is known on this computer to be a member of a market, or to have been one.

Two sources, joined: the register of the admitter that lives here, and the cards in the journals of the peers here, each
with the certificate that its peer shows. It judges nothing: whether a certificate holds is asked of the protocol.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from peer.audit.records import read_records
from peer.home import MarketHome
from peer.members.admitting.register import Register
from peer.members.charters import newest_charter, read_charter, verifier
from peer.members.meant import who_is_meant, whole_id
from protocol.certificate import Certified, OutOfTime, fault_of, read_certificate
from protocol.codec import Malformed
from protocol.errors import UsageError
from protocol.invitation import role_of
from protocol.keys import PeerId, short_peer
from protocol.notices import Card

MEMBER: Final = "member"


class Known(NamedTuple):
    """One key with a certificate, and what stands against it now."""

    peer: PeerId
    name: str
    """What it calls itself, or its computer."""
    role: str
    sponsor: PeerId
    until_ms: int
    state: str
    """`member`, `revoked`, `expired`, or the rule that its certificate breaks."""
    admitted_ms: int | None
    """When the admitter here let it in; None for one that is known by its card."""


def members_known(market: MarketHome, *, wall_ms: int) -> list[Known]:
    """Everybody known here, those that the admitter here has let in first."""
    charter = newest_charter(market)
    records = read_records(market, read_charter(market.charter))
    identity, verifies = records.charter.id, verifier()

    def known(raw: bytes, name: str, admitted_ms: int | None) -> Iterable[Known]:
        certified = _read(raw)
        if certified is not None:
            fault = fault_of(certified, charter.body, identity, verifies, wall_ms)
            claim = certified.certificate
            yield Known(
                PeerId(claim.member), name, role_of(claim.rights), PeerId(claim.sponsor), claim.until_ms,
                _state(fault), admitted_ms,
            )  # fmt: skip

    listed: dict[bytes, Known] = {}
    for entry in Register(market.register).entries():
        listed |= {one.peer: one for one in known(entry.certificate, entry.label, entry.admitted_ms)}
    cards = [one for one in records.archive.statements.values() if isinstance(one.body, Card)]
    for card in sorted(cards, key=lambda one: one.made_ms):
        assert isinstance(card.body, Card)
        for one in known(card.body.certificate or b"", card.body.name, None):
            before = listed.get(one.peer)
            if one.peer == card.author and (before is None or before.admitted_ms is None):
                listed[one.peer] = one
    return list(listed.values())


def find_member(known: Iterable[Known], said: str) -> PeerId:
    """Who is meant by a peer id, the beginning of one, or a name. A whole id need not be known. Raises UsageError."""
    known = list(known)
    called = (one.peer for one in known if one.name == said)
    meant = whole_id(said) or who_is_meant(said, called, (one.peer for one in known))
    if meant is None:
        raise UsageError(f"No member called {said[:80]!r} is known here.", do="See: vendue member list")
    return meant


def _read(raw: bytes) -> Certified | None:
    try:
        return read_certificate(raw)
    except Malformed:
        return None


def _state(fault: str | None) -> str:
    match fault:
        case None:
            return MEMBER
        case OutOfTime.LATE:
            return "expired"
        case OutOfTime.EARLY:
            return "not yet"
        case "member is revoked":
            return "revoked"
    return str(fault)


def call(peer: bytes, known: Iterable[Known]) -> str:
    """What to call a peer in a table: its name, or the beginning of its id."""
    return next((one.name for one in known if one.peer == peer and one.name), short_peer(peer))
