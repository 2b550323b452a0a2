"""What an admitter gives to a computer that it lets in by hand: the charters, the certificate, and where to knock.

It is carried as text, so nothing here proves where it comes from: the person who carries it answers for that.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from peer.home import MarketHome
from peer.members.charters import newest_charter
from peer.net.meet.knocks import ADDRESSES_MAX, Address, Charters, Sealed
from peer.net.requests import MALFORMED
from protocol.errors import BadEvidence


class Handover(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="handover"):
    """All that a new member's home is made of, but for its key."""

    charters: Charters
    certificate: Sealed
    lobbies: Annotated[tuple[Address, ...], Meta(max_length=ADDRESSES_MAX)]


def charters_of(market: MarketHome) -> tuple[bytes, ...]:
    """The first version and, if there is another, the newest, as evidence. Raises BadConfig when they do not hold."""
    version = newest_charter(market).body.version
    paths = [market.charter] + [market.charter_version(version)] * (version > 1)
    return tuple(path.read_bytes() for path in paths)


def pack_handover(handover: Handover) -> bytes:
    """Write it, to be carried."""
    return msgspec.msgpack.encode(handover)


def open_handover(raw: bytes) -> Handover:
    """Read what was carried. Raises BadEvidence."""
    try:
        return msgspec.msgpack.decode(raw, type=Handover)
    except MALFORMED:
        raise BadEvidence("What was given is no certificate of a market.", do="Copy it again, all of it.") from None
