"""Who may connect, and hear what: the membership's word, as the sockets ask for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from peer.net.locks.keys import Entry
from protocol.certificate import Right
from protocol.membership import Membership
from protocol.topics import TOPIC_LENGTH, governance_topic, peer_topic

_SKILL: Final = b"s"
EVERYTHING: Final = b""
"""The topic that is a prefix of all topics."""


class MarketWarden:
    """The warden of one peer's sockets (`peer.net.locks.keys.Warden`)."""

    def __init__(self, membership: Membership, *, look: Callable[[], None] = lambda: None) -> None:
        """`look` is called once for a key that nobody knows, before it is sent away: it may be in a file by now."""
        self.membership = membership
        self._governance = governance_topic(membership.market)
        self.look = look

    def judge(self, key: bytes) -> tuple[Entry, bytes]:
        """Whose transport key this is, and whether it comes in."""
        member = self.membership.by_transport_key(key)
        if member is None:
            if self.membership.refused(key):
                return Entry.OUT, b""
            self.look()
            member = self.membership.by_transport_key(key)
        return (Entry.MEMBER, member.peer) if member is not None else (Entry.UNKNOWN, b"")

    def may_hear(self, peer: bytes, topic: bytes) -> bool:
        """A member hears what is for itself, for bidders of any skill, and for all; the rest takes a right."""
        member = self.membership.member(peer)
        if member is None:
            return False
        if topic == EVERYTHING:
            return Right.GOVERN in member.rights or Right.OBSERVE in member.rights
        is_skill = topic[:1] == _SKILL and len(topic) == TOPIC_LENGTH
        return is_skill or topic in (self._governance, peer_topic(peer))

    def sponsor_of(self, peer: bytes) -> bytes:
        """Who answers for a peer; for one that is no member, itself."""
        member = self.membership.member(peer)
        return member.sponsor if member is not None else peer
