"""Whether the disk under the data home can hold a journal: room, writing, and SQLite's write-ahead log."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from peer.cli.checks.base import Check

ROOM_MIN: Final = 64 * 1024**2
"""Below this a busy market fills the disk within the hour, and a peer that cannot record stops."""
ROOM_WANTED: Final = 1024**3
_MIB: Final = 1024**2


def disk(home: Path) -> Iterator[Check]:
    """Look at the disk by using it, in a folder of our own that is gone afterwards."""
    place = next(path for path in (home, *home.parents) if path.exists())
    try:
        usage = shutil.disk_usage(place)
        with tempfile.TemporaryDirectory(prefix=".doctor-", dir=place) as folder:
            _write(Path(folder) / "probe")
            mode = _journal_mode(Path(folder) / "probe.db")
    except (OSError, sqlite3.Error) as error:
        yield Check(
            "disk", "bad", f"Nothing can be written in {place}: {getattr(error, 'strerror', None) or error}.",
            "Make room or mount it writable, or set VENDUE_HOME to a directory that you may write to.",
        )  # fmt: skip
        return
    yield _room(place, usage.free)
    if mode == "wal":
        yield Check("sqlite", "ok", "a journal can be written and read at once (WAL)")
    else:
        yield Check(
            "sqlite", "bad", f"This disk does not carry SQLite's write-ahead log (it answers {mode!r}).",
            "Network disks do not: set VENDUE_HOME to a directory on a local disk.",
        )  # fmt: skip


def _room(place: Path, free: int) -> Check:
    says = f"{free / _MIB:,.0f} MB free under {place}, which can be written"
    if free < ROOM_MIN:
        return Check("disk", "bad", says, "Make room: a peer that cannot record what it promises stops.")
    if free < ROOM_WANTED:
        return Check("disk", "note", says, "A journal grows with what happens: some kilobytes a task.")
    return Check("disk", "ok", says)


def _write(path: Path) -> None:
    with path.open("wb") as file:
        file.write(bytes(4096))
        file.flush()
        os.fsync(file.fileno())


def _journal_mode(path: Path) -> str:
    """What SQLite does here when it is asked for its write-ahead log, and used."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        mode = str(db.execute("PRAGMA journal_mode=WAL").fetchone()[0])
        db.execute("CREATE TABLE probe (n INTEGER)")
        db.execute("INSERT INTO probe VALUES (1)")
        return mode
