"""Strict, bounded MessagePack: statements to bytes and back, and the id that both sides agree on.

Decoding accepts less than MessagePack allows: nil, booleans, integers, UTF-8 strings, byte strings and arrays, with no
floats, maps or extension types, and nothing behind the end (SPEC section 2). Integers need not be minimal: nothing
is ever encoded again, so the id is that of the bytes received.
"""

from __future__ import annotations

import hashlib
from types import GenericAlias
from typing import Any, Final, TypeVar, get_type_hints

import msgpack
import msgspec

from protocol import limits
from protocol.keys import Digest
from protocol.kinds import KINDS, TAG_OF
from protocol.statements import AnyStatement, Body, Statement

_TAG_LENGTH: Final = 0x1F
"""The bits of a short string's first byte that say how long it is."""
PAYLOAD_TYPE: Final = b"application/vnd.vendue.statement.v1+msgpack"
_LEAF_AND_TYPE: Final = b"\0DSSEv1 %d %s " % (len(PAYLOAD_TYPE), PAYLOAD_TYPE)
_STATEMENT_FIELDS: Final = 9
_ENVELOPE: Final = tuple(get_type_hints(Statement, include_extras=True).values())[1 : _STATEMENT_FIELDS - 1]
_TYPES: Final[dict[str, Any]] = {tag: GenericAlias(tuple, (str, *_ENVELOPE, kind.body)) for tag, kind in KINDS.items()}
"""Tag → the types of the nine fields, bounds and all."""
_DECODERS: Final = {msgpack.packb(tag): msgspec.msgpack.Decoder(fields).decode for tag, fields in _TYPES.items()}
"""The bytes of a tag → what reads such a statement in one go."""
_encode: Final = msgspec.msgpack.Encoder().encode
_sha256: Final = hashlib.sha256

B = TypeVar("B", bound=Body)


class Malformed(ValueError):
    """Bytes that are no statement, bundle or evidence; the message is a short phrase without foreign data."""


def unpack(raw: bytes, *, bytes_max: int, items_max: int) -> Any:
    """Decode one MessagePack value of arrays and scalars. Raises Malformed."""
    try:
        return msgpack.unpackb(
            raw,
            max_bin_len=bytes_max,
            max_str_len=bytes_max,
            max_array_len=items_max,
            max_map_len=0,
            max_ext_len=0,
            ext_hook=_refuse_extension,
        )
    except RecursionError:
        raise Malformed("nested too deep") from None
    except msgpack.ExtraData:
        raise Malformed("bytes behind the end") from None
    except msgpack.StackError:
        raise Malformed("nested too deep") from None
    except (ValueError, TypeError, OverflowError, msgpack.UnpackException) as error:
        raise Malformed(_phrase(error)) from None


def _refuse_extension(code: int, data: bytes) -> Any:
    raise ValueError("extension type")


def _phrase(error: BaseException) -> str:
    """One of a few fixed phrases: an error's own text may quote what a stranger sent."""
    text = str(error)
    for sign, phrase in _PHRASES:
        if sign in text:
            return phrase
    return "not one MessagePack value"


_PHRASES: Final = (
    ("max_map_len", "map"),
    ("max_ext_len", "extension type"),
    ("extension type", "extension type"),
    ("max_", "too long"),
    ("utf-8", "string is not UTF-8"),
    ("incomplete", "truncated"),
)


def statement_id(payload: bytes) -> Digest:
    """SHA-256(0x00 ‖ DSSE pre-authentication encoding of `payload`): 32 bytes, the RFC 6962 leaf hash."""
    return Digest(_sha256(_LEAF_AND_TYPE + b"%d " % len(payload) + payload).digest())


def decode(payload: bytes, seal: object = None, known_id: Digest | None = None) -> AnyStatement:
    """Read one statement. Raises Malformed with the rule that it breaks."""
    if len(payload) > limits.STATEMENT_MAX:
        raise Malformed("statement too long")
    try:
        fields = _DECODERS[payload[1 : 2 + (payload[1] & _TAG_LENGTH)]](payload)
    except (LookupError, ValueError, RecursionError):
        fields = _read_by_rules(payload)  # which one it breaks is found out more slowly
    kind, market, author, feed, seq, prev, made_ms, about, body = fields
    own_id = known_id or statement_id(payload)
    return Statement(kind, market, author, feed, seq, prev, made_ms, about, body, payload, own_id, seal)


def _read_by_rules(payload: bytes) -> Any:
    """Read the nine fields rule by rule. Raises Malformed with the first rule that they break."""
    fields = unpack(payload, bytes_max=limits.INLINE_MAX, items_max=limits.REVOCATIONS_MAX)
    if type(fields) is not list or len(fields) != _STATEMENT_FIELDS:
        raise Malformed("not an array of nine fields")
    kind = fields[0]
    statement_type = _TYPES.get(kind) if type(kind) is str else None
    if statement_type is None:
        raise Malformed("unknown kind")
    try:
        # With bytes named as a type of the input, a string is never taken for the base64 of a byte string.
        return msgspec.convert(fields, statement_type, builtin_types=(bytes,))
    except (msgspec.ValidationError, RecursionError, OverflowError):
        raise Malformed(f"fields do not fit {kind}") from None


def encode(
    body: B,
    *,
    market: bytes,
    author: bytes,
    feed: bytes,
    seq: int,
    prev: bytes | None,
    made_ms: int,
    about: bytes | None,
) -> Statement[B]:
    """Make a statement of our own: its payload is fixed here, once."""
    kind = TAG_OF[type(body)]
    payload = _encode((kind, market, author, feed, seq, prev, made_ms, about, body))
    return Statement(kind, market, author, feed, seq, prev, made_ms, about, body, payload, statement_id(payload))
