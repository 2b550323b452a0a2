"""Tables of settings as a person writes them: checked name by name, with the nearest name for one that is unknown.

A table is what TOML makes of a file. What may stand in it is declared as a class, one field each; a field whose type is
such a class is a table of its own, and `network.loss` is the dotted name of a field in one.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec

from protocol.errors import BadConfig

S = TypeVar("S", bound=msgspec.Struct)
SHOWN_MAX = 80
"""Characters of a wrong value that an error repeats."""


def read(table: Mapping[str, Any], kind: type[S], where: str, prefix: str = "") -> S:
    """Make a class of a table; `where` names its origin in errors. Raises BadConfig."""
    hints = get_type_hints(kind, include_extras=True)
    for name in table:
        if name not in hints:
            raise unknown(prefix + name, where, names(kind, prefix))
    for field in msgspec.structs.fields(kind):
        if field.required and field.name not in table:
            raise BadConfig(
                f"{where}: {prefix}{field.name} is missing.",
                why="Without it the scenario says nothing.",
                do=f"Add it: {_expected(hints[field.name])}.",
            )
    return kind(**{name: _fit(value, hints[name], where, prefix + name) for name, value in table.items()})


def _fit(value: Any, hint: Any, where: str, name: str) -> Any:
    inner = _table_of(hint)
    if inner is not None and isinstance(value, dict):
        return read(value, inner, where, name + ".")
    try:
        return msgspec.convert(value, hint)
    except msgspec.ValidationError:
        raise BadConfig(
            f"{where}: {name} = {printed(value)} does not fit.", why=f"Expected {_expected(hint)}.", do="Correct it."
        ) from None


def _table_of(hint: Any) -> type[msgspec.Struct] | None:
    """The class of a field that is a table, alone or as one of several types."""
    for part in (hint, *get_args(hint)):
        if isinstance(part, type) and issubclass(part, msgspec.Struct):
            return part
    return None


def _expected(hint: Any) -> str:
    """What fits, for people: the title of a type, or that it is a table."""
    for part in (hint, *get_args(hint)):
        for meta in getattr(part, "__metadata__", ()):
            if meta.title:
                return str(meta.title)
    return "true or false" if hint is bool else "a table"


def names(kind: type[msgspec.Struct], prefix: str = "") -> Iterator[str]:
    """The dotted names of all that may stand in a table."""
    for name, hint in get_type_hints(kind, include_extras=True).items():
        yield prefix + name
        if (inner := _table_of(hint)) is not None:
            yield from names(inner, f"{prefix}{name}.")


def unknown(name: str, where: str, known: Iterable[str]) -> BadConfig:
    """The error for a name that is not known."""
    known = list(known)
    close = nearest(name, known)
    return BadConfig(
        f"{where}: there is no {printed(name)} here.",
        why="A setting that is passed over would make another experiment than the one that was meant.",
        do=f"Did you mean {close}?" if close else f"Known are: {', '.join(known)}.",
    )


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that looks most like this one."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return close[0] if close else None


def printed(value: object) -> str:
    """A value in an error: printable, and not too long."""
    return ascii(value)[:SHOWN_MAX]


def parse(text: str, where: str) -> dict[str, Any]:
    """Read TOML. Raises BadConfig."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadConfig(f"{where} is not TOML.", why=f"{error}.", do="Correct that line.") from None


def value_of(text: str) -> Any:
    """A value as TOML writes it, or else the text itself: `0.1`, `true`, `[1, 2]`, `wan`."""
    try:
        return tomllib.loads(f"value = {text}")["value"] if "\n" not in text else text
    except tomllib.TOMLDecodeError:
        return text


def changed(table: Mapping[str, Any], dotted: str, value: Any) -> dict[str, Any]:
    """The table with one field other than it was; the tables that a dotted name goes through are made."""
    first, _, rest = dotted.partition(".")
    below = table.get(first)
    inner = changed(below if isinstance(below, dict) else {}, rest, value) if rest else value
    return {**table, first: inner}


def written(value: object) -> str:
    """A value as `value_of` reads it."""
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return "{" + ", ".join(f"{name} = {written(inner)}" for name, inner in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(written, value)) + "]"
        case str():
            return value if value_of(value) == value else json.dumps(value)
        case _:
            return str(value)
