"""Members of a market on loopback, whose sockets are locked, and whose turns a test takes for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import zmq

from peer.bench.unlocked import OpenTransport
from peer.net.endpoints import address
from peer.net.locks.keys import Entry, TransportKeys, make_keys
from peer.net.transport import Presence, Transport, TransportLimits
from protocol.topics import peer_topic

LOBBY_SECRET = bytes(range(32))


class Register:
    """A warden over a table: who is a member, who is out, who may hear everything."""

    def __init__(self) -> None:
        self.peers: dict[bytes, bytes] = {}
        self.out: set[bytes] = set()
        self.observers: set[bytes] = set()
        self.sponsors: dict[bytes, bytes] = {}

    def judge(self, key: bytes) -> tuple[Entry, bytes]:
        if key in self.out:
            return Entry.OUT, b""
        return (Entry.MEMBER, self.peers[key]) if key in self.peers else (Entry.UNKNOWN, b"")

    def may_hear(self, peer: bytes, topic: bytes) -> bool:
        if peer not in self.peers.values():
            return False
        return topic[:1] in (b"s", b"g") or topic == peer_topic(peer) or peer in self.observers

    def sponsor_of(self, peer: bytes) -> bytes:
        return self.sponsors.get(peer, peer)


class Member:
    """One transport, and what came in on it."""

    def __init__(self, number: int, register: Register, limits: TransportLimits | None, hosts: tuple[str, ...]) -> None:
        self.peer, self.keys = bytes([number]) * 32, make_keys()
        self.topic = peer_topic(self.peer)
        self.transport = Transport(
            hosts=hosts, keys=self.keys, lobby_secret=LOBBY_SECRET, warden=register, limits=limits
        )
        self.transport.subscribe(self.topic)
        self.publish_address, self.fetch_address, self.lobby_address = (
            address(hosts[0], port) for port in self.transport.endpoints[1:]
        )
        self.heard: list[bytes] = []
        self.seen: list[Presence] = []

    def hear(self, other: Member) -> None:
        """Connect to another's publisher."""
        self.transport.connect(other.peer, other.publish_address, other.keys.public)

    def here(self) -> set[bytes]:
        """Who is here, as far as this one knows."""
        return {presence.peer for presence in self.seen if presence == self._last(presence.peer) and presence.here}

    def turn(self) -> None:
        """What a peer's loop does."""
        self.heard += self.transport.receive(1_000)
        self.seen += self.transport.presences()

    def _last(self, peer: bytes) -> Presence:
        return next(presence for presence in reversed(self.seen) if presence.peer == peer)


class Wires:
    """All members of a test, who take their turns whenever somebody waits."""

    def __init__(self, *, first: int = 1) -> None:
        self.register = Register()
        self.members: list[Member] = []
        self._first = first

    def member(
        self,
        limits: TransportLimits | None = None,
        *,
        hosts: tuple[str, ...] = ("127.0.0.1",),
        known: bool = True,
    ) -> Member:
        """Open a transport; one that is not `known` has a key that nobody knows."""
        member = Member(len(self.members) + self._first, self.register, limits, hosts)
        self.members.append(member)
        if known:
            self.register.peers[member.keys.public] = member.peer
        return member

    def until(self, condition: Callable[[], object], *, seconds: float = 10.0) -> None:
        """Let everybody take turns until `condition` holds, for a bounded time."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "waited in vain"
            for member in self.members:
                member.turn()
            time.sleep(0.002)

    def join(self, publisher: Member, *readers: Member) -> None:
        """Connect readers to a publisher, and wait until it knows."""
        for reader in readers:
            reader.hear(publisher)
        self.until(lambda: publisher.here() >= {reader.peer for reader in readers})

    def close(self) -> None:
        for member in self.members:
            member.transport.close()


def open_transport(limits: TransportLimits | None = None) -> OpenTransport:
    """A transport without locks, for tests of what lies behind them."""
    return OpenTransport(keys=make_keys(), lobby_secret=LOBBY_SECRET, warden=Register(), limits=limits)


@contextmanager
def stranger(kind: int, server_key: bytes, keys: TransportKeys | None) -> Iterator[zmq.Socket[bytes]]:
    """A client socket of somebody else's making, that is not connected yet; without keys it knows no CURVE."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        socket = context.socket(kind)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.HANDSHAKE_IVL, 1_000)
        if keys is not None:
            socket.setsockopt(zmq.CURVE_SERVERKEY, server_key)
            socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.public)
            socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret)
        yield socket
    finally:
        context.destroy(linger=0)
