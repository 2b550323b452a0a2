"""What peers ask each other directly, and how it looks on the wire; this file opens no socket.

A request is `[request id, [kind, ...]]`, an answer is one or more pages `[request id, [bytes, ...], more]`. Both are
decoded straight into their types, so that a stranger's nesting, maps and extension types end at the first byte.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta, Struct

from protocol.limits import COUNTER_MAX, FETCH_IDS_MAX

_Bytes32 = Annotated[bytes, Meta(min_length=32, max_length=32)]
_Bytes8 = Annotated[bytes, Meta(min_length=8, max_length=8)]
_Counter = Annotated[int, Meta(ge=1, le=COUNTER_MAX)]

PAGE_ITEMS_MAX = 512  # as many statements as a bundle has


class Ids(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="ids"):
    """Ask for statements by their ids."""

    ids: Annotated[list[_Bytes32], Meta(min_length=1, max_length=FETCH_IDS_MAX)]


class FeedRange(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="feed"):
    """Ask for the statements `first_seq` to `last_seq`, both included, of one author's feed."""

    author: _Bytes32
    feed: _Bytes8
    first_seq: _Counter
    last_seq: _Counter


Request: TypeAlias = Ids | FeedRange


class _Asked(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    request_id: _Counter
    request: Request


class Page(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One message of an answer; `more` says that another one follows."""

    request_id: _Counter
    items: Annotated[list[bytes], Meta(max_length=PAGE_ITEMS_MAX)]
    more: bool


_REQUESTS = msgspec.msgpack.Decoder(_Asked)
_PAGES = msgspec.msgpack.Decoder(Page)
MALFORMED: Final = (msgspec.DecodeError, ValueError, RecursionError, OverflowError)
"""What msgspec raises on a stranger's bytes."""
pack = msgspec.msgpack.Encoder().encode


def pack_request(request_id: int, request: Request) -> bytes:
    """Write a request; `request_id` comes back in each page of its answer."""
    return pack(_Asked(request_id, request))


def open_request(message: bytes) -> tuple[int, Request] | None:
    """Read what a stranger asks: its request id and the request, or None if it is none."""
    try:
        asked = _REQUESTS.decode(message)
    except MALFORMED:
        return None
    request = asked.request
    if isinstance(request, FeedRange) and request.first_seq > request.last_seq:
        return None
    return asked.request_id, request


def open_page(message: bytes) -> Page | None:
    """Read one page of an answer, or None if it is none."""
    try:
        return _PAGES.decode(message)
    except MALFORMED:
        return None
