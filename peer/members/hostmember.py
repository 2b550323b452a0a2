"""This computer's own membership in a market: a key that vouches for the peers here, and its certificate.

The key signs; the key of its few connections (joining, renewing) follows from it, so that one file holds all there is.
It refuses to know what a certificate says and whether it holds: that is `protocol.certificate`'s business.
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from peer import keystore
from peer.home import PeerHome
from protocol.certificate import Certificate, Right, issue
from protocol.keys import Ed25519Sealer, PeerId, Sealer

_TRANSPORT: Final = b"vendue.member.transport\0"
VALID_MS: Final = 365 * 24 * 3600 * 1000
"""How long a certificate that an admitter signs is good for: a year, and `vendue member renew` makes it another."""


class HostMember:
    """The member key of this computer, and the key of its connections. It shows neither of them."""

    __slots__ = ("sealer", "transport")

    def __init__(self, private: Ed25519PrivateKey, transport: X25519PrivateKey | None = None) -> None:
        self.sealer = Ed25519Sealer(private)
        seed = hashlib.sha256(_TRANSPORT + private.private_bytes_raw()).digest()
        self.transport = transport or X25519PrivateKey.from_private_bytes(seed)

    @classmethod
    def load(cls, path: Path) -> HostMember:
        """Read the key. Raises what `keystore.load` raises."""
        return cls(keystore.load(path))

    @classmethod
    def load_or_create(cls, path: Path) -> HostMember:
        """Read the key, or make it."""
        return cls(keystore.load_or_create(path))

    @classmethod
    def of_peer(cls, home: PeerHome) -> HostMember:
        """The keys of a peer that asks for a certificate of its own: a governor, for which nobody here can vouch."""
        return cls(keystore.load_or_create(home.key), keystore.load_or_create_transport(home.transport))

    @property
    def peer(self) -> PeerId:
        return self.sealer.peer

    @property
    def transport_key(self) -> bytes:
        """The public half of what its connections prove: 32 bytes."""
        return self.transport.public_key().public_bytes_raw()

    def __repr__(self) -> str:
        return f"<HostMember {self.peer.hex()[:8]}, secret>"


def certify(
    admitter: Sealer, *, market: bytes, member: bytes, transport_key: bytes, rights: tuple[Right, ...], wall_ms: int
) -> bytes:
    """Sign a certificate of a member that answers for itself, from this time on."""
    claim = Certificate(
        market=market, member=member, transport_key=transport_key, rights=rights, sponsor=member,
        issuer=admitter.peer, from_ms=wall_ms, until_ms=wall_ms + VALID_MS,
    )  # fmt: skip
    return issue(claim, admitter)


def wall_clock_ms() -> int:
    """The time of day that people and certificates go by, in milliseconds."""
    return time.time_ns() // 1_000_000
