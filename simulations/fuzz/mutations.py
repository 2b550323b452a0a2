"""Bytes, and trees of MessagePack, with something wrong in them; each by one draw from a given generator.

A tree is what `msgpack` reads, where a byte string that holds an array is a `Packed`: so a statement inside a bundle
is reached like everything else. It refuses to know what any of it means.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Final

import msgpack

_NUMBERS: Final = (
    0,
    1,
    2,
    127,
    128,
    255,
    2**15,
    2**31,
    2**32,
    2**53,
    2**53 + 1,
    2**62,
    2**62 + 1,
    2**63 - 1,
    2**64 - 1,
)
_ODD: Final[tuple[Any, ...]] = (
    None, True, False, 0.5, float("inf"), float("nan"), "", b"", [], {}, {"a": 1}, "\0", "é" * 40, b"\xc0" * 32,
    bytes(32), b"\xff" * 32, bytes(8), -1, -(2**63), msgpack.ExtType(5, b"x"), msgpack.Timestamp(1, 1),
)  # fmt: skip
_HEADS: Final = (
    b"\xdd\xff\xff\xff\xff", b"\xdc\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xc5\xff\xff", b"\xdb\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff", b"\xc9\xff\xff\xff\xff\x01", b"\xc1", b"\xd9\xff", b"\x9f", b"\x8f", b"\xc0",
    b"\xcb" + bytes(8),
)  # fmt: skip
"""Heads of values that promise more than follows, or what is refused."""
DEEP: Final = 4_000
"""Arrays in arrays: deeper than any reader of ours goes."""
MANY: Final = 5_000
"""More items than anything here may have."""
LONG: Final = 300_000
"""Longer than a statement may be."""
_RARE: Final = 0.002
"""How often something very large is drawn: it costs as much as a hundred others."""


class Packed(list[Any]):
    """A byte string that holds an array."""


def tree_of(raw: bytes) -> Any:
    """Read bytes as far down as they are MessagePack. Raises ValueError where they are none."""
    return _deepen(msgpack.unpackb(raw, max_map_len=0))


def _deepen(value: Any) -> Any:
    if isinstance(value, list):
        return [_deepen(item) for item in value]
    if type(value) is bytes and len(value) > 1 and (0x90 <= value[0] <= 0x9F or value[0] in (0xDC, 0xDD)):
        try:
            inner = msgpack.unpackb(value, max_map_len=0)
        except (ValueError, RecursionError, OverflowError, msgpack.UnpackException):
            return value
        return Packed(_deepen(item) for item in inner)
    return value


def bytes_of(tree: Any) -> bytes:
    """Write a tree."""
    packed: bytes = msgpack.packb(_flatten(tree))
    return packed


def _flatten(value: Any) -> Any:
    if isinstance(value, list):
        items = [_flatten(item) for item in value]
        return msgpack.packb(items) if isinstance(value, Packed) else items
    return value


# Trees


def mutate_tree(tree: Any, chance: Random, others: Callable[[], Any]) -> Any:
    """Change one thing somewhere in a tree, in place where it is a list; `others` gives trees to take pieces from."""
    holder, place = _spot(tree, chance)
    if holder is None:
        return _other(tree, chance, others)
    if chance.random() < 0.25:
        _mutate_list(holder, place, chance)
    else:
        holder[place] = _other(holder[place], chance, others)
    return tree


def _spot(tree: Any, chance: Random) -> tuple[list[Any] | None, int]:
    """Somewhere in a tree: a list, and a place in it; each level down is as likely as the items of this one."""
    holder, place = None, 0
    here = tree
    while isinstance(here, list) and here:
        holder, place = here, chance.randrange(len(here))
        here = here[place]
        if chance.random() < 0.15:
            break
    return holder, place


def _mutate_list(items: list[Any], place: int, chance: Random) -> None:
    match chance.randrange(5):
        case 0:
            del items[place]
        case 1:
            items.insert(place, items[place])
        case 2:
            other = chance.randrange(len(items))
            items[place], items[other] = items[other], items[place]
        case 3:
            items.insert(place, chance.choice(_ODD))
        case _:
            items[place:] = items[place : place + 1] * (MANY if chance.random() < _RARE else chance.randrange(4))


def _other(value: Any, chance: Random, others: Callable[[], Any]) -> Any:
    """Something in the place of a value: near it, odd, or a piece of something else."""
    draw = chance.random()
    if draw < 0.2:
        return chance.choice(_ODD)
    if draw < 0.35:
        donor, place = _spot(others(), chance)
        return donor[place] if donor is not None else value
    if draw < 0.35 + _RARE:
        return _nested(DEEP)
    match value:
        case bool():
            return not value
        case int():
            near = chance.choice((value + 1, value - 1, -value, chance.choice(_NUMBERS), chance.getrandbits(62)))
            return min(max(near, -(2**63)), 2**64 - 1)
        case bytes():
            return mutate_bytes(value, chance) if value else b"\0"
        case str():
            return chance.choice((value + "x", value[1:], value.upper(), value + "\0", value.replace("/1", "/2")))
        case Packed():
            return mutate_bytes(bytes_of(list(value)), chance)
        case list():
            return Packed(value) if chance.random() < 0.5 else [value]
        case _:
            return chance.choice(_ODD)


def _nested(depth: int) -> bytes:
    """So many arrays in each other, as a byte string: to write them as a tree would exhaust the writer."""
    return b"\x91" * depth + b"\xc0"


# Bytes


def mutate_bytes(raw: bytes, chance: Random) -> bytes:
    """Change some bytes, or how many there are."""
    changed = bytearray(raw)
    at = chance.randrange(len(changed)) if changed else 0
    match chance.randrange(7):
        case 0 | 1:
            for _ in range(chance.randint(1, 3)):
                if changed:
                    changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        case 2:
            del changed[at:]
        case 3:
            del changed[at : at + chance.randint(1, 8)]
        case 4:
            head = chance.choice(_HEADS)
            changed[at : at + len(head)] = head
        case 5:
            changed[at:at] = chance.randbytes(chance.randint(1, 8))
        case _:
            changed += bytes(LONG) if chance.random() < _RARE else chance.randbytes(chance.randint(1, 40))
    return bytes(changed)


def spoil(raw: bytes, chance: Random, share: float) -> bytes:
    """Change something in this share of all, in the bytes or in the tree that they hold."""
    if chance.random() >= share:
        return raw
    if chance.random() < 0.5:
        return mutate_bytes(raw, chance)
    return bytes_of(mutate_tree(tree_of(raw), chance, lambda: tree_of(raw)))
