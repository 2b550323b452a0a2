"""What is said in a lobby when peers meet, and how it looks on the wire; this file opens no socket.

    ["hello", market tag, nonce, charter version, introduction]    →    one or more of
    ["here", introduction, wall clock, charter version, software, signature]
    ["charter", evidence]   ["neighbour", peer id, hosts, port]   ["refused", why, wall clock]

An answer is signed over the question's nonce and the asker's transport key, so it is that peer's own word, and of now.
Wall clocks are told for people: nothing is decided by another's.
A neighbour is hearsay: a place to knock, no more.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta, Struct

from peer.net.endpoints import HOSTS_MAX, Endpoints, fault_of_endpoints, fault_of_host
from peer.net.requests import MALFORMED
from protocol.keys import Sealer, fault_of_key
from protocol.limits import CERTIFICATE_MAX, COUNTER_MAX, STATEMENT_MAX

NEIGHBOURS_MAX: Final = 256
"""Peers named in one answer: 40 kB, and they name others again."""
CHARTER_BYTES_MAX: Final = STATEMENT_MAX + 4_096
"""A charter full to its bounds, and its seal: as evidence, on the wire as in a file."""
SOFTWARE_MAX: Final = 40
"""Characters of a program's version."""
DOMAIN: Final = b"vendue.hello.v1\0"
"""What the message under an answer's signature begins with: prefix-free from everything else that a peer signs."""

Bytes32 = Annotated[bytes, Meta(min_length=32, max_length=32)]
MarketTag = Annotated[bytes, Meta(min_length=8, max_length=8)]
Nonce = Annotated[bytes, Meta(min_length=16, max_length=16)]
Hosts = Annotated[tuple[Annotated[str, Meta(max_length=62)], ...], Meta(min_length=1, max_length=HOSTS_MAX)]
Port = Annotated[int, Meta(ge=1, le=65_535)]
WallClock = Annotated[int, Meta(ge=0, le=COUNTER_MAX)]


class Introduction(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Who a peer says it is, where it can be reached, and the certificate that makes it a member."""

    peer_id: Bytes32
    hosts: Hosts
    publish: Port
    fetch: Port
    lobby: Port
    certificate: Annotated[bytes, Meta(max_length=CERTIFICATE_MAX)]

    @property
    def endpoints(self) -> Endpoints:
        return Endpoints(self.hosts, self.publish, self.fetch, self.lobby)


class Hello(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="hello"):
    """Ask who is there in the market with this tag; the asked peer learns of the asker by it."""

    market_tag: MarketTag
    nonce: Nonce
    charter_version: Annotated[int, Meta(ge=1, le=COUNTER_MAX)]
    me: Introduction


class Here(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="here"):
    """The first item of the answer: who was asked, by its own signature."""

    me: Introduction
    wall_ms: WallClock
    charter_version: Annotated[int, Meta(ge=1, le=COUNTER_MAX)]
    software: Annotated[str, Meta(max_length=SOFTWARE_MAX)]
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]


class Neighbour(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="neighbour"):
    """A peer and its lobby, as somebody says."""

    peer_id: Bytes32
    hosts: Hosts
    lobby: Port


class Newer(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="charter"):
    """The newest charter, when the asker's is older: as evidence, for it stands alone."""

    evidence: Annotated[bytes, Meta(max_length=CHARTER_BYTES_MAX)]


class Refused(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="refused"):
    """Nothing is said to this asker, and why, in a fixed phrase; not signed, so a hint for people and no more."""

    why: Annotated[str, Meta(max_length=200)]
    wall_ms: WallClock


Item: TypeAlias = Here | Neighbour | Newer | Refused

_ITEMS: Final[msgspec.msgpack.Decoder[Item]] = msgspec.msgpack.Decoder(Item)
pack: Final = msgspec.msgpack.Encoder().encode


def introduce(peer_id: bytes, endpoints: Endpoints, certificate: bytes) -> Introduction:
    """Make an introduction; of more hosts than it has room for the first ones."""
    return Introduction(peer_id, endpoints.hosts[:HOSTS_MAX], *endpoints[1:], certificate)


def open_item(item: bytes) -> Item | None:
    """Read one item of an answer, or None unless it is well formed and its keys and addresses are usable."""
    try:
        opened = _ITEMS.decode(item)
    except MALFORMED:
        return None
    match opened:
        case Here(me=me):
            return None if fault_of_introduction(me) else opened
        case Neighbour(peer_id=peer_id, hosts=hosts):
            return None if fault_of_key(peer_id) or any(map(fault_of_host, hosts)) else opened
    return opened


def fault_of_introduction(introduction: Introduction) -> str | None:
    """Say why nobody can be reached by what an introduction says, or None. Its certificate is not looked at."""
    return fault_of_key(introduction.peer_id) or fault_of_endpoints(introduction.endpoints)


def sign_here(
    me: Introduction, hello: Hello, asker_key: bytes, sealer: Sealer, *, wall_ms: int, charter_version: int,
    software: str,
) -> Here:  # fmt: skip
    """Answer a hello of the asker with this transport key: us and how it is with us, signed for it alone."""
    unsigned = Here(me, wall_ms, charter_version, software, bytes(64))
    return msgspec.structs.replace(unsigned, signature=sealer.sign(_said(unsigned, hello, asker_key)))


def holds(here: Here, hello: Hello, asker_key: bytes, sealer: Sealer) -> bool:
    """Tell whether an answer is by the peer that it names, and to this hello of ours."""
    return sealer.verify(here.me.peer_id, _said(here, hello, asker_key), here.signature)


def _said(here: Here, hello: Hello, asker_key: bytes) -> bytes:
    told = pack((here.me, here.wall_ms, here.charter_version, here.software))
    return DOMAIN + hello.market_tag + hello.nonce + asker_key + told
