"""Bodies drawn from their types, bounds and all: a new kind, or a new bound, is thrown without a word here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

from msgspec import inspect

from protocol.kinds import KINDS

_FEW: Final = 3
_LONG: Final = 40
_WORDS: Final = ("shout", "fail", "sing", "", "x", "é" * 8, "retryable", "\x1b[2J")
_TAGS: Final = tuple(KINDS)

Digests = Callable[[], bytes]
"""Gives 32 bytes that mean something: an id, a key."""


def statement(chance: Random, digests: Digests) -> tuple[str, list[Any]]:
    """A tag, and the fields of a body of its kind."""
    tag = chance.choice(_TAGS)
    return tag, fields_of(KINDS[tag].body, chance, digests)


def fields_of(kind: type[Any], chance: Random, digests: Digests) -> list[Any]:
    """The fields of a body or a part, as an array has them."""
    types = _types_of.get(kind)
    if types is None:
        described = inspect.type_info(kind)
        assert isinstance(described, inspect.StructType), "bodies and their parts are structs"
        types = _types_of[kind] = [field.type for field in described.fields]
    return [_value(each, chance, digests) for each in types]


_types_of: Final[dict[type[Any], Sequence[inspect.Type]]] = {}
"""What was looked up before."""


def _value(of: inspect.Type, chance: Random, digests: Digests) -> Any:
    match of:
        case inspect.IntType(ge=low, le=high):
            return chance.choice((low or 0, high or 0, chance.randint(low or 0, min(high or 0, 100_000))))
        case inspect.BytesType(min_length=32, max_length=32):
            return digests()
        case inspect.BytesType(min_length=low, max_length=high):
            return chance.randbytes(chance.randint(low or 0, min(_LONG, high or 0)))
        case inspect.StrType(min_length=low, max_length=high):
            return (chance.choice(_WORDS) + "x" * (low or 0))[:high]
        case inspect.EnumType(cls=choices):
            return chance.choice(list(choices)).value
        case inspect.BoolType():
            return chance.random() < 0.5
        case inspect.NoneType():
            return None
        case inspect.UnionType(types=types):
            return _value(chance.choice(types), chance, digests)
        case inspect.VarTupleType(item_type=item, min_length=low, max_length=high):
            most = min(_FEW, _FEW if high is None else high)
            return [_value(item, chance, digests) for _ in range(chance.randint(min(low or 0, most), most))]
        case inspect.StructType(cls=struct):
            return fields_of(struct, chance, digests)
    raise AssertionError(f"nothing is drawn for {of}")
