"""A market that this computer has a home of: whether its membership there holds, and coming back where it does not.

A membership is void when its key or its certificate is lost or damaged, or when it is revoked. Who is invited once more
comes back into the same home: the peers there keep their keys and journals, and are vouched for anew when they start.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from peer.home import MarketHome, market_home, markets_here
from peer.homelock import lock
from peer.members.charters import market_id, newest_charter, open_charter, read_charter
from peer.members.entering.draft import Draft
from peer.members.hostmember import HostMember
from peer.wholefile import write_whole
from protocol.certificate import OutOfTime, fault_of, read_certificate
from protocol.charter import revoked_by
from protocol.codec import Malformed
from protocol.errors import BadConfig, KeyExposed


def home_here(prefix: bytes, home: str | Path | None) -> MarketHome | None:
    """The home of the market whose id begins so, if this computer has it; one whose charter does not hold is none."""
    for name in markets_here(home):
        market = market_home(name, home)
        with suppress(BadConfig):
            if read_charter(market.charter).id.startswith(prefix):
                return market
    return None


def is_void(market: MarketHome, wall_ms: int) -> bool:
    """Tell whether this computer is no member there, and renewing helps nothing. Raises BadConfig."""
    host = _key(market)
    if host is None or not market.certificate.exists():
        return True
    charter = newest_charter(market)
    try:
        certified = read_certificate(market.certificate.read_bytes())
    except (Malformed, OSError):
        return True
    claim = certified.certificate
    fault = fault_of(certified, charter.body, market_id(charter), host.sealer, wall_ms)
    is_ours = (claim.member, claim.transport_key) == (host.peer, host.transport_key)
    return not is_ours or fault not in (None, OutOfTime.EARLY, OutOfTime.LATE)


def key_to_keep(market: MarketHome) -> HostMember | None:
    """The member key that is there, if an admitter may certify it once more: a key that is lost is lost for ever."""
    host = _key(market)
    return None if host is None or host.peer in revoked_by(newest_charter(market).body) else host


def move_back_in(draft: Draft, market: MarketHome, charters: Sequence[bytes], certificate: bytes) -> None:
    """Put a new certificate into a home that is there, and the key that it is for, if that is the draft's.

    Killed at any moment, this leaves a void membership that the same command goes on with, or one that holds.
    """
    with lock(market.path):
        newest = open_charter(charters[-1], market_id(read_charter(market.charter)))
        if not isinstance(newest, str) and newest.body.version > newest_charter(market).body.version:
            write_whole(market.charter_version(newest.body.version), charters[-1], mode=0o644)
        if draft.home.member.exists():
            write_whole(market.member, draft.home.member.read_bytes())
        write_whole(market.certificate, certificate)
    draft.kept = False


def _key(market: MarketHome) -> HostMember | None:
    """This computer's key, if there is one that can be read. Raises KeyExposed: that one mends with a word."""
    try:
        return HostMember.load(market.member)
    except KeyExposed:
        raise
    except BadConfig:
        return None
