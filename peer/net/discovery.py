"""Finding the other peers of a market: this computer's folder, mDNS and seeds, any one of which is enough.

It says where to knock, and never who is behind the door: an address is a hint until its peer has signed something.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from peer.net.addressbook import AddressBook, Found, Gone, Way
from peer.net.fetch import Fetch
from peer.net.mdns import Mdns, MdnsLimits
from peer.net.rendezvous import Rendezvous, RendezvousLimits
from peer.net.requests import Hello, Neighbour, fault_of_neighbour
from peer.net.seeds import SeedLimits, Seeds
from peer.net.transport import Addresses

__all__ = ["Discovery", "DiscoveryLimits", "Found", "Way"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveryLimits:
    """The limits of each path, and of what is told to those who ask."""

    neighbours_max: int = 256  # peers named in one answer: 30 kB
    folder: RendezvousLimits = field(default_factory=RendezvousLimits)
    mdns: MdnsLimits = field(default_factory=MdnsLimits)
    seeds: SeedLimits = field(default_factory=SeedLimits)


class Discovery:
    """One peer's search for the others, and its own being found.

    `on_found` is called with each peer once, and again whenever another address has to be used for it; `on_gone` with a
    peer's id when no path knows it any more. Both are hints: a goodbye can be forged, so a peer that is still heard is
    still there.
    """

    def __init__(
        self,
        *,
        me: bytes,
        market_tag: bytes,
        addresses: Addresses,
        fetch: Fetch,
        runtime_home: Path | None = None,
        mdns: bool = False,
        seeds: Sequence[str] = (),
        limits: DiscoveryLimits | None = None,
    ) -> None:
        """`market_tag` has 8 bytes; without `runtime_home` the folder is not used. Raises BadConfig on a bad seed."""
        self._limits = limits = limits or DiscoveryLimits()
        self._me, self._tag = Neighbour(me, *addresses), market_tag
        self._book = AddressBook()
        self._files: dict[bytes, Found] = {}
        self._on_found: Callable[[Found], None] = lambda found: None
        self._on_gone: Callable[[bytes], None] = lambda peer_id: None
        self._folder = self._mdns = None
        if runtime_home is not None:
            self._folder = Rendezvous(
                runtime_home / market_tag.hex(),
                me,
                addresses,
                on_found=self._file_found,
                on_gone=self._file_gone,
                limits=limits.folder,
            )
        if mdns:
            self._mdns = Mdns(
                market_tag,
                me,
                addresses,
                on_found=lambda peer_id, where: self._hear(Found(peer_id, where, Way.MDNS)),
                on_gone=lambda peer_id, where: self._tell(self._book.forget(Found(peer_id, where, Way.MDNS))),
                limits=limits.mdns,
            )
        self._seeds = Seeds(fetch, market_tag, self._me, seeds, on_found=self._named, limits=limits.seeds)
        fetch.greet(self._answer_hello)

    def start(self, on_found: Callable[[Found], None], on_gone: Callable[[bytes], None]) -> None:
        """Search from now on, in the running loop. Raises BadConfig if the runtime folder is open to others."""
        self._on_found, self._on_gone = on_found, on_gone
        loop = asyncio.get_running_loop()
        if self._folder is not None:
            self._folder.start(loop)
        if self._mdns is not None:
            self._mdns.start(loop)
        self._seeds.start(loop)

    async def close(self) -> None:
        """Say goodbye on every path, and search no more; takes at most a few seconds."""
        self._on_found, self._on_gone = lambda found: None, lambda peer_id: None
        if self._folder is not None:
            self._folder.close()
        await self._seeds.close()
        if self._mdns is not None:
            await self._mdns.close()

    def mark_dead(self, peer_id: bytes) -> None:
        """The address in use for this peer does not answer: if there is another, `on_found` is called with it."""
        self._tell(self._book.mark_dead(peer_id))

    def mark_live(self, peer_id: bytes) -> None:
        """The address in use for this peer answers, after it was marked dead."""
        self._book.mark_live(peer_id)

    @property
    def known(self) -> list[Found]:
        """Every peer found and not marked dead, with the address in use."""
        return self._book.current()

    @property
    def mdns_failure(self) -> str | None:
        """Why mDNS does not work here, or None."""
        return self._mdns.failure if self._mdns is not None else None

    @property
    def ignored(self) -> int:
        """How many hints were malformed, or too many to keep."""
        ignored = self._book.dropped
        ignored += self._folder.malformed if self._folder is not None else 0
        return ignored + (self._mdns.ignored if self._mdns is not None else 0)

    def _answer_hello(self, hello: Hello) -> list[Neighbour]:
        if hello.market_tag != self._tag:
            return []
        if hello.me is not None and fault_of_neighbour(hello.me) is None:
            self._named(hello.me.peer_id, hello.me.addresses)
        others = islice(self._book.current(), self._limits.neighbours_max)
        return [self._me, *(Neighbour(found.peer_id, *found.addresses) for found in others)]

    def _named(self, peer_id: bytes, addresses: Addresses) -> None:
        self._hear(Found(peer_id, addresses, Way.SEED))

    def _file_found(self, peer_id: bytes, addresses: Addresses) -> None:
        found = self._files[peer_id] = Found(peer_id, addresses, Way.FOLDER)
        self._hear(found)

    def _file_gone(self, peer_id: bytes) -> None:
        self._tell(self._book.forget(self._files.pop(peer_id)))

    def _hear(self, found: Found) -> None:
        if found.peer_id != self._me.peer_id:
            self._tell(self._book.hear(found))

    def _tell(self, change: Found | Gone | None) -> None:
        if isinstance(change, Gone):
            self._on_gone(change.peer_id)
        elif change is not None:
            self._on_found(change)
