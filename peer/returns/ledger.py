"""The shop's ledger: the sink of the one irreversible step, one line for each refund that was made.

Several processes append to one file; a token that stands there already is answered with its old line, so that a refund
which is tried again by another agent is made once. It refuses to know who may pay what: see `rules` and the policy.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from msgspec import DecodeError, Struct, json

from protocol.errors import TaskFailed


class Entry(Struct, frozen=True, kw_only=True):
    """One movement of money; `amount_cents` to the customer, negative: from the customer."""

    token: str
    """The idempotency token of the task, in hex: the same in every epoch."""
    award: str
    """The award under which it was made, in hex."""
    epoch: int
    agent: str
    order_id: str
    amount_cents: int


class Ledger:
    """The file, as one process sees it. It may be used by any thread."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def make(self, entry: Entry) -> Entry:
        """Write the entry down, durably, unless its token stands there; the line that stands. Raises TaskFailed."""
        try:
            return self._make(entry)
        except OSError as error:
            raise TaskFailed("The ledger cannot be written.", why=f"The system says: {error.strerror}.") from None

    def _make(self, entry: Entry) -> Entry:
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            raw = self.path.read_bytes()
            made = next((one for one in entries_of(raw) if one.token == entry.token), None)
            if made is not None:
                return made
            # A writer that was killed in the middle of a line made nothing: its rest must not swallow ours.
            line = (b"" if raw.endswith(b"\n") or not raw else b"\n") + json.encode(entry) + b"\n"
            if os.write(descriptor, line) != len(line):
                raise TaskFailed("The ledger is full: only a part of a line was written, which counts for nothing.")
            os.fsync(descriptor)
            return entry
        finally:
            os.close(descriptor)

    def entries(self) -> list[Entry]:
        """All that was made, in the order of making."""
        return entries_of(self.path.read_bytes()) if self.path.exists() else []


def entries_of(raw: bytes) -> list[Entry]:
    """Read the whole lines; a rest of one that never was whole is passed over."""
    found: list[Entry] = []
    for line in raw.split(b"\n"):
        try:
            found.append(json.decode(line, type=Entry))
        except DecodeError:
            continue
    return found
