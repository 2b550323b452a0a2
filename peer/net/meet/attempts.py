"""What knocking came to, lately: a bounded record for people who ask why two peers do not meet.

Each path has its own share, so that nobody who names places by the thousand drives out what came of the others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from enum import StrEnum
from typing import Final, NamedTuple

from peer.net.meet.places import Way

KEPT_MAX: Final = 64
"""Attempts of one path that are kept: a minute of knocking at a few places, some 100 bytes each."""


class Outcome(StrEnum):
    """What an attempt came to."""

    ANSWERED = "answered"
    """A member, with a certificate that holds."""
    SILENT = "no answer"
    """Nobody who knows this market's lobby key answered in time."""
    REFUSED = "it refuses us"
    UNPROVEN = "its certificate does not hold"
    FORGED = "the answer's signature does not hold"
    ODD = "what it answers is no answer"
    OURSELVES = "it is this peer itself"


class Attempt(NamedTuple):
    """One hello at one address, or one look at a file of the folder."""

    address: str
    way: Way
    said: bytes | None
    """Whose the address is said to be."""
    outcome: Outcome
    why: str = ""
    """The rule that stands against a certificate, ours or theirs: a fixed phrase; another's word where it refuses."""
    who: bytes | None = None
    """Who answered, by its own signature."""
    took_ms: int = 0
    apart_ms: int | None = None
    """How far its wall clock is ahead of ours, as far as it told."""
    charter_version: int = 0
    software: str = ""

    @property
    def phrase(self) -> str:
        """The outcome in words."""
        return f"{self.outcome}: {self.why}" if self.why else str(self.outcome)


class Attempts:
    """The last attempts of each path."""

    def __init__(self) -> None:
        self._kept = {way: deque[Attempt](maxlen=KEPT_MAX) for way in Way}

    def __iter__(self) -> Iterator[Attempt]:
        return (attempt for kept in self._kept.values() for attempt in list(kept))

    def note(self, attempt: Attempt) -> None:
        """Keep an attempt; the oldest of its path makes room."""
        self._kept[attempt.way].append(attempt)

    def of(self, peer_id: bytes) -> list[Attempt]:
        """The attempts at addresses that are said to be a peer's, or where it answered; the latest last."""
        return [attempt for attempt in self if peer_id in (attempt.said, attempt.who)]
