"""Requests at one of our ROUTER sockets, from whom, and no more of them than anybody may send."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import zmq

from peer.net.guard.conduct import FETCH, Conduct
from peer.net.guard.rates import Meter, Passage, Rate, Table
from peer.net.locks.keys import Caller

_NOBLOCK: Final = int(zmq.NOBLOCK)
_PARTS: Final = 2
_PARTS_MAX: Final = 4
"""A message of more parts than this is nobody's mistake: its connection is cut."""


class Letter(NamedTuple):
    """A request: the way back, who asks, and what."""

    sender: bytes
    user: bytes
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterLimits:
    """What one asker may ask, and one sponsor's askers together."""

    requests: Rate = field(
        default=Rate(100, 400)
    )  # a page each time is 50,000 statements/s; each costs a fraction of a millisecond
    sponsor_share: float = 4.0  # of this, for a computer's peers together
    askers_max: int = 2_049  # twice as many as can be connected


@dataclass(slots=True)
class LetterCounts:
    """What came and was dropped."""

    odd_parts: int = 0
    too_many: int = 0
    of_nobody: int = 0


class Letters:
    """Reads one ROUTER socket."""

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        conduct: Conduct,
        *,
        identify: Callable[[zmq.Frame], Caller | None],
        sponsor_of: Callable[[bytes], bytes],
        offend: Callable[[bytes], None],
        limits: LetterLimits,
    ) -> None:
        """`offend` is told who did what no honest peer does."""
        self._socket, self._conduct, self._visitors = socket, conduct, conduct.visitors
        self._identify, self._sponsor_of, self._offend = identify, sponsor_of, offend
        rate, share, entries_max = limits.requests, limits.sponsor_share, limits.askers_max
        of_sponsor = Rate(rate.per_second * share, rate.burst * share)
        self._askers: Table[bytes] = Table(lambda now_s: Meter(rate, now_s=now_s), entries_max=entries_max)
        self._sponsors: Table[bytes] = Table(lambda now_s: Meter(of_sponsor, now_s=now_s), entries_max=entries_max)
        self.counts = LetterCounts()

    def take(self) -> Letter | None:
        """Take one message: None if it was none that may be answered. Raises zmq.Again if none is left."""
        parts = [self._socket.recv(_NOBLOCK, copy=False)]
        number = 1
        while parts[-1].more:  # libzmq has the whole message; no more of it than this is copied
            parts = [parts[0], self._socket.recv(_NOBLOCK, copy=False)]
            number += 1
        caller = self._identify(parts[-1])
        if caller is None:
            self.counts.of_nobody += 1
            return None
        self._conduct.look_at_visitors()
        visitor = self._visitors.attribute(caller.descriptor, FETCH, caller.number, caller.user)
        passage = self._passage(caller.user)
        if number != _PARTS:
            self.counts.odd_parts += 1
        elif passage is not Passage.OPEN:
            self.counts.too_many += 1
        if visitor is not None and (number > _PARTS_MAX or passage is Passage.ENOUGH):
            self._visitors.cut(visitor)
            self._offend(caller.user)
        if visitor is None or number != _PARTS or passage is not Passage.OPEN:
            return None
        return Letter(parts[0].bytes, caller.user, parts[1].bytes)

    def _passage(self, user: bytes) -> Passage:
        """Whether one more request of this member goes through; for its sponsor's excess it alone is not blamed."""
        now_s = self._conduct.clock()
        passage = self._askers.pass_through(user, now_s, 1)
        if passage is not Passage.OPEN:
            return passage
        of_sponsor = self._sponsors.pass_through(self._sponsor_of(user), now_s, 1)
        return Passage.OPEN if of_sponsor is Passage.OPEN else Passage.DROPPED
