"""The lobby: where a peer answers whoever knows the market's lobby key, member or not, in few words.

    asked:    [request id, [kind, ...]]        answered:    [request id, [item, ...]]

It knows no kind by itself: whoever answers one registers its type. Everybody may ask here, so everything is bounded, a
stranger's requests more than a member's, and one that fails says nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from typing import Annotated, Any, Final, NamedTuple, TypeVar

import msgspec
import zmq
from msgspec import Meta, Struct

from peer.net.guard.rates import Meter, Passage, Rate, Table
from peer.net.requests import MALFORMED
from peer.net.watch import Watch
from peer.telemetry import logger
from protocol.limits import COUNTER_MAX

_NOBLOCK = int(zmq.NOBLOCK)
_PARTS: Final = 2

RequestId = Annotated[int, Meta(ge=1, le=COUNTER_MAX)]
R = TypeVar("R", bound=Struct)
Handler = Callable[[R, bytes], list[bytes]]
"""Takes a request and the asker's transport key (32 bytes, proved by CURVE); gives the items of the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LobbyLimits:
    """Every number of the lobby, and why it is that number."""

    request_bytes_max: int = 4 * 1024  # a hello with eight hosts and a certificate has 2
    answer_bytes_max: int = 480 * 1024  # what is left of a message of 512 KiB
    items_max: int = 512  # neighbours, and a few more
    requests_per_round_max: int = 16  # then the loop turns to the market again
    strangers: Rate = field(default=Rate(50, 100))  # each may cost two verifications: 2 % of a core
    host: Rate = field(default=Rate(20, 80))  # ... and those of one computer no more: others want to come in as well
    hosts_max: int = 1_024  # of which it is known how much their strangers have asked lately
    members: Rate = field(default=Rate(200, 400))  # those whose key is known have their own share
    member: Rate = field(default=Rate(5, 20))  # ... and each of them no more: an honest one asks twice a minute
    members_max: int = 1_024  # of whom it is known how much each has asked lately


@dataclass(slots=True)
class LobbyCounts:
    """What came and was not answered."""

    malformed: int = 0
    too_many: int = 0
    failed: int = 0
    undeliverable: int = 0
    answered: int = 0


class Lobby:
    """The answering side, over the lobby's ROUTER of a transport; close it before the transport."""

    def __init__(
        self,
        router: zmq.Socket[bytes],
        *,
        is_member: Callable[[bytes], bool] = lambda key: False,
        limits: LobbyLimits | None = None,
    ) -> None:
        """`is_member` tells whether a transport key (32 bytes) is that of a member."""
        self._router, self._is_member = router, is_member
        self._limits = limits = limits or LobbyLimits()
        self._handlers: dict[type[Struct], Handler[Any]] = {}
        self._requests: msgspec.msgpack.Decoder[Any] | None = None
        self._members, self._strangers = (Meter(rate, now_s=0.0) for rate in (limits.members, limits.strangers))
        self._hosts = Table[str](lambda now_s: Meter(limits.host, now_s=now_s), entries_max=limits.hosts_max)
        self._each = Table[bytes](lambda now_s: Meter(limits.member, now_s=now_s), entries_max=limits.members_max)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watch: Watch | None = None
        self.counts = LobbyCounts()

    def on(self, kind: type[R], handler: Handler[R]) -> None:
        """Answer requests of this kind (an array-like Struct with a tag) from now on."""
        self._handlers[kind] = handler
        kinds = reduce(or_, self._handlers)
        self._requests = msgspec.msgpack.Decoder(tuple[RequestId, kinds])  # type: ignore[valid-type]

    def listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer from now on."""
        self._loop = loop
        self._watch = Watch(loop, self._router, self._answer_all)

    def close(self) -> None:
        """Answer nobody any more."""
        if self._watch is not None:
            self._watch.pause()

    def _answer_all(self) -> None:
        assert self._watch is not None
        try:
            for _ in range(self._limits.requests_per_round_max):
                self._answer(*_receive(self._router))
        except zmq.Again:
            return
        finally:
            self._watch.look_soon()  # our sends may have taken the signal

    def _answer(self, routing: bytes, caller: Caller | None, message: bytes | None) -> None:
        assert self._loop is not None
        if message is None or caller is None or len(message) > self._limits.request_bytes_max:
            self.counts.malformed += 1
            return
        if not self._may_ask(caller, self._loop.time()):
            self.counts.too_many += 1
            return
        try:
            request_id, request = self._requests.decode(message) if self._requests is not None else (0, None)
        except MALFORMED:
            self.counts.malformed += 1
            return
        if request is not None:
            self._reply(routing, request_id, request, caller.key)

    def _may_ask(self, caller: Caller, now_s: float) -> bool:
        if not self._is_member(caller.key):
            if self._hosts.pass_through(caller.host, now_s, 1) is not Passage.OPEN:
                return False
            return self._strangers.pass_through(now_s, 1) is Passage.OPEN
        if self._each.pass_through(caller.key, now_s, 1) is not Passage.OPEN:
            return False
        return self._members.pass_through(now_s, 1) is Passage.OPEN

    def _reply(self, routing: bytes, request_id: int, request: Struct, key: bytes) -> None:
        try:
            items = self._handlers[type(request)](request, key)
        except Exception as error:  # nobody's request ends the market for others
            self.counts.failed += 1
            logger().error("a request in the lobby failed", kind=type(request).__name__, why=repr(error)[:200])
            return
        answer = msgspec.msgpack.encode((request_id, self._fitting(items)))
        try:
            self._router.send_multipart((routing, answer), _NOBLOCK)
            self.counts.answered += 1
        except zmq.ZMQError:  # the asker has left, or does not read
            self.counts.undeliverable += 1

    def _fitting(self, items: list[bytes]) -> list[bytes]:
        """The first items, as many as one message holds."""
        room = self._limits.answer_bytes_max
        for number, item in enumerate(items[: self._limits.items_max]):
            room -= len(item) + 5
            if room < 0:
                return items[:number]
        return items[: self._limits.items_max]


class Caller(NamedTuple):
    """Who asks: the client's CURVE key, as the lobby's gatekeeper noted it on the connection, and where it is."""

    key: bytes
    host: str


def _receive(router: zmq.Socket[bytes]) -> tuple[bytes, Caller | None, bytes | None]:
    """Take one message: the way back, who asks, and what it says; None for what is not as it should be.

    A message of many parts is read part by part, and none of them is kept.
    """
    part = router.recv(_NOBLOCK, copy=False)
    routing, last, parts = part.bytes, part, 1
    while last.more:
        last = router.recv(_NOBLOCK, copy=False)
        parts += 1
    if parts != _PARTS:
        return routing, None, None
    return routing, _caller_of(last), last.bytes


def _caller_of(frame: zmq.Frame) -> Caller | None:
    try:
        said = frame.get("User-Id")
        key = bytes.fromhex(said if isinstance(said, str) else "")
        return Caller(key, _network_of(str(frame.get("Peer-Address")))) if len(key) == 32 else None
    except (zmq.ZMQError, ValueError):
        return None


def _network_of(host: str) -> str:
    """The address of one computer; of IPv6 the network, for a computer has as many addresses as it likes there."""
    address = ipaddress.ip_address(host)
    return str(ipaddress.ip_network((host.partition("%")[0], 64), strict=False)) if address.version == 6 else host
