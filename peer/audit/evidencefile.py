"""The evidence file: everything said about some contracts, sealed, with the charter; it stands alone, for ever.

    ["vendue-evidence-file/1", the charter, [a statement, ...]]       MessagePack; each of them is `vendue-evidence/1`

It refuses to know whether anything in it holds: see `evidence`.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final

import msgpack

from peer.audit.archive import Reader
from protocol import limits
from protocol.bundle import Seal, evidence_of
from protocol.errors import BadEvidence, UsageError
from protocol.keys import PeerId, Sealer
from protocol.statements import AnyStatement

FILE_TAG: Final = "vendue-evidence-file/1"
FILE_BYTES_MAX: Final = 256 * 1024 * 1024
"""Half a million statements; what is larger is several files."""
PIECES_MAX: Final = 1_000_000
"""No statement with its seal is smaller than 256 bytes."""
PIECE_BYTES_MAX: Final = limits.STATEMENT_MAX + 1_024
"""A statement, its author, signature and path."""


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """What an evidence file holds, not checked yet: bytes that claim to be evidence."""

    charter: bytes
    pieces: tuple[bytes, ...]
    source: str = "this evidence"


def write_evidence(path: Path, charter: bytes, pieces: Iterable[bytes]) -> None:
    """Write an evidence file; it appears whole or not at all. `charter` and `pieces` are evidence."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    try:
        try:
            with draft.open("xb") as stream:
                stream.write(pack_evidence(charter, pieces))
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(
            f"The evidence cannot be written to {path}.",
            why=f"The system says: {error.strerror}.",
            do="Name a place that is yours and has room.",
        ) from None


def pack_evidence(charter: bytes, pieces: Iterable[bytes]) -> bytes:
    """The bytes of an evidence file. Raises UsageError when they would be more than a reader takes."""
    every = list(pieces)
    packed: bytes = msgpack.packb((FILE_TAG, charter, every))
    if len(every) > PIECES_MAX or len(packed) > FILE_BYTES_MAX:
        raise UsageError(
            f"{len(every)} statements are too much for one evidence file.",
            why=f"It holds at most {PIECES_MAX} of them in {FILE_BYTES_MAX} bytes.",
            do="Export fewer contracts at once.",
        )
    return packed


def cut(statements: Iterable[AnyStatement], *sealers: Sealer) -> list[bytes]:
    """The evidence of statements: as they were received, or sealed by the one of `sealers` who said them."""
    own = {sealer.peer: sealer for sealer in sealers}
    reader = Reader()
    pieces: list[bytes] = []
    for statement in statements:
        sealer: Sealer | None = reader if isinstance(statement.seal, Seal) else own.get(PeerId(statement.author))
        if sealer is None:
            raise UsageError(
                f"Statement {statement.id.hex()[:16]} has no seal here.",
                why="It is from the journal of a peer whose key is not at hand.",
                do="Export it where that peer lives.",
            )
        pieces.append(evidence_of(statement, sealer))
    return pieces


def read_evidence(path: Path) -> EvidenceFile:
    """Read an evidence file; its statements are not checked yet. Raises BadEvidence, which names the position."""
    try:
        if not path.is_file():
            raise UsageError(f"There is no file {path}.", do="Name the file that vendue audit export wrote.")
        if path.stat().st_size > FILE_BYTES_MAX:
            raise _no_evidence(str(path), f"it is longer than {FILE_BYTES_MAX} bytes")
        with path.open("rb") as stream:
            return _parse(stream, str(path))
    except OSError as error:
        raise UsageError(f"{path} cannot be read.", why=f"The system says: {error.strerror}.") from None


def parse_evidence(raw: bytes, source: str = "this evidence") -> EvidenceFile:
    """Read the bytes of an evidence file. Raises BadEvidence, which names the position."""
    if len(raw) > FILE_BYTES_MAX:
        raise _no_evidence(source, f"it is longer than {FILE_BYTES_MAX} bytes")
    return _parse(BytesIO(raw), source)


def _parse(stream: BinaryIO, source: str) -> EvidenceFile:
    """Read item by item: no array but the two that belong here is ever built."""
    reader = msgpack.Unpacker(
        stream, max_buffer_size=4 * PIECE_BYTES_MAX, read_size=PIECE_BYTES_MAX, max_bin_len=PIECE_BYTES_MAX,
        max_str_len=len(FILE_TAG), max_array_len=0, max_map_len=0, max_ext_len=0,
    )  # fmt: skip
    position = 0
    pieces: list[bytes] = []
    try:
        if reader.read_array_header() != 3 or reader.unpack() != FILE_TAG:
            raise _no_evidence(source, f"it does not begin with {FILE_TAG}")
        position = reader.tell()
        charter = _piece(reader)
        position = reader.tell()
        count = reader.read_array_header()
        if count > PIECES_MAX:
            raise _no_evidence(source, f"it claims {count} statements, more than {PIECES_MAX}")
        for _ in range(count):
            position = reader.tell()
            pieces.append(_piece(reader))
        position = reader.tell()
    except msgpack.OutOfData:
        raise _no_evidence(source, f"it ends in the middle of what begins at byte {position}") from None
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException):
        raise _no_evidence(source, f"at byte {position} is something that does not belong there") from None
    if _more(reader):
        raise _no_evidence(source, f"at byte {position} it should end, and goes on")
    return EvidenceFile(charter, tuple(pieces), source)


def _piece(reader: msgpack.Unpacker) -> bytes:
    piece = reader.unpack()
    if not isinstance(piece, bytes):
        raise TypeError("not a byte string")
    return piece


def _more(reader: msgpack.Unpacker) -> bool:
    return bool(reader.read_bytes(1))


def _no_evidence(source: str, why: str) -> BadEvidence:
    return BadEvidence(
        f"{source} is no evidence file, or a damaged one.", why=f"{why[0].upper()}{why[1:]}.",
        do="Fetch it again, or export it again with: vendue audit export",
    )  # fmt: skip
