"""Why we meet one peer, or do not: which path names it, who answers there, its certificate, and what is connected."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Final

from peer.caller.market import Market
from peer.cli.checks.around import ALONE_DO, FOLDER_S, MULTICAST_S, charter, name_of
from peer.cli.checks.base import Check, bad, unreached
from peer.cli.checks.knocking import clock, explain
from peer.cli.checks.standing import remedy_of, told
from peer.cli.checks.whom import Acquaintances
from peer.cli.version import installed
from peer.health.ask import Absent, ask
from peer.health.place import health_socket
from peer.home import market_home, runtime_home
from peer.net.meet.attempts import Attempt, Outcome
from peer.net.meet.places import Way
from peer.telemetry import printable
from protocol.certificate import REVOKED, OutOfTime, read_certificate
from protocol.errors import NoPeers
from protocol.keys import PeerId, print_peer

PATIENCE_S: Final = 6.0
"""Multicast begins a second after a peer does, and a hello that nobody answers takes two."""
LOOK_S: Final = 0.05
ADDRESSES_MAX: Final = 16
"""Addresses of one peer that are asked: anybody can name some."""


@dataclass(frozen=True, slots=True)
class _Case:
    """What is known of the one in question, when waiting has ended."""

    market: Market
    acquaintances: Acquaintances
    peer: PeerId

    @property
    def ways(self) -> dict[Way, set[str]]:
        """Which path names it at which addresses."""
        discovery = self.market.runtime.discovery
        ways: dict[Way, set[str]] = {}
        found = discovery.find(self.peer)
        if found is not None:
            ways.setdefault(found.path, set()).add(found.lobby)
        for place in discovery.places:
            if place.said == self.peer and place.way is not Way.SEED:
                ways.setdefault(place.way, set()).update(place.addresses)
        for attempt in discovery.attempts.of(self.peer):
            ways.setdefault(attempt.way, set()).add(attempt.address)
        return ways

    @property
    def is_here(self) -> bool:
        return self.peer in self.market.runtime.node.directory.here

    @property
    def is_heard(self) -> bool:
        runtime = self.market.runtime
        return runtime.transport.hears(self.peer) and self.peer in runtime.node.directory.cards


async def checks(market: Market, said: str) -> AsyncIterator[Check]:
    """Look for the peer that is called so, and say of each step how far it came. Raises UsageError."""
    acquaintances = Acquaintances(market_home(market.settings.market, market.settings.home))
    peer = await _wait(market, acquaintances, said)
    if peer is None:
        yield unreached(
            "peer", f"Nobody called {printable(said, 80)!r} is known here.",
            "Is it running, in this market? On its computer: vendue status, and vendue key NAME shows its id.",
        )  # fmt: skip
        async for check in _paths(market):
            yield check
        return
    case = _Case(market, acquaintances, peer)
    yield Check("peer", "ok", f"{_name(case)}, {print_peer(peer)}")
    async for check in _examine(case):
        yield check


async def _wait(market: Market, acquaintances: Acquaintances, said: str) -> PeerId | None:
    """Wait until the peer is here, or patience ends; at least until all paths have had their say."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    least_s = MULTICAST_S if market.settings.mdns else FOLDER_S
    while True:
        peer = acquaintances.find(said, market)
        is_well = peer is not None and _Case(market, acquaintances, peer).is_here and peer in market.names()
        waited_s = loop.time() - began_s
        if waited_s > PATIENCE_S or (is_well and waited_s > least_s):
            return peer
        await asyncio.sleep(LOOK_S)


async def _examine(case: _Case) -> AsyncIterator[Check]:
    runtime, ways = case.market.runtime, case.ways
    if case.peer == runtime.node.peer:
        yield Check("found", "note", "That is the peer that looks.")
        return
    here, attempts = await asyncio.gather(asyncio.to_thread(_on_this_computer, case), _ask(case, ways))
    if here is not None:
        yield here
    if not ways:
        yield unreached("found", "No path names a place where it is.", "Each path is told below, with what helps it.")
        async for check in _paths(case.market):
            yield check
    else:
        listed = "; ".join(f"{way} ({', '.join(sorted(_plain(one) for one in at))})" for way, at in ways.items())
        yield Check("found", "ok", f"by {listed}")
    is_well = case.is_here and case.is_heard
    for attempt in attempts:
        check = await explain("hello", attempt)
        # An address that leads nowhere is no harm while another one does.
        yield check._replace(grade="note", code=0) if is_well and check.grade == "bad" else check
    yield _certificate(case, attempts)
    yield _connection(case)
    for check in _told(attempts, case):
        yield check


def _on_this_computer(case: _Case) -> Check | None:
    """If its home is here: whether it runs, asked at its own socket."""
    name = case.acquaintances.homes.get(case.peer)
    if name is None:
        return None
    settings = case.market.settings
    home = market_home(settings.market, settings.home)
    path = home.governor.path if name == home.governor.path.name else home.peer(name).path
    try:
        answer = ask(health_socket(path, runtime_home(settings.home)), "health")
    except Absent:
        return unreached(
            "process",
            f"Its home is on this computer ({name}), and it does not run.",
            "Start it: vendue run FILE, or vendue govern.",
        )
    except NoPeers as error:
        return unreached("process", f"It is on this computer ({name}): {error.what} {error.why}", error.do)
    return Check("process", "ok", f"runs on this computer ({name}), process {answer.get('pid')}")


