"""What the doctor finds on a computer that is not well, and the remedy that it names."""

from __future__ import annotations

import os
import resource
import socket
import sqlite3
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace

import pytest

from peer.cli.checks import Check, check_all, disk, homes, local, network
from peer.home import MarketHome, market_home
from peer.members.admitting.register import BY_HAND, Entry, Register
from peer.members.entering.founding import open_market
from peer.settings import Settings


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data home of this test's own."""
    monkeypatch.setenv("VENDUE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def market(home: Path) -> MarketHome:
    """A market that has been founded there."""
    founded = market_home("local")
    open_market(founded, "local")
    return founded


def found(checks: Iterable[Check], about: str) -> list[Check]:
    """What was found about something."""
    return [check for check in checks if check.about == about]


def test_a_sound_computer_has_nothing_to_mend_and_nothing_new(market: MarketHome) -> None:
    """Every check speaks, none of them is bad, and what it used is gone again."""
    before = sorted(market.path.parent.parent.rglob("*"))
    checks = list(check_all(Settings(mdns=False), market))
    assert [check for check in checks if check.grade == "bad"] == []
    assert {"versions", "curve", "clock", "disk", "sqlite", "files", "interfaces", "peers"} <= {
        one.about for one in checks
    }
    left = set(market.path.parent.parent.rglob("*")) - set(before)
    assert {path.name for path in left} <= {"run", "health", "lock"}


@pytest.mark.parametrize(
    ("free", "grade"), [(disk.ROOM_MIN - 1, "bad"), (disk.ROOM_WANTED - 1, "note"), (disk.ROOM_WANTED, "ok")]
)
def test_a_disk_that_fills_up_is_noticed_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, grade: str
) -> None:
    """First a note, then something to mend."""
    monkeypatch.setattr("shutil.disk_usage", lambda _path: SimpleNamespace(free=free))
    (room,) = found(disk.disk(tmp_path), "disk")
    assert room.grade == grade


def test_a_disk_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read-only or full, what the system says is passed on, with what to do."""

    def refuse(_descriptor: int) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("os.fsync", refuse)
    (check,) = disk.disk(tmp_path / "not" / "there" / "yet")
    assert (check.grade, "Read-only file system" in check.says) == ("bad", True)
    assert "VENDUE_HOME" in check.do
    assert list(tmp_path.iterdir()) == []


def test_a_network_disk_without_a_write_ahead_log_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite answers with another mode instead of an error."""
    connect = sqlite3.connect

    def elsewhere(path: Path, **how: None) -> sqlite3.Connection:
        return connect(":memory:", **how)

    monkeypatch.setattr("sqlite3.connect", elsewhere)
    (check,) = found(disk.disk(tmp_path), "sqlite")
    assert (check.grade, "'memory'" in check.says) == ("bad", True)


@pytest.mark.parametrize(
    ("now_s", "told"), [(lambda: 0.0, "1970"), (lambda: time.time_ns() / 1e9 - 3600, "before this market was made")]
)
def test_a_clock_that_cannot_be_right_is_named(
    market: MarketHome, monkeypatch: pytest.MonkeyPatch, now_s: Callable[[], float], told: str
) -> None:
    """One that was never set, and one that is behind what this market has signed."""
    monkeypatch.setattr("peer.cli.checks.local.time", SimpleNamespace(time=now_s))
    (check,) = found(local.checks(market), "clock")
    assert (check.grade, told in check.says) == ("bad", True)
    assert "set-ntp" in check.do


@pytest.mark.parametrize(
    ("limits", "grade", "remedy"),
    [((128, 128), "bad", "ulimit -n 4096"), ((128, 4096), "ok", ""), ((1024, -1), "ok", "")],
)
def test_too_few_descriptors_are_found_before_libzmq_hangs(
    market: MarketHome, monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], grade: str, remedy: str
) -> None:
    """Peers raise the soft limit themselves, so it is the hard one that counts."""
    monkeypatch.setattr(resource, "getrlimit", lambda _what: limits)
    (check,) = found(local.checks(market), "descriptors")
    assert (check.grade, remedy in check.do) == (grade, True)


@pytest.mark.parametrize(
    ("name", "mode", "told"),
    [("journal.db", 0o644, "others can read"), ("charter.vendue", 0o666, "others can change"), ("x", 0o777, "change")],
)
def test_files_that_are_open_to_others_are_found(market: MarketHome, name: str, mode: int, told: str) -> None:
    """A journal is for its owner alone; nothing may be changed by others; a charter may be read by all."""
    file = market.path / name
    file.touch()
    file.chmod(mode)
    (check,) = found(homes.checks(Settings(), market), "files")
    assert (check.grade, told in check.says, str(file) in check.says) == ("bad", True, True)
    assert check.do.startswith("Run: chmod -R go-")


def test_a_transport_key_that_is_open_is_found_among_the_keys(market: MarketHome) -> None:
    """It is kept by the same rules as the key that signs."""
    transport = market.governor.transport
    transport.write_bytes(b"not a key")
    transport.chmod(0o644)
    (check,) = found(homes.checks(Settings(), market), "keys")
    assert (check.grade, f"chmod 600 {transport}" in check.do) == ("bad", True)


def test_a_register_that_is_damaged_is_found(market: MarketHome) -> None:
    """As long as it is, nobody can join: the admitter cannot tell which codes were used."""
    assert found(homes.checks(Settings(), market), "register") == [], "who has let nobody in needs none"
    Register(market.register).keep(Entry(BY_HAND, b"ada", b"for ada", "", 1))
    (well,) = found(homes.checks(Settings(), market), "register")
    assert (well.grade, well.says) == ("ok", "1 member was let in here")
    market.register.write_bytes(b"no database" * 100)
    (damaged,) = found(homes.checks(Settings(), market), "register")
    assert damaged.grade == "bad"
    assert "move it away when every code has expired" in damaged.do


def test_a_peer_that_does_not_answer_is_a_finding(market: MarketHome) -> None:
    """Its socket is there and nobody speaks: the loop is held up."""
    from peer.health.place import health_socket
    from peer.home import runtime_home

    home = market.peer("poet").make()
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(str(health_socket(home.path, runtime_home())))
        hung.listen()
        (check,) = homes.running(Settings(), market)
    assert (check.grade, "poet runs and does not answer" in check.says) == ("bad", True)
    os.unlink(health_socket(home.path, runtime_home()))


def test_an_interface_that_is_not_here_is_named_with_those_that_are() -> None:
    """By name or by address; what is here can be bound, on IPv4 and IPv6."""
    (gone,) = found(network.checks(Settings(interface="nosuch0", mdns=False)), "interface")
    assert (gone.grade, "lo (" in gone.do) == ("bad", True)
    assert all(check.grade == "ok" for check in found(network.checks(Settings(interface="lo")), "interface"))


def test_multicast_is_tried_on_each_address_that_was_chosen() -> None:
    """On loopback it works, and nothing leaves this computer."""
    (check,) = found(network.checks(Settings(interface="127.0.0.1")), "multicast")
    assert check.grade in ("ok", "note")
    assert "127.0.0.1" in check.says


def test_a_network_without_multicast_is_named_with_what_to_do_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no fault of this computer's, so it is a note; seeds do as well."""
    monkeypatch.setattr(network, "_multicast_fault", lambda _host: "[Errno 101] Network is unreachable")
    (check,) = found(network.checks(Settings(interface="127.0.0.1")), "multicast")
    assert (check.grade, "Network is unreachable" in check.says) == ("note", True)
    assert "--seeds HOST:PORT" in check.do
