"""Who is where, and who can hear us: what discovery finds and what connections show, told to the node as events."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from peer.net.meet.discovery import Discovery, Found
from peer.net.transport import Presence, Transport
from protocol.events import Event, Lost, Seen
from protocol.keys import PeerId, short_peer
from protocol.membership import Member, Membership
from protocol.topics import peer_topic

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger


class Contacts:
    """The members that were found, and those that are here: who subscribed to its own topic at ours, under its key."""

    def __init__(
        self,
        transport: Transport,
        discovery: Discovery,
        membership: Membership,
        tell: Callable[[Event], None],
        log: FilteringBoundLogger,
    ) -> None:
        """`tell` takes the events; it is called on the loop only."""
        self._transport, self._discovery, self._membership = transport, discovery, membership
        self._tell, self._log = tell, log
        self._present: set[bytes] = set()

    def start(self, on_charter: Callable[[bytes], None]) -> None:
        """Begin to find the others; `on_charter` takes what they show as a newer charter."""
        self._discovery.start(self._found, self._gone, on_charter)

    def _found(self, found: Found) -> None:
        member = self._membership.member(found.peer_id)
        if member is not None and self._transport.connect(found.peer_id, found.publish, member.transport_key):
            self._log.debug("a peer was found", other=short_peer(found.peer_id), way=str(found.path))
            if found.peer_id in self._present:
                self._discovery.arrived(found.peer_id)

    def _gone(self, gone: bytes) -> None:
        """Nobody knows where a peer is any more; one that still listens to us stays."""
        if gone not in self._present:
            self._transport.disconnect(gone)

    def noticed(self, presence: Presence) -> None:
        """A member subscribed to its own topic at our publisher, or left: it can hear us, or cannot."""
        who = PeerId(presence.peer)
        if presence.topic != peer_topic(who):
            return
        if presence.here:
            self._present.add(who)
            self._discovery.arrived(who)
            self._tell(Seen(who))
        else:
            self._lose(who)

    def _lose(self, who: PeerId) -> None:
        if who in self._present:
            self._present.discard(who)
            self._discovery.left(who)
            self._tell(Lost(who))

    def expel(self, member: Member) -> None:
        """A member is out: it is cut off at once, whatever it is doing, and forgotten."""
        self._log.info("a member is out", other=short_peer(member.peer))
        self._transport.expel(member.peer)
        self._transport.disconnect(member.peer)
        self._lose(member.peer)
        self._discovery.strike(member.peer)
