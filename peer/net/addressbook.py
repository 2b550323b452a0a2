"""Which address to use for which peer, out of all the hints; a table without any input or output.

The rule is: keep the first. A hint that anybody on the network could have made never displaces an address in use; it
waits until that address is marked dead. Only this computer's own folder, which nobody else can write to, displaces.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from peer.net.transport import Addresses


class Way(StrEnum):
    """How a peer was found."""

    FOLDER = "folder"
    """Its file in the runtime folder of this computer."""
    MDNS = "mdns"
    """Its record on the local network."""
    SEED = "seed"
    """Somebody's answer to a hello, or its own hello."""


class Found(NamedTuple):
    """A peer, where to knock, and who says so."""

    peer_id: bytes
    addresses: Addresses
    path: str


class Gone(NamedTuple):
    """A peer that no path knows any more."""

    peer_id: bytes


@dataclass(slots=True)
class _Hint:
    found: Found
    dead: bool = False


class AddressBook:
    """The hints about each peer, the one in use first; every change returns what became of that, or None."""

    PEERS_MAX = 1_024
    """As many as a transport connects to."""
    HINTS_MAX = 4
    """Addresses remembered for one peer: a real one, and some lies or leftovers."""

    def __init__(self) -> None:
        self._hints: dict[bytes, list[_Hint]] = {}
        self.dropped = 0

    def current(self) -> list[Found]:
        """Give the address in use of every peer whose address is not known to be dead."""
        return [hints[0].found for hints in self._hints.values() if not hints[0].dead]

    def hear(self, found: Found) -> Found | None:
        """Take a hint; returns it, or a waiting one, if it is now the address to use."""
        hints = self._hints.get(found.peer_id)
        if hints is None:
            if len(self._hints) >= self.PEERS_MAX:
                self.dropped += 1
                return None
            self._hints[found.peer_id] = [_Hint(found)]
            return found
        used = hints[0].found.addresses
        if found.path == Way.FOLDER:
            hints[:] = [_Hint(found), *(hint for hint in hints if hint.found.path != Way.FOLDER)][: self.HINTS_MAX]
        elif all(hint.found != found for hint in hints):
            self._append(hints, found)
        return _choose(hints, used)

    def forget(self, found: Found) -> Found | Gone | None:
        """Take a hint back; the end of a file in the folder ends its addresses, whoever else had named them."""
        hints = self._hints.get(found.peer_id)
        if hints is None:
            return None
        used = hints[0].found.addresses
        by_folder = found.path == Way.FOLDER
        hints[:] = [
            hint
            for hint in hints
            if hint.found != found and not (by_folder and hint.found.addresses == found.addresses)
        ]
        if hints:
            return _choose(hints, used)
        del self._hints[found.peer_id]
        return Gone(found.peer_id)

    def mark_dead(self, peer_id: bytes) -> Found | None:
        """The address in use does not answer: returns another one that may, if there is one."""
        hints = self._hints.get(peer_id)
        if hints is None:
            return None
        hints[0].dead = True
        return _choose(hints, hints[0].found.addresses)

    def mark_live(self, peer_id: bytes) -> None:
        """The address in use answers: no hint may displace it."""
        hints = self._hints.get(peer_id)
        if hints is not None:
            hints[0].dead = False

    def _append(self, hints: list[_Hint], found: Found) -> None:
        if len(hints) >= self.HINTS_MAX:
            stale = next((hint for hint in hints[1:] if hint.dead), None)
            if stale is None:
                self.dropped += 1
                return
            hints.remove(stale)
        hints.append(_Hint(found))


def _choose(hints: list[_Hint], used: Addresses) -> Found | None:
    """Move the first hint that is not dead to the front; returns it if its address is not the one `used` so far."""
    hints.sort(key=lambda hint: hint.dead)
    return hints[0].found if hints[0].found.addresses != used else None
