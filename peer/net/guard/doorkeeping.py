"""Who may hear what at our publisher, and who is there: subscriptions in libzmq's manual mode.

In manual mode a subscription is a message that we read, with its connection's descriptor, number and user id, and that
takes effect only if we say so at once. Two things that libzmq does have to be known (4.3.5, tried out):

- When a connection ends, one unsubscription comes for each topic that it had asked for, granted or not, without saying
  whose. So the member's own connections are counted for each topic of one peer, and those of liars as well. A liar is
  cut at once, hence the first ends are taken for its.
- A message from a subscriber that is no subscription shifts libzmq's queue of connections against that of messages:
  the next grant would go to another connection than the message's, and somebody would hear what is for another. So
  after one nothing is granted until everything was read, and whoever asked meanwhile is cut, to come and ask again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import zmq

from peer.net.guard.conduct import PUBLISH, Conduct
from peer.net.guard.rates import Meter, Passage, Rate, Table
from peer.net.guard.visitors import Visitor
from peer.net.locks.keys import Caller
from protocol.topics import TOPIC_LENGTH, peer_topic

_NOBLOCK: Final = int(zmq.NOBLOCK)
_PEER: Final = b"p"
"""The letter of the topics that are one peer's each."""


class Presence(NamedTuple):
    """A peer subscribed to its own topic at our publisher, or (`here` is false) its last connection that had it ended.

    `peer` is whom the connection's key belongs to.
    """

    peer: bytes
    topic: bytes
    here: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorLimits:
    """What subscribers may ask."""

    topics_per_connection_max: int = 256  # a peer with that many skills; a hundred bytes each
    messages: Rate = field(default=Rate(100, 1_024))  # of one member: all its topics, each time that it connects anew
    messages_per_drain_max: int = 128  # a flood of subscriptions must not hold up a turn: two milliseconds
    members_max: int = 2_049  # twice as many as can be connected


@dataclass(slots=True)
class DoorCounts:
    """What subscribers asked and did not get."""

    odd_subscriptions: int = 0
    not_for_them: int = 0
    floods: int = 0
    out_of_step: int = 0


@dataclass(slots=True)
class _Asked:
    """The connections, by number, that asked for one peer's topic and have not ended."""

    owners: set[int] = field(default_factory=set)
    owner: bytes | None = None
    liars: set[int] = field(default_factory=set)

    def end_one(self, is_here: Callable[[int], bool]) -> None:
        """One of them has ended: one that is gone, as far as anybody knows, and a liar before an owner."""
        for numbers in (self.liars, self.owners):
            for number in numbers:
                if not is_here(number):
                    numbers.remove(number)
                    return
        (self.liars or self.owners).pop()


