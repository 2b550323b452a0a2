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

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from protocol.errors import UsageError
from protocol.events import Lost, Seen
from protocol.topics import TOPIC_LENGTH
from simulations.latency import AT_ONCE, Latency

if TYPE_CHECKING:
    from simulations.process import Process
    from simulations.world import World

HIGH_WATER: Final = 32_768
"""Frames queued for one reader, as `peer.net.transport` has it."""
HEARTBEAT_US: Final = 2_000_000
"""After so long without an answer a connection is given up: the heartbeat's interval and its timeout."""
RECONNECT_US: Final = 100_000
"""What a reader waits before it connects again."""


class Burst(NamedTuple):
    """Loss in bursts (Gilbert and Elliott): how likely a frame makes the link bad, or good again, and is lost in it."""

    enter: float
    leave: float
    loss: float


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What befalls the frames on a link; each number is a probability for each frame."""

    latency: Latency = AT_ONCE
    loss: float = 0.0
    burst: Burst | None = None
    repeat: float = 0.0
    """A frame comes twice."""
    reorder: float = 0.0
    """A frame is held up for another travel time or two, and later ones pass it."""

    def __post_init__(self) -> None:
        for name in ("loss", "repeat", "reorder"):
            _check_probability(name, getattr(self, name))
        if self.burst is not None:
            for name, value in zip(Burst._fields, self.burst, strict=True):
                _check_probability(f"burst.{name}", value)

    @property
    def lossless(self) -> bool:
        """Every frame arrives once and in order."""
        return not (self.loss or self.burst or self.repeat or self.reorder)


def _check_probability(name: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise UsageError(f"{name} = {value} is no probability.", do="Take a number from 0 to 1.")


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
        self._delays = world.chance("network/latency")
        self._losses = world.chance("network/loss")
        self._repeats = world.chance("network/repeat")
        self._orders = world.chance("network/order")
        self._finds = world.chance("network/discovery")
        self._put: Callable[[int, Link, bytes, int], None] = world.put_frame

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

    def _send(self, link: Link, frame: bytes) -> None:
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
            arrival_us = now_us + link.conditions.latency.draw(self._delays)
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
        if self._is_lost(link, conditions):
            counts.lost += 1
            return
        arrival_us = self.world.now_us + latency.draw(self._delays)
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

    def _is_lost(self, link: Link, conditions: Conditions) -> bool:
        if conditions.loss and self._losses.random() < conditions.loss:
            return True
        burst = conditions.burst
        if burst is None:
            return False
        if self._losses.random() < (burst.leave if link.bad else burst.enter):
            link.bad = not link.bad
        return link.bad and self._losses.random() < burst.loss

    def round_trip_us(self, asker: Process, holder: Process) -> int | None:
        """How long a question and its answer take, which go over a connection of their own; None: they do not pass."""
        there, back = self.link(asker, holder), self.link(holder, asker)
        if there.cut or back.cut or self._is_lost(there, there.conditions) or self._is_lost(back, back.conditions):
            return None
        return there.conditions.latency.draw(self._delays) + back.conditions.latency.draw(self._delays)

    # Connections

    def find(self, newcomer: Process, other: Process) -> None:
        """Two processes find each other, each when discovery has told it, and connect."""
        for sender, reader in ((newcomer, other), (other, newcomer)):
            link = self.link(sender, reader)
            self.world.at(self.world.now_us + self.discovery.draw(self._finds), self._connect, link)

    def _connect(self, link: Link) -> None:
        """The reader connects, if it can: its subscriptions are under way. If not, whoever mends it tries again."""
        if not (link.up or link.held_up):
            travel_us = link.conditions.latency.draw(self._delays)
            self.world.at(self.world.now_us + travel_us, self._subscribed, link, link.connection)

    def _subscribed(self, link: Link, connection: int) -> None:
        if link.connection != connection or link.up or link.held_up:
            return
        link.up, link.silent_us = True, None
        link.sender.post(Seen(link.reader.peer))

    def break_link(self, link: Link) -> None:
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
        return len(twins) > 1 and any(self.link(link.sender, twin).up for twin in twins if twin is not link.reader)

    def reconnect(self, link: Link) -> None:
        """The reader connects again after its pause."""
        self.world.at(self.world.now_us + RECONNECT_US, self._connect, link)

    def bounce(self, link: Link) -> None:
        """A connection breaks and is made anew at once: the silent gap, with Lost and Seen around it."""
        self.break_link(link)
        self.reconnect(link)

    def leave(self, process: Process, *, silently: bool) -> None:
        """A process has died: its connections break now, or, when its machine died with it, at the heartbeat."""
        for link in self.links_of(process):
            if link.sender is process:
                link.up = False  # what it has sent is on its way
            elif silently:
                link.connection += 1
                link.queued = 0
                self._fall_silent(link)
            else:
                self.break_link(link)

    def come_back(self, process: Process, others: Iterable[Process]) -> None:
        """A process is there again: old connections are no more, and it and the others find each other."""
        for link in self.links_of(process):
            link.connection += 1
            link.queued, link.up, link.silent_us = 0, False, None
            if self.meshed:
                self.reconnect(link)
        if not self.meshed:
            for other in others:
                self.find(process, other)

    def fall_silent(self, process: Process) -> None:
        """A process is paused: after the heartbeat the others give its connections up, and they break."""
        for link in self.links_of(process):
            self._fall_silent(link)

    def _fall_silent(self, link: Link) -> None:
        """Nothing passes any more, perhaps for more than one reason: the heartbeat counts from the first."""
        if link.silent_us is None:
            link.silent_us = self.world.now_us
        self.world.at(link.silent_us + HEARTBEAT_US, self._give_up, link, link.connection)

    def _give_up(self, link: Link, connection: int) -> None:
        """The heartbeat is over, unless something has passed since, or the connection is another."""
        since_us = link.silent_us
        if link.connection == connection and since_us is not None and self.world.now_us >= since_us + HEARTBEAT_US:
            self.break_link(link)

    def speak_again(self, process: Process) -> None:
        """A paused process goes on: what was given up is connected again."""
        for link in self.links_of(process):
            self._speak_again(link)

    def _speak_again(self, link: Link) -> None:
        """One reason for silence is gone: the last, perhaps."""
        if not link.held_up:
            link.silent_us = None
            if not link.up:
                self.reconnect(link)

    # Faults

    def cut(self, sender: Process, reader: Process) -> None:
        """Nothing passes from sender to reader; after the heartbeat the connection is given up. Cuts add up."""
        link = self.link(sender, reader)
        link.cut += 1
        if link.cut == 1:
            self._fall_silent(link)

    def mend(self, sender: Process, reader: Process) -> None:
        """Take one cut off a link; behind the last one the reader connects again, if the connection was given up."""
        link = self.link(sender, reader)
        if not link.cut:
            raise UsageError(f"{sender.name} to {reader.name} is not cut.", do="Cut it first.")
        link.cut -= 1
        self._speak_again(link)

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
        link = self.link(sender, reader)
        held, link.held = link.held or [], None
        if held:
            arrival_us = max(self.world.now_us + link.conditions.latency.draw(self._delays), link.last_us)
            link.last_us = arrival_us
            for frame in held:
                self._put(arrival_us, link, frame, link.connection)

    def heal(self) -> None:
        """Every cut is mended, every clog freed, and every link loses, repeats and reorders nothing any more."""
        self.set_conditions(Conditions(latency=self.conditions.latency))
        for link in self.links():
            self.unclog(link.sender, link.reader)
            link.cut = 0
            self._speak_again(link)
