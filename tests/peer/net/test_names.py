"""Looking up the names of seeds: a resolver that is silent holds up neither the market nor the end of a command."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import pytest

from peer.net.meet.names import addresses_of


@pytest.mark.parametrize(
    ("seed", "addresses"),
    [
        ("127.0.0.1:7300", ("tcp://127.0.0.1:7300",)),
        ("[::1]:7300", ("tcp://[::1]:7300",)),
        ("nobody.invalid:7300", ()),
        (f"{'a' * 70}.invalid:7300", ()),
    ],
)
async def test_an_address_is_itself_and_an_unknown_name_is_none(seed: str, addresses: tuple[str, ...]) -> None:
    """A name that no name can be is one that nobody knows."""
    assert await addresses_of(seed) == addresses


async def test_a_name_has_each_of_its_addresses_once() -> None:
    """The system knows this one by itself."""
    found = await addresses_of("localhost:7300")
    assert set(found) & {"tcp://127.0.0.1:7300", "tcp://[::1]:7300"}
    assert len(found) == len(set(found))


def test_a_silent_resolver_does_not_hold_up_the_end_of_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends a command whose seed is a name, on a network without an answer, at once."""
    answer = threading.Event()

    def silent(*_: object, **__: object) -> list[object]:
        answer.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", silent)

    async def look() -> None:
        async with asyncio.timeout(0.05):
            await addresses_of("seed.example:7300")

    began_s = time.monotonic()
    try:
        with pytest.raises(TimeoutError):
            asyncio.run(look())
        assert time.monotonic() - began_s < 30, "it was waited for"
    finally:
        answer.set()
