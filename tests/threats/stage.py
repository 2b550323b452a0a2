"""The stage of every attack: a market by invitation with real peers on loopback, and papers for whoever is to have any.

The test holds the authority's and the admitter's keys, so it can certify, revoke and amend; the peers are launched as
`vendue run` launches them, several in this process, each with its own home, keys and ZeroMQ Context.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

import msgspec

from peer.agent import Agent
from peer.caller.market import Market
from peer.home import MarketHome, market_home
from peer.launch import launch
from peer.members.charters import keep_charter, write_charter
from peer.members.hostmember import HostMember, wall_clock_ms
from peer.net.endpoints import address
from peer.net.locks.keys import public_of
from peer.runtime import Runtime
from peer.settings import Settings
from protocol.certificate import Certificate, Right, issue, read_certificate
from protocol.invitation import lobby_secret
from protocol.keys import Ed25519Sealer, PeerId
from protocol.notices import Admission, Charter, Revocation
from protocol.statements import Statement
from protocol.topics import governance_topic
from tests.threats.attacker import Keys
from tests.waiting import PATIENCE_S, until

NAME = "fair"
HOUR_MS = 3_600_000
AGENT = (Right.BID, Right.ANNOUNCE)


class Papers(NamedTuple):
    """A member's keys and its certificate."""

    sealer: Ed25519Sealer
    keys: Keys
    certificate: bytes

    @property
    def peer(self) -> PeerId:
        return self.sealer.peer


class Target(NamedTuple):
    """A peer as whoever attacks it has to know it: where it is, and its public key."""

    peer: PeerId
    publish: str
    fetch: str
    lobby: str
    key: bytes
    lobby_key: bytes


def target(runtime: Runtime) -> Target:
    """What is public of a peer that runs."""
    me = runtime.discovery.introduction()
    places = [address(me.hosts[0], port) for port in (me.publish, me.fetch, me.lobby)]
    key = read_certificate(me.certificate).certificate.transport_key
    lobby_key = public_of(lobby_secret(runtime.node.market))
    return Target(PeerId(me.peer_id), *places, key, lobby_key)


