"""What hypothesis draws: valid statements of every kind, signed bundles, and tampering with bytes.

Bodies are drawn from their types, so that a new kind or a new bound is tested without a word here. Whole contracts are
drawn by `tests.walks`.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from protocol import limits
from protocol.bundle import seal
from protocol.kinds import KINDS
from protocol.statements import AnyStatement, Body
from tests.authors import Author

LONG = 40
"""Byte strings, texts and arrays are drawn up to this length: their bounds have tests of their own."""
NAMES = ("ada", "bo", "cy", "dee", "eli", "flo")


def values(of: inspect.Type) -> st.SearchStrategy[object]:
    """Values of one annotated type of `protocol.statements`, its bounds included."""
    match of:
        case inspect.IntType(ge=low, le=high):
            return st.integers(low, high) | st.sampled_from((low, high))
        case inspect.BytesType(min_length=low, max_length=high):
            return st.binary(min_size=low or 0, max_size=_shorter(high))
        case inspect.StrType(min_length=low, max_length=high):
            return st.text(st.characters(codec="utf-8"), min_size=low or 0, max_size=_shorter(high))
        case inspect.EnumType(cls=choices):
            return st.sampled_from(list(choices))
        case inspect.NoneType():
            return st.none()
        case inspect.UnionType(types=types):
            return st.one_of(*map(values, types))
        case inspect.VarTupleType(item_type=item, min_length=low, max_length=high):
            return st.lists(values(item), min_size=low or 0, max_size=min(4, _shorter(high))).map(tuple)
        case inspect.StructType(cls=struct):
            return bodies(struct)
    raise AssertionError(f"no strategy for {of}")


def _shorter(high: int | None) -> int:
    return LONG if high is None else min(high, LONG)


def bodies(kind: type[msgspec.Struct]) -> st.SearchStrategy[msgspec.Struct]:
    """Valid bodies (or parts) of one class."""
    described = inspect.type_info(kind)
    assert isinstance(described, inspect.StructType)
    return st.builds(kind, **{field.name: values(field.type) for field in described.fields})


ANY_BODY: st.SearchStrategy[Body] = st.one_of([bodies(kind.body) for kind in KINDS.values()])  # type: ignore[arg-type]
DIGESTS = st.binary(min_size=32, max_size=32)


@st.composite
def statements(draw: st.DrawFn, author: Author | None = None) -> AnyStatement:
    """A valid statement of any kind, with any valid envelope; by this author, or by anyone."""
    return (author or Author(draw(st.sampled_from(NAMES)))).say(
        draw(ANY_BODY),
        about=draw(st.none() | DIGESTS),
        prev=draw(st.none() | DIGESTS),
        seq=draw(st.integers(1, limits.COUNTER_MAX)),
    )


class Sealed(NamedTuple):
    """A frame, and what is in it."""

    frame: bytes
    author: Author
    statements: tuple[AnyStatement, ...]


@st.composite
def bundles(draw: st.DrawFn, max_size: int = 9) -> Sealed:
    """A signed frame of one author's different statements."""
    author = Author(draw(st.sampled_from(NAMES)))
    said = draw(st.lists(statements(author), min_size=1, max_size=max_size, unique_by=lambda one: one.id))
    return Sealed(seal(said, author.sealer), author, tuple(said))


@st.composite
def changed(draw: st.DrawFn, original: bytes) -> bytes:
    """The same bytes but for one: changed, lost or added."""
    at = draw(st.integers(0, len(original) - 1))
    match draw(st.sampled_from(("changed", "changed", "lost", "added", "cut off"))):
        case "changed":
            return original[:at] + bytes([original[at] ^ draw(st.integers(1, 255))]) + original[at + 1 :]
        case "lost":
            return original[:at] + original[at + 1 :]
        case "added":
            return original[:at] + draw(st.binary(min_size=1, max_size=3)) + original[at:]
        case _:
            return original[:at]
