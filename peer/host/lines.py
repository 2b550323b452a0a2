"""Reading what a process says, line by line, whatever it says: lines of bounded length, as text."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

LINE_BYTES_MAX: Final = 16_384
"""A traceback's line or a JSON line with its fields is far shorter; what is longer is cut, and marked."""
PIECE_BYTES: Final = 65_536
CUT: Final = "…"


async def lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """Give each line without its end, also the last one if it has none; empty lines are left out."""
    kept = bytearray()
    while piece := await stream.read(PIECE_BYTES):
        *ended, rest = piece.split(b"\n")
        for part in ended:
            _keep(kept, part)
            if kept:
                yield _text(kept)
            kept.clear()
        _keep(kept, rest)
    if kept:
        yield _text(kept)


def _keep(kept: bytearray, part: bytes) -> None:
    """Keep one byte more than is shown, to know that there was more."""
    kept += part[: max(0, LINE_BYTES_MAX + 1 - len(kept))]


def _text(kept: bytearray) -> str:
    shown = kept[:LINE_BYTES_MAX].decode("utf-8", "replace").rstrip("\r")
    return shown + CUT if len(kept) > LINE_BYTES_MAX else shown
