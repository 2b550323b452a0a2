"""Looking for lobbies before one is a member: whatever is found is only a place to knock."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from peer.net.meet.searching import LOBBIES_MAX, Lobbies, searching
from protocol.invitation import market_tag
from tests.waiting import until

MARKET = bytes(32)


def filed(folder: Path, name: str, *hosts: str, lobby: int = 4003) -> Path:
    """Write the file of a peer, as its own process does."""
    place = folder / market_tag(MARKET).hex()
    place.mkdir(exist_ok=True)
    entry = {
        "hosts": hosts, "publish": 4001, "fetch": 4002, "lobby": lobby, "certificate": "", "pid": 1, "boot": "x",
    }  # fmt: skip
    path = place / f"{name}.json"
    path.write_text(json.dumps(entry))
    return path


async def told(lobbies: Lobbies, count: int) -> set[str]:
    """The next places, which must come."""
    async with asyncio.timeout(10):
        return {await lobbies.next() for _ in range(count)}


async def test_seeds_and_files_name_places_each_once(tmp_path: Path) -> None:
    """A host that has several addresses is several places; what two paths name is told once."""
    filed(tmp_path, "a", "127.0.0.1", "::1")
    seeds = ["127.0.0.1:4003", "127.0.0.2:5000"]
    async with searching(MARKET, hosts=("127.0.0.1",), seeds=seeds, folder=tmp_path, mdns=False) as lobbies:
        assert await told(lobbies, 3) == {"tcp://127.0.0.1:4003", "tcp://[::1]:4003", "tcp://127.0.0.2:5000"}
        assert len(lobbies.places) == 3
        filed(tmp_path, "b", "127.0.0.3")
        assert await told(lobbies, 1) == {"tcp://127.0.0.3:4003"}


async def test_what_is_no_place_is_passed_over(tmp_path: Path) -> None:
    """Files that are none, and hosts that are names: the search goes on."""
    filed(tmp_path, "bad", "not-an-address").with_name("worse.json").write_bytes(b"\xff" * 9_000)
    filed(tmp_path, "good", "127.0.0.1")
    async with searching(MARKET, hosts=("127.0.0.1",), seeds=(), folder=tmp_path, mdns=False) as lobbies:
        assert await told(lobbies, 1) == {"tcp://127.0.0.1:4003"}
        assert len(lobbies.places) == 1


async def test_a_network_without_multicast_is_told_and_ends_nothing(tmp_path: Path) -> None:
    """The address is nobody's here: the reason is kept for people, and the other paths go on."""
    async with searching(MARKET, hosts=("203.0.113.9",), seeds=(), folder=tmp_path, mdns=True) as lobbies:
        await until(lambda: lobbies.multicast_failure)
        filed(tmp_path, "a", "127.0.0.1")
        assert await told(lobbies, 1) == {"tcp://127.0.0.1:4003"}


def test_no_network_makes_a_search_endless() -> None:
    """Anybody can name places."""
    lobbies = Lobbies()
    for port in range(1, 2 * LOBBIES_MAX):
        lobbies.add(f"tcp://192.0.2.1:{port}")
    assert len(lobbies.places) == LOBBIES_MAX
