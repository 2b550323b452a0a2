"""One process runs on a home, and no stale lock is ever left."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from peer.homelock import first_free, lock
from protocol.errors import BadConfig, HomeBusy

HOLD = """
import sys
from pathlib import Path
from peer.homelock import lock
from protocol.errors import HomeBusy
sys.stdin.readline()
try:
    with lock(Path(sys.argv[1])):
        print("held", flush=True)
        sys.stdin.readline()
except HomeBusy:
    print("busy", flush=True)
"""


def start_holder(home: Path) -> subprocess.Popen[str]:
    """Start a process that locks `home` once it is given a line, and lets go of it at the next."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def give_line(holder: subprocess.Popen[str]) -> None:
    """Let the process go on."""
    assert holder.stdin
    holder.stdin.write("\n")
    holder.stdin.flush()


def hear(holder: subprocess.Popen[str]) -> str:
    """Wait for what the process says next."""
    assert holder.stdout
    return holder.stdout.readline().strip()


def test_second_lock_on_a_home_names_the_holder(tmp_path: Path) -> None:
    """Two processes on one home would speak under one key; the second is told which the first is."""
    holder = start_holder(tmp_path)
    give_line(holder)
    assert hear(holder) == "held"
    with pytest.raises(HomeBusy, match=rf"\(pid {holder.pid}\)"), lock(tmp_path):
        pass
    holder.communicate("\n", timeout=60)
    with lock(tmp_path):
        assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_lock_is_exclusive_within_one_process_too(tmp_path: Path) -> None:
    """Two peers in one process cannot share a home either, and after the first left the home is free."""
    with lock(tmp_path), pytest.raises(HomeBusy, match=str(os.getpid())), lock(tmp_path):
        pass
    with lock(tmp_path):
        assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o600


def test_of_racing_processes_exactly_one_gets_the_home(tmp_path: Path) -> None:
    """However the processes interleave, one holds the home and all others are refused."""
    holders = [start_holder(tmp_path) for _ in range(4)]
    for holder in holders:
        give_line(holder)
    assert sorted(hear(holder) for holder in holders) == ["busy", "busy", "busy", "held"]
    for holder in holders:
        holder.communicate("\n", timeout=60)


def test_killed_holder_leaves_the_home_free(tmp_path: Path) -> None:
    """The lock ends with the process, even one that could not clean up; no stale lock is ever removed by hand."""
    holder = start_holder(tmp_path)
    give_line(holder)
    assert hear(holder) == "held"
    holder.send_signal(signal.SIGKILL)
    holder.communicate(timeout=60)
    with lock(tmp_path):
        assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_lock_on_a_full_disk_holds_without_the_holders_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number is for people; what is locked is locked, and whoever tries is told."""

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with lock(tmp_path), pytest.raises(HomeBusy, match="Another process runs"), lock(tmp_path):
        pass


def test_lock_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """A link in place of the lock would have us write our number into some other file."""
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadConfig, match="cannot be opened"), lock(tmp_path):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_first_free_takes_the_next_sibling_while_one_is_in_use(tmp_path: Path) -> None:
    """Short-lived peers get identities that last, and never wait for each other."""
    with first_free(tmp_path, "cli") as one, first_free(tmp_path, "cli") as two:
        assert [one.path.name, two.path.name] == ["cli", "cli-2"]
        with pytest.raises(HomeBusy), lock(two.path):
            pass
    with first_free(tmp_path, "cli") as again:
        assert again == one


def test_first_free_gives_up_after_a_bound(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A script that starts peers without end is stopped before it fills the disk with homes."""
    monkeypatch.setattr("peer.homelock.SIBLINGS_MAX", 2)
    with (
        first_free(tmp_path, "cli"),
        first_free(tmp_path, "cli"),
        pytest.raises(HomeBusy, match="All 2 homes"),
        first_free(tmp_path, "cli"),
    ):
        pass
