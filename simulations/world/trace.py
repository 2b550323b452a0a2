"""The trace of a run: every frame, delivery, timer and end of a process in order, and the digest of them all.

Only integers, names and frames come in, so the digest is the same in every run, under every hash seed and on every
version of Python. A trace may be recorded as text, one line a happening, with what made the run in its first line; when
two runs that should be one differ, the first line in which they do says where.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from protocol.errors import BadEvidence

VERSION: Final = 1
_FLUSH: Final = 1 << 16
_HEAD: Final = struct.Struct("<cQII")


class Trace:
    """What happened, folded into one SHA-256."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256(b"vendue.trace.%d\0" % VERSION)
        self._pending = bytearray()
        self.events = 0
        self.lines: list[str] | None = None
        """Set to a list before the first happening to record them all."""

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
        if self.lines is not None:
            what = hashlib.sha256(detail).hexdigest()[:16] if detail else "-"
            self.lines.append(f"{at_us} {kind.decode()} {who} {other} {what}")

    def _flush(self) -> None:
        self._hash.update(self._pending)
        self._pending.clear()

    def digest(self) -> str:
        """The SHA-256 of all that was noted so far, in hex."""
        self._flush()
        return self._hash.hexdigest()


class Recording(NamedTuple):
    """A recorded run: the recipe that makes it again, and its happenings."""

    recipe: dict[str, Any]
    lines: list[str]

    def write(self) -> Iterator[str]:
        """The lines of a file."""
        yield json.dumps({"vendue_trace": VERSION, "recipe": self.recipe}, sort_keys=True)
        yield from self.lines

    @classmethod
    def read(cls, lines: Iterable[str]) -> Recording:
        """Read what `write` wrote. Raises BadEvidence for what is no trace, or one of another version."""
        first, *rest = [line.rstrip("\n") for line in lines] or [""]
        try:
            head = json.loads(first)
            version, recipe = head["vendue_trace"], head.get("recipe")
        except (ValueError, TypeError, KeyError, AttributeError):
            raise BadEvidence("This is no trace.", do="Record one: a trace begins with a line of JSON.") from None
        if version != VERSION:
            raise BadEvidence(
                f"This trace is of version {version}, and version {VERSION} is read here.",
                do="Replay it with the release that recorded it.",
            )
        if not isinstance(recipe, dict):
            raise BadEvidence("This trace does not say what made it.", do="Record it again.")
        return cls(recipe, rest)

    def first_difference(self, again: Recording) -> str | None:
        """Where another run of the same recipe leaves this one, in words; None: it does not."""
        for number, (then, now) in enumerate(zip(self.lines, again.lines, strict=False), 2):
            if then != now:
                return f"line {number}: recorded {then!r}, now {now!r}"
        if len(self.lines) != len(again.lines):
            return f"recorded {len(self.lines)} happenings, now {len(again.lines)}"
        return None
