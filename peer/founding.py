"""Founding a market: its authority's key, its charter, and the home of its first governor; and reading them again.

The first command of a user on a host founds the market `local`, under a lock, so that any number of first commands at
once found one. It refuses to know who runs in the market.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final, cast

from peer import keystore
from peer.home import MarketHome, lock
from protocol.bundle import evidence_of, open_evidence
from protocol.charter import fault_of_charter, market_of
from protocol.codec import encode
from protocol.errors import BadConfig, HomeBusy, UsageError
from protocol.keys import Ed25519Sealer
from protocol.limits import DURATION_MAX_MS, MONEY_MAX
from protocol.notices import Admission, Charter, Seat
from protocol.statements import NO_MARKET, Statement

LOCAL: Final = "local"
"""The market that founds itself."""
FOUNDING_S: Final = 5.0
"""How long somebody else may take to found it: two keys and a file, on a slow disk."""


def open_market(home: MarketHome, name: str, *, governed: bool = True) -> Statement[Charter]:
    """The charter of a market on this host; `local` is founded when it is not there yet, `governed` or without a seat.

    Raises UsageError for an unknown market, BadConfig for a charter that does not hold.
    """
    if not home.charter.exists():
        if name != LOCAL:
            raise UsageError(f"There is no market {name!r} on this host.", do=f"Use {LOCAL!r}, which founds itself.")
        home.make()
        _found_once(home, name, governed=governed)
    return read_charter(home.charter)


def _found_once(home: MarketHome, name: str, *, governed: bool) -> None:
    """Found the market, or wait for whoever is founding it just now."""
    until_s = time.monotonic() + FOUNDING_S
    while not home.charter.exists():
        try:
            with lock(home.path):
                if not home.charter.exists():
                    _found(home, name, governed=governed)
        except HomeBusy:
            if time.monotonic() > until_s:
                raise
            time.sleep(0.01)


def _found(home: MarketHome, name: str, *, governed: bool) -> None:
    """Make the keys and the charter; that comes last and at once, so that a market exists whole or not at all."""
    authority = Ed25519Sealer(keystore.load_or_create(home.authority))
    governor = home.governor.make()
    governor_key = Ed25519Sealer(keystore.load_or_create(governor.key))
    seat = Seat(governor=governor_key.peer, feed=os.urandom(8))
    quorum = 1 if governed else 0
    body = Charter(
        name=name,
        version=1,
        admission=Admission.OPEN,
        admitters=(governor_key.peer,),
        governors=(seat,) if governed else (),
        liars_max=0,
        permits_needed=quorum,
        vetoes_needed=quorum,
        oversight=(),
        revocations=(),
        budget_max=MONEY_MAX,
        deadline_max_ms=DURATION_MAX_MS,
    )
    charter = encode(
        body, market=NO_MARKET, author=authority.peer, feed=os.urandom(8), seq=1, prev=None,
        made_ms=int(time.time() * 1000), about=None,
    )  # fmt: skip
    draft = home.charter.with_suffix(f".{os.getpid()}.draft")
    with open(draft, "xb") as file:
        file.write(evidence_of(charter, authority))
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, home.charter)


def read_charter(path: Path) -> Statement[Charter]:
    """Read a charter file: the first version, as evidence. Raises BadConfig when it does not hold."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadConfig(
            f"The charter {path} cannot be read: {error.strerror}.", do="Check its mode and owner."
        ) from None
    opened = open_evidence(raw, market=NO_MARKET, sealer=Ed25519Sealer.from_seed(bytes(32)))
    if not opened.statements or not isinstance(opened.statements[0].body, Charter):
        reason = opened.rulings[0].reason if opened.rulings else "it is no charter"
        raise BadConfig(
            f"The charter {path} does not hold: {reason}.", do="Bring the file from where the market was made."
        )
    charter = cast(Statement[Charter], opened.statements[0])
    market_of(charter)
    if fault := fault_of_charter(charter.body):
        raise BadConfig(f"The charter {path} is unsound.", why=fault)
    return charter
