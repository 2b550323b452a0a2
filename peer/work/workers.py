"""The workers of one peer: they run agent code for awards, within a time limit, and say once how it ended.

Whatever the code does (raise, hang, print, fork, exit, fill the memory), the peer goes on. A coroutine that blocks
without awaiting is the one thing that cannot be contained: such code belongs into a thread or a process. It refuses
to know why an award was given, and what its end means for the market.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from peer.telemetry import for_contract, logger
from peer.work import pipe
from peer.work.call import run_here, run_in_loop
from peer.work.context import Context, Done, Failed, Lease, Stopped, clean, failure_of
from peer.work.process import run_child
from peer.work.skill import Mode, Skill
from peer.work.threads import Threads
from protocol.limits import INLINE_MAX
from protocol.statements import FailureClass

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

__all__ = ["Context", "Done", "Failed", "FailureClass", "Stopped", "Workers"]

PAUSE_FIRST_S: Final = 0.1
"""Before the first rerun; doubled for each further one."""
PAUSE_LAST_S: Final = 5.0
RESIST_S: Final = 3.0
"""How long code may resist its cancellation before its end is told without it; processes take half of that to kill."""

_Outcome = Done | Failed


class _Run:
    """One award at work, from its start until its end is told."""

    def __init__(
        self, award: bytes, skill: Skill, raw_input: bytes, lease: Lease, context: Context, loop_s: float,
        log: FilteringBoundLogger, contract: bytes | None,
    ) -> None:  # fmt: skip
        self.award, self.skill, self.raw_input = award, skill, raw_input
        self.lease, self.context = lease, context
        self.began_s = loop_s
        self._log, self._contract = log, contract
        self.halted: Failed | None = None
        """Why the run was ended from outside; what the code still returns counts no more."""
        self.driver: asyncio.Task[_Outcome] | None = None
        self.alarm: asyncio.TimerHandle | None = None

    @property
    def log(self) -> FilteringBoundLogger:
        """Bound when there is something to say, which is rare."""
        log = self._log if self._contract is None else for_contract(self._log, self._contract)
        return log.bind(skill=self.skill.name, award=self.award.hex()[:16])


class Workers:
    """Runs awards side by side. Use it on the thread of `loop` only; the callbacks come there too."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        on_done: Callable[[bytes, Done | Failed], None],
        on_progress: Callable[[bytes, int, str], None],
        threads: int,
        output_max: int = INLINE_MAX,
        log: FilteringBoundLogger | None = None,
    ) -> None:
        """`on_done` is called exactly once per award, `on_progress` with permille and a note, and never after it."""
        self._loop = loop
        self._on_done, self._on_progress = on_done, on_progress
        self._output_max = output_max
        self._log = log or logger()
        self._threads = Threads(threads)
        self._runs: dict[bytes, _Run] = {}
        self._drivers: set[asyncio.Task[_Outcome]] = set()

    @property
    def running(self) -> int:
        """How many awards are at work."""
        return len(self._runs)

    def start(
        self,
        award: bytes,
        skill: Skill,
        raw_input: bytes,
        *,
        token: bytes,
        epoch: int,
        lease_until_ms: int,
        clock: Callable[[], int],
        contract: bytes | None = None,
    ) -> None:
        """Work on an award. Raises ValueError when it is at work already."""
        if award in self._runs:
            raise ValueError("this award is at work already")
        lease = Lease(lease_until_ms, clock)
        context = Context(
            award=award,
            idempotency_token=token,
            epoch=epoch,
            end_reason=lease.end_reason,
            report=lambda permille, note: self._report(award, permille, note),
        )
        run = _Run(award, skill, raw_input, lease, context, self._loop.time(), self._log, contract)
        self._runs[award] = run
        run.driver = self._loop.create_task(self._drive(run))
        self._drivers.add(run.driver)
        run.driver.add_done_callback(lambda driver: self._driven(run, driver))
        self._loop.call_soon(self._loop.call_soon, self._watch, run)

    def extend(self, award: bytes, lease_until_ms: int) -> None:
        """Renew the lease; of an award that is not at work it means nothing."""
        if run := self._runs.get(award):
            run.lease.until_ms = lease_until_ms

    def stop(self, award: bytes) -> None:
        """End the work: the fence trips at once, and `on_done` tells STOPPED when the code has ended or been left."""
        if run := self._runs.get(award):
            self._halt(run, FailureClass.STOPPED, "The epoch is over.")

    async def close(self) -> None:
        """Stop everything, and wait until no process is left. Hung threads and coroutines are left behind."""
        for award in list(self._runs):
            self.stop(award)
        if self._drivers:
            await asyncio.wait(set(self._drivers), timeout=RESIST_S)
        while self._runs:
            self._settle(next(iter(self._runs.values())), None)
        self._threads.close()

    def _watch(self, run: _Run) -> None:
        """Most work that ends at once has ended by now, and needs no alarm."""
        if run.alarm is None and self._runs.get(run.award) is run:
            run.alarm = self._loop.call_later(run.skill.time_limit_ms / 1000, self._pass_limit, run)

    def _pass_limit(self, run: _Run) -> None:
        reason = f"The time limit of {run.skill.time_limit_ms / 1000:g} s passed."
        self._halt(run, FailureClass.RETRYABLE, reason)

    def _halt(self, run: _Run, failure_class: FailureClass, reason: str) -> None:
        run.lease.over = True
        if run.halted or run.driver is None:
            return
        run.halted = Failed(failure_class, reason)
        run.driver.cancel()
        if run.alarm:
            run.alarm.cancel()
        run.alarm = self._loop.call_later(RESIST_S, self._settle, run, None)

    async def _drive(self, run: _Run) -> _Outcome:
        """Try until it succeeds, fails for good, or the tries or the lease are used up."""
        pause_s = PAUSE_FIRST_S
        for tries_left in range(run.skill.retries, -1, -1):
            try:
                output = await self._try(run)
            except GeneratorExit:
                raise
            except BaseException as error:  # SystemExit and KeyboardInterrupt of agent code must not end the peer
                if run.driver is None or run.driver.cancelling():
                    raise
                failed = failure_of(error)
                run.log.warning("agent code failed", exc_info=error)
            else:
                if not isinstance(output, Failed):
                    return Done(output, round(1000 * (self._loop.time() - run.began_s)))
                failed = output
            if failed.failure_class is not FailureClass.RETRYABLE or not tries_left:
                return failed
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_LAST_S)
            if reason := run.lease.end_reason():
                return Failed(FailureClass.STOPPED, clean(f"{reason} Before that: {failed.reason}"))
        raise AssertionError("unreachable: the last try returns")

    async def _try(self, run: _Run) -> bytes | Failed:
        match run.skill.mode:
            case Mode.COROUTINE:
                return await run_in_loop(run.skill, run.raw_input, run.context, self._output_max)
            case Mode.THREAD:
                return await self._try_in_thread(run)
            case Mode.PROCESS:
                return await self._try_in_process(run)

    async def _try_in_thread(self, run: _Run) -> bytes:
        outcome: asyncio.Future[bytes | BaseException] = self._loop.create_future()

        def call() -> None:
            result: bytes | BaseException
            try:
                result = run_here(run.skill, run.raw_input, run.context, self._output_max)
            except BaseException as error:
                result = error
            self._call_soon(lambda: None if outcome.done() else outcome.set_result(result))

        job = self._threads.submit(call)
        try:
            result = await outcome
        except asyncio.CancelledError:
            left = self._threads.abandon(job)
            if left and run.halted:
                run.halted = Failed(run.halted.failure_class, f"{run.halted.reason} {left}")
                run.log.error("a thread was abandoned", reason=run.halted.reason)
            raise
        if isinstance(result, BaseException):
            raise result
        return result

    async def _try_in_process(self, run: _Run) -> bytes | Failed:
        begin = pipe.Begin(run.award, run.context.idempotency_token, run.context.epoch, run.raw_input, self._output_max)
        word = await run_child(
            run.skill,
            begin,
            end_reason=run.lease.end_reason,
            report=lambda permille, note: self._report(run.award, permille, note),
        )
        return word.output if isinstance(word, pipe.Output) else Failed(word.failure_class, word.reason)

    def _driven(self, run: _Run, driver: asyncio.Task[_Outcome]) -> None:
        self._drivers.discard(driver)
        if driver.cancelled():
            self._settle(run, None)
        elif (error := driver.exception()) is not None:
            self._settle(run, None if run.halted else failure_of(error))
        else:
            self._settle(run, driver.result())

    def _settle(self, run: _Run, outcome: _Outcome | None) -> None:
        """Tell the end of a run, the first time; what halted it goes before what the code says."""
        if self._runs.get(run.award) is not run:
            return
        del self._runs[run.award]
        run.lease.over = True
        if run.alarm:
            run.alarm.cancel()
        self._on_done(
            run.award, run.halted or outcome or Failed(FailureClass.RETRYABLE, "The work was cancelled from within.")
        )

    def _report(self, award: bytes, permille: int, note: str) -> None:
        """Pass on progress, from any thread."""
        self._call_soon(lambda: self._on_progress(award, permille, note) if award in self._runs else None)

    def _call_soon(self, call: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:  # the loop is closed: nobody is left to be told
            return
