"""Reading what a process says, line by line, whatever it says: lines of bounded length, as text."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Final, NamedTuple

LINE_BYTES_MAX: Final = 16_384
"""A traceback's line or a JSON line with its fields is far shorter; what is longer is cut, and marked."""
PIECE_BYTES: Final = 65_536
CUT: Final = "…"


class Outlet(NamedTuple):
    """A pipe for what a process says.

    It is our own, for asyncio's are waited for together with the process: whatever that left behind, and still holds
    the pipe, would hide its end.
    """

    writing: int
    """For the process; closed here once it has been started."""
    stream: asyncio.StreamReader
    transport: asyncio.ReadTransport


async def outlet() -> Outlet:
    """Open a pipe; its `transport` is closed when nobody reads any more."""
    reading, writing = os.pipe()
    stream = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(reading, "rb", buffering=0)
    )
    return Outlet(writing, stream, transport)


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
