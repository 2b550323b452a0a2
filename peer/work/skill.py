"""What a user declares: a function, offered to the market under a name and at a price.

It refuses to know how the function is run, and who asks for it.
"""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import CodeType
from typing import Any, TypeVar

from peer.work.context import WrongOutput
from peer.work.schema import Shape, shape_of, validate
from protocol.errors import UsageError
from protocol.limits import DURATION_MAX_MS, MONEY_MAX, NAME_MAX

__all__ = ["RETRIES_MAX", "Mode", "Skill", "WrongOutput", "skills_of", "validate", "worker"]

RETRIES_MAX = 100
"""Reruns inside one epoch; a task that needs more is better announced again."""
_MARK = "__vendue_skill__"
_Function = TypeVar("_Function", bound=Callable[..., Any])


class Mode(StrEnum):
    """Where the code of a skill runs."""

    COROUTINE = "coroutine"
    """In the peer's own loop: must await, never block."""
    THREAD = "thread"
    """Beside the loop. Code that hangs cannot be killed, only abandoned."""
    PROCESS = "process"
    """In a process of its own, which can be limited and killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """One function offered to the market. Prices are minor units."""

    name: str
    function: Callable[..., Any]
    price: int
    duration_ms: int
    """What a bid says the work will take."""
    mode: Mode
    time_limit_ms: int
    """For all tries inside one epoch together."""
    retries: int
    memory_limit_bytes: int | None
    """What the code may take beyond the bare interpreter; processes only."""
    cpu_limit_s: int | None
    shape: Shape

    @property
    def input_schema(self) -> bytes:
        """JSON Schema 2020-12, as JSON, of the object that holds the arguments."""
        return self.shape.input_schema

    @property
    def output_schema(self) -> bytes:
        """JSON Schema 2020-12, as JSON, of the returned value."""
        return self.shape.output_schema

    @property
    def file(self) -> str:
        """The source file that a child process loads to find this skill."""
        code: CodeType = inspect.unwrap(self.function).__code__
        return os.path.abspath(code.co_filename)

    def decode_input(self, raw: bytes) -> dict[str, Any]:
        """Turn a JSON object into typed arguments. Raises BadInput: "$.times: expected int, got str"."""
        return self.shape.decode(raw)

    def encode_output(self, value: object) -> bytes:
        """Turn a returned value into JSON. Raises WrongOutput when it does not fit the return annotation."""
        return self.shape.encode(value)


def worker(
    name: str,
    *,
    price: int,
    duration_ms: int = 1000,
    mode: Mode | None = None,
    time_limit_s: float = 60,
    retries: int = 0,
    memory_limit_mb: int | None = None,
    cpu_limit_s: int | None = None,
) -> Callable[[_Function], _Function]:
    """Offer the decorated function to the market; it stays callable as before.

    Without a `mode`, an async function runs as a coroutine, one with a memory or CPU limit in a process, any other in
    a thread. Raises UsageError when the declaration cannot be kept.
    """

    def declare(function: _Function) -> _Function:
        if fault := _wrong_kind(name, price, duration_ms, mode, time_limit_s, retries, memory_limit_mb, cpu_limit_s):
            raise UsageError(f"The skill {str(name)[:NAME_MAX]!r} cannot be offered.", why=fault)
        limited = memory_limit_mb is not None or cpu_limit_s is not None
        skill = Skill(
            name=name,
            function=function,
            price=price,
            duration_ms=duration_ms,
            mode=Mode(mode) if mode else _mode_of(function, limited=limited),
            time_limit_ms=round(time_limit_s * 1000),
            retries=retries,
            memory_limit_bytes=None if memory_limit_mb is None else memory_limit_mb * 1024 * 1024,
            cpu_limit_s=cpu_limit_s,
            shape=shape_of(function, name),
        )
        if fault := _fault(skill):
            raise UsageError(f"The skill {name[:NAME_MAX]!r} cannot be offered.", why=fault)
        setattr(function, _MARK, skill)
        return function

    return declare


def skills_of(module_or_namespace: object) -> list[Skill]:
    """Give the skills of a module, a class or a mapping, in their order. Raises UsageError when two share a name."""
    mapping = isinstance(module_or_namespace, Mapping)
    values = (module_or_namespace if mapping else vars(module_or_namespace)).values()  # type: ignore[attr-defined]
    found: dict[str, Skill] = {}
    for value in values:
        skill = inspect.getattr_static(value, _MARK, None)
        if not isinstance(skill, Skill):
            continue
        if found.setdefault(skill.name, skill) is not skill:
            raise UsageError(f"Two functions are called {skill.name!r}.", do="Give one of them another name.")
    return list(found.values())


def _mode_of(function: Callable[..., Any], *, limited: bool) -> Mode:
    if limited:
        return Mode.PROCESS
    return Mode.COROUTINE if inspect.iscoroutinefunction(function) else Mode.THREAD


def _wrong_kind(
    name: object, price: object, duration_ms: object, mode: object, time_limit_s: object, retries: object,
    memory_limit_mb: object, cpu_limit_s: object,
) -> str | None:  # fmt: skip
    """Say which argument is of a kind that no bid could carry: 2.5 would be signed, and refused by everybody."""
    whole = {"price": price, "duration_ms": duration_ms, "retries": retries}
    whole |= {"memory_limit_mb": memory_limit_mb or 0, "cpu_limit_s": cpu_limit_s or 0}
    if not isinstance(name, str):
        return f"A name is a text, not {name!r:.40}."
    for word, value in whole.items():
        if type(value) is not int:
            return f"{word} is a whole number, not {value!r:.40}."
    if type(time_limit_s) not in (int, float) or not math.isfinite(time_limit_s):  # type: ignore[arg-type]
        return f"time_limit_s is a number of seconds, not {time_limit_s!r:.40}."
    if mode is not None and mode not in [*Mode]:
        return f"mode is one of {', '.join(Mode)}, not {mode!r:.40}."
    return None


def _fault(skill: Skill) -> str | None:
    """Say why a declaration cannot be kept, or None."""
    asynchronous = inspect.iscoroutinefunction(skill.function)
    limits = [limit for limit in (skill.memory_limit_bytes, skill.cpu_limit_s) if limit is not None]
    qualified = getattr(skill.function, "__qualname__", "<locals>")
    rules = (
        (
            0 < len(skill.name) <= NAME_MAX and skill.name.isprintable(),
            f"A name has 1 to {NAME_MAX} printable letters.",
        ),
        (0 <= skill.price <= MONEY_MAX, "A price is a whole number of minor units, not negative."),
        (0 < skill.duration_ms <= DURATION_MAX_MS, "duration_ms is how long the work takes: more than 0."),
        (0 < skill.time_limit_ms <= DURATION_MAX_MS, "time_limit_s is when the work is given up: more than 0."),
        (0 <= skill.retries <= RETRIES_MAX, f"retries are 0 to {RETRIES_MAX}."),
        (all(limit > 0 for limit in limits), "A memory or CPU limit is more than 0."),
        (not limits or skill.mode is Mode.PROCESS, "Only a process can be limited in memory and CPU time."),
        (asynchronous or skill.mode is not Mode.COROUTINE, "A function that is not async would block the peer's loop."),
        (not inspect.isgeneratorfunction(skill.function), "A generator returns no value."),
        (not inspect.isasyncgenfunction(skill.function), "A generator returns no value."),
        (
            skill.mode is not Mode.PROCESS or "<locals>" not in qualified,
            "A child process finds only functions at the top of a file.",
        ),
    )
    return next((fault for holds, fault in rules if not holds), None)
