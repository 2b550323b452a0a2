"""Each transcript tells one story of the market; a change in what happens is reviewed by reading the difference."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.transcript import replay

TRANSCRIPTS = Path(__file__).parent / "transcripts"
REWRITE = os.environ.get("VENDUE_REWRITE") == "1"


@pytest.mark.parametrize("name", sorted(path.stem for path in TRANSCRIPTS.glob("*.txt")))
def test_what_happens_is_what_is_written(name: str) -> None:
    """Playing the commands of a transcript gives the happenings that are written below them."""
    path = TRANSCRIPTS / f"{name}.txt"
    written = path.read_text(encoding="utf-8")
    played = replay(written)
    if REWRITE:
        path.write_text(played, encoding="utf-8")
        return
    assert played == written
