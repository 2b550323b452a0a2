"""What is said in a lobby when a stranger wants to become a member, and how it looks on the wire; no socket here.

    ["knock", market tag, admitter prefix, nonce]      →  ["standing", charters, admitter, time, signature]
                                                          ["elsewhere", addresses]
    ["redeem", request, label]  ["renew", request, certificate]
                                                       →  ["admitted", certificate]   ["not admitted", why]

A knock gives nothing away. Only when the standing holds does the joiner show a request, which proves that it has the
code and never carries it (`protocol.invitation`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta, Struct

from peer.net.meet.introductions import CHARTER_BYTES_MAX
from peer.net.requests import MALFORMED
from protocol.limits import CERTIFICATE_MAX, COUNTER_MAX

ADDRESSES_MAX: Final = 8
"""Where another lobby may be: as many as a peer has hosts."""
LABEL_MAX: Final = 64
"""Characters of what a member calls its computer."""
PREFIX_LENGTH: Final = 3
"""Of an admitter's key, as a code has it."""

Bytes32 = Annotated[bytes, Meta(min_length=32, max_length=32)]
Sealed = Annotated[bytes, Meta(max_length=CERTIFICATE_MAX)]
Address = Annotated[str, Meta(max_length=80)]
Charters = Annotated[tuple[Annotated[bytes, Meta(max_length=CHARTER_BYTES_MAX)], ...], Meta(min_length=1, max_length=2)]
"""The first charter and, if there is another, the newest: as evidence."""


class Knock(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="knock"):
    """Ask whether the admitter is here whose key begins so; the nonce is for its signature."""

    market_tag: Annotated[bytes, Meta(min_length=8, max_length=8)]
    admitter_prefix: Annotated[bytes, Meta(min_length=PREFIX_LENGTH, max_length=PREFIX_LENGTH)]
    nonce: Bytes32


class Redeem(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="redeem"):
    """Ask for a certificate by an invitation; the label is what people call the computer."""

    request: Sealed
    label: Annotated[str, Meta(max_length=LABEL_MAX)]


class Renew(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="renew"):
    """Ask for a new certificate in place of one that holds, or did until lately."""

    request: Sealed
    certificate: Sealed


class Standing(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="standing"):
    """The admitter's word that it is here: the first charter and the newest as evidence, its clock, its signature."""

    charters: Charters
    admitter: Bytes32
    wall_ms: Annotated[int, Meta(ge=0, le=COUNTER_MAX)]
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]


class Elsewhere(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="elsewhere"):
    """Another member's hint where the admitter's lobby is."""

    addresses: Annotated[tuple[Address, ...], Meta(max_length=ADDRESSES_MAX)]


class Admitted(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="admitted"):
    """The certificate that was asked for."""

    certificate: Sealed


class Why(StrEnum):
    """Why nobody was let in; a joiner makes of each what a person has to do."""

    WRONG_CODE = "wrong code"
    EXPIRED = "expired"
    USED_UP = "used up"
    BY_HAND = "by hand"
    """Members are let in by hand here, never by a code."""
    REVOKED = "revoked"
    CLOCK = "clock"
    """The request's time is not now."""
    CERTIFICATE = "certificate"
    """The certificate to renew does not hold."""
    NOT_HERE = "not here"
    """Whoever was asked admits nobody, or not by this code."""
    BUSY = "busy"
    """It cannot be written down just now."""


class NotAdmitted(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="not admitted"):
    """Nobody is let in by this request."""

    why: Why


Item: TypeAlias = Standing | Elsewhere | Admitted | NotAdmitted
_ITEMS: Final[msgspec.msgpack.Decoder[Item]] = msgspec.msgpack.Decoder(Item)
pack: Final = msgspec.msgpack.Encoder().encode


def open_item(items: list[bytes] | None) -> Item | None:
    """Read an answer, which has one item; None for anything else."""
    if items is None or len(items) != 1:
        return None
    try:
        return _ITEMS.decode(items[0])
    except MALFORMED:
        return None
