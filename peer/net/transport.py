"""Frames over ZeroMQ between members: every socket is locked, and everything that a remote does is bounded.

It moves bytes and refuses to know what a statement or a market is: a frame begins with its topic of nine bytes (a
letter and eight more), and whose a key is, and what it may hear, is the warden's word. A second transport (a wide-area
one) has to offer the same few methods.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import zmq

from peer.net.endpoints import address, fault_of_address
from peer.net.guard.conduct import FETCH, LOBBY, PUBLISH, Conduct
from peer.net.guard.doorkeeping import Doorkeeper, Presence
from peer.net.guard.letters import Letter, Letters
from peer.net.hearing import Hearing
from peer.net.locks import descriptors, proof
from peer.net.locks.keys import Locks, TransportKeys, Warden
from peer.net.locks.zap import Responder
from peer.net.sockets import Sockets, TransportLimits
from peer.net.watch import Watch, readable
from protocol.errors import BadConfig, UsageError

__all__ = [
    "Letter",
    "Presence",
    "Transport",
    "TransportKeys",
    "TransportLimits",
    "Warden",
]

_NOBLOCK: Final = int(zmq.NOBLOCK)


@dataclass(slots=True)
class TransportCounts:
    """What was dropped where it can be seen; a full queue of one reader drops unseen inside libzmq."""

    frames_dropped: int = 0
    penalties: int = 0


class Transport:
    """The sockets of one peer, bound to ports of `hosts` from the start, heard and unlocked from `listen` on.

    libzmq does half of its work, such as subscribing again after a lost connection, in the calls of whoever owns the
    socket: a transport that neither listens nor receives does not recover.
    """

    def __init__(
        self,
        *,
        hosts: Sequence[str] = ("127.0.0.1",),
        keys: TransportKeys,
        lobby_secret: bytes,
        warden: Warden,
        ports: range | None = None,
        limits: TransportLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`hosts` are IP addresses of this machine, never all of them unasked; `ports` are any, if none are said.

        Raises BadConfig if one cannot be bound, or if libzmq was built without CURVE.
        """
        if not zmq.has("curve"):
            raise BadConfig("This libzmq has no CURVE.", why="No connection could be locked.", do="Install pyzmq anew.")
        self.limits = limits = limits or TransportLimits()
        self.counts = TransportCounts()
        self._keys, self._clock = keys, clock
        self.sponsor_of = warden.sponsor_of
        descriptors.raise_limit()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(io_threads=1)
        self._locks = locks = self._make_locks(keys, lobby_secret)
        self._sockets = sockets = Sockets(self._context, limits, locks)
        self.answering, self.lobby = sockets.answering, sockets.lobby
        self._conduct = conduct = Conduct(
            self._context,
            limits.conduct,
            doors={PUBLISH: sockets.publisher, FETCH: sockets.answering, LOBBY: sockets.lobby},
            subscriber=sockets.subscriber,
            sponsor_of=warden.sponsor_of,
            clock=clock,
            connections_max=limits.connections_max,
        )
        self.responder = Responder(self._context, warden, keeps_out=conduct.keeps_out)
        self._doorkeeper = Doorkeeper(
            sockets.publisher, conduct, may_hear=warden.may_hear, limits=limits.doors,
            identify=locks.identify, offend=self.penalise,
        )  # fmt: skip
        self._letters = Letters(
            sockets.answering, conduct, sponsor_of=warden.sponsor_of, limits=limits.letters,
            identify=locks.identify, offend=self.penalise,
        )  # fmt: skip
        self._hearing = Hearing(
            sockets, conduct, penalise=self.penalise, sponsor_of=warden.sponsor_of, waiting=limits.waiting,
            connections_max=limits.connections_max, redial_ms=limits.conduct.redial_ms,
        )  # fmt: skip
        self.endpoints = sockets.bind(hosts, ports)
        self._watches: tuple[Watch, ...] = ()
        self._always: tuple[Watch, ...] = ()
        self._timer: asyncio.TimerHandle | None = None
        self._look_at_publisher: Callable[[], None] = _nobody_listens

    def connections(self, peer: bytes) -> int:
        """How many connections to us are known to be of `peer`."""
        return len(self._conduct.visitors.of(peer))

    def hears(self, peer: bytes) -> bool:
        """Tell whether our call to the publisher of `peer` is connected; what locks say comes after that."""
        source = self._conduct.sources.get(peer)
        return source is not None and source.descriptor is not None

    @property
    def liars(self) -> frozenset[bytes]:
        """Topics of peers that somebody else has asked for, on a connection that has not ended yet."""
        return self._doorkeeper.liars

    @property
    def refusals(self) -> dict[str, int]:
        """What others did and did not get away with: each count by its name."""
        parts = (self.counts, self._hearing.counts, self._doorkeeper.counts, self._letters.counts)
        conduct = (self._conduct.visitors.counts, self._conduct.sources.counts)
        return {name: number for part in (*parts, *conduct) for name, number in asdict(part).items()}

    # Frames

    def subscribe(self, topic: bytes) -> None:
        """Hear frames that begin with `topic` from now on; the empty topic hears everything. May be called twice."""
        self._hearing.subscribe(topic)

    def publish(self, frame: bytes) -> None:
        """Send `frame` to whoever subscribed to a prefix of it; never blocks, and a reader too slow misses it."""
        if len(frame) > self.limits.frame_bytes_max:
            raise UsageError(f"A frame of {len(frame)} bytes was not sent.", why="Every reader would hang up on it.")
        try:
            self._sockets.publisher.send(frame, _NOBLOCK)
        except zmq.Again:
            self.counts.frames_dropped += 1
        self._look_at_publisher()

    def receive(self, most: int) -> list[bytes]:
        """Take at most `most` frames that have arrived; `ready` is called again for the rest, when it is their turn."""
        if not self._always:
            self.attend()
        return self._hearing.receive(most)

    @property
    def has_more(self) -> bool:
        """Tell whether there is something to receive: for who was busy when `ready` was called."""
        return self._hearing.has_more

    def blame(self, index: int) -> None:
        """Blame the connection of frame `index` of those received last; who is blamed too often is kept out a while."""
        self._hearing.blame(index)

    def presences(self) -> list[Presence]:
        """Take which members came to hear their own topic and left since the last call, a bounded number at a time."""
        if not self._always:
            self.attend()
        if not readable(self._sockets.publisher):
            return []
        found, was_all = self._doorkeeper.take()
        if not was_all:
            self._look_at_publisher()
        return found

    def asked(self) -> Letter | None:
        """Take one request from `answering`; None if it was none that may be answered. Raises zmq.Again at the end."""
        return self._letters.take()

    # Connections

    def connect(self, peer: bytes, publish: str, server_key: bytes) -> bool:
        """Hear the publisher of `peer`, there only, if it holds `server_key`; false if there are too many already.

        The address may be a stranger's word; look at it with `fault_of_address` first. Raises UsageError on a bad one.
        """
        return self._hearing.connect(peer, publish, server_key)

    def disconnect(self, peer: bytes) -> None:
        """Hear `peer` no more; nothing happens if it was not connected."""
        self._hearing.disconnect(peer)

    def asking(self, address: str, server_key: bytes) -> zmq.Socket[bytes]:
        """Open a DEALER to a member's answering socket, for whoever fetches; it closes with this transport."""
        if fault := fault_of_address(address):
            raise UsageError("Nobody can be asked at this address.", why=fault, do="Check it where it came from.")
        return self._sockets.dealer(address, server_key)

    def knocking(self, address: str) -> zmq.Socket[bytes]:
        """Open a DEALER to a lobby of this market; whoever opens knows which market it is, and no more."""
        return self.asking(address, self._locks.lobby_public)

    def expel(self, peer: bytes) -> None:
        """Cut every live connection of `peer`, in both directions; what comes anew is judged anew."""
        self._conduct.visitors.expel(peer, self.responder.number)
        self.disconnect(peer)

    def penalise(self, peer: bytes) -> None:
        """Cut every connection of `peer`, and keep it out for a while that grows each time; then it is called again."""
        if self.penalised(peer):
            return
        self.counts.penalties += 1
        self._conduct.penalties.punish(peer, self._clock())
        self._conduct.visitors.expel(peer, self.responder.number)
        self._hearing.pause(peer)

    def penalised(self, peer: bytes) -> bool:
        """Tell whether `peer` is kept out now for having done too much."""
        return self._conduct.is_penalised(peer)

    # Life

    def listen(self, loop: asyncio.AbstractEventLoop, ready: Callable[[], None]) -> None:
        """Let members in, and have `loop` call `ready` whenever `receive` or `presences` may have something."""
        publisher = Watch(loop, self._sockets.publisher, ready)
        subscriber = Watch(loop, self._sockets.subscriber, ready)
        self._watches = (publisher, subscriber)
        self._always = (
            Watch(loop, self.responder.socket, self.responder.answer),
            *(Watch(loop, socket, look) for socket, look in self._conduct.watched()),
        )
        self._look_at_publisher, self._hearing.look_soon = publisher.look_soon, subscriber.look_soon
        self._hearing.call_back = subscriber.call_in
        self._tick(loop)

    def attend(self) -> None:
        """Do once what the loop does while this listens: let members in, and look at every connection."""
        self.responder.answer()
        self._conduct.look_at_visitors()
        self._conduct.look_at_sources()
        self._look_around()

    async def prove_locks(self) -> None:
        """Try to get in as a stranger. Raises BadConfig if that succeeds, or if nobody is asked who may come in."""
        host, publish, fetch, _ = self.endpoints
        doors: dict[str, int] = {address(host[0], publish): zmq.SUB, address(host[0], fetch): zmq.DEALER}
        await proof.prove(doors, self._keys.public, self.responder, self.attend)

    def pause(self) -> None:
        """Call `ready` no more until `resume`: for a turn that is put off. Members are let in all the same."""
        for watch in self._watches:
            watch.pause()

    def resume(self) -> None:
        """Call `ready` again, soon if something came in the pause."""
        for watch in self._watches:
            watch.resume()
        self._hearing.come_back()

    def close(self) -> None:
        """Close every socket of this Context; blocks at most `linger_ms`, so that a goodbye can leave."""
        for watch in (*self._watches, *self._always):
            watch.pause()
        if self._timer is not None:
            self._timer.cancel()
        self._watches = self._always = ()
        self._look_at_publisher = self._hearing.look_soon = _nobody_listens
        self._hearing.call_back = lambda delay_s: None
        self._context.destroy()

    # Inside

    def _make_locks(self, keys: TransportKeys, lobby_secret: bytes) -> Locks:
        return Locks(keys, lobby_secret)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self._look_around()
        self._timer = loop.call_later(self.limits.conduct.look_ms / 1000, self._tick, loop)

    def _look_around(self) -> None:
        """Now and then: see whether we are late, penalise who was too loud, call again whom libzmq has given up."""
        self._hearing.look()
        for peer in self._conduct.sweep():
            self.penalise(peer)
        self._hearing.call_again()


def _nobody_listens() -> None:
    """Stand in for a watch before `listen` and after `close`."""
