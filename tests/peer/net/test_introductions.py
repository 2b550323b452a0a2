"""What is said when peers meet: it is bounded, usable, and signed for one asker and one question."""

from __future__ import annotations

from dataclasses import dataclass

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from peer.net.meet.introductions import (
    Hello,
    Here,
    Introduction,
    Neighbour,
    Newer,
    Refused,
    holds,
    open_item,
    pack,
    sign_here,
)
from tests.peer.net.meeting import peer_id, sealer

ME = Introduction(peer_id(1), ("127.0.0.1", "2001:db8::1"), 1, 2, 3, b"certificate")
HELLO = Hello(b"the tag8", bytes(16), 1, ME)
KEY = b"k" * 32


@dataclass(frozen=True)
class Changed:
    """An answer, and how it was changed on the way."""

    here: Here
    hello: Hello = HELLO
    key: bytes = KEY


def test_answer_holds_for_the_question_the_asker_and_the_words_that_were_signed() -> None:
    """Whatever is changed, or shown to somebody else, holds no more: an answer cannot be passed on."""
    here = sign_here(ME, HELLO, KEY, sealer(1), wall_ms=5, charter_version=1, software="1.0")
    assert holds(here, HELLO, KEY, sealer(2))
    for changed in (
        Changed(here, replace(HELLO, nonce=b"another nonce 16")),
        Changed(here, replace(HELLO, market_tag=b"another8")),
        Changed(here, key=b"l" * 32),
        Changed(replace(here, me=replace(ME, hosts=("192.0.2.1",)))),
        Changed(replace(here, me=replace(ME, lobby=9))),
        Changed(replace(here, me=replace(ME, peer_id=peer_id(2)))),
        Changed(replace(here, wall_ms=6)),
        Changed(replace(here, charter_version=2)),
        Changed(replace(here, software="2.0")),
    ):
        assert not holds(changed.here, changed.hello, changed.key, sealer(2))


@pytest.mark.parametrize("item", [Neighbour(peer_id(1), ("127.0.0.1",), 1), Newer(b"e"), Refused("why", 7)])
def test_item_comes_back_as_it_was(item: Neighbour | Newer | Refused) -> None:
    """Each item of an answer stands for itself."""
    assert open_item(pack(item)) == item


def test_item_needs_an_admissible_key_and_usable_addresses() -> None:
    """A hint that cannot be right is no hint."""
    good = sign_here(ME, HELLO, KEY, sealer(1), wall_ms=5, charter_version=1, software="1.0")
    assert open_item(pack(good)) == good
    for bad in (
        Neighbour(bytes(32), ("127.0.0.1",), 1),
        Neighbour(peer_id(1), ("example.org",), 1),
        Neighbour(peer_id(1), ("0.0.0.0",), 1),
        Neighbour(peer_id(1), (), 1),
        Neighbour(peer_id(1), ("127.0.0.1",), 65_536),
        replace(good, me=replace(ME, hosts=("224.0.0.1",))),
        replace(good, me=replace(ME, publish=0)),
        replace(good, software="v" * 41),
        replace(good, wall_ms=-1),
        replace(good, me=replace(ME, certificate=bytes(2_000))),
    ):
        assert open_item(pack(bad)) is None


@given(st.binary(max_size=200))
def test_no_bytes_raise(item: bytes) -> None:
    """Strangers' bytes open or do not, and what opens can be said again; they never raise."""
    opened = open_item(item)
    assert opened is None or open_item(pack(opened)) == opened


def test_foreign_implementation_reads_the_same_bytes() -> None:
    """The wire is plain MessagePack arrays."""
    me = [peer_id(1), ["127.0.0.1", "2001:db8::1"], 1, 2, 3, b"certificate"]
    assert msgpack.unpackb(pack(HELLO)) == ["hello", b"the tag8", bytes(16), 1, me]
    assert msgpack.unpackb(pack(Refused("why", 7))) == ["refused", "why", 7]
