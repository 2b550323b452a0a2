"""Skills: schemas out of type hints, arguments out of JSON, and what a stranger's schema cannot do."""

from __future__ import annotations

import json
import math
import types
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Optional, TypedDict

import msgspec
import pytest

from peer.work.context import Context
from peer.work.schema import SCHEMA_WORK_MAX, shape_of
from peer.work.skill import Mode, Skill, WrongOutput, skills_of, validate, worker
from protocol.errors import BadInput, UsageError
from protocol.limits import SCHEMA_MAX


@dataclass
class Address:
    """Where something is."""

    city: str
    zip_code: str = ""


class Person(TypedDict):
    """Who somebody is."""

    name: str
    born: int


class Tree(msgspec.Struct):
    """A tree of numbers."""

    value: int
    children: list[Tree] = []


@worker("shout", price=5)
def shout(text: str, times: int = 1) -> str:
    """Say it loud."""
    return text.upper() * times


def skill_of(function: Any, **declared: Any) -> Skill:
    """Declare a function and give its skill."""
    worker("test", price=1, **declared)(function)
    return skills_of({"function": function})[0]


SHOUT = skills_of({"shout": shout})[0]


def test_a_worker_is_still_a_function() -> None:
    """The decorator only marks; the author may call and test the function."""
    assert shout("a", times=2) == "AA"


def test_the_schemas_come_from_the_type_hints() -> None:
    """Parameters are properties, defaults make them optional, others are refused."""
    assert json.loads(SHOUT.input_schema) == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "shout",
        "type": "object",
        "properties": {"text": {"type": "string"}, "times": {"type": "integer", "default": 1}},
        "required": ["text"],
        "additionalProperties": False,
    }
    assert json.loads(SHOUT.output_schema)["type"] == "string"


def test_defaults_fill_what_is_not_given() -> None:
    """The arguments are complete and typed."""
    assert SHOUT.decode_input(b'{"text": "a"}') == {"text": "a", "times": 1}


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b'{"text": "a", "times": "x"}', "$.times: expected int, got str"),
        (b'{"times": 1}', "$: object missing required field text"),
        (b'{"text": "a", "loud": true}', "$: object contains unknown field loud"),
        (b"[]", "$: expected object, got array"),
        (b'{"text": ', "$: input data was truncated"),
        (b'{"text": "\xff"}', "$: 'utf-8' codec"),
        (b'{"text": NaN}', "$: JSON is malformed"),
        (b"[" * 100_000, "$: "),
    ],
)
def test_bad_input_tells_its_path(raw: bytes, says: str) -> None:
    """Whoever sent it learns where it does not fit."""
    with pytest.raises(BadInput) as caught:
        SHOUT.decode_input(raw)
    assert says.lower() in str(caught.value).lower()


def _takes(hint: Any) -> Any:
    def function(value: Any) -> Any:
        return value

    function.__annotations__ = {"value": hint, "return": hint}
    return function


@pytest.mark.parametrize(
    ("hint", "given", "becomes"),
    [
        (dict[str, int], {"a": 1}, {"a": 1}),
        (list[float], [1.5], [1.5]),
        (str, "a", "a"),
        (bool, True, True),
        (None, None, None),
        (Optional[int], None, None),  # noqa: UP045 - people write it
        (Literal["a", "b"], "b", "b"),
        (Address, {"city": "Ulm"}, Address("Ulm")),
        (Person, {"name": "Ada", "born": 1815}, {"name": "Ada", "born": 1815}),
        (Tree, {"value": 1, "children": [{"value": 2}]}, Tree(1, [Tree(2)])),
        (Annotated[int, msgspec.Meta(ge=0)], 3, 3),
        (Any, [{"x": None}], [{"x": None}]),
    ],
)
def test_what_json_can_carry_comes_back_typed(hint: Any, given: Any, becomes: Any) -> None:
    """A value passes the published schema, arrives typed, and goes out as JSON that fits again."""
    skill = skill_of(_takes(hint))
    raw = json.dumps({"value": given}).encode()
    validate(skill.input_schema, raw)
    value = skill.decode_input(raw)["value"]
    assert value == becomes
    output = skill.encode_output(value)
    validate(skill.output_schema, output)
    assert msgspec.json.decode(output, type=hint) == becomes


