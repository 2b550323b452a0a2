"""Knocking: says hello at every place that any path names, until a member opens; then the path has done its work.

Whoever opens introduces itself under its own signature, and is believed only with a certificate that holds. It may name
neighbours, which are more places to knock, and a newer charter, which stands or falls by itself.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from peer.net.endpoints import address, on_loopback, split_address
from peer.net.meet.attempts import Attempt, Attempts, Outcome
from peer.net.meet.introductions import (
    Hello,
    Here,
    Introduction,
    Item,
    Neighbour,
    Newer,
    Refused,
    holds,
    open_item,
)
from peer.net.meet.names import addresses_of
from peer.net.meet.places import Place, PlaceLimits, Places, Way
from protocol.errors import BadConfig
from protocol.keys import Sealer
from protocol.membership import Membership

Call = Callable[[str, Hello], Awaitable[list[bytes] | None]]
"""Asks in the lobby at an address (`LobbyCall`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GreeterLimits:
    """Every number of knocking, and why it is that number."""

    knocks_max: int = 16  # under way at once, at places that are known, and as many at others: each has a socket
    look_ms: int = 1_000  # a peer that is lost is looked for in this time, whoever forgot to say so
    pause_ms: int = 10  # between two looks at the table: who names places by the hundred pays for one look
    stagger_ms: int = 250  # until the next host of the same peer is tried too: a live one answers sooner
    hosts_max: int = 8  # hosts of one place that are tried
    places: PlaceLimits = field(default_factory=PlaceLimits)


@dataclass(frozen=True, slots=True)
class Met:
    """A member, where it answered, and how the place was found."""

    introduction: Introduction
    host: str
    way: Way


class Greeter:
    """Says hello until it is answered, and hands on whoever answered."""

    def __init__(
        self,
        call: Call,
        *,
        market_tag: bytes,
        me: Callable[[], Introduction],
        transport_key: bytes,
        membership: Membership,
        sealer: Sealer,
        is_met: Callable[[bytes], bool],
        on_met: Callable[[Met], None],
        on_charter: Callable[[bytes], None],
        wall_clock: Callable[[], int],
        seeds: Iterable[str] = (),
        limits: GreeterLimits | None = None,
    ) -> None:
        """`seeds` are `host:port` of lobbies, as names or addresses; `transport_key` is our public one.

        `is_met` tells whether a peer is connected, and need not be looked for; `on_charter` takes a charter as
        evidence, before the certificate of who sent it is looked at; `wall_clock` gives ms. Raises BadConfig for a seed
        that is none.
        """
        self._call, self._tag, self._me, self._key = call, market_tag, me, transport_key
        self._membership, self._sealer = membership, sealer
        self._is_met, self._on_met, self._on_charter = is_met, on_met, on_charter
        self._limits = limits or GreeterLimits()
        self._seeds = [checked_seed(seed) for seed in seeds]
        self._wall_clock = wall_clock
        self.places = Places(self._limits.places)
        self.attempts = Attempts()
        self._knocks: dict[bool, dict[asyncio.Task[None], Place]] = {True: {}, False: {}}
        """Those under way, at places that are known and at others: a flood of these must not hold up those."""
        self._running: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    def start(self) -> None:
        """Begin to knock, in the running loop."""
        for seed in self._seeds:
            self.places.hint((seed,), Way.SEED, None, _now_ms())
        self._running = asyncio.get_running_loop().create_task(self._run(), name="greeter")

    async def close(self) -> None:
        """Knock nowhere any more."""
        running, self._running = self._running, None
        tasks = [*self._knocks[True], *self._knocks[False], *([running] if running is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def hint(self, peer_id: bytes, hosts: Sequence[str], lobby: int, way: Way) -> None:
        """Somebody says that this peer's lobby is there; nothing happens while that peer is met."""
        addresses = self._addresses(hosts, lobby)
        if addresses and peer_id != self._me().peer_id:
            self.places.hint(addresses, way, peer_id, _now_ms())
            self._changed.set()

    def expect(self, peer_id: bytes, hosts: Sequence[str], lobby: int) -> None:
        """A member has said itself that its lobby is there: knock at once."""
        addresses = self._addresses(hosts, lobby)
        if addresses:
            self.places.expect(addresses, peer_id, _now_ms())
            for knock, place in self._knocks[True].items():
                if place not in self.places:  # it is not there any more, by its own word
                    knock.cancel()
            self._changed.set()

    def ask_around(self, peer_id: bytes, hosts: Sequence[str], lobby: int) -> None:
        """A peer of this computer was met without a hello: it may know others, elsewhere."""
        addresses = self._addresses(hosts, lobby)
        if addresses:
            self.places.ask_around(addresses, peer_id, _now_ms())
            self._changed.set()

    def forget(self, peer_id: bytes) -> None:
        """A member is out: look for it no more."""
        self.places.strike(peer_id)

    def withdraw(self, hosts: Sequence[str], lobby: int, way: Way) -> None:
        """Whoever said so takes it back."""
        self.places.withdraw(self._addresses(hosts, lobby), way)

    def look_for(self, peer_id: bytes) -> None:
        """A peer is not here any more: knock where it was."""
        self.places.wake(peer_id, _now_ms())
        self._changed.set()

    def _addresses(self, hosts: Sequence[str], lobby: int) -> tuple[str, ...]:
        """The addresses of a lobby that may be ours to dial: its loopback is ours only if we listen there too."""
        ours = {on_loopback(host) for host in self._me().hosts}
        usable = [host for host in hosts if on_loopback(host) in ours][: self._limits.hosts_max]
        return tuple(address(host, lobby) for host in usable)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._limits.pause_ms / 1000)
            self._changed.clear()
            for place in self.places.due(_now_ms(), self._is_met):
                knocks = self._knocks[place.is_known]
                if len(knocks) < self._limits.knocks_max:
                    place.knocking = True
                    knock = asyncio.get_running_loop().create_task(self._knock(place), name="knock")
                    knocks[knock] = place
                    knock.add_done_callback(partial(self._knocked, knocks))
            await self._wait()

    def _knocked(self, knocks: dict[asyncio.Task[None], Place], knock: asyncio.Task[None]) -> None:
        del knocks[knock]
        self._changed.set()

    async def _wait(self) -> None:
        """Wait until a place is due, or something has changed; who is met is asked anew now and then."""
        due_ms = self.places.next_due_ms(self._is_met)
        pause_ms = self._limits.look_ms if due_ms is None else min(self._limits.look_ms, due_ms - _now_ms())
        pause_s = max(0, pause_ms) / 1000
        try:
            async with asyncio.timeout(pause_s):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _knock(self, place: Place) -> None:
        try:
            addresses = await addresses_of(place.addresses[0]) if place.way is Way.SEED else place.addresses
            why = "the name is not known" if not addresses else await self._first_to_open(place, addresses)
        except Exception as error:  # of the system, such as too many files: another time it may go
            why = f"{type(error).__name__}: {error}"
        if why:
            self.places.in_vain(place, why, _now_ms())

    async def _first_to_open(self, place: Place, addresses: Sequence[str]) -> str:
        """Say hello at one host after the other until one opens; why none did, or nothing."""
        whys: list[str] = []
        calls: set[asyncio.Task[str]] = set()
        try:
            for number, where in enumerate(addresses[: self._limits.hosts_max], start=1):
                calls.add(asyncio.get_running_loop().create_task(self._hello(place, where)))
                pause_s = self._limits.stagger_ms / 1000 if number < len(addresses) else None
                while calls:
                    done, calls = await asyncio.wait(calls, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)
                    whys += [call.result() for call in done]
                    if "" in whys:
                        return ""
                    if not done:
                        break
            return whys[-1]
        finally:
            for call in calls:
                call.cancel()

    async def _hello(self, place: Place, where: str) -> str:
        """Say hello at one address; why that was in vain, or nothing."""
        attempt, opened = await self.ask(where, place.way, place.said)
        here = opened[0] if opened else None
        if attempt.outcome is not Outcome.ANSWERED or not isinstance(here, Here):
            return attempt.phrase
        self.places.opened(place, here.me.peer_id, _now_ms())
        self._on_met(Met(here.me, _host_of(where), place.way))
        for item in opened:
            if isinstance(item, Neighbour):
                self.hint(item.peer_id, item.hosts, item.lobby, Way.EXCHANGE)
        return ""

    async def ask(self, where: str, way: Way, said: bytes | None) -> tuple[Attempt, list[Item | None]]:
        """Say hello at one address, whoever is met already; what came of it, and the answer, whether it holds or not.

        A newer charter that is shown is taken in any case: it stands alone, and certificates may hold by it.
        """
        began_s = asyncio.get_running_loop().time()
        hello = Hello(self._tag, os.urandom(16), self._membership.charter.body.version, self._me())
        items = await self._call(where, hello)
        took_ms = int(1000 * (asyncio.get_running_loop().time() - began_s))
        opened = [open_item(item) for item in items or ()]
        for item in opened:
            if isinstance(item, Newer):
                self._on_charter(item.evidence)
        attempt = Attempt(where, way, said, Outcome.SILENT, took_ms=took_ms)
        if items is not None:
            attempt = self._judge(attempt, opened[0] if opened else None, hello)
        self.attempts.note(attempt)
        return attempt, opened

    def _judge(self, attempt: Attempt, item: Item | None, hello: Hello) -> Attempt:
        """Hold an answer against its signature and its certificate."""
        if isinstance(item, Refused):
            apart_ms = item.wall_ms - self._wall_clock()
            return attempt._replace(outcome=Outcome.REFUSED, why=item.why, apart_ms=apart_ms)
        if not isinstance(item, Here):
            return attempt._replace(outcome=Outcome.ODD)
        if item.me.peer_id == self._me().peer_id:
            return attempt._replace(outcome=Outcome.OURSELVES)
        if not holds(item, hello, self._key, self._sealer):
            return attempt._replace(outcome=Outcome.FORGED)
        told = attempt._replace(
            who=item.me.peer_id, apart_ms=item.wall_ms - self._wall_clock(), charter_version=item.charter_version,
            software=item.software,
        )  # fmt: skip
        member = self._membership.admit(item.me.certificate)
        if isinstance(member, str):
            return told._replace(outcome=Outcome.UNPROVEN, why=member)
        if member.peer != item.me.peer_id:
            return told._replace(outcome=Outcome.UNPROVEN, why="it is another peer's")
        return told._replace(outcome=Outcome.ANSWERED)


def _host_of(where: str) -> str:
    split = split_address(where)
    assert split is not None, "it was dialled"
    return split[0]


def checked_seed(seed: str) -> str:
    """Give a seed back if it is one. Raises BadConfig."""
    host, _, port = seed.rpartition(":")
    if host and len(seed) <= 260 and port.isascii() and port.isdigit() and 0 < int(port) < 65_536:
        return seed
    raise BadConfig(
        f"{seed[:80]!r} is no seed.",
        why="A seed is host:port, where the port is that of the seed's lobby.",
        do="Take the address that `vendue peers` shows on the seed's computer.",
    )


def _now_ms() -> int:
    return int(asyncio.get_running_loop().time() * 1000)
