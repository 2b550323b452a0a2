"""A run as people read it: its numbers, and the story of one contract where a promise broke."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from simulations.story import Story
from simulations.study.simulation import Result, Simulation
from simulations.world.world import World

if TYPE_CHECKING:
    from rich.console import Console

STORY_LINES_MAX: Final = 60
"""The last lines of a story are where it broke."""


class Teller:
    """Keeps the story of a run (`run.Watching`), to tell it if something breaks."""

    def __init__(self) -> None:
        self.story = Story()

    def __call__(self, part: str, world: World) -> None:
        if part == "start":
            self.story = Story.of(world)

    def lines(self, contract: bytes | None) -> list[str]:
        """The last lines about a contract; without one, the last lines."""
        told = self.story.tell()
        name = self.story.names.get(contract or b"")
        if name is not None:
            about = re.compile(rf"\b{re.escape(name)}\b")
            told = [line for line in told if about.search(line)]
        return told[-STORY_LINES_MAX:]


def document_of(simulation: Simulation, result: Result, figures: dict[str, float]) -> dict[str, Any]:
    """A run, for programs."""
    return {
        "scenario": simulation.name, "seed": simulation.seed, "peers": simulation.scenario.peers,
        "digest": result.digest, "metrics": asdict(result.metrics), "deliveries": result.deliveries,
        "events": result.events, "world_ms": result.world_ms, "figures": figures,
    }  # fmt: skip


def show_story(sheet: Console, lines: list[str]) -> None:
    """What was said before it broke."""
    sheet.print("    ms  who, and what", style="bold")
    for line in lines:
        sheet.print(line)
    sheet.print()


def show_result(sheet: Console, simulation: Simulation, result: Result, figures: dict[str, float]) -> None:
    """A run, for people."""
    scenario = simulation.scenario
    sheet.print(f"{simulation.name}, seed {simulation.seed}: {scenario.about}", style="bold")
    mix = ", ".join(f"{count} {kind}" for kind, count in scenario.population.items())
    promises = "all promises held" if scenario.checkers is None else f"{len(scenario.checkers)} promises watched"
    sheet.print(f"{scenario.peers} peers ({mix}); {scenario.seconds} s of tasks, then the heal; {promises}.\n")
    for label, value in lines_of(result):
        sheet.print(f"  {label:<26}{value}")
    sheet.print(
        f"\n{result.deliveries:,} deliveries in {figures['seconds']} s ({figures['cpu_seconds']} s of CPU): "
        f"{figures['deliveries_per_s']:,} a second, "
        f"{figures['times_real_time']:,} × real time while tasks came; peak {figures['peak_mib']} MiB.",
        style="dim",
    )
    sheet.print(f"digest {result.digest}")


def lines_of(result: Result) -> list[tuple[str, str]]:
    """The metrics of a run, for people."""
    m = result.metrics
    ends = [f"{m.vetoed} vetoed"] if m.vetoed else []
    ends += [f"{m.cancelled - m.vetoed} cancelled"] if m.cancelled > m.vetoed else []
    ends += [f"{m.void} void"] if m.void else []
    return [
        ("tasks placed", f"{m.placed} of {m.tasks} ({number(m.placed_percent)} %)" + "".join(f", {e}" for e in ends)),
        ("price over the optimum", number(m.price_over_optimum, "– (nothing placed, or scipy is not installed)")),
        ("time to award", f"{number(m.award_ms_median)} ms median, {number(m.award_ms_p95)} ms p95"),
        ("time to the end", f"{number(m.end_ms_median)} ms median"),
        ("messages per task", f"{number(m.statements_per_task)} statements in {number(m.frames_per_task)} frames"),
        ("wasted bids", f"{number(m.wasted_bids_percent)} %"),
        ("agents at work", f"{number(m.utilisation_percent)} % of what they could"),
        ("converged after the heal", f"{number(m.converged_ms)} ms"),
        ("fairness (Jain)", number(m.fairness)),
    ]


def number(value: float | None, nothing: str = "–") -> str:
    """A number with what it needs of decimals."""
    return nothing if value is None else f"{value:,.3f}".rstrip("0").rstrip(".")
