"""Taking a seat: a governor that the charter names on another computer has an admitter certify its key.

Nobody can vouch for a governor; that the authority has given it a seat is what lets it in.
"""

from __future__ import annotations

from pathlib import Path

from peer.cli.joincalls import SEARCH_S, answer, conversation, label
from peer.config import Settings
from peer.home import MarketHome
from peer.members.charters import market_id, newest_charter
from peer.members.draft import write_whole
from peer.members.hostmember import HostMember, wall_clock_ms
from peer.members.joining import check_certificate, find_admitter
from peer.net.interfaces import resolve
from peer.net.meet.knocks import Redeem
from protocol.certificate import read_certificate
from protocol.errors import BadConfig, VendueError
from protocol.invitation import Invitation, Request, sign_request
from protocol.notices import Charter
from protocol.statements import Statement


async def certify_seat(market: MarketHome, settings: Settings) -> None:
    """Have an admitter certify a governor that the charter has seated, in good time before its certificate ends.

    An admitter certifies itself, and whoever has no seat is told so when it begins to govern.
    """
    newest, governor = newest_charter(market), HostMember.of_peer(market.governor.make())
    seated = any(seat.governor == governor.peer for seat in newest.body.governors)
    if not seated or governor.peer in newest.body.admitters or _is_good(market.governor.certificate):
        return
    identity = market_id(newest)
    fault: VendueError | None = None
    for admitter in newest.body.admitters:
        try:
            await _certify_seat(market, newest, admitter, governor, settings)
            return
        except VendueError as error:
            fault = error
    if not market.governor.certificate.exists():
        raise fault or BadConfig(f"Nobody admits to the market {identity.hex()[:8]}.")


async def _certify_seat(
    market: MarketHome, newest: Statement[Charter], admitter: bytes, governor: HostMember, settings: Settings
) -> None:
    identity = market_id(newest)
    invitation = Invitation(identity[:10], admitter[:3], b"", (), 0, 0, b"")
    async with conversation(governor, identity, resolve(settings.interface), settings) as (ask, lobbies):
        found = await find_admitter(invitation, ask, lobbies, governor, wait_s=SEARCH_S, wall_ms=wall_clock_ms)
        request = Request(
            market=identity, admitter=found.admitter, member=governor.peer, transport_key=governor.transport_key,
            nonce=bytes(32), made_ms=wall_clock_ms(), claims=None, proof=None,
        )  # fmt: skip
        certificate = await answer(ask, found, Redeem(sign_request(request, governor.sealer), label()))
    check_certificate(certificate, found.newest, identity, governor, wall_clock_ms())
    write_whole(market.governor.certificate, certificate)


def _is_good(path: Path) -> bool:
    """Tell whether there is a certificate that is not in the second half of its life."""
    if not path.exists():
        return False
    claim = read_certificate(path.read_bytes()).certificate
    return wall_clock_ms() < (claim.from_ms + claim.until_ms) // 2
