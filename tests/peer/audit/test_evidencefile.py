"""The evidence file itself: written whole, read with bounds, and damage told by its position."""

from __future__ import annotations

from pathlib import Path

import msgpack
import pytest

from peer.audit import evidencefile
from peer.audit.evidence import (
    cut,
    pack_evidence,
    parse_evidence,
    read_evidence,
    write_evidence,
)
from protocol.errors import BadEvidence, UsageError
from tests.peer.audit.stories import (
    honest_script,
)

HONEST, _, _ = honest_script()
PACKED = pack_evidence(HONEST.file().charter, HONEST.file().pieces)


def test_written_file_is_read_as_it_was(tmp_path: Path) -> None:
    """What export writes, verify reads; nothing else is left beside it."""
    path = tmp_path / "two.vendue"
    write_evidence(path, HONEST.file().charter, iter(HONEST.pieces()))
    again = read_evidence(path)
    assert (again.charter, list(again.pieces), again.source) == (HONEST.file().charter, HONEST.pieces(), str(path))
    assert [one.name for one in tmp_path.iterdir()] == ["two.vendue"]
    assert path.read_bytes() == PACKED


OTHER_FILES = (
    b"", b"{}", b"\xc1", b"\x93", msgpack.packb({"a": 1}), msgpack.packb(["vendue-evidence-file/2", b"", []]),
    msgpack.packb(["vendue-evidence-file/1", b"", {}]),
)  # fmt: skip


@pytest.mark.parametrize("raw", OTHER_FILES)
def test_other_files_are_no_evidence(tmp_path: Path, raw: bytes) -> None:
    """The error says what it is not, and what to do."""
    path = tmp_path / "other"
    path.write_bytes(raw)
    with pytest.raises(BadEvidence, match="no evidence file") as caught:
        read_evidence(path)
    assert caught.value.do
    assert caught.value.exit_code == 7


@pytest.mark.parametrize("cut_at", [len(PACKED) - 1, len(PACKED) // 2, 40])
def test_truncated_file_names_the_position(cut_at: int) -> None:
    """A download that broke off is told from a forgery."""
    with pytest.raises(BadEvidence, match=r"ends in the middle of what begins at byte \d+"):
        parse_evidence(PACKED[:cut_at])


def test_something_else_inside_names_the_position() -> None:
    """An array where a statement should be is not even built."""
    raw = msgpack.packb((evidencefile.FILE_TAG, b"charter", [b"piece", [[]] * 100]))
    with pytest.raises(BadEvidence, match=f"At byte {raw.index(b'piece') + 5} "):
        parse_evidence(raw)


def test_bytes_behind_the_end_are_refused() -> None:
    """One file is one value."""
    with pytest.raises(BadEvidence, match=f"At byte {len(PACKED)} it should end"):
        parse_evidence(PACKED + b"\0")


def test_file_claims_no_more_than_its_bounds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither a huge count nor a huge file is believed, and none is written."""
    with pytest.raises(BadEvidence, match="claims 4294967295 statements"):
        parse_evidence(b"\x93" + msgpack.packb([evidencefile.FILE_TAG, b""])[1:] + b"\xdd\xff\xff\xff\xff")
    monkeypatch.setattr(evidencefile, "FILE_BYTES_MAX", 100)
    with pytest.raises(BadEvidence, match="longer than 100 bytes"):
        parse_evidence(PACKED)
    with pytest.raises(UsageError, match="too much"):
        write_evidence(tmp_path / "x.vendue", HONEST.file().charter, HONEST.pieces())
    assert not list(tmp_path.iterdir())


def test_large_piece_is_refused_before_it_is_read() -> None:
    """One statement has a bound, and so has the buffer."""
    raw = msgpack.packb((evidencefile.FILE_TAG, bytes(evidencefile.PIECE_BYTES_MAX + 1), []))
    with pytest.raises(BadEvidence):
        parse_evidence(raw)
    with pytest.raises(BadEvidence):
        parse_evidence(msgpack.packb((evidencefile.FILE_TAG, bytes(8 * evidencefile.PIECE_BYTES_MAX), [])))


def test_missing_file_and_missing_place_are_slips_of_the_caller(tmp_path: Path) -> None:
    """A wrong name is no accusation."""
    with pytest.raises(UsageError, match="no file"):
        read_evidence(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="cannot be written"):
        write_evidence(tmp_path / "no" / "such" / "place", b"", ())


def test_statement_of_another_peer_without_seal_cannot_be_exported() -> None:
    """Nobody seals in another's name."""
    script, announcement, _ = honest_script()
    with pytest.raises(UsageError, match="has no seal"):
        cut([announcement], script.ada.sealer)
    assert cut([announcement], script.ada.sealer, script.manager.sealer)
