"""Who is where, and who can hear us: what discovery finds and what subscriptions show, told to the node as events."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from peer.net.discovery import Discovery, Found
from peer.net.transport import Addresses, Presence, Transport
from protocol.events import Event, Lost, Seen
from protocol.keys import PeerId, short_peer
from protocol.topics import peer_topic

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

STRANGERS_MAX: Final = 1_024
"""Topics of peers that were subscribed at our publisher before anybody said whose they are."""


class Contacts:
    """The peers that were found, and those that are here: somebody is here who subscribed to its own topic at ours."""

    def __init__(
        self, transport: Transport, discovery: Discovery, tell: Callable[[Event], None], log: FilteringBoundLogger
    ) -> None:
        """`tell` takes the events; it is called on the loop only."""
        self._transport, self._discovery, self._tell, self._log = transport, discovery, tell, log
        self._addresses: dict[bytes, Addresses] = {}
        self._topics: dict[bytes, PeerId] = {}
        self._present: set[bytes] = set()

    def start(self) -> None:
        """Begin to find the others."""
        self._discovery.start(self._found, self._gone)

    def address_of(self, known: bytes) -> Addresses | None:
        """Where a peer was found."""
        return self._addresses.get(known)

    def _found(self, found: Found) -> None:
        who = PeerId(found.peer_id)
        self._addresses[who] = found.addresses
        topic = peer_topic(who)
        self._topics[topic] = who
        self._transport.connect(who, found.addresses.publish, b"")
        self._log.debug("a peer was found", other=short_peer(who), way=str(found.path))
        if topic in self._present:
            self._tell(Seen(who))

    def _gone(self, gone: bytes) -> None:
        """A goodbye is a hint: a peer that still listens to us stays."""
        if peer_topic(gone) not in self._present:
            self._addresses.pop(gone, None)
            self._transport.disconnect(gone)

    def noticed(self, presence: Presence) -> None:
        """Somebody subscribed to a peer's own topic at our publisher, or left: that peer can hear us, or cannot."""
        topic, here = presence.topic, presence.here
        if topic[:1] != b"p":
            return
        who = self._topics.get(topic)
        if here and len(self._present) < STRANGERS_MAX:
            self._present.add(topic)
            if who is not None:
                self._tell(Seen(who))
                self._discovery.mark_live(who)
        elif not here:
            self._present.discard(topic)
            if who is not None:
                self._tell(Lost(who))
                self._discovery.mark_dead(who)
