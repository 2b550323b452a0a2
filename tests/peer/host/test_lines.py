"""What processes say is read line by line, whatever it is."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from peer.host.lines import CUT, LINE_BYTES_MAX, lines


def read(pieces: list[bytes]) -> list[str]:
    """The lines of a stream that comes in these pieces."""

    async def whole() -> list[str]:
        stream = asyncio.StreamReader()
        for piece in pieces:
            stream.feed_data(piece)
        stream.feed_eof()
        return [line async for line in lines(stream)]

    return asyncio.run(whole())


def test_a_line_without_end_is_cut_and_the_next_one_is_whole() -> None:
    """Nobody can fill the memory of a supervisor with one line."""
    assert read([b"a" * 1_000_000 + b"\nnext\r\n", b"\n", b"last"]) == ["a" * LINE_BYTES_MAX + CUT, "next", "last"]


@given(st.lists(st.binary(max_size=50), max_size=20))
def test_lines_do_not_depend_on_how_they_come(pieces: list[bytes]) -> None:
    """As if all had come at once, and split by a dumb oracle; empty lines are left out."""
    whole = b"".join(pieces)
    assert read(pieces) == [part.decode("utf-8", "replace").rstrip("\r") for part in whole.split(b"\n") if part]
