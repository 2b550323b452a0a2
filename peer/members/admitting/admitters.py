"""Which admitter lives on this computer: the key here that the market's charter names to sign certificates.

It is a governor's, whose own peer then answers who knocks, or this computer's own member's, for which any peer that
runs here answers. It refuses to show a key.
"""

from __future__ import annotations

from pathlib import Path

from peer import keystore
from peer.home import MarketHome
from peer.homelock import lock
from peer.members.admitting.admission import Admitter
from peer.members.charters import newest_charter
from protocol.errors import BadConfig, HomeBusy, UsageError
from protocol.invitation import AdmitterKey
from protocol.keys import Ed25519Sealer, print_peer
from protocol.notices import Charter
from protocol.statements import Statement


def admitter_in(path: Path, charter: Charter) -> Admitter | None:
    """The admitter whose key is at `path`, if it is there and the charter names it."""
    if not path.exists():
        return None
    private = keystore.load(path)
    sealer = Ed25519Sealer(private)
    return Admitter(sealer, AdmitterKey(private.private_bytes_raw())) if sealer.peer in charter.admitters else None


def admitter_here(market: MarketHome) -> tuple[Admitter, Statement[Charter]]:
    """The admitter of a market whose key is on this computer, and the charter that names it. Raises VendueError."""
    if not market.charter.exists():
        raise UsageError(
            f"There is no market {market.path.name!r} on this computer.",
            do=f"Make it with vendue init {market.path.name}, or join one with vendue join CODE.",
        )
    charter = newest_charter(market)
    for path in (market.governor.key, market.member):
        if (admitter := admitter_in(path, charter.body)) is not None:
            return admitter, charter
    named = ", ".join(print_peer(admitter) for admitter in charter.body.admitters) or "nobody"
    raise BadConfig(
        f"This computer has no admitter of the market {market.path.name!r}.",
        why=f"Its charter names to let members in: {named}.",
        do="Run this where that peer lives: usually where the market was made.",
    )


def is_answering(market: MarketHome, charter: Charter) -> bool:
    """Tell whether a peer runs on this computer that answers for its admitter."""
    peers = sorted(market.peers.iterdir()) if market.peers.is_dir() else []
    by_governor = admitter_in(market.governor.key, charter) is not None
    return any(map(_is_held, [market.governor.path] if by_governor else [market.governor.path, *peers]))


def _is_held(path: Path) -> bool:
    if not path.is_dir():
        return False
    try:
        with lock(path):
            return False
    except HomeBusy:
        return True
