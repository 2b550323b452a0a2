"""The register of a desk: whom this admitter has let in, by which invitation. One small SQLite file.

A use of an invitation counts from the moment its row is on the disk, which is before the member hears of it; asked
again by the same member, the row is what is answered. It is a file of its own beside the journals: commands write it
too, while the admitter's peer runs or not, and a journal that has to be moved away takes no used invitation with it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from protocol.errors import BadConfig, JournalDamaged

BY_HAND: Final = b"by hand"
"""What stands in place of an invitation where a person let a member in."""
BY_SEAT: Final = b"by seat"
"""... where the charter gave a governor its seat."""
RENEWAL: Final = b"renewal"
"""... and where its certificate is the first that this register knows of."""
WAIT_S: Final = 5.0
"""How long another process may write: a commit takes some milliseconds."""
REASON_MAX: Final = 1_000
"""Characters of why a member was revoked."""
_SCHEMA: Final = """
BEGIN;
CREATE TABLE IF NOT EXISTS admitted (
    invitation BLOB NOT NULL, member BLOB NOT NULL, certificate BLOB NOT NULL, label TEXT NOT NULL,
    admitted_ms INTEGER NOT NULL, renewed_ms INTEGER NOT NULL, PRIMARY KEY (invitation, member)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS revoked (member BLOB PRIMARY KEY, reason TEXT NOT NULL, revoked_ms INTEGER NOT NULL);
COMMIT;
"""


class Entry(NamedTuple):
    """One member as it was let in, with its newest certificate."""

    invitation: bytes
    member: bytes
    certificate: bytes
    label: str
    admitted_ms: int


class Register:
    """The admitter's table. Every call is a transaction of its own, on the disk when it returns."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def admitted(self, invitation: bytes, member: bytes) -> bytes | None:
        """The certificate that this member got for this invitation, or None."""
        with self._open() as db:
            found = db.execute(
                "SELECT certificate FROM admitted WHERE invitation = ? AND member = ?", (invitation, member)
            ).fetchone()
        return None if found is None else bytes(found[0])

    def admit(self, entry: Entry, *, uses: int) -> bytes | None:
        """Use an invitation once, unless it is used up: then None. Who is in by it already gets what it got."""
        with self._open() as db:
            db.execute("BEGIN IMMEDIATE")
            found = db.execute(
                "SELECT certificate FROM admitted WHERE invitation = ? AND member = ?", entry[:2]
            ).fetchone()
            if found is not None:
                return bytes(found[0])
            (used,) = db.execute("SELECT count(*) FROM admitted WHERE invitation = ?", (entry.invitation,)).fetchone()
            if used >= uses:
                return None
            db.execute("INSERT INTO admitted VALUES (?, ?, ?, ?, ?, ?)", (*entry, entry.admitted_ms))
            db.execute("COMMIT")
        return entry.certificate

    def keep(self, entry: Entry) -> None:
        """Note a member that a person let in, or a new certificate of one."""
        with self._open() as db:
            db.execute(
                "INSERT INTO admitted VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE "
                "SET certificate = excluded.certificate, renewed_ms = excluded.renewed_ms",
                (*entry, entry.admitted_ms),
            )

    def renewed(self, member: bytes, certificate: bytes, wall_ms: int) -> None:
        """Note a member's new certificate, wherever it stands; one that this register has lost comes back by it."""
        with self._open() as db:
            update = "UPDATE admitted SET certificate = ?, renewed_ms = ? WHERE member = ?"
            if not db.execute(update, (certificate, wall_ms, member)).rowcount:
                row = (RENEWAL, member, certificate, "", wall_ms, wall_ms)
                db.execute("INSERT INTO admitted VALUES (?, ?, ?, ?, ?, ?)", row)

    def revoked(self, member: bytes, reason: str, wall_ms: int) -> None:
        """Note why a member was put out; that it was, the charter says."""
        with self._open() as db:
            db.execute("INSERT OR IGNORE INTO revoked VALUES (?, ?, ?)", (member, reason[:REASON_MAX], wall_ms))

    def reasons(self) -> dict[bytes, str]:
        """Why members were put out, by this computer's word."""
        if not self._has_rows():
            return {}
        with self._open(only_read=True) as db:
            return dict(db.execute("SELECT member, reason FROM revoked").fetchall())

    def newest(self, member: bytes) -> bytes | None:
        """The newest certificate of a member, or None."""
        with self._open() as db:
            found = db.execute(
                "SELECT certificate FROM admitted WHERE member = ? ORDER BY renewed_ms DESC LIMIT 1", (member,)
            ).fetchone()
        return None if found is None else bytes(found[0])

    def entries(self) -> list[Entry]:
        """Everybody who was let in here, in the order of that."""
        if not self._has_rows():
            return []
        with self._open(only_read=True) as db:
            rows = db.execute(
                "SELECT invitation, member, certificate, label, admitted_ms FROM admitted ORDER BY admitted_ms, member"
            )
            return [Entry(*row) for row in rows]

    def _has_rows(self) -> bool:
        """Whether there is anything to read: a file that has just been made is empty."""
        return self.path.exists() and self.path.stat().st_size > 0

    @contextmanager
    def _open(self, *, only_read: bool = False) -> Iterator[sqlite3.Connection]:
        """A connection of this call alone: nothing is held open, and nobody waits for us but for a commit."""
        place = f"{self.path.absolute().as_uri()}?mode={'ro' if only_read else 'rwc'}"
        try:
            with closing(sqlite3.connect(place, uri=True, isolation_level=None, timeout=WAIT_S)) as db:
                if not only_read:
                    os.chmod(self.path, 0o600)
                    db.execute("PRAGMA synchronous=EXTRA")
                    db.executescript(_SCHEMA)
                yield db
        except (sqlite3.OperationalError, OSError) as error:
            raise BadConfig(
                f"The register in {self.path} cannot be {'read' if only_read else 'written'}: {error}.",
                why="" if only_read else "A use of an invitation is on the disk before anybody hears of it.",
                do="Check that the disk has room and is not read-only.",
            ) from None
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # what SQLite says of damage may be damaged too
            raise JournalDamaged(
                f"The register in {self.path} is damaged: {error}.",
                why="It counts how often each code was used.",
                do="Bring back a copy. Or move it away when every code has expired: whoever is a member stays one.",
            ) from None
