"""The journal: what this peer has said, and what it has heard that matters after a restart. SQLite, one commit a turn.

One row holds a whole turn's statements, or a whole frame heard; never a row a statement. Rows carry a checksum, for
SQLite does not notice a flipped byte. The file knows which feed it is the life of, and when that life must end: a
journal that may have lost its tail in a loss of power, or that is older than what was said, begins a new feed.
"""

from __future__ import annotations

import os
import sqlite3
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgpack

from protocol.errors import BadConfig, JournalDamaged
from protocol.statements import AnyStatement

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rows (
    n INTEGER PRIMARY KEY, feed BLOB, first_seq INTEGER, last_seq INTEGER, body BLOB NOT NULL, checksum INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS said ON rows (feed, last_seq) WHERE feed IS NOT NULL;
"""
_HIGH_WATER = struct.Struct(">8sQ")
FORMAT = b"1"


class Row(NamedTuple):
    """One row at replay: a frame heard, or the payloads that one turn said."""

    received: bytes | None
    said: tuple[bytes, ...]


def boot_id() -> bytes:
    """What tells one run of this machine from the next; empty where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()
    except OSError:
        return b""


class Journal:
    """One peer's journal file. `feed` is the feed that it is the life of, `seq` the last one said in it."""

    def __init__(self, path: Path, *, market: bytes, always_durable: bool = False, boot: bytes | None = None) -> None:
        """Open or make the file. A governor's is `always_durable`, for it keeps its feed through everything.

        Raises JournalDamaged when the file is no database any more, and BadConfig when it is another market's or cannot
        be opened.
        """
        self.path = path
        self._always_durable = always_durable
        self._boot = boot_id() if boot is None else boot
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            os.chmod(path, 0o600)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
            self._durable = True
            self._high_water = os.open(path.with_name("highwater"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except (sqlite3.Error, OSError) as error:
            if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
                raise damaged(path, str(error)) from error  # an OperationalError is a full disk or no permission
            raise BadConfig(
                f"The journal {path} cannot be opened: {error}.",
                do="Check the disk, or move it away.",
            ) from error
        self._check_market(market)
        self.feed, self.seq = self._begin()

    def _meta(self, name: str) -> bytes | None:
        found = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if found is None else bytes(found[0])

    def _set_meta(self, **values: bytes) -> None:
        with self._db:
            self._db.execute("BEGIN")
            self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())

    def _check_market(self, market: bytes) -> None:
        known = self._meta("market")
        if known is None:
            self._set_meta(market=market, format=FORMAT)
        elif known != market or self._meta("format") != FORMAT:
            raise BadConfig(
                f"The journal {self.path} belongs to another market or version.", do="Use another name for this peer."
            )

    def _begin(self) -> tuple[bytes, int]:
        """Keep the feed that the file has, or begin a new one if statements of it may be missing here.

        They may be, too, where the last word of this home was in another feed: then this file is older than that life.
        """
        feed = self._meta("feed")
        loose = self._meta("loose") == b"1" and self._meta("boot") != self._boot
        seq = self._last_seq(feed) if feed is not None else 0
        said_feed, said_seq = self._read_high_water()
        self.has_spoken = said_seq > 0
        """This home has said something before, whatever of it the file still holds."""
        if feed is None or loose or (self.has_spoken and (said_feed != feed or said_seq > seq)):
            feed, seq = os.urandom(8), 0
        self._set_meta(feed=feed, boot=self._boot, loose=b"0" if self._always_durable else b"1")
        return feed, seq

    def begin_feed(self, feed: bytes) -> None:
        """Begin the feed that a charter names, in a journal that has said nothing yet."""
        assert self.seq == 0, "a feed that has begun is never renamed"
        self.feed = feed
        self._set_meta(feed=feed)

    def _last_seq(self, feed: bytes) -> int:
        found = self._db.execute("SELECT max(last_seq) FROM rows WHERE feed = ?", (feed,)).fetchone()
        return int(found[0] or 0)

    def _read_high_water(self) -> tuple[bytes, int]:
        raw = os.pread(self._high_water, _HIGH_WATER.size, 0)
        return _HIGH_WATER.unpack(raw) if len(raw) == _HIGH_WATER.size else (b"", 0)

    def record(self, received: Sequence[bytes], said: Sequence[AnyStatement], *, durable: bool) -> None:
        """Store one turn in one transaction; when this returns it is committed, and if asked, synced."""
        durable = durable or self._always_durable
        if durable is not self._durable:
            self._db.execute("PRAGMA synchronous=FULL" if durable else "PRAGMA synchronous=NORMAL")
            self._durable = durable
        rows: list[tuple[bytes | None, int | None, int | None, bytes, int]] = [
            (None, None, None, frame, zlib.crc32(frame)) for frame in received
        ]
        if said:
            body = msgpack.packb([statement.payload for statement in said])
            rows.append((said[0].feed, said[0].seq, said[-1].seq, body, zlib.crc32(body)))
        db = self._db
        db.execute("BEGIN")
        try:
            db.executemany("INSERT INTO rows (feed, first_seq, last_seq, body, checksum) VALUES (?, ?, ?, ?, ?)", rows)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        if said:
            self.seq = said[-1].seq
            os.pwrite(self._high_water, _HIGH_WATER.pack(said[-1].feed, self.seq), 0)

    def replay(self) -> Iterator[Row]:
        """Every row, in the order of recording. Raises JournalDamaged at the first that is not what was stored."""
        yield from read_rows(self._db, self.path)

    def said(self, feed: bytes, first: int, last: int) -> Iterator[bytes]:
        """The payloads that we said in a range of a feed, both ends included; a few more may come along."""
        rows = self._db.execute(
            "SELECT body FROM rows WHERE feed = ? AND last_seq >= ? AND first_seq <= ? ORDER BY n", (feed, first, last)
        )
        for (body,) in rows:
            yield from msgpack.unpackb(body)

    def close(self) -> None:
        """Close cleanly: the tail is on the disk, and the feed lives on whatever happens to the machine."""
        self._db.execute("PRAGMA synchronous=FULL")
        self._set_meta(loose=b"0")
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.close()
        os.close(self._high_water)


def read_rows(db: sqlite3.Connection, path: Path) -> Iterator[Row]:
    """Every row of an open journal file. Raises JournalDamaged at the first that is not what was stored."""
    try:
        for n, feed, body, checksum in db.execute("SELECT n, feed, body, checksum FROM rows ORDER BY n"):
            if not isinstance(body, bytes) or zlib.crc32(body) != checksum:
                raise damaged(path, f"row {n} does not fit its checksum")
            yield Row(body, ()) if feed is None else Row(None, tuple(msgpack.unpackb(body)))
    except sqlite3.DatabaseError as error:
        raise damaged(path, str(error)) from error


def damaged(path: Path, where: str) -> JournalDamaged:
    """The error that a journal is not what this peer could have stored."""
    return JournalDamaged(
        f"The journal {path} is damaged: {where}.",
        why="What this peer has promised can no longer be told from it; the file is left as it is.",
        do="Move the file away and start again: the peer then begins a new feed.",
    )


def read_journal(path: Path, take: Callable[[Row], None]) -> None:
    """Read another process's journal while it runs."""
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        for row in read_rows(db, path):
            take(row)
    finally:
        db.close()
