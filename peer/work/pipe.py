"""What a peer and the child process that runs agent code say to each other: frames of four bytes of length, then JSON.

It refuses to know who reads and who writes.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from protocol.limits import NOTE_MAX
from protocol.statements import FailureClass

FRAME_OVERHEAD: Final = 16 * NOTE_MAX
"""A frame's bytes beside the output it carries: the longest reason, all of it escaped."""
LENGTH_BYTES: Final = 4


class Begin(msgspec.Struct, frozen=True, tag="begin"):
    """To the child, once: the work. Inputs and outputs are JSON, carried as base64."""

    award: bytes
    idempotency_token: bytes
    epoch: int
    raw_input: bytes
    output_max: int


class Answer(msgspec.Struct, frozen=True, tag="answer"):
    """To the child: why it must end, or nothing, as the answer to one Ask."""

    number: int
    end_reason: str


class Ask(msgspec.Struct, frozen=True, tag="ask"):
    """From the child: a question whether there may be an effect."""

    number: int


class Report(msgspec.Struct, frozen=True, tag="report"):
    """From the child: how much is done."""

    permille: Annotated[int, msgspec.Meta(ge=0, le=1000)]
    note: Annotated[str, msgspec.Meta(max_length=NOTE_MAX)]


class Output(msgspec.Struct, frozen=True, tag="output"):
    """From the child, as its last word: what the function returned."""

    output: bytes


class Fault(msgspec.Struct, frozen=True, tag="fault"):
    """From the child, as its last word: why there is no output."""

    failure_class: FailureClass
    reason: Annotated[str, msgspec.Meta(max_length=NOTE_MAX)]


ToChild = Begin | Answer
FromChild = Ask | Report | Output | Fault
_to_child: Final = msgspec.json.Decoder(ToChild)
_from_child: Final = msgspec.json.Decoder(FromChild)


def frame(message: ToChild | FromChild) -> bytes:
    """Write one message with its length before it."""
    body = msgspec.json.encode(message)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def read_to_child(body: bytes) -> ToChild:
    """Read a message of the peer. Raises msgspec.DecodeError."""
    message: ToChild = _to_child.decode(body)
    return message


def read_from_child(body: bytes) -> FromChild:
    """Read a message of a child. Raises msgspec.DecodeError."""
    message: FromChild = _from_child.decode(body)
    return message
