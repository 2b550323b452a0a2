"""Seals for mass simulation: keyed hashes that fail where an Ed25519 signature would fail, at a hundredth of its cost.

A key ring holds the secrets of one world. A sealer signs with its own secret only, so nobody in a world can sign for
somebody else, however it lies; whether a seal holds is asked of the ring. Ed25519 is what a profile with real keys
takes in its place: both are deterministic, so the same world says the same bytes again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from protocol.keys import Ed25519Sealer, PeerId, Sealer, Signature, fault_of_key

SEED_LENGTH = 32

SealerOf = Callable[[bytes], Sealer]
"""Makes the key of a 32-byte seed."""


class Keyring:
    """All secrets of one world: who signs needs its own, who verifies asks here."""

    def __init__(self) -> None:
        self._secrets: dict[bytes, bytes] = {}

    def sealer(self, seed: bytes) -> KeyedSealer:
        """Make the key of a seed; the same seed is the same peer."""
        secret = hashlib.blake2b(seed, digest_size=32, person=b"vendue.secret").digest()
        peer = PeerId(hashlib.blake2b(secret, digest_size=32, person=b"vendue.peer").digest())
        assert fault_of_key(peer) is None, "one key in 2^250 is not admissible"
        self._secrets[peer] = secret
        return KeyedSealer(self, peer, secret)

    def verify(self, author: bytes, message: bytes, signature: bytes) -> bool:
        """Tell whether `signature` over `message` is by `author`: one byte more, less or other, and it is not."""
        secret = self._secrets.get(author)
        return secret is not None and signature == _keyed(secret, message)


class KeyedSealer:
    """Signs as one peer, and verifies for everybody: `protocol.keys.Sealer` by keyed hash."""

    __slots__ = ("_ring", "_secret", "peer")

    def __init__(self, ring: Keyring, peer: PeerId, secret: bytes) -> None:
        self.peer = peer
        self._ring = ring
        self._secret = secret

    def sign(self, message: bytes) -> Signature:
        return Signature(_keyed(self._secret, message))

    def verify(self, author: bytes, message: bytes, signature: bytes) -> bool:
        return self._ring.verify(author, message, signature)


def _keyed(secret: bytes, message: bytes) -> bytes:
    return hashlib.blake2b(message, key=secret, digest_size=64).digest()


def real_key(seed: bytes) -> Ed25519Sealer:
    """The key of a seed in the profile with real Ed25519 everywhere."""
    return Ed25519Sealer.from_seed(seed)
