"""Inputs for tasks: what hypothesis draws for the parameters of a user's function, as JSON objects."""

from __future__ import annotations

import inspect
import typing
from typing import Any, Final

import msgspec
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException

from protocol import limits
from protocol.errors import UsageError
from simulations.kit.calls import Function

JSON: Final[st.SearchStrategy[Any]] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
TEXT: Final = st.text() | st.text(min_size=30, max_size=300)
"""Long ones too, which hypothesis draws by itself hardly ever."""
TEXTS: Final = st.fixed_dictionaries({"text": TEXT})
"""For a skill that says nothing of its input."""


def inputs_of(name: str, function: Function, given: st.SearchStrategy[Any] | None) -> st.SearchStrategy[bytes]:
    """JSON inputs for a skill's tasks: drawn as the user says, or from the type hints of its function.

    Raises UsageError where hypothesis cannot make the types.
    """
    drawn = given if given is not None else _hinted(name, function)
    return drawn.map(msgspec.json.encode).filter(lambda raw: len(raw) <= limits.INLINE_MAX and function.takes(raw))


def _hinted(name: str, function: Function) -> st.SearchStrategy[Any]:
    if function.hinted is None:
        return TEXTS
    hints = typing.get_type_hints(function.hinted)
    required: dict[str, st.SearchStrategy[Any]] = {}
    optional: dict[str, st.SearchStrategy[Any]] = {}
    for parameter in inspect.signature(function.hinted).parameters.values():
        if parameter.name in function.contexts or parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        fields = required if parameter.default is parameter.empty else optional
        fields[parameter.name] = _of_type(name, hints.get(parameter.name, Any))
    return st.fixed_dictionaries(required, optional=optional)


def _of_type(name: str, hint: Any) -> st.SearchStrategy[Any]:
    if hint in (Any, str):
        return JSON if hint is Any else TEXT
    strategy = st.from_type(hint)
    try:
        strategy.validate()
    except HypothesisException as error:
        raise UsageError(
            f"No inputs can be drawn for the skill {name!r}.",
            why=str(error).split(".", 1)[0] + ".",
            do=f"Say what they are: inputs={{{name!r}: strategies.builds(...)}}.",
        ) from error
    return strategy
