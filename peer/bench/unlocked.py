"""A transport without locks, to measure what they cost: no setting and no command outside the bench leads here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import zmq

from peer.net.doorkeeping import Caller
from peer.net.locks import Entry, Locks, TransportKeys, make_keys
from peer.net.transport import Transport, TransportLimits

_SRCFD: Final = int(zmq.SRCFD)


class OpenWarden:
    """Lets everybody hear everything."""

    def judge(self, key: bytes) -> tuple[Entry, bytes]:
        return Entry.MEMBER, key

    def may_hear(self, peer: bytes, topic: bytes) -> bool:
        return True

    def sponsor_of(self, peer: bytes) -> bytes:
        return peer


class OpenLocks(Locks):
    """Puts nothing on any socket."""

    def serve(self, socket: zmq.Socket[bytes], domain: bytes) -> None: ...

    def dial(self, socket: zmq.Socket[bytes], server_key: bytes) -> None: ...


class OpenTransport(Transport):
    """Everything a transport does but for CURVE; connections are told apart by their descriptors."""

    def __init__(self, *, hosts: Sequence[str] = ("127.0.0.1",), limits: TransportLimits | None = None) -> None:
        super().__init__(
            hosts=hosts, keys=make_keys(), lobby_secret=bytes(31) + b"\1", warden=OpenWarden(), limits=limits
        )

    async def prove_locks(self) -> None:
        """There are none."""

    def _make_locks(self, keys: TransportKeys, lobby_secret: bytes) -> Locks:
        return OpenLocks(keys, lobby_secret)

    def _identify(self, frame: zmq.Frame) -> Caller | None:
        try:
            descriptor = int(frame.get(_SRCFD))
        except zmq.ZMQError:
            return None
        return Caller(descriptor, descriptor, b"connection %d" % descriptor)

    def _is_own(self, peer: bytes, topic: bytes) -> bool:
        return True
