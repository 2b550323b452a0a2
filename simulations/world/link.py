"""A link: one reader's connection to one publisher, and how it stands. What happens on it is decided elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulations.world.conditions import Conditions

if TYPE_CHECKING:
    from simulations.world.process import Process


@dataclass(slots=True)
class Counts:
    """What became of frames, each counted once for each reader."""

    sent: int = 0
    lost: int = 0
    cut: int = 0
    unsubscribed: int = 0
    """Published while the subscription had not arrived."""
    dropped: int = 0
    """Beyond the high-water mark."""
    repeated: int = 0


class Link:
    """One reader at one publisher."""

    __slots__ = (
        "bad", "conditions", "connection", "cut", "held", "last_us", "queued", "reader", "sender", "silent_us",
        "smooth", "up",
    )  # fmt: skip

    def __init__(self, sender: Process, reader: Process, conditions: Conditions, *, up: bool) -> None:
        self.sender, self.reader = sender, reader
        self.conditions = conditions
        self.smooth = conditions.lossless
        self.up = up
        """The subscriptions of this connection have arrived."""
        self.cut = 0
        """How many cuts are on it: nothing passes while there is one."""
        self.held: list[bytes] | None = None
        """While the link is clogged: what waits in it."""
        self.connection = 0
        """Counts connections: what an earlier one had under way never arrives."""
        self.queued = 0
        self.last_us = 0
        """When the last frame arrives: the next one does not pass it."""
        self.bad = False
        """It is in a burst of losses."""
        self.silent_us: int | None = None
        """Since when nothing can pass: it is cut, or one of the two does not run."""

    @property
    def held_up(self) -> bool:
        """Nothing can pass now."""
        return self.cut > 0 or not (self.sender.alive and self.reader.alive)
