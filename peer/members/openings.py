"""Opening a peer to others: its transport key, its sockets and their warden, its lobby, and its discovery."""

from __future__ import annotations

from functools import cache
from importlib import metadata
from typing import NamedTuple

from peer import keystore
from peer.home import MarketHome, PeerHome, runtime_home
from peer.members.hostmember import wall_clock_ms
from peer.members.passport import Passports
from peer.members.warden import MarketWarden
from peer.net.interfaces import port_range, resolve
from peer.net.locks.keys import TransportKeys
from peer.net.meet.discovery import Discovery
from peer.net.meet.greeter import checked_seed
from peer.net.meet.introductions import introduce
from peer.net.meet.lobby import Lobby
from peer.net.meet.lobbycall import LobbyCall
from peer.net.transport import Transport
from peer.settings import Settings
from protocol.invitation import lobby_secret, market_tag
from protocol.keys import Ed25519Sealer
from protocol.membership import Membership

make_transport: type[Transport] = Transport
"""What a peer's sockets are; the bench alone puts something else here, to measure what locks cost."""


class Opened(NamedTuple):
    """What of a peer is open to others."""

    keys: TransportKeys
    transport: Transport
    lobby: Lobby
    discovery: Discovery
    passports: Passports


def open_sockets(
    settings: Settings, market: MarketHome, home: PeerHome, membership: Membership, sealer: Ed25519Sealer
) -> Opened:
    """Bind everything; nobody is let in yet. Raises BadConfig, also when this computer is no member."""
    seeds, folder = [checked_seed(seed) for seed in settings.seeds], runtime_home(settings.home)
    private = keystore.load_or_create_transport(home.transport)
    keys = TransportKeys(private.public_key().public_bytes_raw(), private.private_bytes_raw())
    passports = Passports(market, home, membership, sealer, keys.public)
    certificate = passports.issue(wall_clock_ms())
    membership.admit(certificate)
    warden = MarketWarden(membership)
    secret = lobby_secret(membership.market)
    transport = make_transport(
        hosts=resolve(settings.interface), ports=port_range(settings.ports), keys=keys, lobby_secret=secret,
        warden=warden,
    )  # fmt: skip
    lobby = Lobby(transport.lobby, is_member=lambda key: membership.by_transport_key(key) is not None)
    discovery = Discovery(
        me=introduce(sealer.peer, transport.endpoints, certificate), transport_key=keys.public,
        market_tag=market_tag(membership.market), membership=membership, sealer=sealer, lobby=lobby,
        call=LobbyCall(transport.knocking), runtime_home=folder, known=market.known,
        mdns=settings.mdns, seeds=seeds, software=_software(),
    )  # fmt: skip
    warden.look = discovery.look_now
    return Opened(keys, transport, lobby, discovery, passports)


@cache
def _software() -> str:
    """The version that members are told, for whoever looks why two of them do not understand each other."""
    try:
        return metadata.version("vendue")
    except metadata.PackageNotFoundError:
        return ""
