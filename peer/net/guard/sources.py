"""Whose frames came in at our subscriber, and how much each member and its sponsor may send.

libzmq tells each frame's descriptor, and our monitor which publisher a descriptor belongs to. Numbers of descriptors
are used again, while frames of the former connection may still be queued: until the queue was seen empty, or is full of
newer ones, the frames of such a number are nobody's, and nobody is blamed for them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from peer.net.endpoints import split_address
from peer.net.guard.rates import Meter, Passage, Rate, Table
from peer.net.locks import descriptors
from peer.net.locks.monitor import CONNECTED, DISCONNECTED, Event

NOBODY: Final = b""
"""Whoever cannot be told; all of them together have one member's rates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLimits:
    """What one publisher may send, and one sponsor's publishers together."""

    # The busiest honest member of a market of 320 auctions/s sends a bidder 90 frames/s and 0.38 MB/s, and a governor,
    # who hears everything, 170 frames/s; eleven busy peers of one computer together send it 810. Bundles grow with the
    # load, so frames hardly do, and bytes grow in proportion: 1.3 MB/s at 1000 auctions/s.
    # What a network held back comes at once: no more than a second and a half of it, or a heartbeat would be missed.
    member_frames: Rate = field(default=Rate(1_000, 256))  # each may cost a check: a fifth of a core
    member_bytes: Rate = field(default=Rate(16e6, 64e6))  # at once: sixteen of the largest frames
    everything_share: float = 4.0  # of these, for whoever hears everything: a manager talks to many at once
    sponsor_share: float = 4.0  # of these, for a computer's peers together
    late_ms_max: int = 4_000  # what came while we were held up is not too much; in this time a queue is full
    strikes: Rate = field(default=Rate(0.1, 16))  # frames that only a connection can be blamed for
    queue_frames: int = 4_096  # of one connection, as the socket holds


@dataclass(slots=True)
class Source:
    """A publisher that we hear, or want to."""

    peer: bytes
    address: str
    server_key: bytes
    call_s: float
    """When it is to be called anew, if it is not connected then."""
    descriptor: int | None = None
    metered: int = 0
    """Bytes that had come in when it was last looked at."""


@dataclass(slots=True)
class SourceCounts:
    """Frames that came and were dropped."""

    too_much_of_member: int = 0
    too_much_of_sponsor: int = 0
    nobodys: int = 0


