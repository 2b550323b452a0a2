"""Bytes to statements and back, and every way in which bytes are refused."""

from __future__ import annotations

import contextlib
import hashlib
import math
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import astuple

from protocol import limits
from protocol.codec import Malformed, _read_by_rules, decode, encode, statement_id, unpack
from protocol.kinds import KINDS
from protocol.notices import Card, Offered
from protocol.statements import AnyStatement, Bid
from tests.authors import Author
from tests.strategies import bodies, changed, statements

WIDE = {"bytes_max": 1024, "items_max": 64}
NOT_IN_ANY_FIELD = (
    0.0, 1.0, -1.5, math.inf, -math.inf, math.nan, True, False, {}, msgpack.ExtType(1, b""), msgpack.ExtType(1, b"x"),
    msgpack.Timestamp(1),
)  # fmt: skip
"""Values of types that no field has: floats even when they are whole, booleans even where 0 or 1 would do."""


def a_bid() -> AnyStatement:
    """A statement of the simplest kind."""
    return Author("ada").say(Bid(price=5, duration_ms=7), about=bytes(32))


def fields_of(statement: AnyStatement) -> list[Any]:
    """What a payload is to MessagePack."""
    fields: list[Any] = msgpack.unpackb(statement.payload)
    return fields


def places(value: object) -> list[tuple[int, ...]]:
    """The path of every value in nested lists, the lists included."""
    found: list[tuple[int, ...]] = []
    if isinstance(value, list):
        for index, item in enumerate(value):
            found += [(index,), *((index, *rest) for rest in places(item))]
    return found


def put(value: list[Any], place: tuple[int, ...], new: Callable[[Any], Any]) -> list[Any]:
    """The same nested lists, with one value changed."""
    at, *rest = place
    changed_item = put(value[at], tuple(rest), new) if rest else new(value[at])
    return [*value[:at], changed_item, *value[at + 1 :]]


# What is accepted


@pytest.mark.spec("M-2.1")
@pytest.mark.parametrize("tag", KINDS)
@given(data=st.data())
def test_every_kind_reads_back(tag: str, data: st.DataObject) -> None:
    """A statement of each kind, decoded from its bytes, is the one that was encoded."""
    said = Author("ada").say(data.draw(bodies(KINDS[tag].body)), prev=data.draw(st.none() | st.just(b"p" * 32)))  # type: ignore[arg-type]
    read = decode(said.payload)
    assert read.kind == tag
    assert (read, read.body, read.payload) == (said, said.body, said.payload)
    assert (read.market, read.author, read.feed, read.seq, read.prev, read.about) == (
        said.market, said.author, said.feed, said.seq, said.prev, said.about,
    )  # fmt: skip
    assert repr(read) == repr(said)
    assert hash(read) == hash(said)


@pytest.mark.spec("M-2.5")
@given(statements())
def test_id_is_the_leaf_hash_of_the_dsse_encoding(said: AnyStatement) -> None:
    """The id is what RFC 6962 and DSSE say, written out here once more."""
    kind = b"application/vnd.vendue.statement.v1+msgpack"
    hashed = b"\x00DSSEv1 " + b" ".join((str(len(kind)).encode(), kind, str(len(said.payload)).encode(), said.payload))
    assert said.id == statement_id(said.payload) == decode(said.payload).id == hashlib.sha256(hashed).digest()


@pytest.mark.spec("M-2.6")
def test_integers_need_not_be_minimal() -> None:
    """The same bid in longer integers is a bid too, and another statement: the id is that of the bytes."""
    said = a_bid()
    assert said.payload.endswith(b"\x92\x05\x07")
    longer = decode(said.payload[:-3] + b"\x92\xcd\x00\x05\xd3" + bytes(7) + b"\x07")
    assert longer.body == said.body
    assert longer.id != said.id
    assert longer != said


# What is refused


