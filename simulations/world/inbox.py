"""What waits for a turn: frames that came in while a process was busy, was paused, or let time pass between turns."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from simulations.world.link import Link
    from simulations.world.loop import Loop

FRAMES_PER_TURN: Final = 256
GOVERNOR_PAUSE_US: Final = 10_000
"""Both as `peer.runtime` has them: what one turn takes at most, and what a governor lets pass between turns."""


class Inbox:
    """The frames that wait in one life of a process."""

    __slots__ = ("_awake", "_frames", "_loop", "pause_us")

    def __init__(self, loop: Loop, pause_us: int) -> None:
        """`pause_us` passes between turns: with 0, nothing waits in a process that is ready."""
        self.pause_us = pause_us
        self._loop = loop
        self._awake = False
        self._frames: deque[tuple[Link | None, int, bytes]] = deque()

    def __len__(self) -> int:
        return len(self._frames)

    def put(self, link: Link, connection: int, frame: bytes) -> None:
        """Let a frame wait; it counts as queued on its link until it is read."""
        self._frames.append((link, connection, frame))
        self.wake()

    def put_answer(self, frames: Iterable[bytes]) -> None:
        """Let wait what came over a connection of its own."""
        self._frames += [(None, 0, frame) for frame in frames]
        self.wake()

    def wake(self) -> None:
        """Have a turn soon, for what waits."""
        loop = self._loop
        if loop.ready and not self._awake:
            self._awake = True
            world = loop.process.world
            world.at(max(world.now_us, loop.last_turn_us + self.pause_us), self._turn)

    def _turn(self) -> None:
        """A turn for what waits, unless it has become another life, or cannot be now."""
        self._awake = False
        if not self._loop.ready:
            return
        frames: list[bytes] = []
        while self._frames and len(frames) < FRAMES_PER_TURN:
            link, connection, frame = self._frames.popleft()
            if link is not None and link.connection == connection:
                link.queued -= 1
            frames.append(frame)
        self._loop.run(frames)
        if self._frames:
            self.wake()