class Sources:
    """The publishers we hear, each with its descriptor and its meters."""

    def __init__(
        self,
        limits: SourceLimits,
        *,
        look: Callable[[], None],
        sponsor_of: Callable[[bytes], bytes],
        price_of: Callable[[bytes, float], float] = lambda peer, now_s: 1.0,
        connections_max: int,
    ) -> None:
        """`look` brings the monitor's events to `hear`; `price_of` tells how many times a member pays."""
        self._limits, self._look, self._sponsor_of, self._price_of = limits, look, sponsor_of, price_of
        entries_max = 2 * connections_max + 1  # those that were heard a moment ago count as well
        self._members: Table[bytes] = Table(lambda now_s: self._meter(now_s, 1.0), entries_max=entries_max)
        self._sponsors: Table[bytes] = Table(
            lambda now_s: self._meter(now_s, limits.sponsor_share), entries_max=entries_max
        )
        self._strikes: Table[bytes] = Table(lambda now_s: Meter(limits.strikes, now_s=now_s), entries_max=entries_max)
        self.hears_everything = False
        """Set when we subscribe to everything: then everybody may send us more."""
        self._by_peer: dict[bytes, Source] = {}
        self._by_descriptor: dict[int, bytes] = {}
        self._used_again: dict[int, int] = {}
        """Descriptors whose queued frames may be a former connection's → how many such frames there can still be."""
        self._former: set[int] = set()
        """Descriptors of connections that ended since the queue was last seen empty."""
        self._loads: Counter[bytes] = Counter()
        self._emptied_s: float | None = None
        """When our subscriber's queue was last seen empty."""
        self.last: list[bytes] = []
        """Whose the frames are that passed last, in order."""
        self.counts = SourceCounts()

    @property
    def share(self) -> float:
        """How many times its rates everybody has: more if we hear of each member what it says to all others."""
        return self._limits.everything_share if self.hears_everything else 1.0

    def add(self, peer: bytes, address: str, server_key: bytes, call_s: float) -> None:
        """Expect `peer` at `address` from now on; it has been called, and is called anew if that comes to nothing."""
        self._by_peer[peer] = Source(peer, address, server_key, call_s)

    def call_later(self, peer: bytes, call_s: float) -> Source | None:
        """Its connection is given up, and made anew then."""
        source = self._by_peer.get(peer)
        if source is not None:
            self._part(source)
            source.call_s = call_s
        return source

    def due(self, now_s: float, pause_s: float, *, is_out: Callable[[bytes], bool]) -> list[Source]:
        """Whoever is to be called now, has not been reached, and is not out; it is called again after a pause."""
        due = [
            source
            for source in self._by_peer.values()
            if source.descriptor is None and source.call_s <= now_s and not is_out(source.peer)
        ]
        for source in due:
            source.call_s = now_s + pause_s
        return due

    def on(self, descriptor: int) -> bytes:
        """Whose the connection is, as far as that is certain."""
        return self._whose([descriptor])[0]

    def remove(self, peer: bytes) -> Source | None:
        """Expect `peer` no more; what it has said and nobody has read is nobody's."""
        source = self._by_peer.pop(peer, None)
        if source is not None:
            self._part(source)
        return source

    def get(self, peer: bytes) -> Source | None:
        """The source that `peer` is."""
        return self._by_peer.get(peer)

    def at(self, address: str) -> list[Source]:
        """Everybody who is said to be at an address: more than one only if somebody lies, or has moved."""
        return [source for source in self._by_peer.values() if source.address == address]

    def __len__(self) -> int:
        return len(self._by_peer)

    def hear(self, event: Event) -> None:
        """Take in what our subscriber's monitor says."""
        descriptor = event.value
        if event.kind == CONNECTED:
            here = self._called(descriptor, event.endpoint)
            if descriptor in self._former:
                self._used_again[descriptor] = self._limits.queue_frames
            self._by_descriptor[descriptor] = here[0].peer if len(here) == 1 else NOBODY
            for source in here:
                source.descriptor, source.metered = descriptor, 0
        elif event.kind == DISCONNECTED:
            self._former.add(descriptor)
            for source in self._by_peer.values():
                if source.descriptor == descriptor:
                    source.descriptor = None

    def emptied(self, now_s: float) -> None:
        """Our subscriber's queue was seen empty: nothing of any former connection is in it, and we are not late."""
        self._emptied_s = now_s
        if self._former or self._used_again:
            used = {source.descriptor for source in self._by_peer.values()}
            for descriptor in self._former - used:
                self._by_descriptor.pop(descriptor, None)
            self._former.clear()
            self._used_again.clear()

    def sift(self, frames: list[bytes], came_on: Sequence[int], now_s: float) -> tuple[list[bytes], list[bytes]]:
        """Drop what is more than its member or sponsor may send; returns the rest, and who has sent too much for long.

        A member's frames of one call pass together or not at all.
        """
        if not frames:
            self.last = []
            return frames, []
        whose = self._whose(came_on)
        loads: dict[bytes, int] = {}
        sizes: dict[bytes, int] = {}
        for peer, frame in zip(whose, frames, strict=True):
            loads[peer] = loads.get(peer, 0) + 1
            sizes[peer] = sizes.get(peer, 0) + len(frame)
        loud: list[bytes] = []
        shut = {peer for peer, load in loads.items() if not self._passes(peer, load, sizes[peer], now_s, loud)}
        if shut:
            frames = [frame for peer, frame in zip(whose, frames, strict=True) if peer not in shut]
            whose = [peer for peer in whose if peer not in shut]
        self.last = whose
        return frames, loud

    def strike(self, index: int, now_s: float) -> bytes | None:
        """Blame whoever sent frame `index` of those that passed last; returns the member if that was once too often."""
        peer = self.last[index] if index < len(self.last) else NOBODY
        if peer == NOBODY or self._strikes.pass_through(peer, now_s, 1) is Passage.OPEN:
            return None
        self._strikes.forget(peer)
        return peer

    def sweep(self, passed_s: float) -> list[bytes]:
        """Whoever has sent more bytes than twice its rate, as the kernel counts: messages that never end as well."""
        rate, loud = self._limits.member_bytes, []
        self._loads.clear()
        for source in self._by_peer.values():
            received = None if source.descriptor is None else descriptors.bytes_received(source.descriptor)
            if received is not None:
                came, source.metered = received - source.metered, received
                if came > self.share * (rate.burst + 2 * rate.per_second * passed_s):
                    loud.append(source.peer)
        return loud

    def _meter(self, now_s: float, share: float) -> Meter:
        share *= self.share
        limits = (self._limits.member_frames, self._limits.member_bytes)
        rates = (Rate(rate.per_second * share, rate.burst * share) for rate in limits)
        return Meter(*rates, now_s=now_s)

    def _late_s(self, now_s: float) -> float:
        """For how long what comes in now may have waited for us."""
        return 0.0 if self._emptied_s is None else min(now_s - self._emptied_s, self._limits.late_ms_max / 1000)

    def _part(self, source: Source) -> None:
        """What it has said and nobody has read is nobody's from now on."""
        if source.descriptor is not None:
            self._by_descriptor.pop(source.descriptor, None)
            self._former.add(source.descriptor)
            source.descriptor = None

    def _called(self, descriptor: int, endpoint: str) -> list[Source]:
        """Who was called at an endpoint; libzmq may write an address another way than we were told it."""
        remote = descriptors.remote_of(descriptor)
        return self.at(endpoint) or (
            [one for one in self._by_peer.values() if split_address(one.address) == remote]
            if remote is not None
            else []
        )

    def _whose(self, came_on: Sequence[int]) -> list[bytes]:
        get = self._by_descriptor.get
        found = [get(descriptor) for descriptor in came_on]
        if None in found:  # a connection that is newer than what its monitor has told us so far
            self._look()
        elif not self._used_again:
            return found  # type: ignore[return-value]
        return [self._of(descriptor) for descriptor in came_on]

    def _of(self, descriptor: int) -> bytes:
        left = self._used_again.get(descriptor)
        if left is None:
            return self._by_descriptor.get(descriptor, NOBODY)
        if left:
            self._used_again[descriptor] = left - 1
        else:
            del self._used_again[descriptor]
        return NOBODY

    def _passes(self, peer: bytes, load: int, size: int, now_s: float, loud: list[bytes]) -> bool:
        price, late_s = self._price_of(peer, now_s), self._late_s(now_s)
        passage = self._members.pass_through(peer, now_s, load * price, size * price, late_s=late_s)
        if peer == NOBODY:
            self.counts.nobodys += load
            return passage is Passage.OPEN
        self._loads[peer] += load
        if passage is not Passage.OPEN:
            self.counts.too_much_of_member += load
            if passage is Passage.ENOUGH:
                loud.append(peer)
            return False
        sponsor = self._sponsor_of(peer)
        passage = self._sponsors.pass_through(sponsor, now_s, load, size, late_s=late_s)
        if passage is Passage.ENOUGH:
            loud.append(
                max((one for one in self._loads if self._sponsor_of(one) == sponsor), key=self._loads.__getitem__)
            )
        if passage is not Passage.OPEN:
            self.counts.too_much_of_sponsor += load
        return passage is Passage.OPEN
