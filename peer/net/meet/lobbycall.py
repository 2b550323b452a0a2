"""Asking in somebody's lobby: one question, one answer, one socket, a bounded time. It needs no running peer.

Who answers has proved only that it knows the market's lobby key; what it says must prove itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Annotated, Final

import msgspec
import zmq
from msgspec import Meta, Struct

from peer.net.endpoints import fault_of_address
from peer.net.locks.keys import TransportKeys
from peer.net.meet.lobby import RequestId
from peer.net.requests import MALFORMED
from peer.net.watch import Watch

ITEMS_MAX: Final = 512
"""Items of an answer: neighbours, and a few more."""
_NOBLOCK = int(zmq.NOBLOCK)
_ANSWERS: Final = msgspec.msgpack.Decoder(tuple[RequestId, Annotated[list[bytes], Meta(max_length=ITEMS_MAX)]])

Open = Callable[[str], "zmq.Socket[bytes]"]
"""Opens a DEALER to the lobby at an address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimits:
    """Every number of a call, and why it is that number."""

    timeout_ms: int = 2_000  # a loaded peer answers in 100 ms; whoever asks will ask again
    calls_max: int = 32  # under way at once: three descriptors each
    answer_bytes_max: int = 512 * 1024  # neighbours and a charter
    handshake_ms: int = 1_000  # whoever accepts and says nothing


class LobbyCall:
    """Asks in lobbies: `await call(address, request)`."""

    def __init__(self, open_socket: Open, *, limits: CallLimits | None = None) -> None:
        """`open_socket` is `Transport.knocking`, or `knocking(...)` of this file where no peer runs."""
        self._open, self._limits = open_socket, limits or CallLimits()
        self._room = asyncio.Semaphore(self._limits.calls_max)
        self._request_ids = count(1)

    async def __call__(self, address: str, request: Struct) -> list[bytes] | None:
        """Ask in the lobby at `address`; the items of the answer, or None when there is none in time."""
        if fault_of_address(address):
            return None
        async with self._room:
            request_id = next(self._request_ids)
            socket = self._open(address)
            try:
                async with asyncio.timeout(self._limits.timeout_ms / 1000):
                    socket.send(msgspec.msgpack.encode((request_id, request)), _NOBLOCK)
                    return await _answer(socket, request_id)
            except (TimeoutError, zmq.ZMQError):
                return None
            finally:
                socket.close(linger=0)


async def _answer(socket: zmq.Socket[bytes], request_id: int) -> list[bytes]:
    """Read until the answer to this request has come; anything else is let go."""
    come: asyncio.Future[list[bytes]] = asyncio.get_running_loop().create_future()

    def read() -> None:
        try:
            while not come.done():
                opened = _open_answer(_take(socket))
                if opened is not None and opened[0] == request_id:
                    come.set_result(opened[1])
        except zmq.Again:
            watch.look_soon()

    watch = Watch(asyncio.get_running_loop(), socket, read)
    try:
        return await come
    finally:
        watch.pause()


def _take(socket: zmq.Socket[bytes]) -> bytes | None:
    """Take one message; None if it has more than one part, of which none is kept."""
    first = last = socket.recv(_NOBLOCK, copy=False)
    while last.more:
        last = socket.recv(_NOBLOCK, copy=False)
    return first.bytes if last is first else None


def _open_answer(message: bytes | None) -> tuple[int, list[bytes]] | None:
    try:
        return _ANSWERS.decode(message) if message is not None else None
    except MALFORMED:
        return None


def knocking(
    context: zmq.Context[zmq.Socket[bytes]],
    keys: TransportKeys,
    lobby_public: bytes,
    *,
    limits: CallLimits | None = None,
) -> Open:
    """How a DEALER to a lobby is opened where no transport runs: with `keys` of our own and the lobby's public key."""
    limits = limits or CallLimits()

    def open_socket(address: str) -> zmq.Socket[bytes]:
        socket = context.socket(zmq.DEALER)
        for option, value in (
            (zmq.CURVE_SERVERKEY, lobby_public),
            (zmq.CURVE_PUBLICKEY, keys.public),
            (zmq.CURVE_SECRETKEY, keys.secret),
            (zmq.MAXMSGSIZE, limits.answer_bytes_max),
            (zmq.HANDSHAKE_IVL, limits.handshake_ms),
            (zmq.IPV6, 1),
            (zmq.LINGER, 0),
        ):
            socket.setsockopt(option, value)
        socket.connect(address)
        return socket

    return open_socket
