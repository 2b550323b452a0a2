"""Frames over ZeroMQ: one publisher, one subscriber and one answering socket per peer, and one Context for them.

It moves bytes and refuses to know what a statement, a peer or a market is: a frame begins with its topic of nine bytes
(a letter and eight more), and a key is whatever the caller tells connections apart by. A second transport (CURVE, or a
wide-area one) has to offer the same few methods.

What libzmq leaves unbounded, and nothing here can bound: how many topics one remote subscribes (each is short, see
`subscription_bytes_max`), and how many parts one message of many parts has. Both end where strangers are kept out.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import zmq

from peer.net.watch import Watch, readable
from protocol.errors import BadConfig, UsageError

TOPIC_BYTES = 9
_ADDRESS = re.compile(r"tcp://([0-9.]{7,15}):([1-9][0-9]{0,4})", re.ASCII)
_NOBLOCK = int(zmq.NOBLOCK)


class Addresses(NamedTuple):
    """Where a peer can be reached: `tcp://IPv4:port` each."""

    publish: str
    fetch: str


class Presence(NamedTuple):
    """A remote subscribed to `topic` at our publisher, or (`here` is false) the last that had it has left."""

    topic: bytes
    here: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportLimits:
    """Every number of the sockets, and why it is that number."""

    frame_bytes_max: int = (
        4 * 1024 * 1024
    )  # the largest bundle, and room; a byte more ends the sender's connection until it is connected anew
    subscription_bytes_max: int = 512  # a topic has 9, a CURVE handshake 300; each byte of a topic costs 54 in here
    request_bytes_max: int = 16 * 1024  # several times 64 ids of 32 bytes
    answer_bytes_max: int = 512 * 1024  # twice a page of an answer
    send_queue_frames: int = 32_768  # per reader: a second of a busy market; beyond it frames are dropped unseen
    receive_queue_frames: int = 32_768  # per sender: what a long turn may let pile up
    fetch_queue_frames: int = 64  # per asker and per asked: more outstanding questions nobody has
    presences_per_drain_max: int = 1024  # a flood of subscriptions must not hold up a turn
    connections_max: int = 1024  # twice this in descriptors must be allowed (RLIMIT_NOFILE)
    backlog_connections: int = 256  # a market that starts at once connects at once
    heartbeat_interval_ms: int = 500  # a stopped peer is noticed in two seconds
    heartbeat_timeout_ms: int = 1500  # three beats: one lost on a loaded machine says nothing
    handshake_ms: int = 1000  # with the default of 30 s, half-open connections eat all descriptors
    reconnect_ms: int = 100  # a restarted peer is back at once
    reconnect_ms_max: int = 2000  # a peer that is gone costs one attempt in two seconds
    linger_ms: int = 250  # time for a goodbye to leave; closing blocks no longer than this


@dataclass(slots=True)
class TransportCounts:
    """What was dropped where it can be seen; a full queue of one reader drops unseen inside libzmq."""

    frames_dropped: int = 0
    odd_subscriptions: int = 0
    connections_refused: int = 0


def fault_of_address(address: object) -> str | None:
    """Say why `address` is nothing to connect to, or None when it is `tcp://IPv4:port`.

    Names are refused: libzmq would look them up in its I/O thread, for everybody else's frames to wait.
    """
    found = _ADDRESS.fullmatch(address) if type(address) is str and len(address) < 40 else None
    if found is None:
        return "address is not tcp://IPv4:port"
    try:
        host = ipaddress.IPv4Address(found[1])
    except ValueError:
        return "address has no valid IPv4 host"
    if host.is_multicast or host.is_unspecified or host.is_reserved:
        return "address is not of one machine"
    return None if int(found[2]) < 65_536 else "address has no valid port"


class Transport:
    """The sockets of one peer, bound to random ports of `host` from the start, heard from `listen` on.

    libzmq does half of its work, such as subscribing again after a lost connection, in the calls of whoever owns the
    socket: a transport that neither listens nor receives does not recover.
    """

    def __init__(self, *, host: str = "127.0.0.1", limits: TransportLimits | None = None) -> None:
        """`host` is one IPv4 address of this machine, never all of them. Raises BadConfig if it cannot be bound."""
        self._limits = limits or TransportLimits()
        self.counts = TransportCounts()
        self._context = zmq.Context(io_threads=1)
        self._publisher = self._socket(zmq.XPUB, self._limits.subscription_bytes_max, linger=self._limits.linger_ms)
        self._publisher.setsockopt(zmq.XPUB_VERBOSE, 1)  # a second subscriber of a topic is news as well
        self._subscriber = self._socket(zmq.SUB, self._limits.frame_bytes_max)
        self.answering = self._socket(zmq.ROUTER, self._limits.request_bytes_max, queue=self._limits.fetch_queue_frames)
        self.answering.setsockopt(zmq.ROUTER_MANDATORY, 1)  # an answer to somebody who left is an error, not a secret
        self.addresses = Addresses(self._bind(self._publisher, host), self._bind(self.answering, host))
        self._topics: set[bytes] = set()
        self._connected: dict[bytes, str] = {}
        self._send: Callable[[bytes, int], object] = self._publisher.send
        self._recv: Callable[[int], bytes] = self._subscriber.recv
        self._watches: tuple[Watch, ...] = ()
        self._look_at_publisher: Callable[[], None] = _nobody_listens
        self._look_at_subscriber: Callable[[], None] = _nobody_listens

    def subscribe(self, topic: bytes) -> None:
        """Hear frames that begin with `topic` from now on; the empty topic hears everything. May be called twice."""
        if topic not in self._topics:
            self._topics.add(topic)
            self._subscriber.setsockopt(zmq.SUBSCRIBE, topic)
            self._look_at_subscriber()

    def connect(self, key: bytes, publish: str) -> bool:
        """Hear the publisher at `publish` under the name `key`, there only; false if there are too many already.

        The address may be a stranger's word; look at it with `fault_of_address` first. Raises UsageError on a bad one.
        """
        if self._connected.get(key) == publish:
            return True
        if fault := fault_of_address(publish):
            raise UsageError("This address cannot be connected to.", why=fault, do="Check it where it came from.")
        self.disconnect(key)
        if len(self._connected) >= self._limits.connections_max:
            self.counts.connections_refused += 1
            return False
        if publish not in self._connected.values():  # a second connection would bring every frame twice
            self._subscriber.connect(publish)
        self._connected[key] = publish
        self._look_at_subscriber()
        return True

    def disconnect(self, key: bytes) -> None:
        """Hear `key` no more; nothing happens if it was not connected."""
        publish = self._connected.pop(key, None)
        if publish is not None and publish not in self._connected.values():
            with contextlib.suppress(zmq.ZMQError):  # libzmq forgets an endpoint that refused its handshake
                self._subscriber.disconnect(publish)
            self._look_at_subscriber()

    def publish(self, frame: bytes) -> None:
        """Send `frame` to whoever subscribed to a prefix of it; never blocks, and a reader too slow misses it."""
        if len(frame) > self._limits.frame_bytes_max:
            raise UsageError(f"A frame of {len(frame)} bytes was not sent.", why="Every reader would hang up on it.")
        try:
            self._send(frame, _NOBLOCK)
        except zmq.Again:
            self.counts.frames_dropped += 1
        self._look_at_publisher()

    def receive(self, most: int) -> list[bytes]:
        """Take at most `most` frames that have arrived; if that many came, `ready` is called again for the rest."""
        frames: list[bytes] = []
        take, recv = frames.append, self._recv
        try:
            for _ in range(most):
                if not readable(self._subscriber):  # cheaper than the error
                    return frames
                take(recv(_NOBLOCK))
        except zmq.Again:
            return frames
        self._look_at_subscriber()
        return frames

    def presences(self) -> list[Presence]:
        """Take what remotes subscribed and left since the last call, a bounded number of them at a time."""
        found: list[Presence] = []
        if not readable(self._publisher):
            return found
        try:
            for _ in range(self._limits.presences_per_drain_max):
                message = self._publisher.recv(_NOBLOCK)
                if message[:1] not in (b"\0", b"\1") or len(message) > 1 + TOPIC_BYTES:
                    self.counts.odd_subscriptions += 1
                else:
                    found.append(Presence(message[1:], message[0] == 1))
        except zmq.Again:
            return found
        self._look_at_publisher()
        return found

    def listen(self, loop: asyncio.AbstractEventLoop, ready: Callable[[], None]) -> None:
        """Have `loop` call `ready` whenever `receive` or `presences` may have something."""
        publisher = Watch(loop, self._publisher, ready)
        subscriber = Watch(loop, self._subscriber, ready)
        self._watches = (publisher, subscriber)
        self._look_at_publisher, self._look_at_subscriber = publisher.look_soon, subscriber.look_soon

    def pause(self) -> None:
        """Call `ready` no more until `resume`: for a turn that is put off."""
        for watch in self._watches:
            watch.pause()

    def resume(self) -> None:
        """Call `ready` again, soon if something came in the pause."""
        for watch in self._watches:
            watch.resume()

    def asking(self, address: str) -> zmq.Socket[bytes]:
        """Open a DEALER to the answering socket at `address`, for whoever fetches; it closes with this transport."""
        if fault := fault_of_address(address):
            raise UsageError("Nobody can be asked at this address.", why=fault, do="Check it where it came from.")
        socket = self._socket(zmq.DEALER, self._limits.answer_bytes_max, queue=self._limits.fetch_queue_frames)
        socket.connect(address)
        return socket

    def close(self) -> None:
        """Close every socket of this Context; blocks at most `linger_ms`, so that a goodbye can leave."""
        self.pause()
        self._watches = ()
        self._look_at_publisher = self._look_at_subscriber = _nobody_listens
        self._context.destroy()

    def _socket(self, kind: int, message_bytes_max: int, *, queue: int | None = None, linger: int = 0) -> _Socket:
        limits = self._limits
        socket = self._context.socket(kind)
        for option, number in (
            (zmq.MAXMSGSIZE, message_bytes_max),
            (zmq.SNDHWM, queue or limits.send_queue_frames),
            (zmq.RCVHWM, queue or limits.receive_queue_frames),
            (zmq.BACKLOG, limits.backlog_connections),
            (zmq.HEARTBEAT_IVL, limits.heartbeat_interval_ms),
            (zmq.HEARTBEAT_TIMEOUT, limits.heartbeat_timeout_ms),
            (zmq.HEARTBEAT_TTL, limits.heartbeat_timeout_ms),
            (zmq.HANDSHAKE_IVL, limits.handshake_ms),
            (zmq.RECONNECT_IVL, limits.reconnect_ms),
            (zmq.RECONNECT_IVL_MAX, limits.reconnect_ms_max),
            (zmq.LINGER, linger),
        ):
            socket.setsockopt(option, number)
        return socket

    def _bind(self, socket: _Socket, host: str) -> str:
        try:
            if fault := fault_of_address(f"tcp://{host}:1"):
                raise ValueError(fault)
            socket.bind(f"tcp://{host}:*")
        except (zmq.ZMQError, ValueError) as error:
            self._context.destroy()
            do = "Set the interface to one IPv4 address of this machine, as 127.0.0.1."
            raise BadConfig(f"No socket could be bound to {host[:60]!r}.", why=f"{error}.", do=do) from None
        return socket.getsockopt(zmq.LAST_ENDPOINT).decode().rstrip("\0")  # type: ignore[union-attr]


_Socket = zmq.Socket[bytes]


def _nobody_listens() -> None:
    """Stand in for a watch before `listen` and after `close`."""
