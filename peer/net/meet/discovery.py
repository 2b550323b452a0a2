"""Finding the other peers of a market: this computer's folder, mDNS, seeds, memory and exchange; any one is enough.

All but the folder only name places to knock. A peer is found when it has answered there under its own signature, or its
file is in the folder, and its certificate holds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec

from peer.net.endpoints import address, on_loopback
from peer.net.meet.addressbook import AddressBook, Found, Gone
from peer.net.meet.attempts import Attempt, Attempts, Outcome
from peer.net.meet.greeter import Call, Greeter, GreeterLimits, Met
from peer.net.meet.introductions import Hello, Introduction, Neighbour
from peer.net.meet.lobby import Lobby
from peer.net.meet.mdns import Mdns, MdnsLimits
from peer.net.meet.places import Place, Way
from peer.net.meet.reception import Reception
from peer.net.meet.records import Record
from peer.net.meet.remembered import Remembered
from peer.net.meet.rendezvous import Rendezvous, RendezvousLimits
from protocol.invitation import place_mark
from protocol.keys import Sealer
from protocol.membership import Membership

__all__ = ["Discovery", "DiscoveryLimits", "Found", "Way"]

ASKED_AROUND = 2
"""Peers of this computer that are asked whom else they know: all of them know each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveryLimits:
    """The limits of each path."""

    folder: RendezvousLimits = field(default_factory=RendezvousLimits)
    mdns: MdnsLimits = field(default_factory=MdnsLimits)
    greeter: GreeterLimits = field(default_factory=GreeterLimits)


