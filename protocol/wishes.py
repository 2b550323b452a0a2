"""What a journal holds of its user beside statements: which results the user wants to look at.

A wish lies among the frames heard, under a tag of its own. On the wire such a frame is malformed, so nobody else's wish
is ever recorded.
"""

from __future__ import annotations

import msgpack

from protocol.keys import Digest

WISH_TAG = "vendue-wish/1"
_START = msgpack.packb((WISH_TAG, bytes(32)))[:-32]


def note_of(contract: Digest) -> bytes:
    """The note in the journal that the result of this task is to be looked at."""
    return _START + contract


def wish_in(row: bytes) -> Digest | None:
    """The task that a row of the journal is such a note about, if it is one."""
    contract = row[len(_START) :]
    return Digest(contract) if row.startswith(_START) and len(contract) == 32 else None
