"""What is to happen in a world, and when: arrivals of frames, happenings of every kind, and alarms of processes.

At one time, happenings come before alarms, and happenings in the order in which they were put. Alarms are kept out of
the one big heap: see `simulations.world.timers`.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from simulations.world.timers import Alarms

if TYPE_CHECKING:
    from simulations.world.link import Link
    from simulations.world.process import Process


class Agenda:
    """The future of one world."""

    def __init__(self) -> None:
        self._events: list[tuple[int, int, Link | None, Any, Any]] = []
        self._put = 0
        self._alarms: Alarms[Process] = Alarms()

    def put(self, when_us: int, happening: Callable[..., object], given: tuple[object, ...]) -> None:
        """Let something happen at a time."""
        self._put += 1
        heapq.heappush(self._events, (when_us, self._put, None, happening, given))

    def put_frame(self, when_us: int, link: Link, frame: bytes, connection: int) -> None:
        """Let a frame arrive at a time."""
        self._put += 1
        heapq.heappush(self._events, (when_us, self._put, link, frame, connection))

    def set_alarm(self, process: Process, due_us: int) -> None:
        """Wake a process at this time, or look again before."""
        self._alarms.set(process, due_us)

    def next_us(self) -> int | None:
        """When something happens next, or None: everything is at rest."""
        event = self._events[0][0] if self._events else None
        alarm = self._alarms.next_us()
        if event is None or alarm is None:
            return event if alarm is None else alarm
        return min(event, alarm)

    def take(self, now_us: int) -> tuple[int, int, Link | None, Any, Any] | None:
        """Take out what happens now: the link, frame and connection of an arrival, or a happening and what it is
        given; None: it is an alarm.
        """
        if self._events and self._events[0][0] <= now_us:
            return heapq.heappop(self._events)
        return None

    def ringing(self) -> Process | None:
        """Take out the alarm that is due next; None, if it was set to another time since."""
        return self._alarms.take()
