"""Asking in a market's lobbies without a running peer: with one key pair, for the time of a command."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import zmq
from msgspec import Struct

from peer.net.locks.keys import TransportKeys, public_of
from peer.net.meet.lobbycall import LobbyCall, knocking
from protocol.invitation import lobby_secret

Ask = Callable[[str, Struct], Awaitable[list[bytes] | None]]
"""Asks in the lobby at an address; the items of the answer, or None when there is none in time."""


@contextmanager
def asking(keys: TransportKeys, market_prefix: bytes) -> Iterator[Ask]:
    """Give the means to ask in the lobbies of the market whose id begins so."""
    context = zmq.Context[zmq.Socket[bytes]]()
    try:
        yield LobbyCall(knocking(context, keys, public_of(lobby_secret(market_prefix))))
    finally:
        context.destroy(linger=0)
