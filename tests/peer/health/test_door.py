"""The health socket: private, bounded in everything, in its own place, and gone with its peer."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from peer.health.ask import Absent, ask
from peer.health.door import DoorLimits, answering
from peer.health.place import health_socket
from protocol.errors import BadConfig, NoPeers

ANSWERS: dict[str, Callable[[], dict[str, Any]]] = {
    "health": lambda: {"ok": True},
    "status": lambda: {"ok": True, "text": "x" * 2_000},
}
SMALL = DoorLimits(connections_max=2, requests_max=3, quiet_s=0.2, answer_bytes_max=1_000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the socket of this test is."""
    return health_socket(tmp_path / "peers" / "poet", tmp_path)


@pytest.fixture
async def door(path: Path) -> AsyncIterator[Path]:
    """A socket with small limits that answers."""
    async with answering(path, ANSWERS, SMALL):
        yield path


async def say(path: Path, raw: bytes) -> bytes:
    """What comes back until the other side hangs up."""
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(raw)
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_a_question_is_answered_and_only_its_owner_can_ask(door: Path) -> None:
    """One word, one JSON document; the socket has mode 0600 and its folder 0700."""
    assert await asyncio.to_thread(ask, door, "health") == {"ok": True}
    assert (stat.S_IMODE(door.stat().st_mode), stat.S_IMODE(door.parent.stat().st_mode)) == (0o600, 0o700)


async def test_what_is_no_question_is_told_what_is(door: Path) -> None:
    """The answer names the words; several lines of one connection have an answer each."""
    first, second = (json.loads(line) for line in (await say(door, b"wat\n\xff\xfe\n")).splitlines())
    assert (first["ok"], second["ok"]) == (False, False)
    assert "health, status" in first["error"]


async def test_requests_answers_connections_and_silence_are_bounded(door: Path) -> None:
    """Too long, too many, too slow: each ends its own connection, and the next one is served as ever."""
    assert await say(door, b"h" * 10_000) == b""
    assert len((await say(door, b"health\n" * 10)).splitlines()) == SMALL.requests_max
    assert "too long" in json.loads(await say(door, b"status\n"))["error"]
    idle = [await asyncio.open_unix_connection(door) for _ in range(5)]
    assert [await reader.read() for reader, _ in idle] == [b""] * 5
    for _, writer in idle:
        writer.close()
    assert await asyncio.to_thread(ask, door, "health") == {"ok": True}


async def test_the_socket_of_a_dead_process_is_replaced_and_ours_is_removed(path: Path) -> None:
    """What a killed peer left is nobody's, for its home is locked by us now; at the end nothing is left."""
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()
    with pytest.raises(Absent):
        ask(path, "health")
    async with answering(path, ANSWERS):
        assert await asyncio.to_thread(ask, path, "health") == {"ok": True}
    assert not path.exists()
    with pytest.raises(Absent):
        ask(path, "health")


async def test_a_file_in_the_way_stays_and_is_named(path: Path) -> None:
    """Only a socket is ever replaced."""
    path.write_text("somebody's")
    with pytest.raises(BadConfig, match=r"is in the way"):
        async with answering(path, ANSWERS):
            pass
    assert path.read_text() == "somebody's"


async def test_a_socket_that_replaced_ours_is_not_removed(path: Path) -> None:
    """A later process under our name keeps its own."""
    async with answering(path, ANSWERS):
        path.unlink()
        later = socket.socket(socket.AF_UNIX)
        later.bind(str(path))
    assert path.is_socket()
    later.close()


def test_who_listens_and_never_answers_is_told_from_who_is_not_there(path: Path) -> None:
    """A hung loop is no absent peer; the wait for it is bounded."""
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(str(path))
        hung.listen()
        with pytest.raises(NoPeers, match="does not answer") as told:
            ask(path, "health", wait_s=0.05)
    assert not isinstance(told.value, Absent)


def test_a_folder_too_deep_for_a_socket_gives_way_to_a_short_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both sides find the same short path, and two homes never the same."""
    monkeypatch.setattr("peer.health.place.SHORT", tmp_path)
    deep, home = tmp_path / ("d" * 100), tmp_path / "peers" / ("n" * 63)
    found = health_socket(home, deep)
    assert found == health_socket(home, deep) != health_socket(tmp_path / "other", deep)
    assert found.is_relative_to(tmp_path)
    assert not deep.exists()
