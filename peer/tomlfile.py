"""Files that people write in TOML: read whole and bounded, and refused at the first word that is not understood.

What such a file may say is declared where it is used, by types; here it is held against that. Each error names the
place and, for an unknown word, the nearest one that is known.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec

from peer.telemetry import printable
from protocol.errors import BadConfig

SHOWN_MAX = 80
"""Characters of a word or value in an error: enough to find it again."""


def read_text(path: Path, called: str, *, bytes_max: int) -> str:
    """Read a file, which errors call so. Raises FileNotFoundError when there is none, and BadConfig."""
    try:
        with path.open("rb") as stream:
            content = stream.read(bytes_max + 1)
        if len(content) > bytes_max:
            raise ValueError(f"it is longer than {bytes_max} bytes")
        return content.decode()
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise BadConfig(f"{called} {path} cannot be read.", why=f"{error}.", do="Correct the file.") from None


def parse(text: str, source: str) -> dict[str, Any]:
    """Read TOML; `source` names the text in errors. Raises BadConfig."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadConfig(f"{source} is not TOML.", why=f"{printable(str(error))}.", do="Correct that line.") from None


def refuse_unknown(table: Mapping[str, Any], known: Iterable[str], where: str, *, why: str) -> None:
    """Check that a table has only keys that are known; `why` tells what harm another does. Raises BadConfig."""
    known = list(known)
    for name in table:
        if name not in known:
            otherwise = f"Known are: {', '.join(known)}."
            raise BadConfig(
                f"{where}: there is no {printable(name, SHOWN_MAX)!r} here.",
                why=why,
                do=did_you_mean(name, known, otherwise=otherwise),
            )


def did_you_mean(name: str, known: Iterable[str], *, otherwise: str) -> str:
    """Ask for the known name that looks most like this one; or say the other thing, if none does."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"Did you mean {near[0]}?" if near else otherwise


def fitting(table: Mapping[str, Any], hints: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Check every value by itself, so that an error can name it. Raises BadConfig."""
    fit: dict[str, Any] = {}
    for name, value in table.items():
        try:
            fit[name] = msgspec.convert(value, hints[name])
        except msgspec.ValidationError as error:
            raise BadConfig(
                f"{where}: {name} = {printable(repr(value), SHOWN_MAX)} does not fit.",
                why=f"Expected {expected(hints[name])} ({printable(str(error), 120)}).",
                do="Correct it.",
            ) from None
    return fit


def refuse_twins(names: Iterable[str], source: str, *, each: str, called: str, why: str) -> None:
    """Check that no two of the things in a file are called the same. Raises BadConfig, which counts them."""
    first: dict[str, int] = {}
    for number, name in enumerate(names, start=1):
        if name in first:
            raise BadConfig(
                f"{source}: {each} {first[name]} and {number} have one {called}, {name}.",
                why=why,
                do="Rename one of them.",
            )
        first[name] = number


def expected(hint: Any) -> str:
    """Say for people what fits an annotated type: its title, or what the type and its bounds tell."""
    annotated = next(part for part in (hint, *get_args(hint)) if hasattr(part, "__metadata__"))  # of `X | None`, the X
    plain, meta = annotated.__origin__, annotated.__metadata__[0]
    if meta.title:
        return str(meta.title)
    if get_origin(plain) is Literal:
        return "one of " + ", ".join(get_args(plain))
    return "true or false" if plain is bool else f"a whole number from {meta.ge} to {meta.le}"
