"""What agent code gets beside its input, and what can come of running it; the same in a thread, a coroutine, a process.

It refuses to know where the code runs, and which statements its end becomes.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from protocol.errors import BadInput, TaskFailed, VendueError
from protocol.limits import NOTE_MAX
from protocol.statements import FailureClass

PROGRESS_PAUSE_S: Final = 0.1
"""Reports that come closer together are dropped: nobody reads faster."""
PROGRESS_NOTE_MAX: Final = 200


class Stopped(VendueError):
    """The work may have no further effect: its epoch is over or its lease has ended. Let it pass through."""


class WrongOutput(TypeError):
    """The function returned what does not fit its own return annotation; the message has the path inside the JSON."""


class OutputTooLarge(VendueError):
    """The output does not fit into a statement; larger data travels as an artifact."""


@dataclass(frozen=True, slots=True)
class Done:
    """The work succeeded; `output` is JSON."""

    output: bytes
    usage_ms: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The work did not succeed; `reason` has at most 1,000 characters."""

    failure_class: FailureClass
    reason: str


class Lease:
    """Until when one award's work may go on. Written by the loop, read by any thread."""

    def __init__(self, until_ms: int, clock: Callable[[], int]) -> None:
        self.until_ms = until_ms
        self.over = False
        self._clock = clock

    def end_reason(self) -> str:
        """Say why no further effect is allowed; empty while it is."""
        if self.over:
            return "The epoch is over."
        return "" if self._clock() < self.until_ms else "The lease has ended."


class Context:
    """One award, as the code sees it that works on it. Every method may be called from any thread."""

    def __init__(
        self,
        *,
        award: bytes,
        idempotency_token: bytes,
        epoch: int,
        end_reason: Callable[[], str],
        report: Callable[[int, str], None],
    ) -> None:
        """`end_reason` says why the work must end, or nothing; `report` takes permille and a note."""
        self.award = award
        self.idempotency_token = idempotency_token
        """32 bytes, the same in every epoch of the task: hand them to whatever makes an effect only once."""
        self.epoch = epoch
        self._end_reason = end_reason
        self._report = report
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._next_report_s = -math.inf

    def fence(self) -> None:
        """Ask before each effect. Raises Stopped when the epoch is over or the lease has ended."""
        if os.getpid() != self._pid:
            raise Stopped("A forked process cannot ask the fence.", do="Ask in the process that got the context.")
        if reason := self._end_reason():
            raise Stopped(reason)

    def progress(self, fraction: float, note: str = "") -> None:
        """Report how much is done, 0 to 1. At most ten reports a second are passed on, the rest are dropped."""
        if math.isnan(fraction):
            raise ValueError("progress is a number from 0 to 1")
        if os.getpid() != self._pid:
            return
        with self._lock:
            now_s = time.monotonic()
            if now_s < self._next_report_s:
                return
            self._next_report_s = now_s + PROGRESS_PAUSE_S
        self._report(round(1000 * min(1.0, max(0.0, fraction))), clean(note, PROGRESS_NOTE_MAX))


def clean(text: str, characters_max: int = NOTE_MAX) -> str:
    """Cut a text to size, and make it one that UTF-8 can carry: Python's strings may hold lone surrogates."""
    return text[:characters_max].encode("utf-8", "replace").decode()


def failure_of(error: BaseException) -> Failed:
    """Say what an exception out of agent code means for the task."""
    match error:
        case Stopped():
            return Failed(FailureClass.STOPPED, clean(str(error)))
        case WrongOutput():
            return Failed(FailureClass.FATAL, clean(f"The output does not fit the skill's schema. {error}"))
        case TaskFailed() | BadInput() | OutputTooLarge():
            return Failed(FailureClass.FATAL, clean(_text_of(error)))
    return Failed(FailureClass.RETRYABLE, clean(f"{type(error).__name__}: {_text_of(error)}".removesuffix(": ")))


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:  # its __str__ is agent code too
        return "(the error cannot be printed)"
