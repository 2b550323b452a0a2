"""A bounded pool of threads that survives code which never returns.

The standard pool would lose a thread for each such call, and wait for them when the process wants to end. Here a hung
thread is abandoned and replaced, up to a bound, and no thread keeps the process alive. It refuses to know what is run.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

ABANDONED_MAX: Final = 32
"""Hung threads that are replaced: each keeps its memory, and may keep a core busy."""


class Job:
    """One call that waits for a thread, has one, or has left it."""

    __slots__ = ("abandoned", "call", "returned")

    def __init__(self, call: Callable[[], None]) -> None:
        self.call = call
        self.abandoned = False
        self.returned = False


class Threads:
    """At most `limit` threads at work, not counting those given up."""

    def __init__(self, limit: int, *, abandoned_max: int = ABANDONED_MAX) -> None:
        self._limit = limit
        self._abandoned_max = abandoned_max
        self._waiting: deque[Job] = deque()
        self._changed = threading.Condition()
        self._live = self._idle = self.abandoned = 0
        self._closed = False

    def submit(self, call: Callable[[], None]) -> Job:
        """Have `call`, which must not raise, run as soon as a thread is free."""
        job = Job(call)
        with self._changed:
            self._waiting.append(job)
            self._staff()
        return job

    def abandon(self, job: Job) -> str:
        """Give up on a call, and say what that means for the pool; empty when the call never began or is back."""
        with self._changed:
            if job in self._waiting:
                self._waiting.remove(job)
                return ""
            if job.returned or job.abandoned:
                return ""
            if self.abandoned >= self._abandoned_max:
                return (
                    f"Its thread cannot be killed, and {self.abandoned} hang already: this one is not replaced. "
                    "Restart the peer, or offer the skill as a process."
                )
            job.abandoned = True
            self.abandoned += 1
            self._live -= 1
            self._staff()
            return f"Its thread cannot be killed and was replaced ({self.abandoned} of at most {self._abandoned_max})."

    def close(self) -> None:
        """Let idle threads end; those at work end with their call."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _staff(self) -> None:
        if self._idle:
            self._changed.notify()
        if len(self._waiting) > self._idle and self._live < self._limit:
            self._live += 1
            threading.Thread(target=self._work, name="vendue-worker", daemon=True).start()

    def _work(self) -> None:
        while job := self._next():
            job.call()
            with self._changed:
                job.returned = True
                if job.abandoned:
                    self.abandoned -= 1
                    self._live += 1
                if self._live > self._limit:
                    self._live -= 1
                    return

    def _next(self) -> Job | None:
        with self._changed:
            while not self._waiting and not self._closed:
                self._idle += 1
                self._changed.wait()
                self._idle -= 1
            if self._waiting:
                return self._waiting.popleft()
            self._live -= 1
            return None
