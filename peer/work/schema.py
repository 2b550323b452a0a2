"""JSON Schemas of what a function takes and gives, made from its type hints; and the check of JSON against a schema.

It refuses to know what the function does, and to fetch anything: a schema that points elsewhere is refused.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NoReturn

import msgspec

from peer.work.context import Context, WrongOutput
from protocol.errors import BadInput, UsageError
from protocol.limits import SCHEMA_MAX

if TYPE_CHECKING:
    import jsonschema_rs

SCHEMA_WORK_MAX: Final = 20_000
"""Places in a schema with every reference written out: doubling references are small to write and endless to check."""
COMPILED_KEPT: Final = 256
"""Compiled schemas remembered: more than one peer offers and calls."""
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_REGEX_BYTES: Final = 1024 * 1024  # of one compiled pattern: `((a{100}){100}){100}` is short to write
_NOT_JSON: Final = (TypeError, ValueError, OverflowError, RecursionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What one function takes and gives."""

    input_type: type[msgspec.Struct]
    context_names: tuple[str, ...]
    """Parameters annotated `Context`: given by the peer, no part of the schema."""
    input_decoder: msgspec.json.Decoder[Any]
    output_decoder: msgspec.json.Decoder[Any]
    input_schema: bytes
    output_schema: bytes

    def decode(self, raw: bytes) -> dict[str, Any]:
        """Turn a JSON object into typed arguments. Raises BadInput with the path."""
        try:
            given = self.input_decoder.decode(raw)
        except (msgspec.DecodeError, *_NOT_JSON) as error:
            raise BadInput(
                "The task's input does not fit.", why=_with_path(error), do="Look at the skill's schema."
            ) from None
        return {name: getattr(given, name) for name in self.input_type.__struct_fields__}

    def encode(self, value: object) -> bytes:
        """Turn a returned value into JSON that fits the return annotation. Raises WrongOutput with the path."""
        try:
            raw = msgspec.json.encode(value)
            self.output_decoder.decode(raw)
        except (msgspec.DecodeError, *_NOT_JSON) as error:
            raise WrongOutput(_with_path(error)) from None
        return raw


def shape_of(function: Callable[..., Any], title: str) -> Shape:
    """Read the type hints of `function`. Raises UsageError where they make no schema."""
    try:
        hints = typing.get_type_hints(function, include_extras=True)
        parameters = inspect.signature(function).parameters.values()
        contexts = tuple(each.name for each in parameters if hints.get(each.name) is Context)
        fields = [_field(each, hints.get(each.name, Any)) for each in parameters if each.name not in contexts]
        taken = msgspec.defstruct("Input", fields, kw_only=True, frozen=True, forbid_unknown_fields=True)
        given = hints.get("return", Any)
        return Shape(
            input_type=taken,
            context_names=contexts,
            input_decoder=msgspec.json.Decoder(taken),
            output_decoder=msgspec.json.Decoder(given),
            input_schema=_bounded({**_inlined(msgspec.json.schema(taken)), "title": title}),
            output_schema=_bounded(msgspec.json.schema(given)),
        )
    except (NameError, TypeError, ValueError) as error:
        raise UsageError(
            f"The function of the skill {title!r} has no schema.",
            why=f"{error}.",
            do="Annotate with types that JSON can carry, defined at the top of the module.",
        ) from error


def check_schema(schema: bytes) -> None:
    """Raise BadInput where nobody could `validate` anything against this schema; better now than at the first task."""
    _compiled(schema)


def validate(schema: bytes, raw: bytes) -> None:
    """Check JSON against a JSON Schema (2020-12). Raises BadInput, with the path when the schema says no."""
    import jsonschema_rs

    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, *_NOT_JSON) as error:
        raise BadInput("The text is not JSON.", why=_with_path(error)) from None
    checker, explains = _compiled(schema)
    try:
        if checker.is_valid(value):
            return
        if not explains:
            raise BadInput("The JSON does not fit the schema.", why="$: the schema circles too much to say where.")
        checker.validate(value)
    except jsonschema_rs.ValidationError as error:
        path = "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path)
        raise BadInput("The JSON does not fit the schema.", why=f"{path[:200]}: {error.message[:500]}") from None
    except ValueError as error:
        raise BadInput("The JSON cannot be checked.", why=f"$: {error}") from None


