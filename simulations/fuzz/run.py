"""The loop: input after input, each within a bound of time, with a look at memory, and trades in between.

Everything follows from the seed: the same inputs hit the same market at the same times of its clock.
"""

from __future__ import annotations

import os
import resource
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final
from unittest.mock import patch

from msgspec import Struct

from protocol import limits
from protocol.errors import VendueError
from simulations.fuzz.forge import Forge
from simulations.fuzz.market import ANNOUNCERS, BOMBARDED, FuzzMarket
from simulations.fuzz.targets import Target, pick, targets_of

INPUT_MS_MAX: Final = 500.0
"""CPU time of one input: a hundred times what the dearest honest frame takes."""
HANG_S: Final = 10
"""CPU time after which an input is called a hang, and the process is ended by the system."""
BREATH: Final = 16
"""Inputs between two moves of the market's clock."""
BREATH_MS: Final = 20
SWEEP: Final = 2_000
"""Inputs between two looks at memory."""
WARM_UP: Final = 0.4
"""The share of a run in which tables fill up to their bounds; what memory grows after it is a leak."""
GROWTH_MAX: Final = 1.10
GROWTH_BYTES: Final = 16 * 2**20
"""What the system's allocator may take more, for good, without a reason of ours."""


SMALL: Final = {
    "SEEN_MAX": 4_096, "WAITING_MAX": 1_024, "WAITING_PER_AUTHOR_MAX": 256, "CONTRACT_STATEMENTS_MAX": 64,
    "BIDS_MAX": 16, "OPEN_PER_MANAGER_MAX": 128, "ENDED_KEPT": 64, "FEED_WINDOW": 256, "FEEDS_MAX": 256,
    "FEEDS_PER_AUTHOR_MAX": 16, "FORK_BYTES_MAX": 2**22, "STANDING_MAX": 64, "CARDS_MAX": 64, "SPONSORED_MAX": 8,
    "CERTIFICATES_KEPT": 64, "REMEMBERED_ANSWERS": 64,
}  # fmt: skip
"""Bounds of tables in a run → how small they are made."""


class Slow(VendueError):
    """One input took longer than any may."""


class Report(Struct, kw_only=True):
    """What a run came to."""

    seed: int
    inputs: int = 0
    cpu_s: float = 0.0
    rss_first: int = 0
    """Resident bytes behind the warm-up."""
    rss_last: int = 0
    rss_peak: int = 0
    slowest_ms: float = 0.0
    slowest: int = 0
    """... and which input that was."""
    slowest_target: str = ""
    trades: int = 0
    slowest_trade_s: float = 0.0
    """CPU time of the dearest round of trade: a minute of everybody's time, with all timers of what was thrown."""
    outcomes: dict[str, int] = {}
    """Target and outcome → count."""
    verdicts: dict[str, int] = {}
    """The rulings of the bombarded turns → count."""

    @property
    def flat(self) -> bool:
        """Memory did not grow behind the warm-up."""
        return self.rss_last <= self.rss_first * GROWTH_MAX + GROWTH_BYTES


class Run:
    """One run: a market, its forge, and the targets in it."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.market = FuzzMarket(seed)
        self.forge = forge_of(self.market, seed)
        self.targets = targets_of(self.market, self.forge, folder)
        self.report = Report(seed=seed)
        self._outcomes: Counter[str] = Counter()

    def throw(self, number: int) -> None:
        """Throw one input. Raises what production code raises, and Slow."""
        chance = self.forge.chance(number)
        target = pick(self.targets, chance)
        raw = target.make(chance)
        began = time.thread_time()
        outcome = target.take(raw)
        self._note(number, target, outcome, (time.thread_time() - began) * 1000)

    def _note(self, number: int, target: Target, outcome: str, took_ms: float) -> None:
        report = self.report
        report.inputs += 1
        self._outcomes[f"{target.name}: {outcome}"] += 1
        if took_ms > report.slowest_ms:
            report.slowest_ms, report.slowest, report.slowest_target = took_ms, number, target.name
        if took_ms > INPUT_MS_MAX:
            raise Slow(f"Input {number} took {took_ms:.0f} ms.", why=f"It went to: {target.name}.")

    def sweep(self) -> None:
        """What a real peer has on disk leaves memory; and how much of that there is now."""
        for name in BOMBARDED:
            self.market.bombarded(name).forget_shell()
        self.report.rss_last = _resident()
        self.report.rss_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    def trade(self) -> None:
        """Have the market trade, and note how long that took."""
        began = time.process_time()
        self.market.trade()
        self.report.trades += 1
        self.report.slowest_trade_s = max(self.report.slowest_trade_s, time.process_time() - began)

    def finish(self) -> Report:
        """Trade, be killed, begin again from what is recorded, and trade once more."""
        self.sweep()
        for name in BOMBARDED:
            self.report.verdicts |= _added(self.report.verdicts, self.market.bombarded(name).turn.verdicts)
        self.trade()
        self.market.reborn()
        self.trade()
        self.report.outcomes = dict(self._outcomes.most_common())
        return self.report


def run(
    seed: int, inputs: int, *, only: int | None = None, at: Callable[[int], None] = lambda number: None,
    guarded: bool = False,
) -> Report:  # fmt: skip
    """Throw so many inputs, or one alone. `at` is told each number before it is thrown.

    `guarded`: an input that hangs ends this process, by SIGPROF, even if it hangs in a library. Raises what is found.
    """
    with tempfile.TemporaryDirectory(prefix="vendue-fuzz-") as folder, small_tables():
        running = Run(seed, Path(folder))
        began = time.process_time()
        for number in range(inputs) if only is None else (only,):
            at(number)
            if guarded:
                signal.setitimer(signal.ITIMER_PROF, HANG_S)
            running.throw(number)
            if number % BREATH == 0:
                running.market.world.run_for(BREATH_MS)
            if number % SWEEP == 0:
                running.sweep()
                if number <= inputs * WARM_UP:
                    running.report.rss_first = running.report.rss_last
            if guarded:
                signal.setitimer(signal.ITIMER_PROF, 0)
            if number % max(1, inputs // 10) == 0:
                running.trade()
        running.report.cpu_s = time.process_time() - began
        return running.finish()


def forge_of(market: FuzzMarket, seed: int) -> Forge:
    """What is thrown at a market."""
    announcers = [market.world.processes[name].sealer for name in ANNOUNCERS]
    return Forge(seed, market.corpus, market.sealers, announcers)


@contextmanager
def small_tables() -> Iterator[None]:
    """Every table of a node that fills slowly is small: full long before the end, so that what grows then is a leak."""
    with ExitStack() as stack:
        for name, size in SMALL.items():
            stack.enter_context(patch.object(limits, name, size))
        yield


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _added(one: dict[str, int], other: Counter[str]) -> dict[str, int]:
    return {verdict: one.get(verdict, 0) + count for verdict, count in other.items()}
