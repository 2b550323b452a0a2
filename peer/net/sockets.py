"""The sockets of one peer: their kinds, and every number that libzmq wants for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import zmq

from peer.net.endpoints import Endpoints, is_v6
from peer.net.guard.conduct import ConductLimits
from peer.net.guard.doorkeeping import DoorLimits
from peer.net.guard.letters import LetterLimits
from peer.net.guard.waiting import WaitingLimits
from peer.net.locks.binding import bind, bind_at
from peer.net.locks.keys import LOBBY, MARKET, Locks
from protocol.errors import BadConfig

_KEEPALIVE_QUESTIONS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportLimits:
    """Every number of the sockets, and why it is that number."""

    frame_bytes_max: int = (
        4 * 1024 * 1024
    )  # the largest bundle, and room; a byte more ends the sender's connection until it is connected anew
    subscription_bytes_max: int = 512  # a topic has 9, a CURVE handshake 300; each byte of a topic costs 54 in here
    request_bytes_max: int = 16 * 1024  # several times 64 ids of 32 bytes
    answer_bytes_max: int = 512 * 1024  # twice a page of an answer
    knock_bytes_max: int = 4 * 1024  # a hello with its certificate has 2
    send_queue_frames: int = 32_768  # per reader: a second of a busy market; beyond it frames are dropped unseen
    receive_queue_frames: int = (
        4_096  # per sender: what four seconds may let pile up; unlocking more would cost us time
    )
    fetch_queue_frames: int = 64  # per asker and per asked: more outstanding questions nobody has
    lobby_queue_frames: int = 4  # a visitor asks a question or two
    connections_max: int = 1024  # twice this in descriptors must be allowed (RLIMIT_NOFILE)
    backlog_connections: int = 256  # a market that starts at once connects at once
    heartbeat_interval_ms: int = 500  # a stopped peer is noticed in two seconds; only a publisher beats (`_beat`)
    heartbeat_timeout_ms: int = 1500  # three beats: one lost on a loaded machine says nothing
    keepalive_idle_s: int = 5  # the others of a host that went away without a word are let go by the system
    keepalive_interval_s: int = 2  # ... after three questions without an answer
    handshake_ms: int = 1000  # with the default of 30 s, half-open connections eat all descriptors
    reconnect_ms: int = 100  # a restarted peer is back at once
    reconnect_ms_max: int = 2000  # a peer that is gone costs one attempt in two seconds
    linger_ms: int = 250  # time for a goodbye to leave; closing blocks no longer than this
    conduct: ConductLimits = field(default_factory=ConductLimits)
    doors: DoorLimits = field(default_factory=DoorLimits)
    letters: LetterLimits = field(default_factory=LetterLimits)
    waiting: WaitingLimits = field(default_factory=WaitingLimits)


class Sockets:
    """One Context, one publisher, one subscriber and two answering sockets, locked before they are bound."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], limits: TransportLimits, locks: Locks) -> None:
        """Nothing is bound yet."""
        self._context, self._limits, self._locks = context, limits, locks
        self.publisher = self._socket(zmq.XPUB, limits.subscription_bytes_max, linger=limits.linger_ms)
        self.publisher.setsockopt(zmq.XPUB_MANUAL, 1)  # a subscription is granted, or not
        self._beat(self.publisher)
        self.answering = self._socket(zmq.ROUTER, limits.request_bytes_max, queue=limits.fetch_queue_frames)
        self.lobby = self._socket(zmq.ROUTER, limits.knock_bytes_max, queue=limits.lobby_queue_frames)
        for router in (self.answering, self.lobby):
            router.setsockopt(zmq.ROUTER_MANDATORY, 1)  # an answer to somebody who left is an error, not a secret
        self.subscriber = self._socket(zmq.SUB, limits.frame_bytes_max)
        locks.serve(self.publisher, MARKET)
        locks.serve(self.answering, MARKET)
        locks.serve(self.lobby, LOBBY)

    def bind(self, hosts: Sequence[str], ports: range | None = None) -> Endpoints:
        """Bind the three on each host, to any ports or in a range. Raises BadConfig, with nothing left open."""
        try:
            if ports is not None:
                lobby, publish, fetch = bind_at((self.lobby, self.publisher, self.answering), hosts, ports)
                return Endpoints(tuple(hosts), publish, fetch, lobby)
            return Endpoints(tuple(hosts), *(bind(one, hosts) for one in (self.publisher, self.answering, self.lobby)))
        except BadConfig:
            self._context.destroy(linger=0)
            raise

    def connect(self, socket: zmq.Socket[bytes], address: str, server_key: bytes) -> None:
        """Have `socket` call the holder of `server_key` at an address that has no fault."""
        self._locks.dial(socket, server_key)
        socket.setsockopt(zmq.IPV6, is_v6(address))
        socket.connect(address)

    def dealer(self, address: str, server_key: bytes) -> zmq.Socket[bytes]:
        """A DEALER that calls there; it closes with its Context."""
        socket = self._socket(zmq.DEALER, self._limits.answer_bytes_max, queue=self._limits.fetch_queue_frames)
        self.connect(socket, address, server_key)
        return socket

    def _socket(
        self, kind: int, message_bytes_max: int, *, queue: int | None = None, linger: int = 0
    ) -> zmq.Socket[bytes]:
        limits = self._limits
        socket = self._context.socket(kind)
        for option, number in (
            (zmq.MAXMSGSIZE, message_bytes_max),
            (zmq.SNDHWM, queue or limits.send_queue_frames),
            (zmq.RCVHWM, queue or limits.receive_queue_frames),
            (zmq.BACKLOG, limits.backlog_connections),
            (zmq.TCP_KEEPALIVE, 1),
            (zmq.TCP_KEEPALIVE_IDLE, limits.keepalive_idle_s),
            (zmq.TCP_KEEPALIVE_INTVL, limits.keepalive_interval_s),
            (zmq.TCP_KEEPALIVE_CNT, _KEEPALIVE_QUESTIONS),
            (zmq.HANDSHAKE_IVL, limits.handshake_ms),
            (zmq.RECONNECT_IVL, limits.reconnect_ms),
            (zmq.RECONNECT_IVL_MAX, limits.reconnect_ms_max),
            (zmq.LINGER, linger),
        ):
            socket.setsockopt(option, number)
        return socket

    def _beat(self, publisher: zmq.Socket[bytes]) -> None:
        """Have a publisher ask its readers whether they are there; by the same beats they know that it is.

        A socket whose queue of what comes in can be full must not: when whoever filled it hangs up, libzmq 4.3.5 ends
        the process with the next beat (`Assertion failed: !_io_error`). So the publisher has no bound on that queue,
        where there are only subscriptions, which are looked at as they come; and no other socket beats.
        """
        limits = self._limits
        for option, number in (
            (zmq.RCVHWM, 0),
            (zmq.HEARTBEAT_IVL, limits.heartbeat_interval_ms),
            (zmq.HEARTBEAT_TIMEOUT, limits.heartbeat_timeout_ms),
            (zmq.HEARTBEAT_TTL, limits.heartbeat_timeout_ms),
        ):
            publisher.setsockopt(option, number)
