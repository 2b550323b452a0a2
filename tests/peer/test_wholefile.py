"""Writing files whole: nothing half-made stays, whoever was killed, and nobody at work is disturbed."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import peer.wholefile as wholefile
from peer.wholefile import AGE_S, draft_of, runs, sweep, write_whole

DIE = """
import os, signal, sys
from pathlib import Path
import peer.wholefile as wholefile
wholefile.os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
wholefile.write_whole(Path(sys.argv[1]), b"half")
"""


def test_a_file_is_there_whole_with_its_mode(tmp_path: Path) -> None:
    """What was there before is replaced, and nothing else is left."""
    path = tmp_path / "file"
    write_whole(path, b"before")
    write_whole(path, b"after", mode=0o644, durable=False)
    assert path.read_bytes() == b"after"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert os.listdir(tmp_path) == ["file"]


def test_what_a_killed_writer_left_is_gone_with_the_next_file(tmp_path: Path) -> None:
    """The next one may have another name: a charter's next version has."""
    died = subprocess.run([sys.executable, "-c", DIE, str(tmp_path / "charter-2")], check=False, timeout=60)
    assert died.returncode < 0
    (left,) = os.listdir(tmp_path)
    assert left.startswith(".charter-2.")
    write_whole(tmp_path / "charter-3", b"whole")
    assert os.listdir(tmp_path) == ["charter-3"]


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old file stays as it was."""
    write_whole(tmp_path / "file", b"before")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(wholefile.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(tmp_path / "file", b"after")
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"before"


def test_only_what_nobody_is_making_is_swept(tmp_path: Path) -> None:
    """A writer at work is not disturbed, nor is a file of somebody's own whose name looks like it."""
    ours, old = draft_of(tmp_path / "key.pem"), draft_of(tmp_path / "key.pem")
    others = [tmp_path / name for name in ("notes.new", ".key.pem.new", ".key.pem.x-01234567.new", "a.1-01234567.new")]
    for path in (ours, old, *others):
        path.touch()
    os.utime(old, (0, old.stat().st_mtime - AGE_S - 5))
    sweep(tmp_path)
    assert set(tmp_path.iterdir()) == {ours, *others}
    sweep(tmp_path / "nowhere")


def test_numbers_of_processes_are_told_apart() -> None:
    """Ours runs, and one that no system gives does not."""
    assert runs(os.getpid())
    assert not runs(2**22 + 1)