def test_without_annotations_any_json_goes() -> None:
    """A function with no hints still takes part."""
    skill = skill_of(lambda value, more=(1, 2): value)
    assert skill.decode_input(b'{"value": [1]}') == {"value": [1], "more": (1, 2)}
    assert skill.encode_output({"a": None}) == b'{"a":null}'


def test_a_context_is_no_part_of_the_schema() -> None:
    """The peer gives it, not the caller."""

    def function(ctx: Context, a: int) -> int:
        return a

    skill = skill_of(function)
    assert list(json.loads(skill.input_schema)["properties"]) == ["a"]
    with pytest.raises(BadInput):
        skill.decode_input(b'{"a": 1, "ctx": 2}')


@pytest.mark.parametrize("value", [3, None, object(), b"\xff", float("nan"), "\ud800", ["a"]])
def test_a_value_that_breaks_the_return_annotation_is_refused(value: object) -> None:
    """Of what does not fit `-> int`, or is no JSON at all, nothing leaves the peer."""

    def function() -> Literal["a", "b"]:
        return "a"

    with pytest.raises(WrongOutput):
        skill_of(function).encode_output(value)


def test_a_value_that_contains_itself_is_refused() -> None:
    """Endless JSON ends as an error."""
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(WrongOutput):
        skill_of(lambda: None).encode_output(endless)


def test_the_mode_follows_from_the_function() -> None:
    """Async functions run in the loop, limited ones in a process, others in a thread."""

    async def coroutine() -> None: ...

    assert skill_of(coroutine).mode is Mode.COROUTINE
    assert skill_of(lambda: None).mode is Mode.THREAD
    declared = worker("top", price=1, memory_limit_mb=64)(Address)
    assert skills_of({"declared": declared})[0].mode is Mode.PROCESS


WHOLE = ("price", "duration_ms", "retries", "memory_limit_mb", "cpu_limit_s")


@pytest.mark.parametrize(
    "declared",
    [
        {"price": -1},
        {"price": 2**60},
        {"duration_ms": 0},
        {"time_limit_s": 0},
        {"retries": -1},
        {"retries": 1000},
        {"mode": Mode.COROUTINE},
        {"mode": Mode.PROCESS},
        {"mode": Mode.THREAD, "memory_limit_mb": 10},
        {"memory_limit_mb": -1},
        {"name": ""},
        {"name": "x" * 65},
        {"name": "a\nb"},
        *[{word: value} for word in WHOLE for value in (2.5, "1", True)],
        {"price": None},
        {"duration_ms": None},
        {"name": 5},
        {"name": None},
        {"time_limit_s": math.nan},
        {"time_limit_s": math.inf},
        {"time_limit_s": "1"},
        {"mode": "somewhere"},
    ],
    ids=repr,
)
def test_a_declaration_that_cannot_be_kept_is_refused(declared: dict[str, Any]) -> None:
    """Author errors show at import, not in the market."""
    with pytest.raises(UsageError):
        worker(**{"name": "test", "price": 1, **declared})(lambda: None)


def _gathers(*values: int) -> int:
    return sum(values)


def _unknown(value: Missing) -> None:  # type: ignore[name-defined]  # noqa: F821
    ...


def _opaque(value: types.ModuleType) -> None: ...


def _generates() -> Any:
    yield 1


@pytest.mark.parametrize("function", [_gathers, _unknown, _opaque, _generates])
def test_a_function_without_a_schema_is_refused(function: Any) -> None:
    """What cannot be called by name with JSON is no skill, and the error says what to do."""
    with pytest.raises(UsageError):
        skill_of(function)


