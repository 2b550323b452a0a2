"""A peer's own clock: milliseconds made from the world's microseconds, with skew, drift and jumps."""

from __future__ import annotations

from protocol.errors import UsageError

_MILLION = 1_000_000


class Clock:
    """Counts as CLOCK_BOOTTIME does: it may run ahead, drift, and jump forward, but never goes back."""

    __slots__ = ("_base_us", "_drift_ppm", "_local_us")

    def __init__(self, *, skew_us: int = 0) -> None:
        """`skew_us` is how far it is ahead of the world."""
        if skew_us < 0:
            raise UsageError(f"A clock cannot be {-skew_us} µs behind.", why="It counts from boot.", do="Skew others.")
        self._base_us = 0
        self._local_us = skew_us
        self._drift_ppm = 0

    def local_us(self, now_us: int) -> int:
        """What it shows, in its own microseconds."""
        passed = now_us - self._base_us
        if self._drift_ppm:
            passed = passed * (_MILLION + self._drift_ppm) // _MILLION
        return self._local_us + passed

    def ms(self, now_us: int) -> int:
        """What it shows, in milliseconds: the `now_ms` of a node."""
        return self.local_us(now_us) // 1000

    def when_us(self, due_ms: int) -> int:
        """The first microsecond of the world at which it shows `due_ms`."""
        ahead = due_ms * 1000 - self._local_us
        if self._drift_ppm:
            ahead = -(-ahead * _MILLION // (_MILLION + self._drift_ppm))
        return self._base_us + ahead

    def jump(self, now_us: int, by_us: int) -> None:
        """Skip forward, as over a suspend of the machine."""
        if by_us < 0:
            raise UsageError("This clock cannot be set back.", why="It counts from boot.", do="Let it drift instead.")
        self._base_us, self._local_us = now_us, self.local_us(now_us) + by_us

    def drift(self, now_us: int, ppm: int) -> None:
        """Run faster by this many millionths from now on, or slower by negative ones."""
        if not -_MILLION // 2 <= ppm <= _MILLION:
            raise UsageError(f"A clock does not drift by {ppm} ppm.", do="Take -500000 to 1000000.")
        self._base_us, self._local_us, self._drift_ppm = now_us, self.local_us(now_us), ppm
