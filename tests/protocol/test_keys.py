"""Which keys are admitted, what a signature proves, and how a peer is written for people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from protocol.keys import PRIME, Ed25519Sealer, fault_of_key, parse_peer, print_peer, short_peer, verify
from tests.authors import sealer_of

D = -121665 * pow(121666, -1, PRIME) % PRIME
ORDER = 2**252 + 27742317777372353535851937790883648493
Point = tuple[int, int]


def add(p: Point, q: Point) -> Point:
    """The group law of edwards25519, in affine coordinates."""
    (x1, y1), (x2, y2) = p, q
    cross = D * x1 * x2 * y1 * y2 % PRIME
    x = (x1 * y2 + x2 * y1) * pow(1 + cross, -1, PRIME) % PRIME
    return x, (y1 * y2 + x1 * x2) * pow(1 - cross, -1, PRIME) % PRIME


def times(n: int, p: Point) -> Point:
    """The point added to itself, n times."""
    total = (0, 1)
    while n:
        total = add(total, p) if n & 1 else total
        p, n = add(p, p), n >> 1
    return total


def point_at(y: int) -> Point | None:
    """A point with this y, when there is one."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, PRIME) % PRIME
    x = pow(square, (PRIME + 3) // 8, PRIME)
    for root in (x, x * pow(2, (PRIME - 1) // 4, PRIME) % PRIME):
        if root * root % PRIME == square:
            return root, y
    return None


def torsion() -> set[Point]:
    """The eight points whose order divides 8: any point times the large prime order is one of them."""
    found: set[Point] = set()
    for y in range(2, 200):
        if (point := point_at(y)) is not None:
            found.add(times(ORDER, point))
        if len(found) == 8:
            return found
    raise AssertionError(found)


def encodings(y: int) -> list[bytes]:
    """All 32-byte strings that a careless reader takes for y: with both signs, and with the prime added."""
    return [
        (value | sign << 255).to_bytes(32, "little") for value in (y, y + PRIME) if value < 2**255 for sign in (0, 1)
    ]


@pytest.mark.spec("M-3.2")
def test_all_wycheproof_vectors_hold(vectors: Callable[[str], Any]) -> None:
    """Google's 151 Ed25519 signatures, valid, malleable and mangled, are each judged right."""
    judged = 0
    for group in vectors("wycheproof-ed25519.json")["testGroups"]:
        key = bytes.fromhex(group["publicKey"]["pk"])
        for test in group["tests"]:
            holds = verify(key, bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"]))
            assert holds == (test["result"] == "valid"), test
            judged += 1
    assert judged == 151


@pytest.mark.spec("M-3.1")
def test_every_small_order_key_is_refused() -> None:
    """Each encoding of the eight points of small order, computed here from the curve alone, is refused."""
    refused = {encoding for _, y in torsion() for encoding in encodings(y)}
    assert len(refused) == 14
    for key in refused:
        assert fault_of_key(key) in ("key has small order", "key is not canonical")
        assert not verify(key, b"message", bytes(64))


def test_under_a_small_order_key_the_library_would_verify_anything() -> None:
    """Why they are refused: with the neutral point as key, one signature fits every message."""
    neutral = (1).to_bytes(32, "little")
    for message in (b"yes", b"no"):
        Ed25519PublicKey.from_public_bytes(neutral).verify(neutral + bytes(32), message)
        assert not verify(neutral, message, neutral + bytes(32))


@pytest.mark.spec("M-3.1")
@pytest.mark.parametrize("excess", range(19))
def test_non_canonical_key_is_refused(excess: int) -> None:
    """Each of the 19 values of y from the prime up to 2^255, with either sign, is refused."""
    for sign in (0, 1):
        key = (PRIME + excess | sign << 255).to_bytes(32, "little")
        assert fault_of_key(key) == "key is not canonical"


@pytest.mark.spec("M-3.1")
@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_key_of_another_length_is_refused(length: int) -> None:
    """A key is 32 bytes."""
    assert fault_of_key(b"\7" * length) == "key is not 32 bytes"


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=40))
def test_real_keys_are_admitted_and_their_signatures_hold(seed: bytes, message: bytes) -> None:
    """What one peer signs, everybody verifies, and nobody under another key or message."""
    sealer = Ed25519Sealer.from_seed(seed)
    assert fault_of_key(sealer.peer) is None
    signature = sealer.sign(message)
    assert sealer_of("ada").verify(sealer.peer, message, signature)
    assert not verify(sealer.peer, message + b"!", signature)
    assert not verify(sealer_of("ada").peer, message, signature)


@pytest.mark.spec("M-3.2")
@pytest.mark.parametrize("length", [0, 63, 65])
def test_signature_of_another_length_does_not_hold(length: int) -> None:
    """A signature is 64 bytes; other lengths are answered, not raised."""
    sealer = sealer_of("ada")
    assert not verify(sealer.peer, b"", (sealer.sign(b"") + b"!")[:length])


@pytest.mark.spec("M-3.3")
@given(st.binary(min_size=32, max_size=32))
def test_printed_peer_reads_back(seed: bytes) -> None:
    """A printed peer is read back: grouped, in capitals or with spaces around."""
    peer = Ed25519Sealer.from_seed(seed).peer
    text = print_peer(peer)
    assert parse_peer(text) == parse_peer(text.upper()) == parse_peer(f" {text.replace('-', '')}\n") == peer
    assert text.startswith(short_peer(peer))


@pytest.mark.spec("M-3.3")
@given(st.integers(0, 55), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
def test_one_wrong_letter_is_caught(at: int, letter: str) -> None:
    """A slip of the keyboard at any place, the check characters included, is refused."""
    text = print_peer(sealer_of("ada").peer).replace("-", "")
    if text[at] != letter:
        with pytest.raises(ValueError, match="check characters"):
            parse_peer(text[:at] + letter + text[at + 1 :])


@pytest.mark.spec("M-3.3")
@given(st.integers(0, 54))
def test_two_letters_swapped_are_caught(at: int) -> None:
    """Neighbouring letters that change places are refused."""
    text = print_peer(sealer_of("bo").peer).replace("-", "")
    if text[at] != text[at + 1]:
        with pytest.raises(ValueError, match="check characters"):
            parse_peer(text[:at] + text[at + 1] + text[at] + text[at + 2 :])


@pytest.mark.spec("M-3.3")
@given(st.text(max_size=80))
def test_any_other_text_is_no_peer(text: str) -> None:
    """Whatever else is typed is answered with a ValueError, and nothing else."""
    with pytest.raises(ValueError, match=r"peer id|32 bytes"):
        parse_peer(text)


@pytest.mark.spec("M-3.3")
def test_printed_key_that_is_not_admitted_is_refused() -> None:
    """Good check characters make no good key."""
    with pytest.raises(ValueError, match="small order"):
        parse_peer(print_peer(bytes(32)))
