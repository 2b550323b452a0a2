"""The course of time in a world: what is due next happens next, and is traced.

Time is an integer in microseconds. It stands still while something happens, and skips what lies between.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from simulations.world.agenda import Agenda
from simulations.world.collector import no_collector
from simulations.world.trace import Trace

if TYPE_CHECKING:
    from simulations.world.link import Link
    from simulations.world.process import Process

START_US = 1_000_000
"""When a world begins: no machine's clock shows nothing."""


class Course:
    """Now, and what is to happen: arrivals of frames, alarms of processes, and happenings of every kind."""

    def __init__(self) -> None:
        self.now_us = START_US
        self.trace = Trace()
        self._agenda = Agenda()
        self.put_frame = self._agenda.put_frame
        """Let a frame arrive at a time."""

    def at(self, when_us: int, happening: Callable[..., object], *given: object) -> None:
        """Let something happen at a time."""
        self._agenda.put(max(when_us, self.now_us), happening, given)

    def set_alarm(self, process: Process, due_us: int) -> None:
        """Wake a process at this time, or look again before."""
        self._agenda.set_alarm(process, max(due_us, self.now_us))

    def next_us(self) -> int | None:
        """When something happens next, or None: everything is at rest."""
        return self._agenda.next_us()

    def step(self) -> bool:
        """Let the next thing happen; False where nothing is left to."""
        due = self.next_us()
        if due is not None:
            self._happen(due)
        return due is not None

    def _happen(self, due_us: int) -> None:
        """Let the thing happen that is due next."""
        if due_us > self.now_us:
            self.now_us = due_us
        event = self._agenda.take(self.now_us)
        if event is None:
            self._ring(self._agenda.ringing())
            return
        _, _, link, what, given = event
        if link is None:
            what(*given)
        else:
            self._deliver(link, what, given)

    def _ring(self, process: Process | None) -> None:
        if process is not None:
            self.trace.note(b"t", self.now_us, process.number, 0)
            process.ring()

    def _deliver(self, link: Link, frame: bytes, connection: int) -> None:
        """A frame has arrived, unless its connection broke, was cut, or nobody is there to read it."""
        if link.connection != connection:
            return
        if link.cut or not link.reader.runs:
            link.queued -= 1
            return
        self.trace.note(b"d", self.now_us, link.sender.number, link.reader.number)
        link.reader.receive(link, connection, frame)

    def run_until(self, until_us: int) -> None:
        """Let everything happen that is due until then, and leave the clock there."""
        with no_collector():
            while (due := self.next_us()) is not None and due <= until_us:
                self._happen(due)
        self.now_us = max(self.now_us, until_us)

    def run_for(self, ms: int) -> None:
        """Let this many milliseconds pass."""
        self.run_until(self.now_us + ms * 1000)
