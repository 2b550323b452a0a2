"""How much one remote may do: buckets of tokens, and pauses that grow; pure, time comes as a value.

Nothing here knows a socket. Whoever calls drops what `Rates` does not let through, and hangs up when it says so.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Passage(Enum):
    """What becomes of what somebody sent."""

    OPEN = auto()
    """It goes through."""
    DROPPED = auto()
    """More than it may: thrown away and counted."""
    ENOUGH = auto()
    """Thrown away, as so much before it that whoever sends it is to be disconnected."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many units a second for as long as anybody likes, and so many at once after a quiet time."""

    per_second: float
    burst: float


@dataclass(slots=True)
class Bucket:
    """The tokens that are left under one rate."""

    rate: Rate
    tokens: float
    then_s: float

    def refill(self, now_s: float, late_s: float = 0.0) -> None:
        """Take the tokens of the time that has passed; a clock that steps back brings none and costs none.

        Of the time that we are late by, none is lost: what came in it has waited for us.
        """
        if now_s > self.then_s:
            room = self.rate.burst + late_s * self.rate.per_second
            self.tokens = min(room, self.tokens + (now_s - self.then_s) * self.rate.per_second)
        self.then_s = now_s


class Meter:
    """One remote under several rates at once (frames, bytes): everything passes, or nothing does."""

    __slots__ = ("_buckets", "dropped", "patience")

    def __init__(self, *rates: Rate, now_s: float, patience: float = 1.0) -> None:
        """After as much was dropped as `patience` times a burst holds, without a quiet time between, it is enough."""
        self._buckets = [Bucket(rate, rate.burst, now_s) for rate in rates]
        self.patience = patience
        self.dropped = [0.0] * len(rates)

    def pass_through(self, now_s: float, *amounts: float, late_s: float = 0.0) -> Passage:
        """Take `amounts`, one per rate; a bucket that is full again has forgiven what was dropped before.

        `late_s` is for how long nobody has looked at what came.
        """
        for index, bucket in enumerate(self._buckets):
            bucket.refill(now_s, late_s)
            if bucket.tokens >= bucket.rate.burst:
                self.dropped[index] = 0.0
        if all(bucket.tokens >= amount for bucket, amount in zip(self._buckets, amounts, strict=True)):
            for bucket, amount in zip(self._buckets, amounts, strict=True):
                bucket.tokens -= amount
            return Passage.OPEN
        enough = False
        for index, (bucket, amount) in enumerate(zip(self._buckets, amounts, strict=True)):
            if bucket.tokens < amount:
                self.dropped[index] += amount
                enough = enough or self.dropped[index] > self.patience * bucket.rate.burst
        return Passage.ENOUGH if enough else Passage.DROPPED

    def is_idle(self, now_s: float) -> bool:
        """Tell whether nothing would be forgotten with it."""
        for bucket in self._buckets:
            bucket.refill(now_s)
        return all(bucket.tokens >= bucket.rate.burst for bucket in self._buckets)


class Table(Generic[K]):
    """A meter for each of a bounded number of remotes; when it is full, those that are idle make room."""

    def __init__(self, make: Callable[[float], Meter], *, entries_max: int) -> None:
        self._make, self._entries_max = make, entries_max
        self._meters: dict[K, Meter] = {}

    def pass_through(self, key: K, now_s: float, *amounts: float, late_s: float = 0.0) -> Passage:
        """Take `amounts` for `key`. A newcomer at a full table gets nothing: it is full of those who just did much."""
        meter = self._meters.get(key)
        if meter is None:
            if len(self._meters) >= self._entries_max and not self._make_room(now_s):
                return Passage.DROPPED
            meter = self._meters[key] = self._make(now_s)
        return meter.pass_through(now_s, *amounts, late_s=late_s)

    def forget(self, key: K) -> None:
        """Begin anew with `key`."""
        self._meters.pop(key, None)

    def _make_room(self, now_s: float) -> bool:
        idle = [key for key, meter in self._meters.items() if meter.is_idle(now_s)]
        for key in idle:
            del self._meters[key]
        return bool(idle)


@dataclass(slots=True)
class _Record:
    until_s: float
    pause_s: float


class Penalties:
    """Who is kept out, and until when: each time twice as long, and forgiven by a quiet time ten times as long."""

    FORGIVE = 10

    def __init__(self, *, pause_s: float, pause_max_s: float, entries_max: int) -> None:
        self._pause_s, self._pause_max_s, self._entries_max = pause_s, pause_max_s, entries_max
        self._records: dict[bytes, _Record] = {}

    def punish(self, who: bytes, now_s: float) -> float:
        """Keep `who` out for a while from now on; returns until when. One that is out already stays as it is."""
        record = self._records.get(who)
        if record is not None and now_s < record.until_s:
            return record.until_s
        pause_s = self._pause_s
        if record is not None and now_s < record.until_s + record.pause_s * self.FORGIVE:
            pause_s = min(record.pause_s * 2, self._pause_max_s)
        self._records.pop(who, None)
        if len(self._records) >= self._entries_max:
            del self._records[next(iter(self._records))]  # the one punished longest ago
        self._records[who] = _Record(now_s + pause_s, pause_s)
        return now_s + pause_s

    def is_out(self, who: bytes, now_s: float) -> bool:
        """Tell whether `who` is kept out now."""
        record = self._records.get(who)
        return record is not None and now_s < record.until_s

    def price(self, who: bytes, now_s: float) -> float:
        """How many times as dear everything is for `who`: for nobody else than whom was kept out, and is not forgiven.

        So each time that a flood is let in again, half as much of it comes through as the time before.
        """
        record = self._records.get(who)
        if record is None or now_s >= record.until_s + record.pause_s * self.FORGIVE:
            return 1.0
        return 2 * record.pause_s / self._pause_s

    def out(self, now_s: float) -> list[bytes]:
        """Everybody who is kept out now."""
        return [who for who, record in self._records.items() if now_s < record.until_s]
