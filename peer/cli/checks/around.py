"""What can be seen of the market by taking part in it for a moment: our own doors, and how the others see us."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import Final

from peer.caller.market import Market
from peer.caller.presence import wait_for_cards
from peer.cli.checks.base import Check, bad, unreached
from peer.cli.checks.knocking import clock, explain
from peer.cli.checks.standing import told
from peer.net.endpoints import address
from peer.net.meet.addressbook import Found
from peer.net.meet.attempts import Attempt, Outcome
from peer.net.meet.places import Way
from peer.net.meet.probe import There, probe
from peer.telemetry import printable
from protocol.certificate import read_certificate
from protocol.keys import PeerId, print_peer, short_peer

ASKED_MAX: Final = 32
"""Peers that are asked for the time; a market's clocks are as wrong as those of its computers."""
FOLDER_S: Final = 0.3
MULTICAST_S: Final = 1.6
"""Multicast begins a second after a peer does, and answers in a tenth of one."""
KNOCKS_S: Final = 2.5
"""A hello that nobody answers takes two seconds."""
PATIENCE_S: Final = 3.0
ALONE_DO: Final = "Peers on this computer find each other without it; elsewhere name them with --seeds HOST:PORT."


async def checks(market: Market) -> AsyncIterator[Check]:
    """From our own sockets to everybody who is found."""
    runtime, settings = market.runtime, market.settings
    least_s = KNOCKS_S if settings.seeds else MULTICAST_S if settings.mdns else FOLDER_S
    await wait_for_cards(runtime, least_s=least_s, most_s=PATIENCE_S)
    yield Check("locks", "ok", "a stranger's key and no key at all were tried at our sockets: neither gets in")
    async for check in _ports(market):
        yield check
    own = read_certificate(runtime.discovery.introduction().certificate).certificate
    yield Check("certificate", "ok", f"of the peer that looked: {told(own)}")
    for check in multicast(market):
        yield check
    known = runtime.discovery.known
    asked = await asyncio.gather(*(_ask(market, found) for found in islice(known, ASKED_MAX)))
    for found in known:
        yield _found(market, found)
    async for check in _in_vain(market, asked):
        yield check
    for check in _compared(market, asked):
        yield check
    if not known:
        yield _nobody(market)


async def _ports(market: Market) -> AsyncIterator[Check]:
    """Each of our sockets can be called at each of our addresses."""
    hosts, *ports = market.runtime.transport.endpoints
    places = [address(host, port) for host in hosts for port in ports]
    for place, there in zip(places, await asyncio.gather(*map(probe, places)), strict=True):
        if there is not There.PEER:
            yield bad(
                "ports", f"Our own {place.removeprefix('tcp://')} cannot be called: {there}.",
                "A firewall of this computer is in the way: let TCP through, with --ports FIRST-LAST for these ports.",
            )  # fmt: skip
            return
    listed = ", ".join(f"{name} {port}" for name, port in zip(("publish", "fetch", "lobby"), ports, strict=True))
    yield Check("ports", "ok", f"{listed}: bound on {', '.join(hosts)}, and each can be called")


def multicast(market: Market) -> Iterator[Check]:
    """Why mDNS does not work, or whom it has told us of."""
    discovery = market.runtime.discovery
    if discovery.mdns_failure is not None:
        yield Check("mdns", "note", printable(discovery.mdns_failure), ALONE_DO)
    elif market.settings.mdns:
        named = {place.said for place in discovery.places if place.way is Way.MDNS}
        named |= {found.peer_id for found in discovery.known if found.path is Way.MDNS}
        yield Check(
            "mdns", "ok", f"announced on {market.settings.interface}; records of {len(named)} others were heard"
        )


async def _ask(market: Market, found: Found) -> Attempt:
    return await market.runtime.discovery.ask(found.lobby, found.path, found.peer_id)


def _found(market: Market, found: Found) -> Check:
    name, where = name_of(market, found.peer_id), found.publish.removeprefix("tcp://")
    if found.peer_id in market.runtime.node.directory.here:
        return Check("found", "ok", f"{name}, by {found.path}, at {where}")
    printed = print_peer(PeerId(found.peer_id))
    return Check(
        "found", "note", f"{name}, by {found.path}, at {where}: no connection.", f"To see why: vendue doctor {printed}"
    )


async def _in_vain(market: Market, asked: list[Attempt]) -> AsyncIterator[Check]:
    """Seeds where nobody opened, and whoever refuses us or has a certificate that does not hold."""
    latest = {attempt.address: attempt for attempt in [*market.runtime.discovery.attempts, *asked]}
    told_of = set[str]()
    for attempt in latest.values():
        if attempt.outcome in (Outcome.REFUSED, Outcome.UNPROVEN, Outcome.FORGED) and len(told_of) < ASKED_MAX:
            told_of.add(attempt.address)
            yield await explain("hello", attempt)
    seeds = {attempt.address: attempt for attempt in market.runtime.discovery.attempts if attempt.way is Way.SEED}
    for attempt in seeds.values():
        if attempt.address not in told_of and attempt.outcome is not Outcome.ANSWERED:
            check = await explain("seed", attempt)
            # One that is away is no harm while others are there.
            yield check._replace(grade="note", code=0) if market.runtime.discovery.known else check
    for place in market.runtime.discovery.places:
        if place.way is Way.SEED and place.outcome == "the name is not known":
            yield unreached(
                "seed", f"{place.addresses[0]}: the name is not known.", "Check the name, or write its IP address."
            )


def _compared(market: Market, asked: list[Attempt]) -> Iterator[Check]:
    """Our clock and our charter against those of the others."""
    apart = [one for one in [*market.runtime.discovery.attempts, *asked] if one.apart_ms is not None]
    if apart:
        worst = max(apart, key=lambda one: abs(one.apart_ms or 0))
        whose = name_of(market, worst.who) if worst.who is not None else worst.address.removeprefix("tcp://")
        yield clock(worst.apart_ms or 0, whose)
    versions = [one.charter_version for one in asked if one.charter_version]
    if versions:
        yield charter(market.runtime.constitution.membership.charter.body.version, max(versions))


def charter(ours: int, theirs: int) -> Check:
    """Compare the version of the charter that binds here with another's, or the newest of all."""
    if theirs > ours:
        return Check(
            "charter", "note", f"Version {ours} here, and {theirs} elsewhere: it was shown, and does not hold here.",
            "Ask the keeper of the market's authority which is the right one: vendue charter show",
        )  # fmt: skip
    if theirs < ours:
        return Check("charter", "note", f"Version {ours} here, and {theirs} there; it has just been shown ours.")
    return Check("charter", "ok", f"version {ours}, and nobody who was asked has a newer one")


def _nobody(market: Market) -> Check:
    if market.settings.seeds:
        return unreached(
            "found", "Nobody of this market can be reached.",
            "Is a peer of it running? What each seed answers is told above; name another with --seeds HOST:PORT.",
        )  # fmt: skip
    return Check(
        "found", "note", "Nobody else is here.",
        "Start a peer: vendue run FILE. One on another network: --seeds HOST:PORT, of its lobby.",
    )  # fmt: skip


def name_of(market: Market, peer: bytes) -> str:
    """What a peer calls itself, or the beginning of its id."""
    return printable(market.names().get(peer, ""), 32) or short_peer(peer)
