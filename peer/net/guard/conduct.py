"""What others do on our wires, and what follows: who is connected, how much each sends, who is kept out for a while.

visitors  connections made to us          sources  publishers that we connected to
penalties members that did too much: every connection is cut, and none comes about until the pause is over
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import zmq

from peer.net.guard.rates import Meter, Passage, Penalties, Rate, Table
from peer.net.guard.sources import SourceLimits, Sources
from peer.net.guard.visitors import VisitorLimits, Visitors
from peer.net.locks.monitor import ACCEPTED, CONNECTED, DISCONNECTED, Monitor

PUBLISH, FETCH, LOBBY = "publish", "fetch", "lobby"
"""The doors: our bound sockets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConductLimits:
    """What others may do, and how long they are kept out if they do more."""

    visitors: VisitorLimits = field(default_factory=VisitorLimits)
    sources: SourceLimits = field(default_factory=SourceLimits)
    pause_ms: int = 1_000  # an honest peer that was too loud once is back before anybody misses it
    pause_ms_max: int = 300_000  # one that does nothing else costs a handshake in five minutes
    handshakes: Rate = field(default=Rate(2, 100))  # of one member: it opens a few connections, and may start anew
    look_ms: int = 250  # how often connections are looked at: in between, a remote may send what it can
    visitor_bytes_per_second: float = 4e6  # requests and subscriptions; 500 requests of 2 kB are 1 MB
    redial_ms: int = 10_000  # a publisher that is not connected is called anew, if libzmq has given up on it


class Conduct:
    """Watches over every connection of one transport."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        limits: ConductLimits,
        *,
        doors: Mapping[str, zmq.Socket[bytes]],
        subscriber: zmq.Socket[bytes],
        sponsor_of: Callable[[bytes], bytes],
        clock: Callable[[], float],
        connections_max: int,
    ) -> None:
        """`doors` are the sockets that will be bound, and `subscriber` the one that will connect."""
        self._limits, self.clock = limits, clock
        self._doors = {name: Monitor(context, door, ACCEPTED | DISCONNECTED) for name, door in doors.items()}
        self._subscriber = Monitor(context, subscriber, CONNECTED | DISCONNECTED)
        self.visitors = Visitors(limits.visitors, clock, passing=LOBBY)
        self.penalties = Penalties(
            pause_s=limits.pause_ms / 1000, pause_max_s=limits.pause_ms_max / 1000, entries_max=2 * connections_max
        )
        self.sources = Sources(
            limits.sources,
            look=self.look_at_sources,
            sponsor_of=sponsor_of,
            price_of=self.penalties.price,
            connections_max=connections_max,
        )
        self._handshakes: Table[bytes] = Table(
            lambda now_s: Meter(limits.handshakes, now_s=now_s), entries_max=2 * connections_max
        )
        self._looked_s = clock()

    def watched(self) -> Iterator[tuple[zmq.Socket[bytes], Callable[[], None]]]:
        """The sockets that say that something has happened, and what is to be called then."""
        yield self._subscriber.socket, self.look_at_sources
        for door in self._doors.values():
            yield door.socket, self.look_at_visitors

    def look_at_visitors(self) -> None:
        """Take in what has happened at our doors."""
        for door, monitor in self._doors.items():
            for event in monitor.take():
                self.visitors.hear(door, event)

    def look_at_sources(self) -> None:
        """Take in what has happened to the connections that we made."""
        for event in self._subscriber.take():
            self.sources.hear(event)

    def is_penalised(self, user: bytes) -> bool:
        """Tell whether this member is kept out now."""
        return self.penalties.is_out(user, self.clock())

    def keeps_out(self, user: bytes) -> bool:
        """Tell whether this member may not come in now: it is penalised, or comes too often. Each asking counts."""
        return self.is_penalised(user) or (self._handshakes.pass_through(user, self.clock(), 1) is not Passage.OPEN)

    def sweep(self) -> list[bytes]:
        """Look at every connection, now and then; returns whoever has to be penalised."""
        passed_s = self.clock() - self._looked_s
        if passed_s * 1000 < self._limits.look_ms:
            return []
        self._looked_s += passed_s
        loud = [visitor.user for visitor in self.visitors.sweep(self._limits.visitor_bytes_per_second, passed_s)]
        return [user for user in loud + self.sources.sweep(passed_s) if user]
