"""How frames travel on links: when they arrive, and whether.

Frames keep their order unless reordering is asked for. A reader that is behind by more than the high-water mark misses
frames, and nobody is told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from simulations.world.conditions import Conditions
from simulations.world.link import Counts, Link

if TYPE_CHECKING:
    from simulations.world.world import World


class Carriage:
    """Carries frames, and draws what befalls them; each kind of chance comes from a stream of its own."""

    def __init__(self, world: World, counts: Counts, high_water: int) -> None:
        self.world, self.counts, self.high_water = world, counts, high_water
        self.delays = world.chance("network/latency")
        self._losses = world.chance("network/loss")
        self._repeats = world.chance("network/repeat")
        self._orders = world.chance("network/order")
        self._put: Callable[[int, Link, bytes, int], None] = world.put_frame

    def send(self, link: Link, frame: bytes) -> None:
        """Let a frame leave on a link, or be lost on it."""
        counts = self.counts
        counts.sent += 1
        if not link.up:
            counts.unsubscribed += 1
        elif link.queued >= self.high_water:
            counts.dropped += 1
        elif link.held is not None:
            link.queued += 1
            link.held.append(frame)
        elif link.cut:
            counts.cut += 1
        elif link.smooth:
            now_us = self.world.now_us
            arrival_us = now_us + link.conditions.latency.draw(self.delays)
            if arrival_us < link.last_us:
                arrival_us = link.last_us
            link.last_us = arrival_us
            link.queued += 1
            self._put(arrival_us, link, frame, link.connection)
        else:
            self._send_badly(link, frame)

    def _send_badly(self, link: Link, frame: bytes) -> None:
        conditions, counts = link.conditions, self.counts
        latency = conditions.latency
        if self.is_lost(link, conditions):
            counts.lost += 1
            return
        arrival_us = self.world.now_us + latency.draw(self.delays)
        if conditions.reorder and self._orders.random() < conditions.reorder:
            arrival_us += latency.draw(self._orders) + self._orders.randrange(latency.longest_us + 1)
        else:
            arrival_us = link.last_us = max(arrival_us, link.last_us)
        link.queued += 1
        self._put(arrival_us, link, frame, link.connection)
        if conditions.repeat and self._repeats.random() < conditions.repeat:
            counts.repeated += 1
            link.queued += 1
            self._put(arrival_us + latency.draw(self._repeats), link, frame, link.connection)

    def is_lost(self, link: Link, conditions: Conditions) -> bool:
        """Draw whether the next frame is lost."""
        if conditions.loss and self._losses.random() < conditions.loss:
            return True
        burst = conditions.burst
        if burst is None:
            return False
        if self._losses.random() < (burst.leave if link.bad else burst.enter):
            link.bad = not link.bad
        return link.bad and self._losses.random() < burst.loss

    def release(self, link: Link) -> None:
        """What has waited in a clogged link arrives in one burst."""
        held, link.held = link.held or [], None
        if held:
            arrival_us = max(self.world.now_us + link.conditions.latency.draw(self.delays), link.last_us)
            link.last_us = arrival_us
            for frame in held:
                self._put(arrival_us, link, frame, link.connection)
