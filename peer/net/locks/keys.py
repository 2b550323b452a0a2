"""The locks on every socket: CURVE with a peer's transport key, or with the lobby's, and who decides about a key.

Every bound socket is a CURVE server in one of two ZAP domains, every connecting one a CURVE client with our transport
key. Nothing here knows a certificate: that a key is a member's is the warden's word.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple, Protocol

import zmq

KEY_BYTES = 32
MARKET = b"market"
"""The ZAP domain of the sockets that only members get at."""
LOBBY = b"lobby"
"""The ZAP domain of the socket that anybody gets at who knows which market it is."""
NUMBER: Final = "Connection"
"""The metadata property with a connection's number: numbers only grow, and are never used twice."""

_SRCFD: Final = int(zmq.SRCFD)


class TransportKeys(NamedTuple):
    """An X25519 key pair, raw. The secret is in no representation of it."""

    public: bytes
    secret: bytes

    def __repr__(self) -> str:
        return f"TransportKeys(public={self.public.hex()})"


class Caller(NamedTuple):
    """Whose message it is, as libzmq says: the connection's descriptor, its number, and its user id."""

    descriptor: int
    number: int
    user: bytes


class Entry(StrEnum):
    """What the warden says about a key."""

    MEMBER = "member"
    """A member's, whose certificate holds now."""
    UNKNOWN = "unknown"
    """Nobody has shown a certificate for it yet: it may come back."""
    OUT = "out"
    """Revoked or expired: it need not come back."""


class Warden(Protocol):
    """Who decides about keys and topics; what it is asked is answered at once, from memory."""

    def judge(self, key: bytes) -> tuple[Entry, bytes]:
        """Whose transport key this is: a member's id comes with it, 32 bytes; with everything else nothing does."""

    def may_hear(self, peer: bytes, topic: bytes) -> bool:
        """Whether this peer may subscribe to this topic: its own, a skill's, governance; with the right, everything."""

    def sponsor_of(self, peer: bytes) -> bytes:
        """Who answers for this peer, by the certificate; for one without a sponsor it is the peer itself."""


class Locks:
    """Puts CURVE on sockets before they bind or connect."""

    def __init__(self, keys: TransportKeys, lobby_secret: bytes) -> None:
        """`lobby_secret` is derived from the market's id: it hides the lobby from strangers, and proves nothing."""
        assert len(keys.public) == len(keys.secret) == len(lobby_secret) == KEY_BYTES
        self._keys = keys
        self._secrets = {MARKET: keys.secret, LOBBY: lobby_secret}
        self.lobby_public = public_of(lobby_secret)

    def serve(self, socket: zmq.Socket[bytes], domain: bytes) -> None:
        """Let in on `socket` only whom the responder lets into `domain`; without a responder that is nobody."""
        socket.setsockopt(zmq.CURVE_SERVER, 1)
        socket.setsockopt(zmq.CURVE_SECRETKEY, self._secrets[domain])
        socket.setsockopt(zmq.ZAP_DOMAIN, domain)
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)

    def dial(self, socket: zmq.Socket[bytes], server_key: bytes) -> None:
        """Have the next `connect` of `socket` talk to the holder of `server_key` only."""
        socket.setsockopt(zmq.CURVE_SERVERKEY, server_key)
        socket.setsockopt(zmq.CURVE_PUBLICKEY, self._keys.public)
        socket.setsockopt(zmq.CURVE_SECRETKEY, self._keys.secret)

    def identify(self, frame: zmq.Frame) -> Caller | None:
        """Whose message this is, by what our responder said of its connection; None for libzmq's own."""
        try:
            number, user = int(frame.get(NUMBER)), bytes.fromhex(str(frame.get("User-Id")))
            return Caller(int(frame.get(_SRCFD)), number, user)
        except (zmq.ZMQError, ValueError):
            return None


def public_of(secret: bytes) -> bytes:
    """The public key of a raw secret one. zmq speaks of both in Z85."""
    from zmq.utils import z85

    return z85.decode(zmq.curve_public(z85.encode(secret)))


def make_keys() -> TransportKeys:
    """A new key pair, that is kept nowhere."""
    from zmq.utils import z85

    public, secret = zmq.curve_keypair()
    return TransportKeys(z85.decode(public), z85.decode(secret))
