"""The self-test of the locks: does a stranger get in? A peer that cannot prove that it does not, does not start.

A key made for the test, and then no key at all, is tried on every socket of the market, over the network, as anybody
could. libzmq would let both in if nobody answered its question.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import zmq

from peer.net.endpoints import is_v6
from peer.net.locks import monitor
from peer.net.locks.keys import TransportKeys, make_keys
from peer.net.locks.monitor import Monitor
from peer.net.locks.zap import Responder
from protocol.errors import BadConfig

PATIENCE_S: Final = 10.0
"""A handshake takes a few milliseconds; on a machine that is busier than this nobody can work."""
_LOOK_S: Final = 0.002
_KINDS: Final = monitor.SUCCEEDED | monitor.REFUSED | monitor.FAILED | monitor.DISCONNECTED
_HANDSHAKE_MS: Final = 1_000
_DO: Final = "Install pyzmq anew (pip install --force-reinstall pyzmq), and report this: nothing was sent or heard."


async def prove(doors: dict[str, int], server_key: bytes, responder: Responder, attend: Callable[[], None]) -> None:
    """Try to get in as a stranger; `doors` has the kind of socket that fits each address.

    `attend` does what the peer's loop does. Raises BadConfig.
    """
    key = make_keys()
    responder.never.add(key.public)
    asked = responder.asked
    try:
        for address, kind in doors.items():
            for keys, who in ((key, "A key that nobody knows"), (None, "A client without a key")):
                if await _gets_in(address, kind, server_key, keys, attend):
                    raise BadConfig(f"{who} got in at {address}.", why="The locks of this peer do not hold.", do=_DO)
    finally:
        responder.never.discard(key.public)
    if responder.asked - asked < len(doors):
        raise BadConfig("libzmq does not ask who may come in.", why="Its ZAP requests went unanswered.", do=_DO)


async def _gets_in(
    address: str, kind: int, server_key: bytes, keys: TransportKeys | None, attend: Callable[[], None]
) -> bool:
    """Shake hands once; tell whether that ended well. Raises BadConfig if it does not end."""
    with _client(address, kind, server_key, keys) as watched:
        async with asyncio.timeout(PATIENCE_S) as patience:
            while not patience.expired():
                attend()
                for event in watched.take():
                    return event.kind == monitor.SUCCEEDED
                await asyncio.sleep(_LOOK_S)
    raise BadConfig("The self-test of the locks did not end.", why="No handshake did.", do="Try again when less runs.")


@contextmanager
def _client(address: str, kind: int, server_key: bytes, keys: TransportKeys | None) -> Iterator[Monitor]:
    """A client in a Context of its own, as a stranger's would be."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(io_threads=1)
    try:
        socket = context.socket(kind)
        for option, number in ((zmq.LINGER, 0), (zmq.HANDSHAKE_IVL, _HANDSHAKE_MS), (zmq.IPV6, is_v6(address))):
            socket.setsockopt(option, number)
        if keys is not None:
            socket.setsockopt(zmq.CURVE_SERVERKEY, server_key)
            socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.public)
            socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret)
        watched = Monitor(context, socket, _KINDS)
        socket.connect(address)
        yield watched
    finally:
        context.destroy(linger=0)
