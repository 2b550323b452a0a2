"""What joining and renewing need of the network: which addresses, which places, and the one conversation."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from peer.config import Config
from peer.home import MarketHome, data_home, runtime_home
from peer.members.charters import market_id, newest_charter
from peer.members.entering.again import key_to_keep, move_back_in
from peer.members.entering.draft import drafting
from peer.members.entering.joining import (
    Found,
    check_certificate,
    draft_mark,
    find_admitter,
    home_for,
    move_in,
    redeem,
)
from peer.members.entering.refusals import refusal
from peer.members.entering.settingsfile import settings_text
from peer.members.hostmember import HostMember, wall_clock_ms
from peer.net.endpoints import on_loopback, split_address
from peer.net.interfaces import interfaces, resolve
from peer.net.locks.keys import TransportKeys
from peer.net.meet.asking import Ask, asking
from peer.net.meet.knocks import LABEL_MAX, Admitted, NotAdmitted, Redeem, Renew, open_item
from peer.net.meet.searching import Lobbies, searching
from peer.settings import Settings
from peer.wholefile import write_whole
from protocol.certificate import read_certificate
from protocol.errors import BadConfig, NoPeers
from protocol.invitation import Invitation, Request, sign_request
from protocol.notices import Charter
from protocol.statements import Statement

SEARCH_S: Final = 10.0
"""How long the admitter is looked for: multicast is heard within two seconds, and a governor may be starting."""


async def join_by_code(
    invitation: Invitation, config: Config, *, name: str | None, again: MarketHome | None = None
) -> tuple[MarketHome, bytes]:
    """Become a member by a code: the home that was made, and the certificate. Raises what `joining` raises.

    `again` is the home that there is already, where the membership is void.
    """
    settings = config.settings
    hosts = _hosts(config)
    with drafting(data_home(settings.home) / "markets", draft_mark(invitation), resume=True) as draft:
        kept = key_to_keep(again) if again is not None else None
        host = kept or HostMember.load_or_create(draft.home.member)
        async with conversation(host, invitation.market_prefix, hosts, settings) as (ask, lobbies):
            found = await find_admitter(invitation, ask, lobbies, host, wait_s=SEARCH_S, wall_ms=wall_clock_ms)
            target = again or home_for(found.newest, name, settings.home)
            certificate = await redeem(invitation, found, ask, host, draft, label=label(), wall_ms=wall_clock_ms)
        if again is not None:
            move_back_in(draft, again, found.charters, certificate)
        else:
            move_in(draft, target, found.charters, certificate, _settings(config, found.address))
    return target, certificate


async def renew_membership(market: MarketHome, settings: Settings) -> int:
    """Have the admitter sign a new certificate for this computer; when that one ends (wall clock, ms)."""
    if not (market.member.exists() and market.certificate.exists()):
        raise BadConfig(
            f"This computer has no membership of the market {market.path.name!r} to renew.",
            do="Join it with: vendue join CODE",
        )
    host, newest = HostMember.load(market.member), newest_charter(market)
    before = market.certificate.read_bytes()
    issuer = read_certificate(before).certificate.issuer
    certificate = await certified_by_key(host, newest, issuer, settings, lambda signed: Renew(signed, before))
    write_whole(market.certificate, certificate)
    return read_certificate(certificate).certificate.until_ms


async def certified_by_key(
    host: HostMember,
    newest: Statement[Charter],
    admitter: bytes,
    settings: Settings,
    asked: Callable[[bytes], Redeem | Renew],
) -> bytes:
    """Have an admitter certify a key that it knows without a code; `asked` makes the question of a signed request."""
    identity = market_id(newest)
    nobodys = Invitation(identity[:10], admitter[:3], b"", (), 0, 0, b"")
    async with conversation(host, identity, resolve(settings.interface), settings) as (ask, lobbies):
        found = await find_admitter(nobodys, ask, lobbies, host, wait_s=SEARCH_S, wall_ms=wall_clock_ms)
        request = Request(
            market=identity, admitter=found.admitter, member=host.peer, transport_key=host.transport_key,
            nonce=bytes(32), made_ms=wall_clock_ms(), claims=None, proof=None,
        )  # fmt: skip
        certificate = await answer(ask, found, asked(sign_request(request, host.sealer)))
    check_certificate(certificate, found.newest, identity, host, wall_clock_ms())
    return certificate


async def answer(ask: Ask, found: Found, request: Redeem | Renew) -> bytes:
    """Ask the admitter for a certificate. Raises what its refusal means."""
    match open_item(await ask(found.address, request)):
        case Admitted(certificate=certificate):
            return certificate
        case NotAdmitted(why=why):
            raise refusal(why)
    raise NoPeers("The admitter does not answer any more.", do="Try again in a while.")


@asynccontextmanager
async def conversation(
    host: HostMember, market_prefix: bytes, hosts: Sequence[str], settings: Settings
) -> AsyncIterator[tuple[Ask, Lobbies]]:
    """The means to ask, and the places where."""
    keys = TransportKeys(host.transport_key, host.transport.private_bytes_raw())
    with asking(keys, market_prefix) as ask:
        async with searching(
            market_prefix, hosts=hosts, seeds=settings.seeds, folder=runtime_home(settings.home),
            mdns=settings.mdns,
        ) as lobbies:  # fmt: skip
            yield ask, lobbies


def _hosts(config: Config) -> tuple[str, ...]:
    """Our addresses on the networks that are searched: those that were said, or all that this computer has.

    To ask by multicast is not yet to listen: who joins without a word about the network does not know it yet.
    """
    if config.origin("interface") != "default":
        return resolve(config.settings.interface)
    return tuple(host for each in interfaces() for host in each.hosts if "%" not in host)


def _settings(config: Config, lobby: str) -> str:
    """The market's own settings: where this computer is reached, and whom to ask first."""
    host, port = split_address(lobby) or ("", 0)
    said = config.settings.interface if config.origin("interface").startswith("flag") else None
    unsaid = config.origin("interface") == "default" and not on_loopback(host)
    interface = _interface_towards(host) if unsaid else said
    ports = config.settings.ports if config.origin("ports").startswith("flag") else ""
    return settings_text(
        interface=interface, ports=ports, seeds=[f"[{host}]:{port}" if ":" in host else f"{host}:{port}"]
    )


def _interface_towards(host: str) -> str | None:
    """The interface from which this computer reaches another: nothing is sent to find that out."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((host, 9))
            ours = str(probe.getsockname()[0])
    except OSError:
        return None
    return next((each.name for each in interfaces() if ours in each.hosts), ours)


def label() -> str:
    """What people call this computer, for the admitter's list."""
    return socket.gethostname()[:LABEL_MAX]