class Discovery:
    """One peer's search for the others, and its own being found.

    `on_found` is called with each member, and again whenever another address has to be used for it; `on_gone` when it
    is in the book no more; `on_charter` with a charter that is newer, as evidence. Whoever learns by connections that a
    peer is here, or left, says so (`arrived`, `left`), and calls `tick` once a second.
    """

    def __init__(
        self,
        *,
        me: Introduction,
        transport_key: bytes,
        market_tag: bytes,
        membership: Membership,
        sealer: Sealer,
        lobby: Lobby,
        call: Call,
        runtime_home: Path | None = None,
        known: Path | None = None,
        mdns: bool = False,
        seeds: Sequence[str] = (),
        wall_clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        software: str = "",
        limits: DiscoveryLimits | None = None,
    ) -> None:
        """`transport_key` is our public one; `market_tag` has 8 bytes; `software` is the version that others are told.

        Without `runtime_home` the folder is not used, and without `known` nothing is remembered. Raises BadConfig on a
        bad seed.
        """
        limits = limits or DiscoveryLimits()
        self._me, self._membership = me, membership
        self._book = AddressBook()
        self._unproven: dict[bytes, Introduction] = {}
        self._asked_around: set[bytes] = set()
        self._on_found: Callable[[Found], None] = lambda found: None
        self._on_gone: Callable[[bytes], None] = lambda peer_id: None
        self._on_charter: Callable[[bytes], None] = lambda evidence: None
        self._remembered = Remembered(known) if known is not None else None
        self._greeter = Greeter(
            call, market_tag=market_tag, me=self.introduction, transport_key=transport_key, membership=membership,
            sealer=sealer, is_met=self._is_met, on_met=self._met, on_charter=lambda said: self._on_charter(said),
            wall_clock=wall_clock, seeds=seeds, limits=limits.greeter,
        )  # fmt: skip
        reception = Reception(
            market_tag=market_tag, me=self.introduction, membership=membership, sealer=sealer,
            neighbours=self._neighbours, on_caller=self._called, wall_clock=wall_clock, software=software,
        )  # fmt: skip
        lobby.on(Hello, reception.answer)
        self._folder = self._mdns = None
        if runtime_home is not None:
            place = runtime_home / market_tag.hex()
            self._folder = Rendezvous(place, me, on_found=self._filed, on_gone=self._file_gone, limits=limits.folder)
        if mdns:
            self._mdns = Mdns(
                market_tag, Record(me.peer_id, me.hosts, me.lobby), mark=partial(place_mark, membership.market),
                on_found=self._announced, on_gone=self._announced_no_more, limits=limits.mdns,
            )  # fmt: skip

    def introduction(self) -> Introduction:
        """What we say of ourselves now."""
        return self._me

    def start(
        self,
        on_found: Callable[[Found], None],
        on_gone: Callable[[bytes], None],
        on_charter: Callable[[bytes], None] = lambda evidence: None,
    ) -> None:
        """Search from now on, in the running loop. Raises BadConfig if the runtime folder is open to others."""
        self._on_found, self._on_gone, self._on_charter = on_found, on_gone, on_charter
        loop = asyncio.get_running_loop()
        if self._folder is not None:
            self._folder.start(loop)
            self._folder.look()
        if self._mdns is not None:
            self._mdns.start(loop)
        if self._remembered is not None:
            for lobby in self._remembered.load():
                self._greeter.hint(lobby.peer_id, lobby.hosts, lobby.lobby, Way.REMEMBERED)
        self._greeter.start()

    async def close(self) -> None:
        """Say goodbye on every path, and search no more; takes at most a few seconds."""
        self._on_found, self._on_gone = lambda found: None, lambda peer_id: None
        if self._folder is not None:
            self._folder.close()
        await self._greeter.close()
        if self._mdns is not None:
            await self._mdns.close()
        if self._remembered is not None:
            self._remembered.write(_now_ms(), at_once=True)

    def renew(self, certificate: bytes) -> None:
        """Introduce ourselves with another certificate from now on, and to everybody who is met already."""
        self._me = msgspec.structs.replace(self._me, certificate=certificate)
        for found in self._book.current(_now_ms()):
            self._greeter.expect(found.peer_id, found.endpoints.hosts, found.endpoints.lobby)
        if self._folder is not None:
            self._folder.renew(self._me)

    # What connections tell

    def arrived(self, peer_id: bytes) -> None:
        """A member has connected to us."""
        self._book.arrive(peer_id, _now_ms())

    def left(self, peer_id: bytes) -> None:
        """A member is connected to us no more: it is looked for."""
        self._book.leave(peer_id)
        self._greeter.look_for(peer_id)

    def strike(self, peer_id: bytes) -> None:
        """A member is out: forget where it was."""
        if self._remembered is not None:
            self._remembered.forget(peer_id)
        self._greeter.forget(peer_id)
        self._tell(self._book.forget(peer_id))

    def look_now(self) -> None:
        """Somebody is at the door whom nobody knows: perhaps its file is in the folder already."""
        if self._folder is not None:
            self._folder.look()

    def tick(self) -> None:
        """Do what only time brings: once a second."""
        now_ms = _now_ms()
        for gone in self._book.overdue(now_ms):
            self._tell(gone)
        waiting, self._unproven = self._unproven, {}
        for introduction in waiting.values():
            self._filed(introduction)
        if self._remembered is not None:
            self._remembered.write(now_ms)

    # What people ask

    @property
    def known(self) -> list[Found]:
        """Every member found and not known to be away, with the address in use."""
        return self._book.current(_now_ms())

    @property
    def places(self) -> Iterator[Place]:
        """Every place to knock, and what came of it."""
        return iter(self._greeter.places)

    @property
    def attempts(self) -> Attempts:
        """What knocking, and looking into the folder, came to lately."""
        return self._greeter.attempts

    async def ask(self, where: str, way: Way, said: bytes | None) -> Attempt:
        """Say hello at an address now, whoever is met already, and give what came of it."""
        attempt, _ = await self._greeter.ask(where, way, said)
        return attempt

    def find(self, peer_id: bytes) -> Found | None:
        """Where a member is, as far as it was found."""
        return self._book.find(peer_id)

    @property
    def mdns_failure(self) -> str | None:
        """Why mDNS does not work here, or None."""
        return self._mdns.failure if self._mdns is not None else None

    @property
    def ignored(self) -> int:
        """How many hints were malformed, or too many to keep."""
        ignored = self._book.dropped + self._greeter.places.dropped
        ignored += self._folder.malformed if self._folder is not None else 0
        return ignored + (self._mdns.ignored if self._mdns is not None else 0)

    # What the paths say

    def _is_met(self, peer_id: bytes) -> bool:
        return self._book.is_met(peer_id, _now_ms())

    def _met(self, met: Met) -> None:
        me = met.introduction
        if self._remembered is not None:
            self._remembered.note(me.peer_id, me.hosts, me.lobby, int(time.time() * 1000))
        self._tell(self._book.meet(Found(me.peer_id, me.endpoints, met.host, met.way), _now_ms()))

    def _called(self, caller: Introduction) -> None:
        """A member said hello. If we have it where it says that it is, there is nothing to do."""
        found = self._book.find(caller.peer_id)
        if found is None or found.endpoints != caller.endpoints or not self._is_met(caller.peer_id):
            self._greeter.expect(caller.peer_id, caller.hosts, caller.lobby)

    def _neighbours(self) -> Iterator[Neighbour]:
        for found in self._book.current(_now_ms()):
            yield Neighbour(found.peer_id, found.endpoints.hosts, found.endpoints.lobby)

    def _filed(self, introduction: Introduction) -> None:
        """There is a file in the folder. It counts when its certificate does, which may be later.

        Whoever can write there can read the keys of this user's peers, so its transport key counts as proven: somebody
        on the network may have had it certified for another peer meanwhile.
        """
        peer_id = introduction.peer_id
        member = self._membership.admit(introduction.certificate, proven=True)
        host = min(introduction.hosts, key=lambda host: not on_loopback(host))
        if isinstance(member, str) or member.peer != peer_id:
            why = member if isinstance(member, str) else "it is another peer's"
            where = address(host, introduction.lobby)
            self.attempts.note(Attempt(where, Way.FOLDER, peer_id, Outcome.UNPROVEN, why))
            self._unproven[peer_id] = introduction
            return
        self._tell(self._book.meet(Found(peer_id, introduction.endpoints, host, Way.FOLDER), _now_ms()))
        if len(self._asked_around) < ASKED_AROUND:
            self._asked_around.add(peer_id)
            self._greeter.ask_around(peer_id, introduction.hosts, introduction.lobby)

    def _file_gone(self, peer_id: bytes) -> None:
        self._asked_around.discard(peer_id)
        self._unproven.pop(peer_id, None)
        self._tell(self._book.close_file(peer_id))

    def _announced(self, record: Record) -> None:
        self._greeter.hint(record.peer_id, record.hosts, record.lobby, Way.MDNS)

    def _announced_no_more(self, record: Record) -> None:
        """A goodbye is a hint as well: of somebody who is connected it says nothing."""
        self._greeter.withdraw(record.hosts, record.lobby, Way.MDNS)
        found = self._book.find(record.peer_id)
        if found is not None and found.endpoints.lobby == record.lobby and not self._book.is_here(record.peer_id):
            self._tell(self._book.forget(record.peer_id))

    def _tell(self, change: Found | Gone | None) -> None:
        if isinstance(change, Gone):
            self._on_gone(change.peer_id)
        elif change is not None:
            self._on_found(change)


def _now_ms() -> int:
    return int(asyncio.get_running_loop().time() * 1000)
