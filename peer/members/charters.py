"""The versions of a market's charter on this computer: reading them, and signing the next one with the authority's key.

    charter.vendue          the first version, whose digest is the market's id
    charter-2.vendue ...    later ones, each as evidence by the same authority

The peers here look for new files once a second, so a version that is written is a version that is told. It refuses to
know who runs in the market.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Final, cast

from peer import keystore
from peer.home import MarketHome
from peer.net.meet.introductions import CHARTER_BYTES_MAX
from peer.wholefile import unwritable, write_whole
from protocol.bundle import evidence_of, open_evidence
from protocol.charter import fault_of_charter, fault_of_version, market_of, next_version
from protocol.codec import encode
from protocol.errors import BadConfig
from protocol.keys import Digest, Ed25519Sealer, print_peer
from protocol.notices import Charter
from protocol.statements import NO_MARKET, Statement

AUTHORITY_SUFFIX: Final = "authority.pem"
_VERSION_FILE: Final = re.compile(r"charter-([1-9][0-9]{0,18})\.vendue\Z")


def verifier() -> Ed25519Sealer:
    """A sealer that only verifies: its own key is nobody's."""
    return Ed25519Sealer.from_seed(bytes(32))


def read_charter(path: Path) -> Statement[Charter]:
    """Read a charter file: the first version, as evidence. Raises BadConfig when it does not hold."""
    charter = _read(path, NO_MARKET)
    try:
        market_of(charter)
    except ValueError:
        raise _unfit(path, "it is no first version") from None
    return charter


def newest_charter(market: MarketHome) -> Statement[Charter]:
    """The newest version that this computer holds. Raises BadConfig when one does not hold."""
    first = read_charter(market.charter)
    versions = [int(found[1]) for path in market.path.iterdir() if (found := _VERSION_FILE.match(path.name))]
    if not versions or max(versions) == 1:
        return first
    path = market.charter_version(max(versions))
    newest = _read(path, first.id)
    if fault_of_version(newest, first) is not None or newest.body.version != max(versions):
        raise _unfit(path, "it is not that version by this market's authority")
    return newest


def open_charter(evidence: bytes, market: bytes) -> Statement[Charter] | str:
    """Take a charter out of its evidence, a first version with `NO_MARKET`; or a phrase why it does not hold."""
    if len(evidence) > CHARTER_BYTES_MAX:
        return "it is too long"
    opened = open_evidence(evidence, market=market, sealer=verifier())
    if not opened.statements or not isinstance(opened.statements[0].body, Charter):
        return opened.rulings[0].reason if opened.rulings else "it is no charter"
    charter = cast(Statement[Charter], opened.statements[0])
    return fault_of_charter(charter.body) or charter


def write_charter(body: Charter, authority: Ed25519Sealer, before: Statement[Charter] | None) -> Statement[Charter]:
    """Say a version of a charter: the first, or the one about the version `before`.

    All are in the feed of the first, version n as its statement n: nothing on this computer has to remember what an
    authority has said.
    """
    made_ms = int(time.time() * 1000)
    if before is not None:
        try:
            return next_version(before, body, made_ms=made_ms)
        except ValueError as error:
            raise BadConfig("That charter would be unsound.", why=str(error)) from None
    fault = fault_of_charter(body)
    if fault is not None:
        raise BadConfig("That charter would be unsound.", why=fault)
    return encode(
        body, market=NO_MARKET, author=authority.peer, feed=os.urandom(8), seq=1, prev=None, made_ms=made_ms, about=None
    )


def market_id(charter: Statement[Charter]) -> Digest:
    """The id of the market that any version of a charter is of."""
    return charter.id if charter.market == NO_MARKET else Digest(charter.market)


def keep_charter(market: MarketHome, charter: Statement[Charter], authority: Ed25519Sealer) -> Path:
    """Write a version beside the others: it is there whole, or not at all. Raises BadConfig."""
    path = market.charter_version(charter.body.version)
    try:
        write_whole(path, evidence_of(charter, authority), mode=0o644)
    except OSError as error:
        raise unwritable(path, error) from None
    return path


def authority_in(directory: Path, name: str) -> Path:
    """Where the key of a market's authority is kept in a directory of its own: a stick holds those of many markets."""
    return directory.expanduser().absolute() / f"{name}-{AUTHORITY_SUFFIX}"


def load_authority(market: MarketHome, charter: Statement[Charter], directory: Path | None) -> Ed25519Sealer:
    """Read the key that signs this market's charters, where it was made or in `directory`. Raises BadConfig."""
    name = market.path.name
    if directory is not None:
        places = [authority_in(directory, name), directory.expanduser().absolute() / AUTHORITY_SUFFIX]
    else:
        places = [market.authority.resolve() if market.authority.is_symlink() else market.authority]
    path = next((place for place in places if place.exists()), None)
    if path is None:
        raise BadConfig(
            f"The key of the market's authority is not here: {places[0]} is missing.",
            why="Only that key signs a new version of the charter; it may be on a stick, or on another computer.",
            do="Bring it back, or say where it is: --authority DIRECTORY.",
        )
    sealer = Ed25519Sealer(keystore.load(path))
    if sealer.peer != charter.author:
        raise BadConfig(
            f"{path} is not the key of this market's authority.",
            why=f"The charter is signed by {print_peer(charter.author)}.",
            do="Say where that key is: --authority DIRECTORY.",
        )
    return sealer


def _read(path: Path, market: bytes) -> Statement[Charter]:
    try:
        with path.open("rb") as file:
            raw = file.read(CHARTER_BYTES_MAX + 1)
    except OSError as error:
        raise BadConfig(
            f"The charter {path} cannot be read: {error.strerror}.", do="Check its mode and owner."
        ) from None
    charter = open_charter(raw, market)
    if isinstance(charter, str):
        raise _unfit(path, charter)
    return charter


def _unfit(path: Path, reason: str) -> BadConfig:
    return BadConfig(
        f"The charter {path} does not hold: {reason}.", do="Bring the file from where the market was made."
    )
