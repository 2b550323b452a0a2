"""Seed after seed of the swarm, as long as somebody wants: what was found, and how much was lived through.

A finding is a broken promise, or an error of the protocol or the simulator itself; each comes with the one line that
replays it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final, NamedTuple

from simulations.checkers.base import Broken
from simulations.story import Story
from simulations.swarm import Market, play

YEAR_MS: Final = 31_557_600_000
REPORT_S: Final = 10
CHUNK: Final = 8
"""Seeds that a process takes at once."""


class Finding(NamedTuple):
    """What one seed has shown."""

    seed: int
    what: str

    @property
    def replay(self) -> str:
        """The one line that shows it again."""
        return f"scripts/soak --seed {self.seed}"


class Tally(NamedTuple):
    """What some seeds came to."""

    seeds: int = 0
    events: int = 0
    peer_ms: int = 0
    findings: tuple[Finding, ...] = ()

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(
            self.seeds + other.seeds, self.events + other.events, self.peer_ms + other.peer_ms,
            self.findings + other.findings,
        )  # fmt: skip

    def __str__(self) -> str:
        years = self.peer_ms / YEAR_MS
        return f"{self.seeds} seeds, {self.events} events, {years:.4f} peer-years, {len(self.findings)} findings"


def try_seed(seed: int) -> Tally:
    """Play one seed; an error is a finding."""
    try:
        played = play(seed)
    except Broken as broken:
        return Tally(1, findings=(Finding(seed, str(broken)),))
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{type(error).__name__}: {error} ({where.filename.rpartition('/')[2]}:{where.lineno})"
        return Tally(1, findings=(Finding(seed, what),))
    return Tally(1, played.events, played.peer_ms)


def soak(first: int, *, minutes: float, processes: int, say: Callable[[str], None] = print) -> Tally:
    """Play seeds from `first` on until the time is over, and tell what is found when it is."""
    ends, tells = time.monotonic() + minutes * 60, time.monotonic() + REPORT_S
    total, seeds = Tally(), _until(ends, first)
    for tally in _each(seeds, processes):
        total = total.plus(tally)
        for finding in tally.findings:
            say(f"seed {finding.seed}: {finding.what}\n  replay: {finding.replay}")
        if time.monotonic() > tells:
            tells += REPORT_S
            say(str(total))
    say(str(total))
    return total


def _until(ends: float, first: int) -> Iterable[int]:
    seed = first
    while time.monotonic() < ends:
        yield seed
        seed += 1


def _each(seeds: Iterable[int], processes: int) -> Iterable[Tally]:
    if processes == 1:
        yield from map(try_seed, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        waiting = iter(seeds)
        while chunk := [seed for _, seed in zip(range(processes * CHUNK), waiting, strict=False)]:
            yield from pool.imap_unordered(try_seed, chunk)


def replay(seed: int, *, story: bool, say: Callable[[str], None] = print) -> bool:
    """Play one seed again, and tell its faults, its story, and what it finds; whether it finds nothing."""
    market = Market(seed)
    say(f"seed {seed}: {', '.join(process.name for process in market.world.processes.values())}")
    for fault in market.weather.faults:
        say(f"  {fault}")
    told = Story.of(market.world) if story else None
    try:
        market.live()
    except Broken as broken:
        found: str | None = str(broken)
    else:
        found = None
    if told is not None:
        say(told.text())
    say(found or f"nothing found; digest {market.world.digest()}")
    return found is None


def _positive(kind: Callable[[str], float], text: str) -> float:
    value = kind(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: 0 where nothing is found, else 1."""
    parser = argparse.ArgumentParser("soak", description="Play seeds of the swarm, and tell what breaks.")
    parser.add_argument("--minutes", type=partial(_positive, float), default=1.0, help="how long (default: 1)")
    parser.add_argument("--processes", type=partial(_positive, int), default=1, help="how many at once (default: 1)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument("--seed", type=int, help="play this seed alone")
    parser.add_argument("--story", action="store_true", help="with --seed: tell everything that happens")
    given = parser.parse_args(arguments)
    if given.seed is not None:
        return 0 if replay(given.seed, story=given.story) else 1
    return 1 if soak(given.first, minutes=given.minutes, processes=int(given.processes)).findings else 0
