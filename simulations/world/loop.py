"""The loop of one life of a process: one turn for what came in, and what the shell does behind it.

A turn may be slow, and then nothing leaves before its end; the process may be killed in it, before or behind the
commit, or be paused in its middle. When the next turn is due is asked behind each one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from protocol.actions import Action
from protocol.contract import Contract
from protocol.events import Event
from protocol.keys import Digest
from protocol.turn import Turn
from simulations.world.duties import carry_out
from simulations.world.inbox import GOVERNOR_PAUSE_US, Inbox

if TYPE_CHECKING:
    from simulations.world.process import Process


class Killed(Exception):
    """The process is killed here, in the middle of a turn."""


class Loop:
    """Turns, one after the other, from the begin of a life to its end."""

    __slots__ = (
        "_due_ms", "_leaving", "_stepping", "_touched", "_unfinished", "busy", "events", "frames_left", "inbox",
        "last_turn_us", "process", "turn",
    )  # fmt: skip

    def __init__(self, process: Process, turn: Turn) -> None:
        self.process = process
        self.turn = turn
        self.inbox = Inbox(self, GOVERNOR_PAUSE_US if process.policy is not None else 0)
        self.events: list[Event] = []
        """What the next step takes in, besides frames."""
        self.busy = False
        """It is in the middle of a slow turn."""
        self.last_turn_us = 0
        self.frames_left: int | None = None
        """How many more frames leave before the process dies."""
        self._stepping = False
        self._touched: dict[Digest, Contract] = {}
        self._due_ms: int | None = None
        self._leaving: list[bytes] | None = None
        self._unfinished: tuple[list[bytes], list[Action]] | None = None

    @property
    def ready(self) -> bool:
        """A turn can be taken now: this life goes on, and it is neither paused nor busy."""
        process = self.process
        return process.runs and not (process.paused or self.busy) and process.loop is self

    # Turns

    def begin(self) -> None:
        """The first turn: whatever the journal says is open is taken up."""
        self._take_turn(self.turn.resume)

    def post(self, event: Event) -> None:
        """Take an event in: a turn of its own, or part of the turn that is under way, or of the next one."""
        self.events.append(event)
        if self.ready and not self._stepping:
            self.run()

    def run(self, frames: Iterable[bytes] = ()) -> None:
        """Take turns until nothing is left to step on."""
        if not self.ready:
            return
        self._take_turn(self._whole_turn, frames)
        while self.events and self.ready:
            self._take_turn(self._whole_turn, ())
        if self.ready:
            self._arm()

    def _take_turn(self, turn: Callable[..., list[Action]], *given: Iterable[bytes]) -> None:
        """Run one turn, and then the shell's part of it; a turn that fails ends the process."""
        process = self.process
        now_us = self.last_turn_us = process.world.now_us
        self._stepping = True
        slow = process.turn_us or process.disk.delay_us
        if slow:
            self._leaving = []
        try:
            left = turn(*given, process.clock.ms(now_us))
            if self.frames_left is not None and process.disk.recorded:
                raise Killed
        except (OSError, Killed) as error:
            self._fail(error)
            return
        self._stepping = False
        if slow:
            self._finish_later(left)
        else:
            self._finish(left)

    def _whole_turn(self, frames: Iterable[bytes], now_ms: int) -> list[Action]:
        """Step, record, publish; what work on pure tasks ends at once is answered in the same turn."""
        self._step(frames, now_ms)
        while self.events:
            self._step((), now_ms)
        return self.turn.finish(now_ms)

    def _step(self, frames: Iterable[bytes], now_ms: int) -> None:
        events, self.events = self.events, []
        for execute in self.turn.take(frames, events, now_ms):
            self.process.workers.start(execute)

    def _fail(self, error: Exception) -> None:
        """The process is killed, or stops by itself: it no longer knows what it has promised."""
        self.process.stopped = None if isinstance(error, Killed) else error
        self.process.world.crash(self.process)

    # Behind a turn

    def _finish(self, left: list[Action]) -> None:
        process = self.process
        process.disk.recorded = False
        if left:
            carry_out(process, left)
        if self._touched:
            touched, self._touched = list(self._touched.values()), {}
            for hook in process.world.hooks.turned:
                hook(process, touched, process.world.now_us)

    def _finish_later(self, left: list[Action]) -> None:
        """A slow turn: it is committed, and nothing leaves yet."""
        world, disk = self.process.world, self.process.disk
        frames, self._leaving = self._leaving or [], None
        self.busy = True
        delay_us = self.process.turn_us + (disk.delay_us if disk.recorded else 0)
        world.at(world.now_us + delay_us, self._finish_now, frames, left)

    def _finish_now(self, frames: list[bytes], left: list[Action]) -> None:
        process = self.process
        if process.loop is not self or not process.runs:
            return
        if process.paused:
            self._unfinished = (frames, left)
            return
        self.busy = False
        for frame in frames:
            process.world.publish(process, frame)
        self._finish(left)
        if self.events:
            self.run()
        elif self.ready:
            self._arm()
        if self.inbox:
            self.inbox.wake()

    def learnt(self, contract: Contract) -> None:
        """The set of a contract has grown in this turn."""
        self._touched[contract.id] = contract

    def publish(self, frame: bytes) -> None:
        """A frame leaves, unless the process dies here, or is slow, or is not connected yet."""
        process = self.process
        if self.frames_left is not None and process.disk.recorded:
            if self.frames_left == 0:
                raise Killed
            self.frames_left -= 1
        if self._leaving is not None:
            self._leaving.append(frame)
        elif process.online:
            process.world.publish(process, frame)

    # Time

    def ring(self) -> None:
        """The timer rang: a turn, if one is due by now. What is due was asked behind the last turn."""
        process = self.process
        if self._due_ms is None or not self.ready:
            return
        if self._due_ms <= process.clock.ms(process.world.now_us):
            self.run()
        else:
            process.world.set_alarm(process, process.clock.when_us(self._due_ms))

    def _arm(self) -> None:
        self._due_ms = self.turn.deadline_ms()
        if self._due_ms is not None:
            self.process.world.set_alarm(self.process, self.process.clock.when_us(self._due_ms))

    def go_on(self) -> None:
        """Go on where a pause came in: the rest of a turn, what waits, and what is overdue."""
        if self.busy:
            unfinished, self._unfinished = self._unfinished, None
            if unfinished is not None:
                self._finish_now(*unfinished)
            return
        if self.events:
            self.run()
        self.inbox.wake()
        self.ring()
