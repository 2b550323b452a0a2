"""What this computer remembers of a market: the journals of all its homes, read while their owners run, and joined.

Joining sets of statements is all the merging there is. A damaged journal is named and passed over; what the others
hold is still told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from peer import keystore
from peer.audit.archive import Archive, read_statements, sort_out
from peer.home import MarketHome, PeerHome
from peer.journal import Row, read_journal
from protocol.contract import Contract
from protocol.errors import JournalDamaged, UsageError, VendueError
from protocol.keys import Ed25519Sealer
from protocol.notices import Card, Charter
from protocol.statements import AnyStatement, Statement

PREFIX_MIN: Final = 4
"""Digits of an id that one has to type at least."""
CANDIDATES_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Records:
    """All that the homes of this computer hold of one market."""

    charter: Statement[Charter]
    """The first version: its id is the market's."""
    archive: Archive
    names: dict[bytes, str]
    """Peer id → what the peer called itself."""
    damaged: list[VendueError]

    def newest_first(self) -> list[Contract]:
        """Every contract, by the announcements' wall clocks."""
        contracts = self.archive.contracts.values()
        return sorted(contracts, key=lambda one: (one.announcement.made_ms, one.id), reverse=True)

    def find(self, prefix: str) -> Contract:
        """The one contract whose id begins so. Raises UsageError when there is none, or more than one."""
        digits = prefix.lower()
        if len(digits) < PREFIX_MIN or not all(digit in "0123456789abcdef" for digit in digits):
            raise UsageError(
                f"{prefix[:80]!r} is no beginning of a task's id.",
                why=f"It takes {PREFIX_MIN} or more of the digits 0 to 9 and a to f.",
                do="See: vendue auctions",
            )
        found = [contract for known, contract in self.archive.contracts.items() if known.hex().startswith(digits)]
        if len(found) == 1:
            return found[0]
        if not found:
            raise UsageError(f"No task whose id begins with {digits} is known here.", do="See: vendue auctions")
        candidates = ", ".join(contract.id.hex()[:16] for contract in found[:CANDIDATES_SHOWN])
        raise UsageError(
            f"{len(found)} tasks begin with {digits}.", why=f"They are {candidates}.", do="Type more of it."
        )


def homes_of(market: MarketHome) -> list[PeerHome]:
    """The governor's home and those of all peers, whether they run or not."""
    peers = sorted(market.peers.iterdir()) if market.peers.is_dir() else []
    return [home for home in (market.governor, *map(PeerHome, peers)) if home.journal.is_file()]


def read_records(market: MarketHome, charter: Statement[Charter], *, sealed: bool = False) -> Records:
    """Read every journal of a market, whose first charter this is.

    `sealed`: so that what their owners said can be shown to others.
    """
    statements: list[AnyStatement] = []
    damaged: list[VendueError] = []
    for home in homes_of(market):
        rows, damage = _rows(home)
        sealer = Ed25519Sealer(keystore.load(home.key)) if sealed else None
        statements += read_statements(rows, market=charter.id, sealer=sealer)
        damaged += [damage] if damage is not None else []
    names = {one.author: one.body.name for one in statements if isinstance(one.body, Card)}
    charters = {one.id: one.body for one in statements if isinstance(one.body, Charter)}
    archive = sort_out(statements, {charter.id: charter.body, **charters})
    return Records(charter, archive, names, damaged)


def _rows(home: PeerHome) -> tuple[list[Row], VendueError | None]:
    """The rows of a journal, as far as they are what was stored."""
    rows = list[Row]()
    try:
        read_journal(home.journal, rows.append)
    except JournalDamaged as error:
        return rows, error
    return rows, None
