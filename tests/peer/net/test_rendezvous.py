"""The folder where the peers of one computer meet: what is in it is noticed, bounded, private, and swept."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from peer.net.meet.introductions import Introduction
from peer.net.meet.rendezvous import Entry, Rendezvous, RendezvousLimits
from protocol.errors import BadConfig
from tests.peer.net.meeting import peer_id
from tests.waiting import until

CERTIFICATE = b"a certificate, which this file does not look at"
LIMITS = RendezvousLimits()


def introduction(number: int) -> Introduction:
    """What the peer of this number says of itself."""
    return Introduction(peer_id(number), ("127.0.0.1",), 1, 2, 3, CERTIFICATE)


class Place:
    """One peer's place in the folder, and what it saw of the others."""

    def __init__(self, folder: Path, limits: RendezvousLimits) -> None:
        self.found: list[Introduction] = []
        self.gone: list[bytes] = []
        self.rendezvous = Rendezvous(
            folder, introduction(1), on_found=self.found.append, on_gone=self.gone.append, limits=limits
        )
        self.own = folder / f"{peer_id(1).hex()}.json"

    def start(self) -> Place:
        self.rendezvous.start(asyncio.get_running_loop())
        return self


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A market's folder in a runtime home."""
    path = tmp_path / "run" / "market"
    path.mkdir(parents=True, mode=0o700)
    return path


@pytest.fixture
def place(folder: Path) -> Iterator[Callable[..., Place]]:
    """Places that are left when the test ends."""
    places: list[Place] = []

    def open_one(limits: RendezvousLimits = LIMITS) -> Place:
        places.append(Place(folder, limits))
        return places[-1]

    yield open_one
    for one in places:
        one.rendezvous.close()


def write_entry(folder: Path, number: int, *, pid: int | None = None, boot: str | None = None) -> Path:
    """Put another peer's file into the folder, by default as of this process."""
    path = folder / f"{peer_id(number).hex()}.json"
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    entry = Entry(("127.0.0.1",), 1, 2, 3, CERTIFICATE.hex(), pid or os.getpid(), boot or boot_id)
    path.write_bytes(msgspec.json.encode(entry))
    return path


def dead_pid() -> int:
    """The number of a process that has just ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


async def test_file_is_read_as_it_was_written(folder: Path, place: Callable[..., Place]) -> None:
    """The whole introduction is in it, with its certificate."""
    write_entry(folder, 7)
    opened = place().start()
    await until(lambda: opened.found)
    assert opened.found == [introduction(7)]


async def test_two_changes_at_one_time_are_both_seen(folder: Path, place: Callable[..., Place]) -> None:
    """A file system's clock may stand still between two changes, so a recent time of change proves nothing."""
    opened = place(replace(LIMITS, alive_pause_ms=60_000)).start()
    instant_ns = time.time_ns() + 3600 * 10**9
    for number in (7, 8):
        write_entry(folder, number)
        os.utime(folder, ns=(instant_ns, instant_ns))
        await until(lambda number=number: introduction(number) in opened.found)


async def test_look_sees_a_file_before_the_next_time(folder: Path, place: Callable[..., Place]) -> None:
    """Somebody at the door may have put its file there an instant ago."""
    opened = place(replace(LIMITS, eager_ms=0, pause_ms=60_000)).start()
    opened.rendezvous.look()
    write_entry(folder, 7)
    opened.rendezvous.look()
    assert opened.found == [introduction(7)]


async def test_stale_files_are_removed_and_never_found(folder: Path, place: Callable[..., Place]) -> None:
    """A dead process and another boot leave files that mean nothing."""
    stale = [write_entry(folder, 7, pid=dead_pid()), write_entry(folder, 8, boot="another boot")]
    opened = place().start()
    await until(lambda: not any(path.exists() for path in stale))
    assert opened.found == []


async def test_killed_process_is_gone_though_its_file_was_left(folder: Path, place: Callable[..., Place]) -> None:
    """Nothing in the folder changes when a process is killed, so it is asked now and then whether it lives."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=subprocess.PIPE)
    path = write_entry(folder, 7, pid=process.pid)
    opened = place(replace(LIMITS, alive_pause_ms=50)).start()
    await until(lambda: opened.found)
    process.kill()
    await process.wait()
    await until(lambda: opened.gone == [peer_id(7)])
    assert not path.exists()


async def test_rubbish_in_the_folder_is_passed_over(folder: Path, place: Callable[..., Place]) -> None:
    """Too long, no JSON, nested, a pipe, a link, a directory, wrong names and wrong addresses."""
    good = write_entry(folder, 30)
    names = (f"{peer_id(number).hex()}.json" for number in range(40, 60))
    (folder / next(names)).write_bytes(b"x" * 100_000)
    (folder / next(names)).write_bytes(b"not JSON")
    (folder / next(names)).write_bytes(b"[" * 1_000)
    (folder / next(names)).write_bytes(good.read_bytes().replace(b"127.0.0.1", b"a.example"))
    (folder / next(names)).write_bytes(good.read_bytes().replace(CERTIFICATE.hex().encode(), b"no hex"))
    (folder / next(names)).symlink_to(good)
    (folder / next(names)).mkdir()
    os.mkfifo(folder / next(names))
    (folder / f"{bytes(32).hex()}.json").write_bytes(good.read_bytes())
    (folder / "notes.txt").write_bytes(b"")
    opened = place().start()
    await until(lambda: opened.found)
    assert opened.found == [introduction(30)]
    assert opened.rendezvous.malformed >= 8


async def test_own_file_is_private_renewed_and_comes_back_when_it_is_cleared_away(
    folder: Path, place: Callable[..., Place]
) -> None:
    """A cleaner of temporary files does not make a peer invisible."""
    opened = place().start()
    assert stat.S_IMODE(opened.own.stat().st_mode) == 0o600
    opened.rendezvous.renew(msgspec.structs.replace(introduction(1), certificate=b"another"))
    assert b"another".hex().encode() in opened.own.read_bytes()
    opened.own.unlink()
    await until(opened.own.exists)
    opened.own.unlink()
    folder.rmdir()
    await until(opened.own.exists)
    opened.rendezvous.close()
    assert not opened.own.exists()


async def test_folder_open_to_others_is_refused(folder: Path, place: Callable[..., Place]) -> None:
    """Somebody else's files would be believed."""
    folder.chmod(0o777)
    with pytest.raises(BadConfig, match="chmod 700"):
        place().start()
