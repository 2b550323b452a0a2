"""The members that were met and where, the address in use of each; a table without any input or output.

Only what a peer has said itself is written here: its signed answer in its lobby, or its file in this computer's own
folder, which nobody else can write to and which comes first. So the latest word of a peer displaces its earlier one,
and nobody else's displaces anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from peer.net.endpoints import Endpoints, address
from peer.net.meet.places import Way

PEERS_MAX: Final = 1_024
"""As many as a transport connects to."""
GRACE_MS: Final = 5_000
"""How long a peer that was met may take to connect to us, until it is looked for again."""
GONE_MS: Final = 60_000
"""How long a peer that left is still tried at its address, until it must be met anew."""


class Found(NamedTuple):
    """A member, its endpoints, the one of its hosts that is used, and how it was found."""

    peer_id: bytes
    endpoints: Endpoints
    host: str
    path: Way

    @property
    def publish(self) -> str:
        return address(self.host, self.endpoints.publish)

    @property
    def fetch(self) -> str:
        return address(self.host, self.endpoints.fetch)

    @property
    def lobby(self) -> str:
        return address(self.host, self.endpoints.lobby)


class Gone(NamedTuple):
    """A peer that is in the book no more."""

    peer_id: bytes


@dataclass(slots=True)
class _Contact:
    since_ms: int
    """When it was last met, or seen to be connected."""
    file: Found | None = None
    answer: Found | None = None
    here: bool = False

    @property
    def used(self) -> Found | None:
        return self.file or self.answer


class AddressBook:
    """Who was met; every change returns what became of the address in use, or None."""

    def __init__(self) -> None:
        self._contacts: dict[bytes, _Contact] = {}
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._contacts)

    def find(self, peer_id: bytes) -> Found | None:
        """Give the address in use of a peer."""
        contact = self._contacts.get(peer_id)
        return contact.used if contact is not None else None

    def current(self, now_ms: int) -> list[Found]:
        """Give the address in use of every peer that is here, or was met just now."""
        return [
            contact.used for contact in self._contacts.values() if contact.used is not None and _is_met(contact, now_ms)
        ]

    def is_met(self, peer_id: bytes, now_ms: int) -> bool:
        """Tell whether a peer is connected, or was met so lately that it may still be about to be."""
        contact = self._contacts.get(peer_id)
        return contact is not None and _is_met(contact, now_ms)

    def is_here(self, peer_id: bytes) -> bool:
        """Tell whether a peer is connected to us."""
        contact = self._contacts.get(peer_id)
        return contact is not None and contact.here

    def meet(self, found: Found, now_ms: int) -> Found | None:
        """A peer has said where it is; returns the address to use if that is another one now."""
        contact = self._contacts.get(found.peer_id)
        if contact is None:
            if len(self._contacts) >= PEERS_MAX:
                self.dropped += 1
                return None
            contact = self._contacts[found.peer_id] = _Contact(now_ms)
        used = contact.used
        contact.since_ms = now_ms
        if found.path is Way.FOLDER:
            contact.file = found
        elif contact.answer is None or contact.answer.endpoints != found.endpoints or not contact.here:
            contact.answer = found  # of the hosts of one that is connected, the one in use stays
        return _changed(contact, used)

    def close_file(self, peer_id: bytes) -> Found | Gone | None:
        """A peer's file is gone, and with it what had been answered at the same endpoints."""
        contact = self._contacts.get(peer_id)
        if contact is None or contact.file is None:
            return None
        used, contact.file = contact.file, None
        if contact.answer is not None and contact.answer.endpoints == used.endpoints:
            contact.answer = None
        return _changed(contact, used) if contact.used is not None else self.forget(peer_id)

    def arrive(self, peer_id: bytes, now_ms: int) -> None:
        """A peer has connected to us."""
        contact = self._contacts.get(peer_id)
        if contact is not None:
            contact.here, contact.since_ms = True, now_ms

    def leave(self, peer_id: bytes) -> None:
        """A peer is connected to us no more: its address is tried for a while, and it is looked for."""
        contact = self._contacts.get(peer_id)
        if contact is not None:
            contact.here = False
            contact.since_ms -= GRACE_MS

    def forget(self, peer_id: bytes) -> Gone | None:
        """Strike a peer out."""
        return Gone(peer_id) if self._contacts.pop(peer_id, None) is not None else None

    def overdue(self, now_ms: int) -> list[Gone]:
        """Strike out who has been away for long, and has no file here."""
        away = [
            peer_id
            for peer_id, contact in self._contacts.items()
            if not contact.here and contact.file is None and now_ms - contact.since_ms > GONE_MS
        ]
        return [gone for peer_id in away if (gone := self.forget(peer_id)) is not None]


def _is_met(contact: _Contact, now_ms: int) -> bool:
    return contact.here or now_ms - contact.since_ms < GRACE_MS


def _changed(contact: _Contact, used: Found | None) -> Found | None:
    now = contact.used
    return now if now is not None and (used is None or now[:3] != used[:3]) else None
