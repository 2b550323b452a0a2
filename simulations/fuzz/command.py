"""`scripts/fuzz`: a run in a process of its own, so that a crash and a hang are findings like any other.

It ends with 0 where nothing was found, else with 1, and then prints the one line that shows the finding again.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
import traceback
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized
from typing import Any, NamedTuple

import click
import msgspec

from simulations.fuzz.run import HANG_S, INPUT_MS_MAX, Report, run
from simulations.speech import answer, speaking


class Finding(NamedTuple):
    """What one input did."""

    number: int
    what: str


@click.command()
@click.option("--bundles", type=click.IntRange(1), default=1_000_000, show_default=True, help="How many inputs.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Which inputs, all of them.")
@click.option("--only", type=click.IntRange(0), metavar="N", help="Throw input number N alone, at a market at peace.")
@speaking
def fuzz(bundles: int, seed: int, only: int | None, as_json: bool) -> None:
    """Throw mutated bundles, evidence, pages, requests, certificates and invitations at a market of production code."""
    found = in_a_process(seed, bundles, only)
    finding = found if isinstance(found, Finding) else None
    report = found if isinstance(found, Report) else None
    if finding is not None:
        line = replay_line(seed, finding.number, alone=_shows_alone(seed, finding.number, only))
        answer(as_json, {"finding": finding.what, "input": finding.number, "replay": line}, lambda: None)
        if not as_json:
            click.echo(f"input {finding.number}: {finding.what}\n  replay: {line}")
    if report is not None:
        answer(as_json, {**msgspec.to_builtins(report), "flat": report.flat}, lambda: click.echo(told(report)))
        if not report.flat and not as_json:
            click.echo(f"memory is not flat\n  replay: scripts/fuzz --seed {seed} --bundles {bundles}")
    sys.exit(report is None or not (report.flat or only is not None))


def in_a_process(seed: int, bundles: int, only: int | None = None) -> Report | Finding:
    """Run, and be told of whatever ends it."""
    context = multiprocessing.get_context("spawn")
    here: Synchronized[int] = context.Value("Q", 0, lock=False)
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(theirs, here, seed, bundles, only))
    child.start()
    theirs.close()
    try:
        told: Report | str | None = ours.recv()
    except EOFError:
        told = None
    child.join()
    if isinstance(told, Report):
        return told
    return Finding(here.value, told or _death(child.exitcode or 0))


def _child(parent: Connection, here: Any, seed: int, bundles: int, only: int | None) -> None:
    def at(number: int) -> None:
        here.value = number

    try:
        parent.send(run(seed, bundles, only=only, at=at, guarded=True))
    except Exception:
        parent.send(traceback.format_exc())


def _death(code: int) -> str:
    if code == -signal.SIGPROF:
        return f"it hangs: {HANG_S} s of CPU time were not enough"
    return f"the process was ended by {signal.Signals(-code).name}" if code < 0 else f"the process ended with {code}"


def _shows_alone(seed: int, number: int, only: int | None) -> bool:
    """Tell whether an input does the same to a market at peace."""
    return only is not None or isinstance(in_a_process(seed, 1, number), Finding)


def replay_line(seed: int, number: int, *, alone: bool) -> str:
    """The line that shows a finding again: by that input alone, or by all that went before it."""
    return f"scripts/fuzz --seed {seed} " + (f"--only {number}" if alone else f"--bundles {number + 1}")


def told(report: Report) -> str:
    """A report for people."""
    mib = [size / 2**20 for size in (report.rss_first, report.rss_last, report.rss_peak)]
    lines = [f"{count:>9}  {outcome}" for outcome, count in sorted(report.outcomes.items())]
    lines += [f"{count:>9}    {ruling}" for ruling, count in sorted(report.verdicts.items())]
    lines += [
        f"{report.inputs:,} inputs in {report.cpu_s:.0f} s of CPU time: {report.inputs / report.cpu_s:,.0f} a second",
        f"memory: {mib[0]:.0f} MiB behind the warm-up, {mib[1]:.0f} MiB at the end, {mib[2]:.0f} MiB at most: "
        + ("flat" if report.flat else "NOT FLAT"),
        f"slowest: input {report.slowest}, {report.slowest_ms:.1f} ms (at most {INPUT_MS_MAX:.0f}), to: "
        f"{report.slowest_target}",
        f"{report.trades} rounds of trade between and behind them, {report.slowest_trade_s:.1f} s of CPU time at most, "
        "all done and ratified; nothing raised",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    fuzz()
