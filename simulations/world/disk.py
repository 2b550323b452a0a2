"""A peer's home in memory: the journal that a turn is recorded in, and what a crash leaves of it.

It keeps its feed and ends its life where `peer.journal` does: a killed process loses nothing that was committed; a loss
of power may cut off what was committed and not synced, and then a new feed begins; so it does where the journal is
older than the high water beside it. A disk may be full, or slow, or fail before or behind a commit when it is asked to.
"""

from __future__ import annotations

import errno
import random
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from protocol.statements import AnyStatement
from simulations.world.generations import Generations

FEED_LENGTH: Final = 8
SHARED: Final = 8_192
"""Frames of one generation that are looked at to keep each once."""


class Row(NamedTuple):
    """What one turn recorded: frames heard, and statements said."""

    received: tuple[bytes, ...]
    said: tuple[AnyStatement, ...]


class Snapshot(NamedTuple):
    """A journal file as it was at some time."""

    rows: tuple[Row, ...]
    feed: bytes | None


class Disk:
    """One home: `protocol.turn.Journal`, with the feed that it is the life of."""

    def __init__(
        self,
        chance: Callable[[str], random.Random],
        *,
        seat: bytes | None = None,
        shared: Generations[bytes, bytes] | None = None,
    ) -> None:
        """`chance` makes a stream for one use; `seat` is the feed that a charter names: a governor's, which syncs every
        turn and keeps its feed. A frame that many record at about one time is kept once, with the help of `shared`.
        """
        self.rows: list[Row] = []
        self.feed = b""
        self.full = False
        self.delay_us = 0
        """How long a commit takes."""
        self.trap: Exception | None = None
        """Raised at the next commit, in its place."""
        self.recorded = False
        """Something was committed since somebody last looked and set this back."""
        self.on_record: Callable[[Sequence[AnyStatement]], None] = lambda said: None
        """Called with statements that were recorded now and said never before."""
        self._chance = chance
        self._shared = shared if shared is not None else Generations(SHARED)
        self._uses = 0
        self._seat = seat
        self._synced = 0
        self._loose = False
        self._powered_off = False
        self._high_water: tuple[bytes, int] = (b"", 0)

    def begin(self) -> bytes:
        """Open the journal: the feed that it goes on with, or a new one if statements of it may be missing here."""
        loose = self._loose and self._powered_off
        spoken_in, last_seq = self._high_water
        has_spoken = last_seq > 0
        if not self.feed or loose or (has_spoken and (spoken_in != self.feed or last_seq > self.seq)):
            takes_seat = self._seat is not None and not has_spoken
            self.feed = self._seat if takes_seat and self._seat else self._draw("feed").randbytes(FEED_LENGTH)
        self._powered_off = False
        self._loose = self._seat is None
        return self.feed

    def _draw(self, use: str) -> random.Random:
        self._uses += 1
        return self._chance(f"{use}/{self._uses}")

    @property
    def seq(self) -> int:
        """The last seq said in the current feed, as far as the rows know."""
        for row in reversed(self.rows):
            if row.said and row.said[-1].feed == self.feed:
                return row.said[-1].seq
        return 0

    def record(self, received: Sequence[bytes], said: Sequence[AnyStatement], *, durable: bool) -> None:
        """Store one turn in one transaction. Raises OSError when the disk is full, and what the trap holds."""
        if self.trap is not None:
            raise self.trap
        if self.full:
            raise OSError(errno.ENOSPC, "no space left on the simulated disk")
        self.rows.append(Row(tuple(map(self._one_of_many, received)), tuple(said)))
        self.recorded = True
        if durable or self._seat is not None:
            self._synced = len(self.rows)
        if said:
            self._high_water = (said[-1].feed, said[-1].seq)
            self.on_record(said)

    def _one_of_many(self, frame: bytes) -> bytes:
        kept = self._shared.get(frame)
        if kept is None:
            self._shared.keep(frame, frame)
        return kept or frame

    def forget(self) -> None:
        """Let go of all rows: a real disk is not memory of this process. Whoever begins from it begins anew."""
        self.rows = []
        self._shared = Generations(SHARED)

    def said(self) -> list[AnyStatement]:
        """Everything that the journal says was said, in every feed, in order."""
        return [statement for row in self.rows for statement in row.said]

    # What happens to homes

    def close(self) -> None:
        """A clean end: everything is synced, and the feed lives on whatever happens to the machine."""
        self._synced = len(self.rows)
        self._loose = False

    def lose_power(self) -> int:
        """Cut off a random tail of what was not synced; how many turns were lost."""
        kept = self._draw("power").randint(self._synced, len(self.rows))
        lost = len(self.rows) - kept
        del self.rows[kept:]
        self.power_off()
        return lost

    def power_off(self) -> None:
        """The machine went off, and this time nothing was lost: the journal cannot know."""
        self._powered_off = True

    def snapshot(self) -> Snapshot:
        """A copy of the journal file as it is now."""
        return Snapshot(tuple(self.rows), self.feed or None)

    def restore(self, old: Snapshot) -> None:
        """Put an old journal file back; the high water beside it stays, and tells."""
        self.rows = list(old.rows)
        self.feed = old.feed or b""
        self._synced = len(self.rows)

    def lose_journal(self) -> None:
        """The journal file is gone; the key is still there."""
        self.restore(Snapshot((), None))

    def copy_to(self, twin: Disk) -> None:
        """The whole home, copied: the same feed goes on twice, which nothing can notice before the first fork."""
        twin.restore(self.snapshot())
        twin._seat, twin._high_water, twin._loose = self._seat, self._high_water, self._loose