def test_skills_are_found_once_and_in_order() -> None:
    """A module may hold a worker under two names; two workers of one name are an error."""
    module = types.ModuleType("agents")
    module.__dict__.update(one=shout, two=shout, three=3)
    assert skills_of(module) == [SHOUT]
    with pytest.raises(UsageError, match="'shout'"):
        skills_of({"a": shout, "b": worker("shout", price=1)(lambda: None)})


def test_the_schema_is_the_same_in_every_process() -> None:
    """Peers compare schemas as bytes."""
    assert shape_of(shout, "shout").input_schema == SHOUT.input_schema


def test_validate_tells_the_path() -> None:
    """The reader of a refusal finds the place."""
    schema = b'{"properties": {"a": {"items": {"type": "integer"}}}}'
    validate(schema, b'{"a": [1, 2]}')
    with pytest.raises(BadInput) as caught:
        validate(schema, b'{"a": [1, "x"]}')
    assert "$.a[1]: " in str(caught.value)


def _doubling(levels: int) -> bytes:
    definitions: dict[str, Any] = {
        f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}, {"$ref": f"#/$defs/d{i + 1}"}]} for i in range(levels)
    }
    definitions[f"d{levels}"] = {"type": "integer"}
    return json.dumps({"$defs": definitions, "$ref": "#/$defs/d0"}).encode()


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        (b'{"$ref": "http://127.0.0.1:1/x"}', "not followed"),
        (b'{"$ref": "file:///etc/hostname"}', "not followed"),
        (b'{"$ref": "#/$defs/none"}', "not followed"),
        (b'{"not": {"$id": "a", "$ref": "#/$defs/x", "$defs": {"x": {}}}, "$defs": {"x": {}}}', "$id"),
        (b'{"$dynamicRef": "#/$defs/x", "$defs": {"x": {}}}', "not followed"),
        (b'{"$ref": "#/$defs/a~1b", "$defs": {"a~1b": {}, "a/b": {}}}', "not followed"),
        (_doubling(40), str(SCHEMA_WORK_MAX)),
        (b'{"pattern": "((((a{100}){100}){100}){100})"}', ""),
        (b'{"type": "' + b"x" * SCHEMA_MAX + b'"}', "bytes"),
        (b'{"not": ' * 900 + b"{}" + b"}" * 900, ""),
        (b'{"type": 3}', ""),
        (b"3", ""),
        (b"{", "truncated"),
    ],
)
def test_a_hostile_schema_is_refused(schema: bytes, says: str) -> None:
    """It fetches nothing, hangs nothing, fills nothing."""
    with pytest.raises(BadInput) as caught:
        validate(schema, b"1")
    assert says in str(caught.value)


def test_a_recursive_schema_is_fine() -> None:
    """Trees are data too; a reference to itself that goes nowhere ends as well."""
    tree = skill_of(_takes(Tree)).input_schema
    validate(tree, b'{"value": {"value": 1, "children": [{"value": 2}]}}')
    with pytest.raises(BadInput):
        validate(tree, b'{"value": {"value": 1, "children": [{"value": "2"}]}}')
    validate(b'{"$ref": "#"}', b"1")


def test_a_schema_that_circles_twice_gets_a_verdict_without_a_place() -> None:
    """Gathering the reasons would take time exponential in the depth; the verdict alone does not."""
    again = {"type": "array", "items": {"$ref": "#/$defs/a"}}
    body = {"anyOf": [{"type": "integer", "minimum": 9}, again, {**again, "title": "twin"}]}
    schema = json.dumps({"$defs": {"a": body}, "$ref": "#/$defs/a"}).encode()
    validate(schema, b"[" * 100 + b"9" + b"]" * 100)
    with pytest.raises(BadInput, match="circles too much"):
        validate(schema, b"[" * 100 + b"1" + b"]" * 100)


def test_a_pattern_that_backtracks_takes_linear_time() -> None:
    """The classic that hangs other engines is answered at once."""
    with pytest.raises(BadInput):
        validate(b'{"pattern": "^(a+)+$"}', json.dumps("a" * 10_000 + "b").encode())
