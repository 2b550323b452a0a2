"""Who hears whom: one link for each directed pair of publisher and reader, with all that can happen on it.

A link is what a reader's connection to one publisher is: nothing passes before its subscriptions have travelled, frames
keep their order, and what was under way when it broke is lost in silence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulations.process import Process


class Link:
    """One reader at one publisher."""

    __slots__ = ("connection", "last_us", "reader", "sender", "up")

    def __init__(self, sender: Process, reader: Process, *, up: bool) -> None:
        self.sender, self.reader = sender, reader
        self.up = up
        """The subscriptions of this connection have arrived."""
        self.connection = 0
        """Counts connections: what an earlier one had under way never arrives."""
        self.last_us = 0
        """When the last frame arrives, so that the next one does not pass it."""


class Network:
    """The links of a world."""

    def __init__(self, *, latency_us: int = 0) -> None:
        self.latency_us = latency_us
        self._links: dict[tuple[int, int], Link] = {}

    def link(self, sender: Process, reader: Process) -> Link:
        """The link from a publisher to a reader."""
        pair = (sender.number, reader.number)
        link = self._links.get(pair)
        if link is None:
            link = self._links[pair] = Link(sender, reader, up=False)
        return link
