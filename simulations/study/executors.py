"""Who computes the rows of a sweep: this process, others on this machine, or a Dask cluster.

A worker that dies takes nothing with it but its own row: where nobody can say whose fault it was, those that were under
way are run again, each alone.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from typing import Any, Final, NamedTuple, TypeVar

from protocol.errors import UsageError
from simulations.extras import need
from simulations.study import settings

P = TypeVar("P")
R = TypeVar("R")

DIED: Final = "died"
"""The column of a row whose worker died: why."""
AHEAD: Final = 2
"""How many rows are under way for each worker: one at work, and one that waits for it."""
KINDS: Final = ("process", "serial", "dask:ADDRESS")


class Died(NamedTuple):
    """In place of an outcome: the worker that was at it is no more."""

    why: str


class Pool:
    """Computes outcomes, and gives each as it comes."""

    def run(self, work: Callable[[P], R], points: Sequence[P]) -> Iterator[tuple[P, R | Died]]:
        """Each point with its outcome, in any order."""
        raise NotImplementedError


class Serial(Pool):
    """One after the other, here."""

    def run(self, work: Callable[[P], R], points: Sequence[P]) -> Iterator[tuple[P, R | Died]]:
        for point in points:
            yield point, work(point)


class Processes(Pool):
    """Several processes of this machine."""

    def __init__(self, workers: int) -> None:
        if not 1 <= workers <= 1_024:
            raise UsageError(f"{workers} workers cannot work.", do="Take 1 to 1024.")
        self.workers = workers

    def run(self, work: Callable[[P], R], points: Sequence[P]) -> Iterator[tuple[P, R | Died]]:
        left = list(points)
        while left:
            suspects = yield from self._until_broken(work, left)
            for suspect in suspects:
                left.remove(suspect)
                yield suspect, self._alone(work, suspect)

    def _until_broken(self, work: Callable[[P], R], left: list[P]) -> Generator[tuple[P, R | Died], None, list[P]]:
        """Take out of `left` what is done; returns what was under way when a worker died."""
        executor = self._executor(self.workers)
        try:
            for point, outcome in _flow(executor, work, tuple(left), self.workers * AHEAD):
                if isinstance(outcome, Lost):
                    return outcome.under_way
                left.remove(point)
                yield point, outcome
            return []
        finally:
            _end(executor)

    def _alone(self, work: Callable[[P], R], point: P) -> R | Died:
        executor = self._executor(1)
        try:
            return executor.submit(work, point).result()
        except BrokenProcessPool:
            return Died("The process that ran it died.")
        finally:
            _end(executor)

    @staticmethod
    def _executor(workers: int) -> ProcessPoolExecutor:
        """Spawned, not forked: this process may have threads, and the rows must not depend on what it did before."""
        return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _ignore_interrupts)


class Lost(NamedTuple):
    """A worker died, and with it the pool; these were under way."""

    under_way: list[Any]


def _flow(executor: Executor, work: Callable[[P], R], points: Sequence[P], at_once: int) -> Iterator[tuple[P, Any]]:
    """Keep so many points under way, and give each outcome as it comes; a pool that breaks ends it with Lost."""
    waiting = iter(points)
    under_way: dict[Future[R], P] = {}
    more = True
    while more or under_way:
        while more and len(under_way) < at_once:
            point = next(waiting, None)
            more = point is not None
            if point is not None:
                try:
                    under_way[executor.submit(work, point)] = point
                except BrokenProcessPool:
                    yield point, Lost([*under_way.values(), point])
                    return
        done, _ = wait(under_way, return_when=FIRST_COMPLETED)
        for future in done:
            if isinstance(future.exception(), BrokenProcessPool):
                yield under_way[future], Lost(list(under_way.values()))
                return
        for future in done:
            point = under_way.pop(future)
            error = future.exception()
            yield point, future.result() if error is None else Died(f"{type(error).__name__}: {error}")


def _ignore_interrupts() -> None:
    """Who is at the keyboard interrupts the sweep, and the sweep ends its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _end(executor: ProcessPoolExecutor) -> None:
    """End its workers at once: whatever they are at is in no row, and will be run again."""
    processes = list((getattr(executor, "_processes", None) or {}).values())
    executor.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        with suppress(OSError, ValueError):
            process.terminate()


class Cluster(Pool):
    """The workers of a Dask cluster, each of which needs this vendue."""

    def __init__(self, address: str) -> None:
        self.address = address

    def run(self, work: Callable[[P], R], points: Sequence[P]) -> Iterator[tuple[P, R | Died]]:
        distributed = need("distributed", "dask")
        try:
            client = distributed.Client(self.address, timeout="10s")
        except (OSError, ValueError, TimeoutError) as error:
            raise UsageError(
                f"There is no Dask cluster at {settings.printed(self.address)}.",
                why=f"{error}."[:200],
                do="Start one: dask scheduler, and dask worker ADDRESS.",
            ) from None
        with client:
            at_once = max(1, sum(client.nthreads().values())) * AHEAD
            yield from _flow(client.get_executor(), work, points, at_once)


def pool_of(said: str, workers: int | None) -> Pool:
    """The pool that `--executor` names. Raises UsageError."""
    kind, _, address = said.partition(":")
    if kind == "serial" and not address:
        return Serial()
    if kind == "process" and not address:
        return Processes(workers if workers is not None else os.cpu_count() or 1)
    if kind == "dask" and address:
        return Cluster(address)
    close = settings.nearest(kind, [name.partition(":")[0] for name in KINDS])
    raise UsageError(
        f"There is no executor {settings.printed(said)}.",
        do=f"Did you mean {close}{':ADDRESS' if close == 'dask' else ''}?" if close else f"Take {', '.join(KINDS)}.",
    )
