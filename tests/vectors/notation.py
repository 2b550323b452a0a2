"""The fields of every kind's body, written for people from the types that the code checks them with."""

from __future__ import annotations

from textwrap import fill

from msgspec import inspect

from protocol.kinds import KINDS


def bodies() -> str:
    """A line per kind: its fields in the order in which they travel."""
    lines = []
    for tag, kind in KINDS.items():
        described = inspect.type_info(kind.body)
        assert isinstance(described, inspect.StructType)
        fields = "; ".join(f"{field.name} `{notation(field.type)}`" for field in described.fields)
        lines.append(fill(f"- **{tag}**: {fields or 'none'}", 118, subsequent_indent="  ", break_long_words=False,
                          break_on_hyphens=False))  # fmt: skip
    return "\n".join(lines)


def notation(of: inspect.Type) -> str:
    """A type in a few characters: `int 0..9`, `bin 32`, `str 1..64`, `[T] 0..16`, `T / nil`, `(a T, b T)`."""
    match of:
        case inspect.IntType(ge=low, le=high):
            large = high is not None and high > 2**40
            return f"int {low}..{f'2^{high.bit_length() - 1}' if large else high}"
        case inspect.BytesType(min_length=low, max_length=high) | inspect.StrType(min_length=low, max_length=high):
            name = "bin" if isinstance(of, inspect.BytesType) else "str"
            return f"{name} {high if low == high else f'{low or 0}..{high}'}"
        case inspect.EnumType(cls=choices):
            return " / ".join(f'"{choice.value}"' for choice in choices)
        case inspect.VarTupleType(item_type=item, min_length=low, max_length=high):
            return f"[{notation(item)}] {low or 0}..{high}"
        case inspect.StructType(fields=fields):
            return "(" + ", ".join(f"{field.name} {notation(field.type)}" for field in fields) + ")"
        case inspect.UnionType(types=types):
            return " / ".join(map(notation, sorted(types, key=lambda each: isinstance(each, inspect.NoneType))))
        case inspect.NoneType():
            return "nil"
    raise AssertionError(f"no notation for {of}")
