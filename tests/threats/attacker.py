"""What attackers have: plain sockets, plain ZeroMQ with keys of their choice, and a real member's papers in bad hands.

Nothing of a peer's own shell is used to attack, only what is public: the wire, the forms of what is said on it, and
the keys that the attacker has.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self, TypeVar

import zmq
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocol.bundle import seal
from protocol.codec import encode
from protocol.keys import Ed25519Sealer
from protocol.statements import AnyStatement, Body, Statement
from tests.waiting import PATIENCE_S, until

B = TypeVar("B", bound=Body)
_OUTCOMES = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
_ENDS = zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_DISCONNECTED
_NOBLOCK = int(zmq.NOBLOCK)


class Keys:
    """An X25519 key pair, as ZeroMQ wants it."""

    def __init__(self, secret: bytes | None = None) -> None:
        """Without a `secret`, random ones."""
        self.secret = secret or os.urandom(32)
        self.public = X25519PrivateKey.from_private_bytes(self.secret).public_key().public_bytes_raw()


class Line:
    """One ZeroMQ socket that called somewhere, and what its handshakes came to."""

    def __init__(self, socket: zmq.Socket[bytes], monitor: zmq.Socket[bytes]) -> None:
        self.socket, self._monitor = socket, monitor
        self.events: list[int] = []

    def look(self) -> list[int]:
        """Everything that has happened to the connection so far."""
        while not self._monitor.closed and self._monitor.poll(0):
            head, _ = self._monitor.recv_multipart(_NOBLOCK)
            self.events.append(int.from_bytes(head[:2], "little"))
        return self.events

    @property
    def is_in(self) -> bool:
        """Whether a handshake succeeded: the other side let this key in."""
        return zmq.EVENT_HANDSHAKE_SUCCEEDED in self.look()

    @property
    def was_cut(self) -> bool:
        """Whether the other side has hung up, or the handshake ended any other way."""
        return any(event & (_ENDS | _OUTCOMES) and event != zmq.EVENT_HANDSHAKE_SUCCEEDED for event in self.look())

    async def outcome(self) -> str:
        """Wait for the first handshake to end: `in`, or `refused`."""
        await until(lambda: self.is_in or self.was_cut, why="the handshake did not end")
        return "in" if self.is_in else "refused"

    def close(self) -> None:
        """Hang up."""
        self.look()
        self.socket.close(linger=0)
        self._monitor.close(linger=0)

    def drain(self) -> list[list[bytes]]:
        """Take whatever has come in."""
        came = []
        while self.socket.poll(0):
            came.append(self.socket.recv_multipart(_NOBLOCK))
        return came

    def push(self, *parts: bytes) -> bool:
        """Send, if the queue has room."""
        try:
            self.socket.send_multipart(parts, _NOBLOCK)
        except zmq.Again:
            return False
        return True


class Attacker(AbstractContextManager["Attacker"]):
    """Somebody with a ZeroMQ Context of its own and keys of its choice."""

    def __init__(self, keys: Keys | None = None) -> None:
        self.keys = keys or Keys()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._lines: list[Line] = []
        """All that were opened: pyzmq closes a socket that nobody holds."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for line in self._lines:
            line.close()
        self._context.destroy(linger=0)

    def dial(
        self, kind: int, address: str, server_key: bytes | None, *, keys: Keys | None = None, **options: int | bytes
    ) -> Line:
        """Call an address with CURVE, or without any lock if `server_key` is None; `options` are ZeroMQ's by name."""
        socket = self._context.socket(kind)
        for name, value in {"LINGER": 0, "HANDSHAKE_IVL": 1_000, "RECONNECT_IVL": 100, **options}.items():
            socket.setsockopt(getattr(zmq, name), value)
        if server_key is not None:
            keys = keys or self.keys
            socket.setsockopt(zmq.CURVE_SERVERKEY, server_key)
            socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.public)
            socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret)
        return self._watched(socket, lambda: socket.connect(address))

    def open(self, kind: int, *, secret: bytes | None = None, host: str = "127.0.0.1") -> tuple[Line, int]:
        """Bind a CURVE server that lets everybody in, with our key or another `secret`; gives its port as well."""
        socket = self._context.socket(kind)
        for name, value in {"LINGER": 0, "SNDHWM": 50_000, "CURVE_SERVER": 1}.items():
            socket.setsockopt(getattr(zmq, name), value)
        socket.setsockopt(zmq.CURVE_SECRETKEY, secret or self.keys.secret)
        if kind == zmq.XPUB:
            socket.setsockopt(zmq.XPUB_VERBOSE, 1)
        line = self._watched(socket, lambda: socket.bind(f"tcp://{host}:*"))
        return line, int(socket.getsockopt_string(zmq.LAST_ENDPOINT).rpartition(":")[2])

    def _watched(self, socket: zmq.Socket[bytes], begin: Callable[[], object]) -> Line:
        name = f"inproc://watch-{id(socket):x}"
        socket.monitor(name, _OUTCOMES | _ENDS)
        monitor = self._context.socket(zmq.PAIR)
        monitor.setsockopt(zmq.LINGER, 0)
        monitor.setsockopt(zmq.RCVHWM, 0)
        monitor.connect(name)
        begin()
        self._lines.append(Line(socket, monitor))
        return self._lines[-1]


class Voice:
    """Somebody's signature and a feed of its own: says whatever it wants, and remembers nothing."""

    def __init__(self, sealer: Ed25519Sealer, market: bytes) -> None:
        self.sealer, self.market, self.feed = sealer, market, os.urandom(8)
        self._seq = 0

    @property
    def peer(self) -> bytes:
        return self.sealer.peer

    def say(self, body: B, *, about: bytes | None = None, **changes: object) -> Statement[B]:
        """A statement of ours, in our feed and this market unless `changes` say otherwise."""
        self._seq += 1
        envelope = {
            "market": self.market, "author": self.peer, "feed": self.feed, "seq": self._seq,
            "made_ms": time.time_ns() // 1_000_000, "prev": None, "about": about, **changes,
        }  # fmt: skip
        return encode(body, **envelope)  # type: ignore[arg-type]

    def sealed(self, *statements: AnyStatement) -> bytes:
        """Statements as one bundle under our signature."""
        return seal(statements, self.sealer)


def tcp(address: str, *, source: str = "") -> socket.socket:
    """A plain TCP connection to a `tcp://IP:port` address, from another address of this computer if one is given."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), PATIENCE_S, (source, 0) if source else None)


def is_closed(connection: socket.socket) -> bool:
    """Whether the other side has hung up; whatever it says before is read and thrown away."""
    connection.setblocking(False)
    try:
        while connection.recv(65_536):
            pass
        return True
    except BlockingIOError:
        return False
    except OSError:
        return True


def occurrences(needles: Sequence[bytes], *haystacks: bytes) -> list[bytes]:
    """Which of these byte strings occur."""
    return [needle for needle in needles if any(needle in haystack for haystack in haystacks)]