async def _ask(case: _Case, ways: dict[Way, set[str]]) -> list[Attempt]:
    """Say hello once more at each address, but where its certificate was seen not to hold: that is an answer."""
    discovery = case.market.runtime.discovery
    places = {address: way for way, addresses in ways.items() for address in sorted(addresses)}
    unproven = {
        attempt.address: attempt
        for attempt in discovery.attempts.of(case.peer)
        if attempt.outcome in (Outcome.UNPROVEN, Outcome.FORGED)
    }
    asking = [discovery.ask(address, places[address], case.peer) for address in [*places][:ADDRESSES_MAX]]
    return [
        unproven.get(attempt.address, attempt) if attempt.outcome is Outcome.SILENT else attempt
        for attempt in await asyncio.gather(*asking)
    ]


def _certificate(case: _Case, attempts: list[Attempt]) -> Check:
    """Whether it is a member, by what was seen of it; else what this computer remembers."""
    membership = case.market.runtime.constitution.membership
    member, remembered = membership.member(case.peer), case.acquaintances.members.get(case.peer)
    if membership.is_revoked(case.peer):
        says = f"revoked by version {membership.charter.body.version} of the charter, or an earlier one"
        return bad("certificate", says, remedy_of(REVOKED, ours=False))
    if member is not None:
        return Check("certificate", "ok", told(read_certificate(member.certificate).certificate))
    why = next((one.why for one in attempts if one.outcome is Outcome.UNPROVEN), None)
    if why is not None:
        return bad("certificate", f"does not hold: {why}", remedy_of(why, ours=False))
    if remembered is not None and remembered.state == "expired":
        return bad("certificate", "the last one that was seen here has expired", remedy_of(OutOfTime.LATE, ours=False))
    if remembered is not None:
        return Check("certificate", "note", f"none seen now; as {remembered.role} known here, {remembered.state}")
    return Check("certificate", "note", "none seen: whoever was asked has not shown one")


def _connection(case: _Case) -> Check:
    match case.is_heard, case.is_here:
        case True, True:
            return Check("connection", "ok", "we hear it, and it hears us")
        case True, False:
            return unreached(
                "connection", "We hear it, and it does not hear us.",
                "It cannot call us: a firewall here, or --interface names an address that it does not reach.",
            )  # fmt: skip
        case False, True:
            return unreached(
                "connection", "It hears us, and we do not hear it.",
                "We cannot call it: a firewall there, or its --interface names an address that we do not reach.",
            )  # fmt: skip
    return unreached("connection", "There is none.", "What each step above says stands in its way: begin at the first.")


def _told(attempts: list[Attempt], case: _Case) -> Iterator[Check]:
    """What it said of itself: its clock, its charter, its version."""
    apart = next((one.apart_ms for one in attempts if one.apart_ms is not None), None)
    if apart is not None:
        yield clock(apart, _name(case))
    said = next((one for one in attempts if one.who == case.peer), None)
    if said is not None:
        yield charter(case.market.runtime.constitution.membership.charter.body.version, said.charter_version)
        theirs, ours = printable(said.software, 40) or "unknown", installed("vendue")
        yield Check("version", "ok" if theirs == ours else "note", f"vendue {theirs} there, {ours} here")


async def _paths(market: Market) -> AsyncIterator[Check]:
    """What each path has told, and how it is helped, when the one who is looked for was not found."""
    discovery, settings = market.runtime.discovery, market.settings
    counts = dict.fromkeys(Way, 0)
    for found in discovery.known:
        counts[found.path] += 1
    for place in discovery.places:
        counts[place.way] += place.way is not Way.SEED and place.said is not None and not place.answered
    yield Check(
        "folder", "note", f"{counts[Way.FOLDER]} peers of this market have a file in {runtime_home(settings.home)}",
        "Only peers of one user on one computer meet there.",
    )  # fmt: skip
    if not settings.mdns:
        yield Check("mdns", "note", "Not used: mdns is off.", "Set mdns = true, or name a peer: --seeds HOST:PORT")
    elif discovery.mdns_failure is not None:
        yield Check("mdns", "note", printable(discovery.mdns_failure), ALONE_DO)
    else:
        do = f"Multicast ends at a router. It was looked for on {settings.interface}; others: --interface NAME"
        yield Check("mdns", "note", f"{counts[Way.MDNS]} records of others", do)
    async for check in _seeds(market):
        yield check
    yield Check("remembered", "note", f"{counts[Way.REMEMBERED]} places of former meetings")
    yield Check("exchange", "note", f"{counts[Way.EXCHANGE]} peers were named by others")


async def _seeds(market: Market) -> AsyncIterator[Check]:
    """Every seed, and what it answers."""
    latest = {one.address: one for one in market.runtime.discovery.attempts if one.way is Way.SEED}
    for attempt in latest.values():
        yield await explain("seed", attempt)
    for place in market.runtime.discovery.places:
        if place.way is Way.SEED and place.outcome in ("the name is not known", "not tried yet"):
            yield unreached("seed", f"{place.addresses[0]}: {place.outcome}.", "Check the name, or write its address.")
    if not market.settings.seeds:
        yield Check("seed", "note", "None is named.", "Name the lobby of any member: --seeds HOST:PORT")


def _name(case: _Case) -> str:
    known = case.acquaintances.members.get(case.peer)
    if case.peer in case.market.names() or known is None or not known.name:
        return case.acquaintances.homes.get(case.peer) or name_of(case.market, case.peer)
    return printable(known.name, 32)


def _plain(address: str) -> str:
    return address.removeprefix("tcp://")
