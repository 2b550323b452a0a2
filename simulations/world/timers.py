"""What is due and when: deliveries in one queue, the one timer of each process in another.

A peer's timer moves with nearly every turn, and mostly later. It is therefore never taken out: an entry that rings too
early costs one look, and is set again to the time that counts by then. So the alarms hold about one entry a process,
however often their timers move, and idle processes hold none. Same times ring in the order in which they were set.
"""

from __future__ import annotations

import heapq
from typing import Generic, TypeVar

T = TypeVar("T")


class Queue(Generic[T]):
    """Things that happen at a time, in microseconds; those of one time in the order in which they were put."""

    __slots__ = ("_heap", "_put")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, T]] = []
        self._put = 0

    def __len__(self) -> int:
        return len(self._heap)

    def put(self, at_us: int, what: T) -> None:
        self._put += 1
        heapq.heappush(self._heap, (at_us, self._put, what))

    def next_us(self) -> int | None:
        """When the next thing happens, or None."""
        return self._heap[0][0] if self._heap else None

    def take(self) -> T:
        """Take the next thing out."""
        return heapq.heappop(self._heap)[2]


class Alarms(Generic[T]):
    """One timer for each sleeper, kept lazily: the earliest entry counts, later settings wait until it rings."""

    __slots__ = ("_armed", "_queue")

    def __init__(self) -> None:
        self._queue = Queue[T]()
        self._armed: dict[T, int] = {}

    def __len__(self) -> int:
        return len(self._queue)

    def set(self, sleeper: T, due_us: int) -> None:
        """Wake a sleeper at this time or, if it is to be woken before, look again then."""
        armed = self._armed.get(sleeper)
        if armed is None or due_us < armed:
            self._armed[sleeper] = due_us
            self._queue.put(due_us, sleeper)

    def next_us(self) -> int | None:
        return self._queue.next_us()

    def take(self) -> T | None:
        """Take the sleeper that rings next, or None where an earlier setting has replaced this one."""
        at_us = self._queue.next_us()
        sleeper = self._queue.take()
        if self._armed.get(sleeper) != at_us:
            return None
        del self._armed[sleeper]
        return sleeper
