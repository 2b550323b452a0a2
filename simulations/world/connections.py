"""How connections are made and broken, and who is told of it.

Nothing passes before the reader's subscriptions have travelled; the publisher is told of them (Seen), and of their end
(Lost). What was under way when a connection broke is lost in silence, and so is what is published until the
subscriptions have travelled again.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from protocol.events import Lost, Seen
from simulations.world.link import Link

if TYPE_CHECKING:
    from simulations.world.process import Process
    from simulations.world.world import World

HEARTBEAT_US: Final = 2_000_000
"""After so long without an answer a connection is given up: the heartbeat's interval and its timeout."""
RECONNECT_US: Final = 100_000
"""What a reader waits before it connects again."""


class Connections:
    """Makes and breaks the connection of each link."""

    def __init__(self, world: World, link: Callable[[Process, Process], Link], delays: random.Random) -> None:
        """`link` finds the link from a publisher to a reader; `delays` is what travel times are drawn from."""
        self.world = world
        self._link = link
        self._delays = delays

    def connect(self, link: Link) -> None:
        """The reader connects, if it can: its subscriptions are under way. If not, whoever mends it tries again."""
        if not (link.up or link.held_up):
            travel_us = link.conditions.latency.draw(self._delays)
            self.world.at(self.world.now_us + travel_us, self._subscribed, link, link.connection)

    def _subscribed(self, link: Link, connection: int) -> None:
        if link.connection != connection or link.up or link.held_up:
            return
        link.up, link.silent_us = True, None
        link.sender.post(Seen(link.reader.peer))

    def break_off(self, link: Link) -> None:
        """A connection breaks: what was under way is lost, and the publisher hears that the reader is gone."""
        link.connection += 1
        link.queued = 0
        if link.held is not None:
            link.held.clear()
        if link.up:
            link.up = False
            if link.sender.runs and not self._another_hears(link):
                self.world.at(self.world.now_us, link.sender.post, Lost(link.reader.peer))

    def _another_hears(self, link: Link) -> bool:
        """XPUB tells of the last reader of a topic that leaves: a copied key keeps the topic alive."""
        twins = self.world.processes_of(link.reader.peer)
        return len(twins) > 1 and any(self._link(link.sender, twin).up for twin in twins if twin is not link.reader)

    def reconnect(self, link: Link) -> None:
        """The reader connects again after its pause."""
        self.world.at(self.world.now_us + RECONNECT_US, self.connect, link)

    def fall_silent(self, link: Link) -> None:
        """Nothing passes any more, perhaps for more than one reason: the heartbeat counts from the first."""
        if link.silent_us is None:
            link.silent_us = self.world.now_us
        self.world.at(link.silent_us + HEARTBEAT_US, self._give_up, link, link.connection)

    def _give_up(self, link: Link, connection: int) -> None:
        """The heartbeat is over, unless something has passed since, or the connection is another."""
        since_us = link.silent_us
        if link.connection == connection and since_us is not None and self.world.now_us >= since_us + HEARTBEAT_US:
            self.break_off(link)

    def speak_again(self, link: Link) -> None:
        """One reason for silence is gone: the last, perhaps."""
        if not link.held_up:
            link.silent_us = None
            if not link.up:
                self.reconnect(link)
