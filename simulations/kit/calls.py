"""One call of a user's function for one award, in virtual time, with the world outside in its place: `effect`.

A function is called once, at one moment; the work before that moment is what the market waits for. As in a thread, a
call cannot be taken back: whose epoch is over by then is called nonetheless, and has only the fence to tell it.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import typing
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol

import msgspec

from protocol import limits
from protocol.errors import BadInput, TaskFailed, UsageError, VendueError
from protocol.keys import Digest
from protocol.statements import Failure, FailureClass, Result
from simulations.checkers.base import Broken, Checker


class Here(Protocol):
    """The award that is worked on, as `peer.work.context.Context` is told of it."""

    award: Digest
    token: Digest
    epoch: int

    def end_reason(self) -> str:
        """Why no further effect is allowed; empty while it is."""

    def report(self, permille: int, note: str) -> None:
        """How much is done."""


class Stopped(VendueError):
    """The work may have no further effect: its epoch is over or its lease has ended. Let it pass through."""


class Context:
    """What a function gets that has no `peer` around it; `peer.work.context.Context` has the same members."""

    def __init__(
        self,
        *,
        award: bytes,
        idempotency_token: bytes,
        epoch: int,
        end_reason: Callable[[], str],
        report: Callable[[int, str], None],
    ) -> None:
        self.award, self.idempotency_token, self.epoch = award, idempotency_token, epoch
        self._end_reason, self._report = end_reason, report

    def fence(self) -> None:
        """Ask before each effect. Raises Stopped when the epoch is over or the lease has ended."""
        if reason := self._end_reason():
            raise Stopped(reason)

    def progress(self, fraction: float, note: str = "") -> None:
        """Report how much is done, 0 to 1."""
        self._report(round(1000 * min(1.0, max(0.0, fraction))), note)


MakeContext = Callable[..., Any]


class Function(NamedTuple):
    """A user's function: how it is called with a raw input, how its value becomes JSON, and whose type hints it has."""

    run: Callable[[bytes, Callable[[MakeContext], Any]], object]
    encode: Callable[[Any], bytes]
    hinted: Callable[..., object] | None
    contexts: tuple[str, ...] = ()
    takes: Callable[[bytes], bool] = lambda raw: True
    """Whether an input fits its schema, if it has one."""

    @classmethod
    def declared(cls, skill: Any) -> Function:
        """What `@worker` declared: its own schema reads the input and writes the output."""
        function, names = skill.function, skill.shape.context_names
        hints = typing.get_type_hints(function) if names else {}

        def run(raw: bytes, context: Callable[[MakeContext], Any]) -> object:
            return function(**skill.decode_input(raw), **{name: context(hints[name]) for name in names})

        def takes(raw: bytes) -> bool:
            try:
                skill.decode_input(raw)
            except BadInput:
                return False
            return True

        return cls(run, skill.encode_output, function, names, takes)


def plain_function(work: Callable[..., object]) -> Function:
    """A function that nothing declares: it takes the input's fields by name, and `ctx` if it has such a parameter."""
    wants_context = "ctx" in inspect.signature(work).parameters

    def run(raw: bytes, context: Callable[[MakeContext], Any]) -> object:
        given = json.loads(raw) if raw else {}
        if not isinstance(given, dict):
            raise BadInput("The task's input is no JSON object.")
        return work(**given, **({"ctx": context(Context)} if wants_context else {}))

    return Function(run, msgspec.json.encode, work, ("ctx",) if wants_context else ())


_CALL: ContextVar[Call] = ContextVar("call")


def effect(*what: object, **more: object) -> None:
    """Stand for anything that changes the world outside: put it in the place of your client's call.

    Raises Broken where the fence was not asked since the last effect, or has tripped.
    """
    call = _CALL.get(None)
    if call is None:
        raise UsageError("No function is at work under the kit.", do="Call it from a function that the kit runs.")
    call.effect()


class Call:
    """One call, and what comes of it."""

    def __init__(self, function: Function, raw: bytes, here: Here, sound: Checker, fenced: Checker) -> None:
        self._function, self._raw, self._here = function, raw, here
        self._sound, self._fenced = sound, fenced
        self._fence_asked = False
        self._stopped = ""
        self._fault: Broken | None = None

    def make(self) -> Result | Failure:
        """Call the function now. Raises Broken where it breaks a promise."""
        value: object = None
        error: BaseException | None = None
        token = _CALL.set(self)
        try:
            value = self._function.run(self._raw, self._context)
            if inspect.iscoroutine(value):
                value = asyncio.run(value)
        except (Exception, SystemExit) as raised:
            error = raised
        finally:
            _CALL.reset(token)
        if self._fault is not None:
            raise self._fault  # the function may have caught it
        return self._result_of(value) if error is None else self._failure_of(error)

    def effect(self) -> None:
        """The function changes the world outside, now."""
        over = self._here.end_reason()
        if self._fence_asked and not over:
            self._fence_asked = False
            return
        why = f"though the fence says: {over}" if over else "without asking the fence first"
        self._fault = self._fault or self._fenced.broken(f"the function has an effect {why}")
        raise self._fault

    def _context(self, make: MakeContext) -> Any:
        here = self._here
        return make(
            award=here.award, idempotency_token=here.token, epoch=here.epoch, end_reason=self._end_reason,
            report=here.report,
        )  # fmt: skip

    def _end_reason(self) -> str:
        self._stopped = self._here.end_reason()
        self._fence_asked = not self._stopped
        return self._stopped

    def _failure_of(self, error: BaseException) -> Failure:
        """As `peer.work.context.failure_of`: stopped, fatal, or worth another try."""
        kind = FailureClass.FATAL if isinstance(error, TaskFailed | BadInput) else FailureClass.RETRYABLE
        if self._stopped:
            kind = FailureClass.STOPPED
        return Failure(failure_class=kind, reason=f"{type(error).__name__}"[: limits.NOTE_MAX], done="")

    def _result_of(self, value: object) -> Result:
        try:
            output = self._function.encode(value)
        except Exception as error:
            raise self._sound.broken(f"the function returns {value!r}, which does not fit: {error}"[:500]) from error
        if len(output) > limits.INLINE_MAX:
            raise self._sound.broken(f"the function returns {len(output)} bytes of JSON: too long for a statement")
        return Result(output=output, output_digest=None, usage_ms=0)
