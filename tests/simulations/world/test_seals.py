"""A keyed seal fails exactly where an Ed25519 signature fails."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.keys import PRIME, Sealer, fault_of_key
from simulations.world.seals import Keyring, real_key

SEEDS = (bytes(32), b"\1" * 32)
MakeKey = Callable[[bytes], Sealer]


@pytest.fixture(params=["keyed", "ed25519"])
def key_of(request: pytest.FixtureRequest) -> MakeKey:
    """Both kinds of keys: every test here holds for each."""
    return Keyring().sealer if request.param == "keyed" else real_key


def test_a_seal_holds_for_its_author_and_message_only(key_of: MakeKey) -> None:
    """Another author, or another message, and it is no seal."""
    ann, bob = map(key_of, SEEDS)
    signature = ann.sign(b"said")
    assert bob.verify(ann.peer, b"said", signature)
    assert not bob.verify(bob.peer, b"said", signature)
    assert not bob.verify(ann.peer, b"sajd", signature)


def test_any_changed_byte_of_a_seal_breaks_it(key_of: MakeKey) -> None:
    """Nor does a shorter or a longer one hold."""
    ann = key_of(SEEDS[0])
    signature = ann.sign(b"said")
    assert len(signature) == 64
    for place in range(64):
        changed = signature[:place] + bytes([signature[place] ^ 1]) + signature[place + 1 :]
        assert not ann.verify(ann.peer, b"said", changed)
    assert not ann.verify(ann.peer, b"said", signature[:-1])
    assert not ann.verify(ann.peer, b"said", signature + b"\0")
    assert not ann.verify(ann.peer, b"said", b"")


def test_a_seal_is_the_same_again(key_of: MakeKey) -> None:
    """Both are deterministic: a world says the same bytes in every run."""
    assert key_of(SEEDS[0]).sign(b"said") == key_of(SEEDS[0]).sign(b"said")
    assert key_of(SEEDS[0]).peer != key_of(SEEDS[1]).peer


def test_no_key_that_is_not_admitted_verifies(key_of: MakeKey) -> None:
    """Strangers, keys of small order, keys that are not canonical, and what is no key at all."""
    ann = key_of(SEEDS[0])
    signature = ann.sign(b"said")
    for stranger in (b"\1" + bytes(31), (PRIME + 3).to_bytes(32, "little"), b"", b"short", bytes(33)):
        assert not ann.verify(stranger, b"said", signature)


@given(st.binary(min_size=32, max_size=32))
def test_every_keyed_peer_is_an_admissible_key(seed: bytes) -> None:
    """A simulated peer id passes the checks that real ones pass."""
    assert fault_of_key(Keyring().sealer(seed).peer) is None
