"""Who hears whom: one link for each directed pair of publisher and reader, and all that can happen on it.

A link is a reader's connection to one publisher, as ZeroMQ has it over TCP. Nothing passes before the reader's
subscriptions have travelled; the publisher is told of them (Seen), and of their end (Lost). Frames keep their order
unless reordering is asked for. What was under way when a connection broke is lost in silence, and so is what is
published until the subscriptions have travelled again. A reader that is behind by more than the high-water mark misses
frames, and nobody is told.

What is harsher here than TCP is: a frame may be lost alone, come twice, or pass others; and one direction may be cut
for ever while the other holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from protocol.errors import UsageError
from protocol.topics import TOPIC_LENGTH
from simulations.world.carriage import Carriage
from simulations.world.conditions import Burst, Conditions
from simulations.world.connections import HEARTBEAT_US, RECONNECT_US, Connections
from simulations.world.latency import AT_ONCE, Latency
from simulations.world.link import Counts, Link

__all__ = ["HEARTBEAT_US", "HIGH_WATER", "RECONNECT_US", "Burst", "Conditions", "Counts", "Link", "Network"]

if TYPE_CHECKING:
    from simulations.world.process import Process
    from simulations.world.world import World

HIGH_WATER: Final = 32_768
"""Frames queued for one reader, as `peer.net.transport` has it."""


class Network:
    """The links of one world. Make a new one for every world."""

    def __init__(
        self,
        conditions: Conditions | None = None,
        *,
        high_water: int = HIGH_WATER,
        discovery: Latency = AT_ONCE,
        meshed: bool = False,
    ) -> None:
        """`conditions` hold on every link that has none of its own; `discovery` is how long peers take to find each
        other. With `meshed` everybody hears everybody from the start and nobody is told who is there: a world of
        thousands lets only those meet who have something to say to each other (`World.acquaint`).
        """
        if high_water < 1:
            raise UsageError(f"A queue of {high_water} frames holds none.", do="Take 1 or more.")
        self.conditions = conditions or Conditions()
        self.high_water = high_water
        self.discovery = discovery
        self.meshed = meshed
        self.counts = Counts()
        self._topics: dict[bytes, list[Process]] = {}
        self._all_hearing: list[Process] = []
        self._links: list[dict[int, Link]] = []
        self._world: World | None = None

    def enter(self, world: World) -> None:
        """Be the network of a world."""
        if self._world is not None:
            raise UsageError("This network is in another world already.", do="Make a new one for every world.")
        self._world = world
        self._finds = world.chance("network/discovery")
        self._carriage = Carriage(world, self.counts, self.high_water)
        self._send = self._carriage.send
        self._connections = Connections(world, self.link, self._carriage.delays)

    @property
    def world(self) -> World:
        assert self._world is not None, "a network is used in a world"
        return self._world

    # Links

    def join(self, process: Process, topics: Iterable[bytes]) -> None:
        """A process is there, and will subscribe to these topics wherever it connects; with none, to everything."""
        while len(self._links) <= process.number:
            self._links.append({})
        topics = list(topics)
        for topic in topics:
            self._topics.setdefault(topic, []).append(process)
        if not topics:
            self._all_hearing.append(process)

    def link(self, sender: Process, reader: Process) -> Link:
        """The link from a publisher to a reader."""
        links = self._links[sender.number]
        link = links.get(reader.number)
        if link is None:
            up = self.meshed and sender.runs and reader.runs
            link = links[reader.number] = Link(sender, reader, self.conditions, up=up)
        return link

    def links_of(self, process: Process) -> list[Link]:
        """Every link of a process that there is yet, in both directions, in the order of their making."""
        to_it = [link for links in self._links if (link := links.get(process.number)) is not None]
        return [*self._links[process.number].values(), *to_it]

    def links(self) -> list[Link]:
        """Every link that there is yet, by sender, and then in the order of their making."""
        return [link for links in self._links for link in links.values()]

    def set_conditions(self, conditions: Conditions, links: Iterable[Link] | None = None) -> None:
        """Change what befalls frames from now on: on these links, or on all that are and will be."""
        if links is None:
            self.conditions = conditions
            links = self.links()
        for link in links:
            link.conditions, link.smooth = conditions, conditions.lossless

    # Frames

    def publish(self, sender: Process, frame: bytes) -> None:
        """A frame leaves, to all who have subscribed to its topic."""
        links = self._links[sender.number]
        for readers in (self._topics.get(frame[:TOPIC_LENGTH], ()), self._all_hearing):
            for reader in readers:
                if reader is not sender:
                    link = links.get(reader.number) or self.link(sender, reader)
                    self._send(link, frame)

    def whisper(self, sender: Process, reader: Process, frame: bytes) -> None:
        """A frame leaves to one reader, whatever that has subscribed to."""
        self._send(self.link(sender, reader), frame)

    def round_trip_us(self, asker: Process, holder: Process) -> int | None:
        """How long a question and its answer take, which go over a connection of their own; None: they do not pass."""
        there, back = self.link(asker, holder), self.link(holder, asker)
        if (
            there.cut
            or back.cut
            or self._carriage.is_lost(there, there.conditions)
            or self._carriage.is_lost(back, back.conditions)
        ):
            return None
        return there.conditions.latency.draw(self._carriage.delays) + back.conditions.latency.draw(
            self._carriage.delays
        )

    # Connections

    def find(self, newcomer: Process, other: Process) -> None:
        """Two processes find each other, each when discovery has told it, and connect."""
        for sender, reader in ((newcomer, other), (other, newcomer)):
            link = self.link(sender, reader)
            self.world.at(self.world.now_us + self.discovery.draw(self._finds), self._connections.connect, link)

    def bounce(self, link: Link) -> None:
        """A connection breaks and is made anew at once: the silent gap, with Lost and Seen around it."""
        self._connections.break_off(link)
        self._connections.reconnect(link)

    def leave(self, process: Process, *, silently: bool) -> None:
        """A process has died: its connections break now, or, when its machine died with it, at the heartbeat."""
        for link in self.links_of(process):
            if link.sender is process:
                link.up = False  # what it has sent is on its way
            elif silently:
                link.connection += 1
                link.queued = 0
                self._connections.fall_silent(link)
            else:
                self._connections.break_off(link)

    def come_back(self, process: Process, others: Iterable[Process]) -> None:
        """A process is there again: old connections are no more, and it and the others find each other."""
        for link in self.links_of(process):
            link.connection += 1
            link.queued, link.up, link.silent_us = 0, False, None
            if self.meshed:
                self._connections.reconnect(link)
        if not self.meshed:
            for other in others:
                self.find(process, other)

    def fall_silent(self, process: Process) -> None:
        """A process is paused: after the heartbeat the others give its connections up, and they break."""
        for link in self.links_of(process):
            self._connections.fall_silent(link)

    def speak_again(self, process: Process) -> None:
        """A paused process goes on: what was given up is connected again."""
        for link in self.links_of(process):
            self._connections.speak_again(link)

    # Faults

    def cut(self, sender: Process, reader: Process) -> None:
        """Nothing passes from sender to reader; after the heartbeat the connection is given up. Cuts add up."""
        link = self.link(sender, reader)
        link.cut += 1
        if link.cut == 1:
            self._connections.fall_silent(link)

    def mend(self, sender: Process, reader: Process) -> None:
        """Take one cut off a link; behind the last one the reader connects again, if the connection was given up."""
        link = self.link(sender, reader)
        if not link.cut:
            raise UsageError(f"{sender.name} to {reader.name} is not cut.", do="Cut it first.")
        link.cut -= 1
        self._connections.speak_again(link)

    def partition(self, *sides: Iterable[Process]) -> list[tuple[Process, Process]]:
        """Cut every pair of processes on different sides, in both directions; what to mend."""
        groups = [list(side) for side in sides]
        pairs = [
            (one, other)
            for mine in groups
            for theirs in groups
            if mine is not theirs
            for one in mine
            for other in theirs
        ]
        for one, other in pairs:
            self.cut(one, other)
        return pairs

    def clog(self, sender: Process, reader: Process) -> None:
        """What is sent waits in the link, up to the high-water mark, as in TCP while packets are lost."""
        link = self.link(sender, reader)
        if link.held is None:
            link.held = []

    def unclog(self, sender: Process, reader: Process) -> None:
        """What has waited arrives in one burst."""
        self._carriage.release(self.link(sender, reader))

    def heal(self) -> None:
        """Every cut is mended, every clog freed, and every link loses, repeats and reorders nothing any more."""
        self.set_conditions(Conditions(latency=self.conditions.latency))
        for link in self.links():
            self._carriage.release(link)
            link.cut = 0
            self._connections.speak_again(link)
