"""The connections that others made to our sockets: who is behind each, and which are too many.

    accepted ──(its first message)──→ attributed to a connection number and a user id ──→ gone
        └──(too many from its host, silent for too long, no descriptors to spare)──→ cut

A visitor is known by its descriptor while it lasts. Descriptors are used again, numbers never: a message with another
number than its descriptor had says that the former visitor has left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from peer.net.locks import descriptors
from peer.net.locks.descriptors import Remote
from peer.net.locks.monitor import ACCEPTED, DISCONNECTED, Event


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitorLimits:
    """What strangers and members may hold open."""

    reserve_descriptors: int = 64  # for the journal, workers' pipes, and whom we ask
    reserve_share_max: float = 0.25  # of a very small limit, which would be all reserve otherwise
    silent_per_host_max: int = 128  # a hundred peers of one computer that start at once shake hands within a second
    expelled_max: int = 4_096  # remembered for as long as a connection may be silent, and much longer
    silent_ms: int = 5_000  # whoever has come in says what it wants in its first millisecond
    per_member_max: int = 8  # an honest member has one of a kind, and for a second two when it connects anew
    passing_per_host_max: int = 32  # in the lobby at once: a computer's peers that start together
    passing_ms: int = 10_000  # a visit to the lobby is a question or two
    bytes_free: int = 1024 * 1024  # handshake, heartbeats, and the burst of a start


@dataclass(slots=True)
class Visitor:
    """One accepted connection."""

    descriptor: int
    door: str
    remote: Remote
    since_s: float
    number: int = 0
    """The number that our ZAP responder gave it, as soon as it is known."""
    user: bytes = b""
    """The member's id, or the client's key in the lobby."""
    topics: int = 0
    """How many topics it has asked for."""
    is_cut: bool = False
    metered: int = 0
    """Bytes that had come in when it was last looked at."""


@dataclass(slots=True)
class VisitorCounts:
    """Who was cut, and why."""

    no_descriptors: int = 0
    too_many_of_host: int = 0
    silent: int = 0
    stayed_too_long: int = 0
    too_many_of_member: int = 0
    too_many_bytes: int = 0


class Visitors:
    """Every accepted connection, by its descriptor; as many as the process has descriptors."""

    def __init__(self, limits: VisitorLimits, clock: Callable[[], float], *, passing: str) -> None:
        """`passing` is the door that nobody stays behind: the lobby's."""
        self._limits, self._clock, self._passing = limits, clock, passing
        self.counts = VisitorCounts()
        self._by_descriptor: dict[int, Visitor] = {}
        self._silent: Counter[str] = Counter()
        self._expelled: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._by_descriptor)

    def hear(self, door: str, event: Event) -> None:
        """Take in what a door's monitor says."""
        descriptor = event.value
        known = self._by_descriptor.get(descriptor)
        if event.kind == DISCONNECTED and known is not None and known.door == door:
            self._forget(known)
        elif event.kind == ACCEPTED:
            remote = descriptors.remote_of(descriptor)
            if remote is not None:  # else it has left already
                self._judge(self._enter(descriptor, door, remote))

    def attribute(self, descriptor: int, door: str, number: int, user: bytes) -> Visitor | None:
        """Say whose message came in on `descriptor`; None if that connection is cut, or one too many of its user."""
        visitor = self._by_descriptor.get(descriptor)
        if visitor is not None and visitor.number > number:
            return None  # what a connection said that has left since
        if visitor is None or visitor.door != door:
            remote = descriptors.remote_of(descriptor)
            if remote is None:
                return None
            visitor = self._enter(descriptor, door, remote)
        if visitor.number != number or not visitor.user:
            self._name(visitor, number, user)
        return None if visitor.is_cut else visitor

    def cut(self, visitor: Visitor) -> None:
        """Hang up on a visitor; libzmq says so in a moment, and until then nothing it says counts."""
        visitor.is_cut = True
        descriptors.cut(visitor.descriptor, visitor.remote)

    def expel(self, user: bytes, number: int) -> None:
        """Cut every connection of this user up to this number, also those that have not said yet whose they are."""
        self._expelled.pop(user, None)
        self._expelled[user] = number
        if len(self._expelled) > self._limits.expelled_max:
            del self._expelled[next(iter(self._expelled))]
        for visitor in self.of(user):
            self.cut(visitor)

    def of(self, user: bytes) -> list[Visitor]:
        """The connections that are known to be this user's."""
        return [visitor for visitor in self._by_descriptor.values() if visitor.user == user]

    def is_here(self, number: int) -> bool:
        """Tell whether the connection with this number still goes on, as far as is known."""
        return any(visitor.number == number and not visitor.is_cut for visitor in self._by_descriptor.values())

    def sweep(self, bytes_per_second: float, passed_s: float) -> list[Visitor]:
        """Cut who stays silent or too long, and who sends faster than anything it may say; returns the last.

        What a remote sends in a message that never ends is seen by nobody else: libzmq keeps its parts until the last.
        """
        loud: list[Visitor] = []
        for visitor in list(self._by_descriptor.values()):
            if visitor.is_cut or self._has_stayed(visitor):
                self.cut(visitor)
            elif (received := descriptors.bytes_received(visitor.descriptor)) is not None:
                came, visitor.metered = received - visitor.metered, received
                if received > self._limits.bytes_free and came > bytes_per_second * passed_s:
                    self.counts.too_many_bytes += 1
                    self.cut(visitor)
                    loud.append(visitor)
        return loud

    def _has_stayed(self, visitor: Visitor) -> bool:
        stayed_ms = (self._clock() - visitor.since_s) * 1000
        if not visitor.user and stayed_ms > self._limits.silent_ms:
            self.counts.silent += 1
        elif visitor.door == self._passing and stayed_ms > self._limits.passing_ms:
            self.counts.stayed_too_long += 1
        else:
            return False
        return True

    def _enter(self, descriptor: int, door: str, remote: Remote) -> Visitor:
        if (former := self._by_descriptor.get(descriptor)) is not None:
            self._forget(former)
        visitor = self._by_descriptor[descriptor] = Visitor(descriptor, door, remote, self._clock())
        self._silent[remote.host] += 1
        return visitor

    def _judge(self, visitor: Visitor) -> None:
        """Numbers are given from the lowest that is free: a high one says how many are left."""
        limit = descriptors.limit()
        reserve = min(self._limits.reserve_descriptors, int(limit * self._limits.reserve_share_max))
        if visitor.descriptor >= limit - reserve:
            self.counts.no_descriptors += 1
        elif self._silent[visitor.remote.host] > self._limits.silent_per_host_max or (
            visitor.door == self._passing
            and self._passing_from(visitor.remote.host) > self._limits.passing_per_host_max
        ):
            self.counts.too_many_of_host += 1
        else:
            return
        self.cut(visitor)

    def _passing_from(self, host: str) -> int:
        here = self._by_descriptor.values()
        return sum(1 for visitor in here if visitor.door == self._passing and visitor.remote.host == host)

    def _name(self, visitor: Visitor, number: int, user: bytes) -> None:
        if not visitor.user:
            self._speak(visitor)
        visitor.number, visitor.user, visitor.topics = number, user, 0
        if number <= self._expelled.get(user, -1):
            self.cut(visitor)
        of_user = sum(1 for other in self._by_descriptor.values() if other.user == user and other.door == visitor.door)
        if of_user > self._limits.per_member_max:
            self.counts.too_many_of_member += 1
            self.cut(visitor)

    def _speak(self, visitor: Visitor) -> None:
        self._silent[visitor.remote.host] -= 1
        if not self._silent[visitor.remote.host]:
            del self._silent[visitor.remote.host]

    def _forget(self, visitor: Visitor) -> None:
        if not visitor.user:
            self._speak(visitor)
        del self._by_descriptor[visitor.descriptor]