@pytest.mark.spec("M-2.2", "M-9.1")
@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        (b"", "truncated"),
        (b"\xc1", "not one MessagePack value"),
        (b"\x92\xc0", "truncated"),
        (b"\xc4\x05abc", "truncated"),
        (b"\xc0\xc0", "bytes behind the end"),
        (b"\x81\xc0\xc0", "map"),
        (b"\xdf\xff\xff\xff\xff", "map"),
        (b"\xd4\x01\x00", "extension type"),
        (b"\xc7\x00\x01", "extension type"),
        (b"\xd6\xff\x00\x00\x00\x00", "extension type"),
        (b"\xd7\xff" + b"\xff" * 8, "extension type"),
        (b"\xa1\xff", "string is not UTF-8"),
        (b"\xa3\xed\xa0\x80", "string is not UTF-8"),
        (b"\xc5\x04\x01" + bytes(1025), "too long"),
        (b"\xda\x04\x01" + b"a" * 1025, "too long"),
        (b"\xdc\x00\x41" + bytes(65), "too long"),
        (b"\xdd\xff\xff\xff\xff", "too long"),
        (b"\x91" * 5_000 + b"\xc0", "nested too deep"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[:4].hex(),
)
def test_each_rule_refuses_in_its_own_words(raw: bytes, rule: str) -> None:
    """Bytes that are not one bounded value of admitted types are refused, by name."""
    with pytest.raises(Malformed, match=f"^{rule}$"):
        unpack(raw, **WIDE)


@pytest.mark.spec("M-2.1", "M-2.3")
@pytest.mark.parametrize(
    ("rule", "fields"),
    [
        ("not an array of nine fields", None),
        ("not an array of nine fields", []),
        ("not an array of nine fields", fields_of(a_bid())[:-1]),
        ("not an array of nine fields", [*fields_of(a_bid()), None]),
        ("unknown kind", ["propose/2", *fields_of(a_bid())[1:]]),
        ("unknown kind", [b"propose/1", *fields_of(a_bid())[1:]]),
        ("unknown kind", [["propose/1"], *fields_of(a_bid())[1:]]),
        ("fields do not fit propose/1", put(fields_of(a_bid()), (8,), lambda body: [*body, 1])),
        ("fields do not fit propose/1", put(fields_of(a_bid()), (8,), lambda body: body[:-1])),
        ("fields do not fit propose/1", put(fields_of(a_bid()), (8, 0), lambda _: limits.MONEY_MAX + 1)),
        ("fields do not fit propose/1", put(fields_of(a_bid()), (8, 0), lambda _: 2**64 - 1)),
        ("fields do not fit propose/1", put(fields_of(a_bid()), (8, 0), lambda _: -1)),
        ("fields do not fit propose/1", put(fields_of(a_bid()), (4,), lambda _: 0)),
        ("fields do not fit propose/1", put(fields_of(a_bid()), (1,), lambda market: market + b"!")),
        ("fields do not fit propose/1", put(fields_of(a_bid()), (2,), lambda _: None)),
        ("fields do not fit cfp/1", ["cfp/1", *fields_of(a_bid())[1:]]),
    ],
)
def test_what_is_no_statement_is_refused(rule: str, fields: object) -> None:
    """Fields missing, left over, out of bounds or of another kind are refused, by name."""
    with pytest.raises(Malformed, match=f"^{rule}$"):
        decode(msgpack.packb(fields))


@pytest.mark.spec("M-2.2")
@given(statements(), st.data())
def test_a_type_that_no_field_has_is_refused_everywhere(said: AnyStatement, data: st.DataObject) -> None:
    """A float, infinity, boolean, map or extension in any place of any kind is refused."""
    fields = fields_of(said)
    place = data.draw(st.sampled_from(places(fields)))
    alien = data.draw(st.sampled_from(NOT_IN_ANY_FIELD))
    with pytest.raises(Malformed):
        decode(msgpack.packb(put(fields, place, lambda _: alien)))


@pytest.mark.spec("M-2.4")
@given(statements(), st.data())
def test_strings_and_byte_strings_are_never_taken_for_each_other(said: AnyStatement, data: st.DataObject) -> None:
    """The base64 of a byte string, or the UTF-8 of a string, is not the field's value."""
    fields = fields_of(said)

    def swap(value: bytes | str) -> bytes | str:
        return value.encode() if isinstance(value, str) else b64encode(value).decode()

    texts = [place for place in places(fields) if isinstance(_at(fields, place), (bytes, str))]
    with pytest.raises(Malformed):
        decode(msgpack.packb(put(fields, data.draw(st.sampled_from(texts)), swap)))


def _at(value: Any, place: tuple[int, ...]) -> Any:
    for index in place:
        value = value[index]
    return value


@given(statements(), st.data())
def test_changed_bytes_are_refused_or_are_another_statement(said: AnyStatement, data: st.DataObject) -> None:
    """No change of the bytes keeps the id, and none raises anything but Malformed."""
    other = data.draw(changed(said.payload))
    with contextlib.suppress(Malformed):
        assert decode(other).id != said.id


