"""The trace of a run: every frame, delivery, timer and end of work in order, as bytes, and the digest of them all.

Only integers, names and frames come in, so the digest is the same in every run, under every hash seed and on every
version of Python.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Final

VERSION: Final = 1
_FLUSH: Final = 1 << 16
_HEAD: Final = struct.Struct("<cQII")


class Trace:
    """What happened, folded into one SHA-256."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256(b"vendue.trace.%d\0" % VERSION)
        self._pending = bytearray()
        self.events = 0

    def note(self, kind: bytes, at_us: int, who: int, other: int, detail: bytes = b"") -> None:
        """Take in one happening: a letter, the time, two numbers, and bytes of its own."""
        self.events += 1
        pending = self._pending
        pending += _HEAD.pack(kind, at_us, who, other)
        if detail:
            pending += len(detail).to_bytes(4, "little")
            pending += detail
        if len(pending) > _FLUSH:
            self._flush()

    def _flush(self) -> None:
        self._hash.update(self._pending)
        self._pending.clear()

    def digest(self) -> str:
        """The SHA-256 of all that was noted so far, in hex."""
        self._flush()
        return self._hash.hexdigest()
