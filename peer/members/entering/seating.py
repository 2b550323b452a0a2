"""Taking a seat: a governor that the charter names on another computer has an admitter certify its key.

Nobody can vouch for a governor; that the authority has given it a seat is what lets it in.
"""

from __future__ import annotations

from pathlib import Path

from peer.home import MarketHome
from peer.members.charters import market_id, newest_charter
from peer.members.entering.joincalls import certified_by_key, label
from peer.members.hostmember import HostMember, wall_clock_ms
from peer.net.meet.knocks import Redeem
from peer.settings import Settings
from peer.wholefile import write_whole
from protocol.certificate import read_certificate
from protocol.errors import BadConfig, VendueError


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
            certificate = await certified_by_key(
                governor, newest, admitter, settings, lambda signed: Redeem(signed, label())
            )
            write_whole(market.governor.certificate, certificate)
            return
        except VendueError as error:
            fault = error
    if not market.governor.certificate.exists():
        raise fault or BadConfig(f"Nobody admits to the market {identity.hex()[:8]}.")


def _is_good(path: Path) -> bool:
    """Tell whether there is a certificate that is not in the second half of its life."""
    if not path.exists():
        return False
    claim = read_certificate(path.read_bytes()).certificate
    return wall_clock_ms() < (claim.from_ms + claim.until_ms) // 2
