"""What was let in and is not worked off yet: of everybody in turn, and of nobody faster than its pace.

    member ── let in ──→ its line ── a few at a time, at its pace ──→ worked off
                            └──(it turns out to be a flood)──→ thrown away

A frame costs its reader a hundred times as much to check as to let in. So nobody's frames wait behind another's, the
first few of a burst are worked off at once, and the others while time passes: a flood is known for one before most of
it was looked at. Nothing here knows a socket; time comes as a value.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from peer.net.guard.rates import Bucket, Rate

T = TypeVar("T")
_ROUNDING: Final = 1e-6
"""A token that lacks no more than this is whole: time and tokens are floats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingLimits:
    """How much of one member is worked off at a time, and how much of all may wait."""

    pace: Rate = field(default=Rate(1_000, 16))  # as fast as it may send; at once, 3 ms of checks
    sponsor_share: float = 4.0  # of this, for a computer's peers together
    each: int = 8  # frames of one, a millisecond of checks, before it is the next one's turn
    frames_max: int = 32_768  # of all: what one connection's queue holds; a member may send 1,000 at once
    lines_max: int = 2_049  # twice as many as can be connected: those that were heard a moment ago count as well


@dataclass(slots=True)
class _Line(Generic[T]):
    """What waits of one member, and how much of it may be worked off now."""

    frames: deque[T]
    pace: Bucket
    of_sponsor: Bucket

    def may_go(self, now_s: float) -> int:
        """How many frames."""
        self.pace.refill(now_s)
        self.of_sponsor.refill(now_s)
        tokens = min(self.pace.tokens, self.of_sponsor.tokens) + _ROUNDING
        number = len(self.frames)
        return number if tokens >= number else max(0, int(tokens))

    def next(self, number: int) -> list[T]:
        """Take so many from it."""
        if number < len(self.frames):
            return [self.frames.popleft() for _ in range(number)]
        taken = list(self.frames)
        self.frames.clear()
        return taken

    def pay(self, price: float) -> None:
        """What has gone cost so much; one that is dearer than what is left is owed."""
        self.pace.tokens -= price
        self.of_sponsor.tokens -= price

    def ready_s(self, number: int) -> float:
        """How long it is until so many may go, after it was asked how many may."""
        number = min(number, len(self.frames))
        return max(0.0, *((number - one.tokens) / one.rate.per_second for one in (self.pace, self.of_sponsor)))


class Waiting(Generic[T]):
    """The lines of all members: frames, or whatever else comes from them."""

    def __init__(
        self,
        limits: WaitingLimits,
        *,
        sponsor_of: Callable[[bytes], bytes],
        share: Callable[[], float] = lambda: 1.0,
        price_of: Callable[[T], float] | None = None,
    ) -> None:
        """`share` tells how many times its pace everybody has here, and `price_of` what one costs if not all cost 1."""
        self._limits, self._sponsor_of, self._share, self._price_of = limits, sponsor_of, share, price_of
        self._lines: dict[bytes, _Line[T]] = {}
        self._sponsors: dict[bytes, Bucket] = {}
        self._turns: dict[bytes, _Line[T]] = {}
        """The lines that are not empty; whose turn it is comes first."""
        self._number = 0
        self.pushed_out = 0
        """Frames at the ends of the longest lines, that there was no room for."""

    def __len__(self) -> int:
        return self._number

    @property
    def known(self) -> int:
        """How many lines there are, empty ones as well."""
        return len(self._lines)

    def put(self, frames: Sequence[T], whose: Sequence[bytes]) -> None:
        """Let frames wait, each behind those of the same member."""
        turns = self._turns
        for peer, frame in zip(whose, frames, strict=True):
            line = turns.get(peer)
            if line is None:
                line = turns[peer] = self._lines.get(peer) or self._open(peer)
            line.frames.append(frame)
        self._number += len(frames)
        while self._number > self._limits.frames_max:
            self._push_out()

    def take(self, most: int, now_s: float) -> tuple[list[T], list[bytes]]:
        """At most `most` frames that may be worked off now, and whose each is."""
        frames: list[T] = []
        whose: list[bytes] = []
        # If there is room for all, it does not matter who is next, and whole lines are quicker than parts of them.
        each = most if self._number <= most and self._price_of is None else self._limits.each
        queue = deque(self._turns.items())
        while queue and len(frames) < most:
            peer, line = queue.popleft()
            number = min(line.may_go(now_s), each, most - len(frames))
            if not number:
                continue
            taken = line.next(number)
            line.pay(number if self._price_of is None else sum(map(self._price_of, taken)))
            frames += taken
            whose += [peer] * number
            del self._turns[peer]
            if line.frames:
                self._turns[peer] = line
                queue.append((peer, line))
        self._number -= len(frames)
        if len(self._lines) > self._limits.lines_max:
            self._forget_the_idle(now_s)
        return frames, whose

    def ready_s(self, now_s: float) -> float | None:
        """In how many seconds there is something to take, some of it at a time; None if nothing waits."""
        ready: float | None = None
        for line in self._turns.values():
            if line.may_go(now_s) >= self._limits.each:
                return 0.0
            line_s = line.ready_s(self._limits.each)
            ready = line_s if ready is None else min(ready, line_s)
        return ready

    def throw_away(self, peer: bytes) -> int:
        """Drop all that waits of a member; returns how many frames that was."""
        line = self._turns.pop(peer, None)
        if line is None:
            return 0
        number = len(line.frames)
        line.frames.clear()
        self._number -= number
        return number

    def _open(self, peer: bytes) -> _Line[T]:
        sponsor = self._sponsor_of(peer)
        of_sponsor = self._sponsors.get(sponsor)
        if of_sponsor is None:
            of_sponsor = self._sponsors[sponsor] = self._full(self._limits.sponsor_share)
        line = self._lines[peer] = _Line[T](deque(), self._full(1.0), of_sponsor)
        return line

    def _full(self, share: float) -> Bucket:
        share *= self._share()
        pace = self._limits.pace
        return Bucket(Rate(pace.per_second * share, pace.burst * share), pace.burst * share, 0.0)

    def _push_out(self) -> None:
        """Make room at the end of the longest line, so that a short one loses nothing by it."""
        longest = max((line.frames for line in self._turns.values()), key=len)
        number = min(self._number - self._limits.frames_max, (len(longest) + 1) // 2)
        for _ in range(number):
            longest.pop()
        self._number -= number
        self.pushed_out += number

    def _forget_the_idle(self, now_s: float) -> None:
        """Those that nothing waits of, and that have a full burst again as a newcomer has."""
        for peer, line in list(self._lines.items()):
            line.may_go(now_s)
            if not line.frames and line.pace.tokens >= line.pace.rate.burst:
                del self._lines[peer]
        used = {id(line.of_sponsor) for line in self._lines.values()}
        for sponsor, bucket in list(self._sponsors.items()):
            bucket.refill(now_s)
            if id(bucket) not in used and bucket.tokens >= bucket.rate.burst:
                del self._sponsors[sponsor]
