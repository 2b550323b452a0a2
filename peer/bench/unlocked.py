"""A transport without locks, to measure what they cost: no setting and no command outside the bench leads here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import zmq

from peer.members import openings
from peer.members.warden import MarketWarden
from peer.net.locks.keys import LOBBY, Caller, Locks, TransportKeys, Warden
from peer.net.transport import Transport
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
    """Locks the lobby, where keys are introduced, and nothing else; tells connections apart by their descriptors."""

    peer_of: Callable[[bytes], bytes | None]
    """Whose topic a topic is."""

    def serve(self, socket: zmq.Socket[bytes], domain: bytes) -> None:
        if domain == LOBBY:
            super().serve(socket, domain)

    def dial(self, socket: zmq.Socket[bytes], server_key: bytes) -> None:
        if server_key == self.lobby_public:
            super().dial(socket, server_key)

    def identify(self, frame: zmq.Frame) -> Caller | None:
        try:
            descriptor = int(frame.get(_SRCFD))
        except zmq.ZMQError:
            return None
        return Caller(descriptor, descriptor, self.peer_of(frame.bytes[1:]) or b"connection %d" % descriptor)


class OpenWarden:
    """Lets everybody hear everything; whoever asks for a peer's topic is taken for that peer."""

    def __init__(self, warden: Warden) -> None:
        self._warden = warden
        self.judge, self.sponsor_of = warden.judge, warden.sponsor_of

    def may_hear(self, peer: bytes, topic: bytes) -> bool:
        return True

    def peer_of(self, topic: bytes) -> bytes | None:
        if not isinstance(self._warden, MarketWarden) or topic[:1] != b"p":
            return None
        members = self._warden.membership.members
        if all(peer_topic(peer) != topic for peer in members):
            self._warden.look()  # no lock has asked whose it is: its file may be in the folder by now
        return next((peer for peer in members if peer_topic(peer) == topic), None)


class OpenTransport(Transport):
    """Everything a transport does but for CURVE."""

    def __init__(self, *, warden: Warden, **others: Any) -> None:
        self._open = OpenWarden(warden)
        super().__init__(warden=self._open, **others)

    async def prove_locks(self) -> None:
        """There are none."""

    def _make_locks(self, keys: TransportKeys, lobby_secret: bytes) -> Locks:
        locks = OpenLocks(keys, lobby_secret)
        locks.peer_of = self._open.peer_of
        return locks
