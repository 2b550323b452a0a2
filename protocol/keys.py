"""Identities: what a peer id is, which public keys are admitted, and how roots are signed and verified.

A peer *is* its Ed25519 public key. The library underneath accepts keys that are not canonical or of small order, under
which one signature can fit many messages; both are refused here, before the library sees them (SPEC section 3).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import NewType, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PeerId = NewType("PeerId", bytes)
"""32 bytes: an admitted Ed25519 public key."""
Digest = NewType("Digest", bytes)
"""32 bytes: a SHA-256 digest; of a statement, its id."""
Signature = NewType("Signature", bytes)
"""64 bytes: an Ed25519 signature, or a simulated one of the same length."""

PRIME = 2**255 - 19
_TORSION = int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little")
SMALL_ORDER_Y = frozenset({0, 1, PRIME - 1, _TORSION, PRIME - _TORSION})
"""The y coordinates of the eight points whose order divides 8, sign bit aside."""
_CHECK_CHARACTERS = 4


def fault_of_key(key: bytes) -> str | None:
    """Say why `key` is no admissible Ed25519 public key, or None when it is one."""
    if len(key) != 32:
        return "key is not 32 bytes"
    y = int.from_bytes(key, "little") & ((1 << 255) - 1)
    if y >= PRIME:
        return "key is not canonical"
    if y in SMALL_ORDER_Y:
        return "key has small order"
    return None


class Sealer(Protocol):
    """Signs for one peer, and verifies for everybody: real keys here, keyed hashes in mass simulation."""

    peer: PeerId

    def sign(self, message: bytes) -> Signature: ...

    def verify(self, author: bytes, message: bytes, signature: bytes) -> bool: ...


class Ed25519Sealer:
    """The real thing: one private key, and a bounded memory of admitted public keys."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self.peer = PeerId(private.public_key().public_bytes_raw())
        self._sign: Callable[[bytes], bytes] = private.sign

    @classmethod
    def from_seed(cls, seed: bytes) -> Ed25519Sealer:
        """Make the key pair of a 32-byte seed (RFC 8032, section 5.1.5)."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    def sign(self, message: bytes) -> Signature:
        return Signature(self._sign(message))

    def verify(self, author: bytes, message: bytes, signature: bytes) -> bool:
        return verify(author, message, signature)


@lru_cache(maxsize=4096)
def _public_key(key: bytes) -> Ed25519PublicKey | None:
    return None if fault_of_key(key) else Ed25519PublicKey.from_public_bytes(key)


def verify(author: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether `signature` (64 bytes) over `message` is by the admissible key `author` (32 bytes)."""
    public = _public_key(author)
    if public is None or len(signature) != 64:
        return False
    try:
        public.verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@lru_cache(maxsize=4096)
def print_peer(peer: bytes) -> str:
    """Write a peer id for people: 52 base32 characters and 4 check characters, lower case, in groups of eight."""
    check = base64.b32encode(hashlib.sha256(b"vendue.peer\0" + peer).digest())[:_CHECK_CHARACTERS]
    text = (base64.b32encode(peer).rstrip(b"=") + check).decode().lower()
    return "-".join(text[i : i + 8] for i in range(0, len(text), 8))


def short_peer(peer: bytes) -> str:
    """The first eight characters of the printed id: for logs and tables, never for decisions."""
    return base64.b32encode(peer[:5]).decode().lower()


def parse_peer(text: str) -> PeerId:
    """Read what `print_peer` wrote. Raises ValueError on a typing slip or a key that is not admitted."""
    letters = text.replace("-", "").strip().upper()
    try:
        peer = base64.b32decode(letters[:-_CHECK_CHARACTERS] + "====")
    except ValueError:
        raise ValueError("a peer id has only the letters a to z and the digits 2 to 7") from None
    if print_peer(peer).replace("-", "").upper() != letters:
        raise ValueError("the check characters of this peer id do not fit: a slip of the keyboard?")
    if fault := fault_of_key(peer):
        raise ValueError(fault)
    return PeerId(peer)