@given(statements(), st.data())
def test_the_quick_way_reads_nothing_that_the_rules_refuse(said: AnyStatement, data: st.DataObject) -> None:
    """Reading in one go and reading rule by rule are one function: on what is sound, and on what is not."""
    for payload in (said.payload, data.draw(changed(said.payload))):
        try:
            by_rules = _read_by_rules(payload)
        except Malformed as error:
            with pytest.raises(Malformed, match=str(error)):
                decode(payload)
        else:
            quick = decode(payload)
            assert (quick.kind, *astuple(quick)[1:9]) == tuple(by_rules)


@given(st.binary(max_size=200))
def test_any_bytes_at_all_are_answered(raw: bytes) -> None:
    """Random bytes never raise anything but Malformed."""
    with pytest.raises(Malformed):
        decode(raw)


@pytest.mark.spec("M-9.1")
def test_statement_as_long_as_allowed_is_read_and_no_longer() -> None:
    """Each bound may be used up, but not all together: a card of all skills with all schemas is too long."""
    offered = Offered(skill="s", input_schema=bytes(limits.SCHEMA_MAX), output_schema=bytes(limits.SCHEMA_MAX))
    card = Card(name="", skills=(offered,) * 7, capacity=1, addresses=(), transport_key=None, certificate=None)
    said = Author("ada").say(card)
    assert len(said.payload) < limits.STATEMENT_MAX
    assert decode(said.payload) == said
    full = Author("ada").say(Card(**{**_fields(card), "skills": (offered,) * limits.SKILLS_MAX}))
    with pytest.raises(Malformed, match="statement too long"):
        decode(full.payload)


def _fields(card: Card) -> dict[str, Any]:
    return {name: getattr(card, name) for name in card.__struct_fields__}


@pytest.mark.spec("M-4.11")
def test_refusals_quote_nothing_foreign() -> None:
    """What a stranger sent never reaches a log through the text of a refusal."""
    secret = "\x1b]0;gotcha\x07"
    told = fields_of(a_bid())
    for fields in (secret, [secret], [secret, *told[1:]], put(told, (8,), lambda _: secret)):
        with pytest.raises(Malformed) as refused:
            decode(msgpack.packb(fields))
        assert "gotcha" not in str(refused.value)


# Foreign encodings


@pytest.mark.spec("M-2.2")
def test_all_foreign_encodings_are_read_right_or_refused_by_a_rule(vectors: Callable[[str], Any]) -> None:
    """All 233 encodings of the public MessagePack suite: of admitted types each is read right, of others refused."""
    counts: Counter[str] = Counter()
    for name, cases in vectors("msgpack-test-suite.json").items():
        for case in cases:
            for encoding in case["msgpack"]:
                outcome = _judge(case, bytes.fromhex(encoding.replace("-", "")))
                assert outcome in _ALLOWED.get(name[3:-5], {"read"}), (name, encoding)
                counts[outcome] += 1
    print(dict(counts))
    assert counts == {"read": 191, "map": 12, "extension type": 30}


_ALLOWED = {
    "map": {"map", "read"}, "nested": {"map", "read"}, "timestamp": {"extension type"}, "ext": {"extension type"},
}  # fmt: skip
"""The suite's files with refusals in them. An empty map passes `unpack` and fits no field, as a float does."""


def _judge(case: dict[str, Any], raw: bytes) -> str:
    """Read one encoding and compare; the rule, when it is refused."""
    try:
        value = unpack(raw, **WIDE)
    except Malformed as refusal:
        return str(refusal)
    kind = next(key for key in ("binary", "bignum", *case) if key in case)
    expected = case[kind]
    if kind == "binary":
        expected = bytes.fromhex(expected.replace("-", ""))
    elif kind == "bignum":
        expected = int(expected)
    return "read" if value == expected and (kind == "bignum" or type(value) in (type(expected), float)) else "misread"


def test_encoding_of_our_own_is_what_the_library_packs() -> None:
    """What we say is one array of nine, packed in the shortest form."""
    said = encode(
        Bid(price=5, duration_ms=7), market=b"m" * 32, author=b"a" * 32, feed=b"f" * 8, seq=1, prev=None, made_ms=0,
        about=None,
    )  # fmt: skip
    assert said.payload == (
        b"\x99\xa9propose/1\xc4\x20" + b"m" * 32 + b"\xc4\x20" + b"a" * 32 + b"\xc4\x08" + b"f" * 8
        + b"\x01\xc0\x00\xc0\x92\x05\x07"
    )  # fmt: skip