class Doorkeeper:
    """Reads subscriptions from our publisher, and grants those that the warden allows."""

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        conduct: Conduct,
        *,
        identify: Callable[[zmq.Frame], Caller | None],
        may_hear: Callable[[bytes, bytes], bool],
        offend: Callable[[bytes], None],
        limits: DoorLimits,
    ) -> None:
        """`offend` is told who did what no honest peer does."""
        self._socket, self._conduct, self._visitors, self._limits = socket, conduct, conduct.visitors, limits
        self._identify, self._may_hear, self._offend = identify, may_hear, offend
        self._messages: Table[bytes] = Table(
            lambda now_s: Meter(limits.messages, now_s=now_s), entries_max=limits.members_max
        )
        self._asked: dict[bytes, _Asked] = {}
        self._out_of_step = False
        self.counts = DoorCounts()

    @property
    def liars(self) -> frozenset[bytes]:
        """Topics of peers that somebody else has asked for, on a connection that has not ended yet."""
        return frozenset(topic for topic, asked in self._asked.items() if asked.liars)

    def take(self) -> tuple[list[Presence], bool]:
        """Take what came, a bounded number of messages; tells as well whether that was all."""
        found: list[Presence] = []
        with contextlib.suppress(zmq.Again):
            for _ in range(self._limits.messages_per_drain_max):
                self._hear(self._socket.recv(_NOBLOCK, copy=False), found)
            return found, False
        self._out_of_step = False  # whatever libzmq's queues held is read
        return found, True

    def _hear(self, frame: zmq.Frame, found: list[Presence]) -> None:
        message = frame.bytes
        caller, is_subscription, topic = self._identify(frame), message[:1] in (b"\0", b"\1"), message[1:]
        if caller is None:
            if is_subscription:
                self._conduct.look_at_visitors()
                self._end(topic, found)
            return
        self._conduct.look_at_visitors()
        visitor = self._visitors.attribute(caller.descriptor, PUBLISH, caller.number, caller.user)
        if not is_subscription:
            self._out_of_step = True
            self._turn_out(visitor, caller, "odd_subscriptions")
        elif message[0] == 0:
            self._leave(visitor, caller, topic, found)
        elif self._come(visitor, caller, topic):
            self._greet(caller, topic, found)
        elif len(topic) == TOPIC_LENGTH and topic[:1] == _PEER:
            self._asked.setdefault(topic, _Asked()).liars.add(caller.number)

    def _come(self, visitor: Visitor | None, caller: Caller, topic: bytes) -> bool:
        """Grant a subscription to the connection whose message was read last, or not."""
        if visitor is None:
            return False
        if self._out_of_step:
            self.counts.out_of_step += 1
            self._visitors.cut(visitor)
        elif len(topic) > TOPIC_LENGTH:
            self._turn_out(visitor, caller, "odd_subscriptions")
        elif not self._may_hear(caller.user, topic):
            if topic[:1] == _PEER:
                self._turn_out(visitor, caller, "not_for_them")
            else:
                self.counts.not_for_them += 1
        elif visitor.topics >= self._limits.topics_per_connection_max or self._is_too_much(caller):
            self._turn_out(visitor, caller, "floods")
        else:
            visitor.topics += 1
            self._socket.setsockopt(zmq.SUBSCRIBE, topic)
            return True
        return False

    def _greet(self, caller: Caller, topic: bytes, found: list[Presence]) -> None:
        """A topic was granted: its owner is here, if it was not."""
        if topic[:1] != _PEER or len(topic) != TOPIC_LENGTH:
            return
        asked = self._asked.setdefault(topic, _Asked())
        if topic != peer_topic(caller.user):
            asked.liars.add(caller.number)
            return
        if not asked.owners:
            found.append(Presence(caller.user, topic, True))
        asked.owner = caller.user
        asked.owners.add(caller.number)

    def _leave(self, visitor: Visitor | None, caller: Caller, topic: bytes, found: list[Presence]) -> None:
        """A connection that goes on wants a topic no more."""
        if visitor is not None and self._out_of_step:
            self._visitors.cut(visitor)
        elif visitor is not None and self._is_too_much(caller):
            self._turn_out(visitor, caller, "floods")
        elif visitor is not None:
            visitor.topics = max(0, visitor.topics - 1)
            self._socket.setsockopt(zmq.UNSUBSCRIBE, topic)
        asked = self._asked.get(topic)
        if asked is None:
            return
        if caller.number in asked.liars:
            asked.liars.remove(caller.number)
        elif caller.number in asked.owners:
            asked.owners.remove(caller.number)
        elif caller.user == asked.owner:  # another of its connections was taken for the one that had ended
            asked.owners.pop()
        self._tell(topic, asked, found)

    def _end(self, topic: bytes, found: list[Presence]) -> None:
        """A connection that had asked for this topic ended."""
        asked = self._asked.get(topic)
        if asked is not None:
            asked.end_one(self._visitors.is_here)
            self._tell(topic, asked, found)

    def _tell(self, topic: bytes, asked: _Asked, found: list[Presence]) -> None:
        """Say so if the last of its owner's connections has gone."""
        if not asked.owners and asked.owner is not None:
            found.append(Presence(asked.owner, topic, False))
            asked.owner = None
        if not asked.owners and not asked.liars:
            del self._asked[topic]

    def _is_too_much(self, caller: Caller) -> bool:
        """Tell whether its member comes and goes, or changes its mind, more often than anybody has a reason to."""
        return self._messages.pass_through(caller.user, self._conduct.clock(), 1) is not Passage.OPEN

    def _turn_out(self, visitor: Visitor | None, caller: Caller, why: str) -> None:
        """Cut who did what nobody does by mistake; what it has asked for ends with it."""
        setattr(self.counts, why, getattr(self.counts, why) + 1)
        if visitor is not None:
            self._visitors.cut(visitor)
            self._offend(caller.user)
