"""The ZAP responder: answers libzmq's question, for each handshake, whether this key comes in (RFC 27/ZAP).

It is the only thing that keeps strangers out: libzmq lets every CURVE key in where nobody answers. It answers in the
loop, without a thread, and nothing that is asked or that goes wrong can stop it.

    request   [routing id, "", "1.0", request id, domain, address, identity, "CURVE", client key]
    reply     [routing id, "", "1.0", request id, status, text, user id, metadata]

    status  200  comes in; the user id is the member's id, in the lobby the key itself, in hex
            300  not yet known, or kept out for a while: libzmq's client tries again each second
            400  never: revoked, expired, no such domain or mechanism, no key; libzmq's client gives up
            500  the question is not one, or could not be answered

The reply's metadata number the connections that came in. libzmq shows the user id and the number with every message.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from typing import Final

import zmq

from peer.net.locks.keys import KEY_BYTES, LOBBY, MARKET, NUMBER, Entry, Warden

ENDPOINT: Final = "inproc://zeromq.zap.01"

_NOBLOCK: Final = int(zmq.NOBLOCK)
_VERSION: Final = b"1.0"
_ENVELOPE_PARTS: Final = 2
_REQUEST_PARTS: Final = 7
_REQUEST_ID_MAX: Final = 255
_REQUESTS_PER_CALL: Final = 256
"""Then the loop turns to the market again."""
_TEXTS: Final = {
    b"200": b"Welcome",
    b"300": b"Not yet known",
    b"400": b"Refused",
    b"500": b"Not answered",
}


class Responder:
    """Answers every request that has come in, whenever `answer` is called."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], warden: Warden, *, keeps_out: Callable[[bytes], bool]
    ) -> None:
        """Bind in this Context, before any socket with a ZAP domain. `keeps_out` is asked with a member's id."""
        self.socket = context.socket(zmq.ROUTER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.bind(ENDPOINT)
        self.answers: Counter[str] = Counter()
        """How often each status was given in each domain, as `market 200`."""
        self.never: set[bytes] = set()
        """Keys that were made to be refused: what would be 300 is 400 for them, so that whoever tries need not wait."""
        self._warden, self._keeps_out = warden, keeps_out
        self.asked = 0
        """How many requests came."""
        self.number = 0
        """The number of the connection that came in last."""

    def answer(self) -> None:
        """Answer what has come, a bounded number at a time."""
        for _ in range(_REQUESTS_PER_CALL):
            try:
                parts = self.socket.recv_multipart(_NOBLOCK)
            except zmq.ZMQError:
                return
            with contextlib.suppress(zmq.ZMQError):  # whoever asked has left
                self._reply(parts)

    def _reply(self, parts: list[bytes]) -> None:
        """Decide about one request and send the reply; what has no envelope cannot be replied to."""
        self.asked += 1
        if len(parts) < _ENVELOPE_PARTS or parts[1] != b"":
            self.answers["no envelope"] += 1
            return
        envelope, request = parts[:_ENVELOPE_PARTS], parts[_ENVELOPE_PARTS:]
        request_id = request[1] if len(request) > 1 and len(request[1]) <= _REQUEST_ID_MAX else b""
        domain = request[2] if len(request) > 2 and request[2] in (MARKET, LOBBY) else b"unknown"
        try:
            status, user = self._decide(request)
        except Exception:  # the warden's fault; the next one is answered all the same
            status, user = b"500", ""
        self.answers[f"{domain.decode()} {status.decode()}"] += 1
        metadata = self._numbered() if status == b"200" else b""
        reply = [*envelope, _VERSION, request_id, status, _TEXTS[status], user.encode(), metadata]
        self.socket.send_multipart(reply, _NOBLOCK)

    def _decide(self, request: list[bytes]) -> tuple[bytes, str]:
        """The status of a request, and the user id with 200."""
        if len(request) < _REQUEST_PARTS - 1 or request[0] != _VERSION or len(request[1]) > _REQUEST_ID_MAX:
            return b"500", ""
        domain, mechanism, credentials = request[2], request[5], request[6:]
        if mechanism != b"CURVE" or domain not in (MARKET, LOBBY):
            return b"400", ""
        if len(credentials) != 1 or len(credentials[0]) != KEY_BYTES:
            return b"400", ""
        return self._judge(domain, credentials[0])

    def _judge(self, domain: bytes, key: bytes) -> tuple[bytes, str]:
        """The status of a client's key in a domain that is ours."""
        if domain == LOBBY:
            return b"200", key.hex()
        entry, peer = self._warden.judge(key)
        if entry is Entry.MEMBER and not self._keeps_out(peer):
            return b"200", peer.hex()
        if entry is Entry.OUT or key in self.never:
            return b"400", ""
        return b"300", ""

    def _numbered(self) -> bytes:
        """One ZMTP property with the next number: name length, name, value length in four bytes, value."""
        self.number += 1
        name, value = NUMBER.encode(), b"%d" % self.number
        return bytes([len(name)]) + name + len(value).to_bytes(4, "big") + value
