"""Founding a market: its authority's key, its charter, the home of its first governor, and this computer's membership.

`vendue init` founds a market by name. The market `local` founds itself with the first command of a user on a host,
under a lock, so that any number of first commands at once found one. It refuses to know who runs in the market.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from peer import keystore
from peer.home import MarketHome, PeerHome, private_directory
from peer.homelock import lock
from peer.members.admitting.register import BY_HAND, Entry, Register
from peer.members.charters import authority_in, keep_charter, read_charter, write_charter
from peer.members.entering.draft import drafting
from peer.members.entering.settingsfile import settings_text
from peer.members.hostmember import HostMember, certify, wall_clock_ms
from peer.wholefile import write_whole
from protocol.certificate import Right
from protocol.errors import HomeBusy, UsageError
from protocol.keys import Ed25519Sealer, PeerId
from protocol.limits import DURATION_MAX_MS, MONEY_MAX
from protocol.notices import Admission, Charter, Seat
from protocol.statements import Statement

__all__ = ["LOCAL", "Founded", "found_market", "open_market", "read_charter"]

LOCAL: Final = "local"
"""The market that founds itself."""
FOUNDING_S: Final = 5.0
"""How long somebody else may take to found it: two keys and a file, on a slow disk."""
FOUNDER_RIGHTS: Final = (Right.BID, Right.ANNOUNCE, Right.OBSERVE)
"""What the computer may vouch for where the market was made: all but governing and admitting."""
GOVERNED: Final = 1
"""The quorum of a market with one governor: its permit, or its veto."""


@dataclass(frozen=True, slots=True)
class Founded:
    """A market that was just made, and what its maker is to know."""

    home: MarketHome
    charter: Statement[Charter]
    authority: Path
    """Where the key that signs charters is now."""


def found_market(
    home: MarketHome,
    *,
    admission: Admission,
    governed: bool = True,
    authority_directory: Path | None = None,
    interface: str | None = None,
    ports: str = "",
) -> Founded:
    """Make the market of this home's name, whole or not at all; one that is there is refused.

    The first governor is its admitter; without one that is this computer's own member.
    The authority's key goes into `authority_directory`, if one is given, under the market's name.
    """
    _refuse_taken(home)
    with drafting(home.path.parent, f"{home.path.name}-init") as draft:
        draft.target = home
        authority = Ed25519Sealer(keystore.load_or_create(_authority_place(draft.home, home, authority_directory)))
        host = HostMember.load_or_create(draft.home.member)
        admitter, seats = host.sealer, tuple[Seat, ...]()
        if governed:
            admitter, seat = _first_governor(draft.home.governor)
            seats = (seat,)
        charter = _first_charter(home.path.name, admission, authority, admitter.peer, seats)
        keep_charter(draft.home, charter, authority)
        _let_ourselves_in(draft.home, charter, host, admitter)
        write_whole(draft.home.settings, settings_text(interface=interface, ports=ports).encode(), mode=0o644)
    return Founded(home, charter, home.authority.resolve())


def _refuse_taken(home: MarketHome) -> None:
    if home.path.exists() and any(home.path.iterdir()):
        raise UsageError(
            f"There is a market {home.path.name!r} here already, in {home.path}.",
            why="A market that is made again is another market: its members would not be members of it.",
            do="Take another name, or move that directory away.",
        )


def _authority_place(draft: MarketHome, home: MarketHome, directory: Path | None) -> Path:
    """Where the authority's key is made; if that is elsewhere, the home has a link to it.

    A key that is there already is taken: an attempt that was cut short made it, or an authority has several markets.
    """
    if directory is None:
        return draft.authority
    place = authority_in(private_directory(directory.expanduser().absolute()), home.path.name)
    draft.authority.symlink_to(place)
    return place


def _first_governor(home: PeerHome) -> tuple[Ed25519Sealer, Seat]:
    """Make a governor's keys and choose its feed."""
    home.make()
    sealer = Ed25519Sealer(keystore.load_or_create(home.key))
    keystore.load_or_create_transport(home.transport)
    return sealer, Seat(governor=sealer.peer, feed=os.urandom(8))


def _let_ourselves_in(home: MarketHome, charter: Statement[Charter], host: HostMember, admitter: Ed25519Sealer) -> None:
    """Certify this computer's own member, and note it like any other."""
    now_ms = wall_clock_ms()
    certificate = certify(
        admitter, market=charter.id, member=host.peer, transport_key=host.transport_key, rights=FOUNDER_RIGHTS,
        wall_ms=now_ms,
    )  # fmt: skip
    write_whole(home.certificate, certificate)
    Register(home.register).keep(Entry(BY_HAND, host.peer, certificate, "the founder's computer", now_ms))


def _first_charter(
    name: str, admission: Admission, authority: Ed25519Sealer, admitter: PeerId, seats: tuple[Seat, ...]
) -> Statement[Charter]:
    quorum = GOVERNED if seats else 0
    body = Charter(
        name=name,
        version=1,
        admission=admission,
        admitters=(admitter,),
        governors=seats,
        liars_max=0,
        permits_needed=quorum,
        vetoes_needed=quorum,
        oversight=(),
        revocations=(),
        budget_max=MONEY_MAX,
        deadline_max_ms=DURATION_MAX_MS,
    )
    return write_charter(body, authority, None)


# The market that founds itself


def open_market(home: MarketHome, name: str, *, governed: bool = True) -> Statement[Charter]:
    """The charter of a market on this host; `local` is founded when it is not there yet, `governed` or without a seat.

    Raises UsageError for an unknown market, BadConfig for a charter that does not hold.
    """
    if not home.charter.exists():
        if name != LOCAL:
            raise UsageError(
                f"There is no market {name!r} on this host.",
                do=f"Make it with vendue init {name}, join it with vendue join CODE, or use {LOCAL!r}.",
            )
        home.make()
        _found_once(home, governed=governed)
    return read_charter(home.charter)


def _found_once(home: MarketHome, *, governed: bool) -> None:
    """Found the market, or wait for whoever is founding it just now."""
    until_s = time.monotonic() + FOUNDING_S
    while not home.charter.exists():
        try:
            with lock(home.path):
                if not home.charter.exists():
                    _found_local(home, governed=governed)
        except HomeBusy:
            if time.monotonic() > until_s:
                raise
            time.sleep(0.01)


def _found_local(home: MarketHome, *, governed: bool) -> None:
    """Make the keys and the charter; that comes last and at once, so that a market exists whole or not at all."""
    authority = Ed25519Sealer(keystore.load_or_create(home.authority))
    governor, seat = _first_governor(home.governor)
    charter = _first_charter(LOCAL, Admission.OPEN, authority, governor.peer, (seat,) if governed else ())
    keep_charter(home, charter, authority)