class Stage:
    """One market, whose authority we are, and the peers of one computer in it."""

    def __init__(self, folder: Path, *, name: str = NAME, **changes: Any) -> None:
        """Found the market in a folder; `changes` are of its charter."""
        self.settings = Settings(market=name, home=str(folder / "home"), mdns=False, bid_window_ms=300)
        self.home: MarketHome = market_home(name, self.settings.home).make()
        self.authority = sealer_of(folder, "authority")
        self.host = HostMember.load_or_create(self.home.member)
        self.admitter = self.host.sealer
        """The computer of the stage lets members in: every peer on it answers who comes with a code."""
        body = Charter(
            name=name, version=1, admission=Admission.INVITE, admitters=(self.admitter.peer,), governors=(),
            liars_max=0, permits_needed=0, vetoes_needed=0, oversight=(), revocations=(),
            budget_max=1_000_000, deadline_max_ms=HOUR_MS,
        )  # fmt: skip
        self.charter = write_charter(msgspec.structs.replace(body, **changes), self.authority, None)
        self.market = self.charter.id
        self.governance = governance_topic(self.market)
        self.newest = self.charter
        self._furnish(self.home)
        self._stack = AsyncExitStack()
        self.caller: Market
        self.worker: Runtime

    def _furnish(self, home: MarketHome) -> None:
        """Make a computer a member: what `vendue join` leaves there."""
        keep_charter(home, self.charter, self.authority)
        host = HostMember.load_or_create(home.member)
        home.certificate.write_bytes(self.certify(host.peer, host.transport_key, rights=(*AGENT, Right.OBSERVE)))

    def elsewhere(self, folder: Path) -> str:
        """Make another computer's home, which knows the first charter and nobody; gives its path."""
        self._furnish(market_home(self.settings.market, folder).make())
        return str(folder)

    # Papers

    def certify(self, member: bytes, transport_key: bytes, **changes: Any) -> bytes:
        """Have the admitter sign a certificate, from now for an hour unless `changes` say otherwise."""
        now_ms = wall_clock_ms()
        claim = {
            "market": self.market, "member": member, "transport_key": transport_key, "rights": AGENT,
            "sponsor": member, "issuer": self.admitter.peer, "from_ms": now_ms, "until_ms": now_ms + HOUR_MS, **changes,
        }  # fmt: skip
        return issue(Certificate(**claim), self.admitter)

    def papers(self, name: str = "mallory", **changes: Any) -> Papers:
        """Keys that the market does not know yet, and a good certificate for them."""
        sealer, keys = sealer_of(Path(str(self.home.path)), name), Keys()
        return Papers(sealer, keys, self.certify(sealer.peer, keys.public, **changes))

    def amend(self, **changes: Any) -> Statement[Charter]:
        """Have the authority say the next version of the charter; it is not written anywhere yet."""
        body = msgspec.structs.replace(self.newest.body, version=self.newest.body.version + 1, **changes)
        self.newest = write_charter(body, self.authority, self.newest)
        return self.newest

    def revoke(self, *members: bytes) -> Statement[Charter]:
        """Revoke members: the new version is written where the peers of this computer look for it."""
        revocations = tuple(Revocation(member=member, feed=bytes(8), last_seq=0) for member in members)
        charter = self.amend(revocations=(*self.newest.body.revocations, *revocations))
        keep_charter(self.home, charter, self.authority)
        return charter

    # Peers

    async def run(self, name: str, agent: Agent | None = None, **settings: object) -> Runtime:
        """Run a peer in this process until the stage is left."""
        changed = msgspec.structs.replace(self.settings, **settings)
        return await self._stack.enter_async_context(launch(changed, name=name, agent=agent))

    async def begin(self, agent: Agent | None = None, **settings: object) -> None:
        """Run one peer that shouts, or has another agent, and one that calls."""
        self.worker = await self.run("worker", agent or shouter(), **settings)
        self.caller = await self.call(**settings)

    async def call(self, **settings: object) -> Market:
        """Run one peer that calls."""
        changed = msgspec.structs.replace(self.settings, **settings)
        return await self._stack.enter_async_context(Market(changed, "caller"))

    async def settle(self, times: int = 1, text: str = "hello") -> None:
        """Let auctions take place, all at once: each has to settle with the right result."""
        how: Any = {"budget": 10, "deadline_s": 60, "patience_s": PATIENCE_S}
        calls = (self.caller.call("shout", {"text": f"{text} {n}"}, **how) for n in range(times))
        done = await asyncio.gather(*calls)
        assert [each.value for each in done] == [f"{text} {n}".upper() for n in range(times)]

    async def know(self, runtime: Runtime, member: bytes) -> None:
        """Wait until a peer has a member connected to it."""
        await until(lambda: member in runtime.node.directory.here, why="they never met")

    def overhear(self, *runtimes: Runtime) -> list[bytes]:
        """Record every frame that peers publish from now on, as they are before any lock."""
        frames: list[bytes] = []

        def spied(publish: Callable[[bytes], None]) -> Callable[[bytes], None]:
            def say(frame: bytes) -> None:
                frames.append(frame)
                publish(frame)

            return say

        for runtime in runtimes:
            runtime.transport.publish = spied(runtime.transport.publish)  # type: ignore[method-assign]
        return frames

    async def close(self) -> None:
        """Stop all peers; may be called twice."""
        await self._stack.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()


@asynccontextmanager
async def staged(folder: Path, **how: Any) -> AsyncIterator[Stage]:
    """A stage on which a worker and a caller have met, and an auction has settled."""
    async with Stage(folder, **how) as stage:
        await stage.begin()
        await stage.settle()
        yield stage


def shouter(price: int = 5, name: str = "shouter") -> Agent:
    """An agent that gives a text back in capitals."""
    agent = Agent(name, capacity=64)

    @agent.worker("shout", price=price)
    def shout(text: str) -> str:
        return text.upper()

    return agent


def sealer_of(folder: Path, name: str) -> Ed25519Sealer:
    """A key of this test's own."""
    return Ed25519Sealer.from_seed(hashlib.sha256(f"{folder} {name}".encode()).digest())
