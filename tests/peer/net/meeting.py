"""One peer as far as it meets others: sockets, lobby, discovery and contacts, in a market that is open to everybody."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from peer.contacts import Contacts
from peer.home import MarketHome
from peer.members.constitution import Constitution
from peer.members.hostmember import wall_clock_ms
from peer.members.warden import MarketWarden
from peer.net.endpoints import address
from peer.net.locks.keys import TransportKeys
from peer.net.meet.discovery import Discovery, DiscoveryLimits
from peer.net.meet.greeter import GreeterLimits
from peer.net.meet.introductions import introduce
from peer.net.meet.lobby import Lobby
from peer.net.meet.lobbycall import CallLimits, LobbyCall
from peer.net.meet.mdns import MdnsLimits
from peer.net.meet.places import PlaceLimits
from peer.net.transport import Transport
from peer.telemetry import logger
from protocol.certificate import Certificate, Right, issue
from protocol.charter import market_of
from protocol.events import Event, Lost, Seen
from protocol.invitation import lobby_secret, market_tag
from protocol.keys import Ed25519Sealer
from protocol.membership import Membership
from protocol.notices import Admission, Charter
from protocol.statements import NO_MARKET, Statement
from protocol.topics import governance_topic, peer_topic
from tests.authors import Author, charter_of
from tests.waiting import until

WALL_MS = 1_800_000_000_000
QUICK = DiscoveryLimits(
    mdns=MdnsLimits(delay_ms=0),
    greeter=GreeterLimits(
        look_ms=50,
        stagger_ms=50,
        places=PlaceLimits(pause_first_ms=20, pause_max_ms=200, rest_ms=200, attempts_max=1_000),
    ),
)


def found_market(name: str = "open", **changes: object) -> Statement[Charter]:
    """The first charter of a market; tests of several processes share one loopback, so each has its own."""
    authority = authority_of(name)
    body = msgspec.structs.replace(charter_of(), admission=Admission.OPEN, **changes)
    return authority.say(body, market=NO_MARKET, seq=1)


def authority_of(name: str) -> Author:
    """Whoever signs the charters of a market of that name."""
    return Author(f"authority of {name} {os.getpid()}")


OPEN, OTHER = found_market(), found_market("another")


def sealer(number: int) -> Ed25519Sealer:
    """The identity of this number."""
    return Ed25519Sealer.from_seed(bytes([number]) * 32)


def peer_id(number: int) -> bytes:
    """An admissible key."""
    return sealer(number).peer


def keys(number: int, salt: bytes = b"") -> TransportKeys:
    """The transport keys of this number."""
    private = X25519PrivateKey.from_private_bytes(hashlib.sha256(b"transport %d" % number + salt).digest())
    return TransportKeys(private.public_key().public_bytes_raw(), private.private_bytes_raw())


def certificate(number: int, charter: Statement[Charter] = OPEN, **changes: object) -> bytes:
    """What a member of an open market says of itself."""
    me = sealer(number)
    fields = {
        "market": market_of(charter), "member": me.peer, "transport_key": keys(number).public,
        "rights": (Right.BID, Right.ANNOUNCE, Right.OBSERVE), "sponsor": me.peer, "issuer": me.peer,
        "from_ms": WALL_MS, "until_ms": WALL_MS + 3_600_000,
    } | changes  # fmt: skip
    return issue(Certificate(**fields), me)  # type: ignore[arg-type]


class Member:
    """One peer that runs, but for a node."""

    def __init__(
        self,
        number: int,
        *,
        runtime: Path | None = None,
        known: Path | None = None,
        mdns: bool = False,
        seeds: Sequence[str] = (),
        hosts: Sequence[str] = ("127.0.0.1",),
        charter: Statement[Charter] = OPEN,
        shown: bytes | None = None,
        limits: DiscoveryLimits = QUICK,
        home: Path | None = None,
        wall_clock: Callable[[], int] = wall_clock_ms,
    ) -> None:
        """`shown` is the certificate, if it is to be another than its own."""
        market = market_of(charter)
        self.id = peer_id(number)
        self.keys = keys(number)
        self.membership = Membership(charter, sealer=sealer(number), wall_ms=WALL_MS)
        self.constitution = Constitution(MarketHome(home or Path("/nowhere")), self.membership)
        self.warden = MarketWarden(self.membership)
        self.transport = Transport(hosts=hosts, keys=self.keys, lobby_secret=lobby_secret(market), warden=self.warden)
        self.endpoints = self.transport.endpoints
        loop = asyncio.get_running_loop()
        self.lobby = Lobby(self.transport.lobby)
        self.discovery = Discovery(
            me=introduce(self.id, self.endpoints, shown or certificate(number, charter)),
            transport_key=self.keys.public, market_tag=market_tag(market), membership=self.membership,
            sealer=sealer(number), lobby=self.lobby,
            call=LobbyCall(self.transport.knocking, limits=CallLimits(timeout_ms=1_000)),
            runtime_home=runtime, known=known, mdns=mdns, seeds=seeds, limits=limits,
            wall_clock=wall_clock,
        )  # fmt: skip
        self.warden.look = self.discovery.look_now
        self.events: list[Event] = []
        self.contacts = Contacts(self.transport, self.discovery, self.membership, self.events.append, logger())
        self.constitution.on_out = self.contacts.expel
        self.lobby.listen(loop)
        self.transport.subscribe(peer_topic(self.id))
        self.transport.subscribe(governance_topic(market))
        self.transport.listen(loop, self._ready)
        self.contacts.start(self.constitution.learn)
        self._ticking = loop.create_task(self._tick())
        self._closed = False

    @property
    def seed(self) -> str:
        """What others write to be told of this one's lobby."""
        return address(self.endpoints.hosts[0], self.endpoints.lobby).removeprefix("tcp://")

    @property
    def here(self) -> set[bytes]:
        """Who is connected to us."""
        here: set[bytes] = set()
        for event in self.events:
            if isinstance(event, Seen):
                here.add(event.peer)
            elif isinstance(event, Lost):
                here.discard(event.peer)
        return here

    def knows(self, *others: Member) -> bool:
        """Whether just these are found, where they are."""
        return {(found.peer_id, found.endpoints) for found in self.discovery.known} == {
            (other.id, other.endpoints) for other in others
        }

    def meets(self, *others: Member) -> bool:
        """Whether just these are found, and connected to us."""
        return self.knows(*others) and self.here == {other.id for other in others}

    def _ready(self) -> None:
        self.transport.receive(1_000)
        for presence in self.transport.presences():
            self.contacts.noticed(presence)

    async def _tick(self) -> None:
        while True:
            self.discovery.tick()
            await asyncio.sleep(0.05)

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._ticking.cancel()
            await self.discovery.close()
            self.lobby.close()
            self.transport.close()


Opener = Callable[..., Member]


@asynccontextmanager
async def members() -> AsyncIterator[Opener]:
    """Open members that are closed when the block is left."""
    async with AsyncExitStack() as stack:

        def open_one(number: int, **options: object) -> Member:
            member = Member(number, **options)  # type: ignore[arg-type]
            stack.push_async_callback(member.close)
            return member

        yield open_one


async def everybody_meets(*everybody: Member, seconds: float = 10.0) -> None:
    """Wait until each has found all the others, and is connected with them."""
    for member in everybody:
        others = [other for other in everybody if other is not member]
        await until(lambda member=member, others=others: member.meets(*others), seconds=seconds)  # type: ignore[misc]


def with_folder(limits: DiscoveryLimits = QUICK, **changes: int) -> DiscoveryLimits:
    """Other limits for the folder."""
    return replace(limits, folder=replace(limits.folder, **changes))
