"""A transport without locks, to measure what they cost: no setting and no command outside the bench leads here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import zmq

from peer import openings
from peer.net.doorkeeping import Caller
from peer.net.locks import LOBBY, Locks, TransportKeys
from peer.net.transport import Transport
from peer.warden import MarketWarden
from protocol.topics import peer_topic

_SRCFD: Final = int(zmq.SRCFD)


@contextmanager
def unlocked(really: bool) -> Iterator[None]:
    """Open the peers of this process without CURVE, for the time of the context."""
    before = openings.make_transport
    openings.make_transport = OpenTransport if really else before
    try:
        yield
    finally:
        openings.make_transport = before


class OpenLocks(Locks):
    """Locks the lobby, where keys are introduced, and nothing else."""

    def serve(self, socket: zmq.Socket[bytes], domain: bytes) -> None:
        if domain == LOBBY:
            super().serve(socket, domain)

    def dial(self, socket: zmq.Socket[bytes], server_key: bytes) -> None:
        if server_key == self.lobby_public:
            super().dial(socket, server_key)


class OpenTransport(Transport):
    """Everything a transport does but for CURVE: whoever subscribes to a peer's topic is taken for that peer."""

    async def prove_locks(self) -> None:
        """There are none."""

    def _make_locks(self, keys: TransportKeys, lobby_secret: bytes) -> Locks:
        return OpenLocks(keys, lobby_secret)

    def _identify(self, frame: zmq.Frame) -> Caller | None:
        """Tell connections apart by their descriptors."""
        try:
            descriptor = int(frame.get(_SRCFD))
        except zmq.ZMQError:
            return None
        return Caller(descriptor, descriptor, self._whose(frame.bytes[1:]) or b"connection %d" % descriptor)

    def _whose(self, topic: bytes) -> bytes | None:
        if not isinstance(self._warden, MarketWarden):
            return None
        return next((peer for peer in self._warden.membership.members if peer_topic(peer) == topic), None)

    def _may_hear(self, peer: bytes, topic: bytes) -> bool:
        return True

    def _is_own(self, peer: bytes, topic: bytes) -> bool:
        return True
