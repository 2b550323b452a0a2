"""What was met is remembered: bounded, shared by the peers of a computer, and harmless when it is broken."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from peer.net.meet.remembered import LOBBIES_MAX, WRITE_MS, Remembered
from tests.peer.net.meeting import peer_id

HOSTS = ("192.0.2.1", "2001:db8::1")


def test_what_was_met_is_there_the_next_time(tmp_path: Path) -> None:
    """The file is private, and written when something has changed, but not all the time."""
    path = tmp_path / "known.json"
    remembered = Remembered(path)
    assert remembered.load() == []
    remembered.write(0)
    assert not path.exists()
    remembered.note(peer_id(1), HOSTS, 7, 1_000)
    remembered.write(0)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    remembered.note(peer_id(2), HOSTS, 8, 2_000)
    remembered.write(WRITE_MS - 1)
    assert [lobby.lobby for lobby in Remembered(path).load()] == [7]
    remembered.write(WRITE_MS)
    (newest, oldest) = Remembered(path).load()
    assert (newest.peer_id, newest.lobby, oldest.hosts) == (peer_id(2), 8, HOSTS)


def test_peers_of_one_computer_add_to_each_others_memory(tmp_path: Path) -> None:
    """Each writes what it has met beside what the others have."""
    path = tmp_path / "known.json"
    first, second = Remembered(path), Remembered(path)
    first.note(peer_id(1), HOSTS, 1, 1_000)
    second.note(peer_id(2), HOSTS, 2, 2_000)
    for remembered in (first, second):
        remembered.write(0)
    assert {lobby.peer_id for lobby in Remembered(path).load()} == {peer_id(1), peer_id(2)}


def test_who_is_out_is_forgotten_whoever_remembers_it(tmp_path: Path) -> None:
    """A revoked member's address is nobody's business any more."""
    path = tmp_path / "known.json"
    first, second = Remembered(path), Remembered(path)
    first.note(peer_id(1), HOSTS, 1, 1_000)
    first.write(0)
    second.load()
    second.forget(peer_id(1))
    second.write(0)
    assert Remembered(path).load() == []


def test_memory_is_bounded_and_the_newest_stay(tmp_path: Path) -> None:
    """A market larger than the file names the others when one of them answers."""
    remembered = Remembered(tmp_path / "known.json")
    for number in range(LOBBIES_MAX + 10):
        remembered.note(number.to_bytes(32, "big"), HOSTS, 1 + number, number)
    remembered.write(0)
    assert max(lobby.lobby for lobby in remembered.load()) == LOBBIES_MAX + 10
    assert len(remembered.load()) <= LOBBIES_MAX


@pytest.mark.parametrize("content", [b"", b"[" * 10_000, b"{}", b'[{"peer": "x"}]', b"x" * 300_000])
def test_broken_file_counts_as_none(tmp_path: Path, content: bytes) -> None:
    """It is passed over with a warning, and written anew when somebody is met."""
    path = tmp_path / "known.json"
    path.write_bytes(content)
    remembered = Remembered(path)
    assert remembered.load() == []
    remembered.note(peer_id(1), HOSTS, 1, 1_000)
    remembered.write(0)
    assert len(Remembered(path).load()) == 1


def test_full_disk_stops_nobody(tmp_path: Path) -> None:
    """A directory that is not there stands for every reason not to write."""
    path = tmp_path / "nowhere" / "known.json"
    remembered = Remembered(path)
    remembered.note(peer_id(1), HOSTS, 1, 1_000)
    remembered.write(0, at_once=True)
    assert remembered.load() == []
    path.parent.mkdir()
    remembered.note(peer_id(1), HOSTS, 1, 2_000)
    remembered.write(0, at_once=True)
    assert len(Remembered(path).load()) == 1