@lru_cache(maxsize=COMPILED_KEPT)
def _compiled(schema: bytes) -> tuple[jsonschema_rs.Draft202012Validator, bool]:
    """Compile a schema, and tell whether a misfit may be explained: that can take 40 s where the verdict takes none."""
    import jsonschema_rs  # late: the child process that runs agent code never validates

    if len(schema) > SCHEMA_MAX:
        raise BadInput(f"The schema has {len(schema)} bytes.", why=f"At most {SCHEMA_MAX} are read.")
    try:
        tree = msgspec.json.decode(schema)
        explains = _explains(tree)
        checker = jsonschema_rs.Draft202012Validator(
            tree,
            pattern_options=jsonschema_rs.RegexOptions(size_limit=_REGEX_BYTES),
            retriever=_fetch_nothing,
        )
        return checker, explains
    except (msgspec.DecodeError, *_NOT_JSON, jsonschema_rs.ValidationError) as error:
        why = str(error).partition("\n")[0][:500]
        raise BadInput("The schema cannot be used.", why=why, do="Ask its author for another.") from None


def _fetch_nothing(uri: str) -> NoReturn:
    raise ValueError(f"a schema may not point elsewhere: {uri[:100]}")


def _explains(tree: Any) -> bool:
    """Tell whether the schema has at most one simple circle, a list of itself say.

    Counts its places with references written out, a circle once. Raises ValueError on too many.
    """
    definitions = tree.get("$defs", {}) if isinstance(tree, dict) else {}
    weights: dict[str, int] = {}
    references = circles = 0
    within: set[str] = set()

    def weigh(node: Any) -> int:
        if isinstance(node, list):
            return 1 + sum(map(weigh, node))
        if not isinstance(node, dict):
            return 1
        if node is not tree and isinstance(node.get("$id"), str):
            raise ValueError("a schema inside a schema may not have an $id: it would bend the references below it")
        total = 1 + sum(weigh(value) for key, value in node.items() if key != "$defs")
        for word in ("$ref", "$dynamicRef"):
            if isinstance(reference := node.get(word), str):
                total += follow(word, reference)
        return total

    def follow(word: str, reference: str) -> int:
        nonlocal references, circles
        references += 1
        name = reference.removeprefix("#/$defs/")
        if reference == "#" or name in within:
            circles += 1  # it goes no deeper than the JSON does
            return 1
        if word != "$ref" or name == reference or name not in definitions or set("~%") & set(name):
            raise ValueError(f"references other than #/$defs/NAME are not followed: {reference[:100]}")
        if name not in weights:
            within.add(name)
            weights[name] = weigh(definitions[name])
            within.remove(name)
        return weights[name]

    if weigh(tree) > SCHEMA_WORK_MAX:
        raise ValueError(f"with its references written out the schema has more than {SCHEMA_WORK_MAX} places")
    return not circles or (circles == 1 and references <= 2)


def _field(parameter: inspect.Parameter, hint: Any) -> tuple[str, Any] | tuple[str, Any, Any]:
    if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
        raise TypeError(f"the parameter {parameter} cannot be given by name")
    if parameter.default is parameter.empty:
        return parameter.name, hint
    default = parameter.default
    if default is None or isinstance(default, str | int | float | bool):
        return parameter.name, hint, default
    return parameter.name, hint, msgspec.field(default_factory=lambda: default)


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """Put the top struct in the place of the reference to it; nothing else can refer to it."""
    definitions = dict(schema["$defs"])
    top = definitions.pop(schema["$ref"].removeprefix("#/$defs/"))
    return {**top, "$defs": definitions} if definitions else top


def _bounded(schema: dict[str, Any]) -> bytes:
    raw = msgspec.json.encode({"$schema": DIALECT, **schema}, order="deterministic")
    if len(raw) > SCHEMA_MAX:
        raise ValueError(f"its schema has {len(raw)} bytes, and a card carries at most {SCHEMA_MAX}")
    return raw


def _with_path(error: BaseException) -> str:
    """Rewrite "Expected `int`, got `str` - at `$.times`" as "$.times: expected int, got str"."""
    said, _, path = str(error).partition(" - at ")
    said = said.replace("`", "")
    return f"{path.strip('`') or '$'}: {said[:1].lower()}{said[1:]}"[:700]
