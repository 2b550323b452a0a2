"""Putting a peer together: home, key, charter, journal, node, sockets, discovery; and taking it apart again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from peer import keystore
from peer.agent import Agent, quotes_of
from peer.health.door import answering
from peer.health.place import health_socket
from peer.health.vitals import Vitals, certificate
from peer.home import PeerHome, market_home, runtime_home
from peer.homelock import first_free, lock
from peer.journal import Journal, damaged
from peer.members.admitting.frontdesk import FrontDesk
from peer.members.charters import newest_charter
from peer.members.constitution import Constitution
from peer.members.entering.founding import open_market
from peer.members.hostmember import wall_clock_ms
from peer.members.openings import Opened, open_sockets
from peer.net.endpoints import address
from peer.net.fetch import Fetch
from peer.runtime import GOVERNOR_PAUSE_S, Runtime, clock_ms
from peer.settings import Settings
from protocol.codec import Malformed
from protocol.errors import BadConfig
from protocol.feed import Feed
from protocol.keys import Digest, Ed25519Sealer, PeerId, print_peer
from protocol.membership import Membership
from protocol.node import Node
from protocol.notices import Card, Charter, Offered
from protocol.policy import Policy
from protocol.statements import AnyStatement, Statement
from protocol.turn import Turn

GOVERNOR: Final = "governor"


@asynccontextmanager
async def launch(
    settings: Settings,
    *,
    name: str,
    agent: Agent | None = None,
    policy: Policy | None = None,
    passing: bool = False,
    on_said: Callable[[AnyStatement], None] | None = None,
) -> AsyncIterator[Runtime]:
    """Run one peer for the time of the context. With a `policy` it is the market's governor.

    A `passing` peer takes the first free home of its name, so that any number of short commands run side by side.
    `on_said` is told every statement of this peer, once, when it is recorded.
    Raises HomeBusy when another process runs on the home, and what the parts raise.
    """
    agent = agent or Agent()
    async with AsyncExitStack() as stack:
        markets = market_home(settings.market, settings.home)
        charter = open_market(markets, settings.market)
        if passing:
            home = stack.enter_context(first_free(markets.peers, name))
        else:
            home = (markets.governor if policy is not None else markets.peer(name)).make()
            stack.enter_context(lock(home.path))
        sealer = Ed25519Sealer(keystore.load_or_create(home.key))
        membership = Membership(newest_charter(markets), sealer=sealer, wall_ms=wall_clock_ms())
        journal = Journal(home.journal, market=charter.id, always_durable=policy is not None)
        if policy is not None:
            seats = membership.charter.body.governors
            _take_seat(journal, home, sealer.peer, [seat.feed for seat in seats if seat.governor == sealer.peer])
        offset = wall_clock_ms() - clock_ms()
        feed = Feed(market=Digest(charter.id), author=sealer.peer, feed_id=journal.feed, wall_offset_ms=offset)
        capacity = agent.capacity or settings.capacity
        quotes = quotes_of(agent.skills, agent.strategies, sealer.peer)
        node = Node(charter, feed, quotes=quotes, capacity=capacity, policy=policy, later=_later(membership.charter))
        sockets = open_sockets(settings, markets, home, membership, sealer)
        stack.callback(sockets.transport.close)  # whatever fails from here on: libzmq waits for sockets left open
        FrontDesk(markets, home.key if policy is not None else markets.member, membership, sockets.discovery).serve(
            sockets.lobby
        )
        recorder = journal if on_said is None else _Overheard(journal, on_said)
        turn = Turn(node, recorder, sockets.transport, sealer, door=membership.door)
        _replay(journal, turn, home.journal)
        card = _card(agent, agent.name or (GOVERNOR if policy is not None else home.path.name), capacity, sockets)
        runtime = Runtime(
            node, turn, journal, sockets.transport, Fetch(sockets.transport), sockets.discovery, lobby=sockets.lobby,
            constitution=Constitution(markets, membership), passports=sockets.passports,
            skills={skill.name: skill for skill in agent.skills}, card=card,
            pause_s=GOVERNOR_PAUSE_S if policy is not None else 0.0,
        )  # fmt: skip
        stack.push_async_callback(runtime.close)
        await runtime.start()
        vitals = Vitals(runtime, name=home.path.name, market=settings.market, journal=home.journal)
        vitals.add(certificate(lambda: own.until_ms if (own := membership.member(sealer.peer)) is not None else None))
        answers = {"health": vitals.health, "ready": vitals.ready, "status": vitals.status}
        door = health_socket(home.path, runtime_home(settings.home))
        await stack.enter_async_context(answering(door, answers))
        await asyncio.sleep(0)
        yield runtime


def _replay(journal: Journal, turn: Turn, path: Path) -> None:
    """Bring the node to where it was. Raises JournalDamaged when a statement of its own is none."""
    for row in journal.replay():
        try:
            turn.replay(row.received, row.said)
        except Malformed as error:
            raise damaged(path, f"what this peer said cannot be read, {error}") from error


def _card(agent: Agent, name: str, capacity: int, sockets: Opened) -> Card:
    """What a peer shows of itself: what it offers, where its lobby is, and its certificate."""
    me = sockets.discovery.introduction()
    return Card(
        name=name,
        skills=tuple(
            Offered(skill=skill.name, input_schema=skill.input_schema, output_schema=skill.output_schema)
            for skill in agent.skills
        ),
        capacity=capacity if agent.skills else 0,
        addresses=tuple(address(host, me.lobby).removeprefix("tcp://") for host in me.hosts),
        transport_key=sockets.keys.public,
        certificate=me.certificate,
    )


class _Overheard:
    """A journal that has a listener: what is said is told when it is recorded, outside the turn."""

    def __init__(self, journal: Journal, on_said: Callable[[AnyStatement], None]) -> None:
        self._journal, self._on_said = journal, on_said
        self._loop = asyncio.get_running_loop()

    def record(self, received: Sequence[bytes], said: Sequence[AnyStatement], *, durable: bool) -> None:
        self._journal.record(received, said, durable=durable)
        for statement in said:
            self._loop.call_soon(self._on_said, statement)


def _later(newest: Statement[Charter]) -> list[Statement[Charter]]:
    """The versions behind the first that files have, as far as anybody needs them at the start."""
    return [newest] if newest.body.version > 1 else []


def _take_seat(journal: Journal, home: PeerHome, peer: PeerId, feeds: list[bytes]) -> None:
    """A governor speaks in the feed that the charter names, or not at all."""
    if not feeds:
        raise BadConfig(
            f"The key in {home.path} has no seat in this market's charter.",
            do=f"Where the authority's key is, give it one: vendue charter amend --seat {print_peer(peer)}",
        )
    if journal.feed not in feeds:
        if journal.has_spoken or journal.seq:
            raise BadConfig(
                f"The governor's journal in {home.path} is not the one that its seat is for.",
                why="A governor that lost its journal is a new governor: it could vote twice.",
                do="Bring back the journal, or have a charter version made that seats the new one.",
            )
        journal.begin_feed(feeds[0])
