"""What a step of the machine is: drawn from what there is, told as a command, and followed by some time."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from simulations.kit.market import Market

PAUSES: Final = st.sampled_from((5, 60, 400, 2_500, 9_000))
"""Milliseconds that pass after a step."""


class Playing(Protocol):
    """A state machine that has steps."""

    market: Market

    def play(self, act: Callable[..., None], then_ms: int, given: dict[str, Any]) -> None:
        """Carry out one step, and let some time pass."""


class Chosen(NamedTuple):
    """One of what there is when a step is taken; the step is not possible while there is nothing."""

    options: Callable[[Market], Sequence[Any]]

    def strategy(self) -> st.SearchStrategy[Any]:
        return st.runner().flatmap(lambda machine: st.sampled_from(self.options(machine.market)))


def move(**drawn: Any) -> Callable[[Callable[..., None]], Any]:
    """A step of the machine: carried out, and then some time passes."""
    choices = [each for each in drawn.values() if isinstance(each, Chosen)]
    strategies = {name: each.strategy() if isinstance(each, Chosen) else each for name, each in drawn.items()}

    def declare(act: Callable[..., None]) -> Any:
        @functools.wraps(act)
        def step(self: Playing, then_ms: int, **given: Any) -> None:
            self.play(act, then_ms, {name: given[name] for name in strategies})

        def possible(self: Playing) -> bool:
            return all(choice.options(self.market) for choice in choices)

        drawn_by: Any = strategies | {"then_ms": PAUSES}
        ruled: Any = rule(**drawn_by)
        return precondition(possible)(ruled(step))

    return declare


def words_of(name: str, given: dict[str, Any]) -> str:
    """A step in words."""
    return " ".join([name, *(f"{key}={value!s}" for key, value in given.items())])
