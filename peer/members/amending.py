"""Saying a new version of the charter: with a member revoked, or the constitution amended.

Each needs the authority's key, and the newest version that this computer holds. The file that is written is picked up
by the peers that run here, within a second, and told to the others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from peer.audit.archive import read_statements
from peer.audit.records import homes_of
from peer.home import MarketHome
from peer.homelock import lock
from peer.journal import Row, read_journal
from peer.members.charters import keep_charter, load_authority, market_id, newest_charter, write_charter
from protocol.errors import JournalDamaged, UsageError
from protocol.limits import REVOCATIONS_MAX
from protocol.notices import Charter, Revocation, Seat
from protocol.statements import Statement


def amend(
    market: MarketHome, change: Callable[[Charter], Charter], authority_directory: Path | None
) -> Statement[Charter]:
    """Say the next version of the charter, if the change changes anything. Raises BadConfig without the key."""
    with lock(market.path):
        before = newest_charter(market)
        after = change(before.body)
        if after == before.body:
            return before
        authority = load_authority(market, before, authority_directory)
        version = msgspec.structs.replace(after, version=before.body.version + 1)
        charter = write_charter(version, authority, before)
        keep_charter(market, charter, authority)
        return charter


def revoke(market: MarketHome, member: bytes, authority_directory: Path | None) -> Statement[Charter]:
    """Revoke a member, and with it everybody that it vouches for; what it said before stands."""

    def without(charter: Charter) -> Charter:
        if any(revocation.member == member for revocation in charter.revocations):
            return charter
        if len(charter.revocations) == REVOCATIONS_MAX:
            raise UsageError(
                f"The charter revokes {REVOCATIONS_MAX} members already, and has no room for more.",
                do="Make a new market, and invite those who are to stay.",
            )
        feed, last_seq = last_heard(market, member)
        revoked = Revocation(member=member, feed=feed, last_seq=last_seq)
        return msgspec.structs.replace(charter, revocations=(*charter.revocations, revoked))

    return amend(market, without, authority_directory)


def reseated(charter: Charter, up: Iterable[bytes], down: Iterable[bytes]) -> Charter:
    """A charter with some governors more and some fewer, and a quorum that fits as many as there are then.

    A new governor gets a feed that its journal begins with; one that keeps its seat keeps its feed.
    """
    gone, there = {*down}, {seat.governor for seat in charter.governors}
    new = [Seat(governor=one, feed=os.urandom(8)) for one in dict.fromkeys(up) if one not in there]
    seats = (*(seat for seat in charter.governors if seat.governor not in gone), *new)
    if seats == charter.governors:
        return charter
    n, f = len(seats), charter.liars_max
    permits = (n + f) // 2 + 1 if seats else 0
    vetoes = n + f - permits + 1 if seats else 0
    return msgspec.structs.replace(charter, governors=seats, permits_needed=permits, vetoes_needed=vetoes)


def last_heard(market: MarketHome, member: bytes) -> tuple[bytes, int]:
    """The last statement of a member that the journals here know of: its newest feed, and the highest seq in that."""
    identity = market_id(newest_charter(market))
    heard: dict[bytes, tuple[int, int]] = {}
    for home in homes_of(market):
        rows = list[Row]()
        try:
            read_journal(home.journal, rows.append)
        except JournalDamaged:
            continue  # what the others know is still told
        for statement in read_statements(rows, market=identity):
            if statement.author == member:
                made_ms, seq = heard.get(statement.feed, (0, 0))
                heard[statement.feed] = max(made_ms, statement.made_ms), max(seq, statement.seq)
    if not heard:
        return bytes(8), 0
    feed = max(heard, key=lambda known: heard[known])
    return feed, heard[feed][1]
