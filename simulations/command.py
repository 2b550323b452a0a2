"""`vendue sim`: markets that do not exist, in a time that does not pass."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from simulations.figures import Stopwatch
from simulations.scenario import built_in, load
from simulations.simulation import Result, Simulation
from simulations.speech import answer, changes_of, changing, page, progress, speaking, varying
from simulations.world import World


@click.group()
def sim() -> None:
    """Simulate markets: the real protocol under a virtual clock, with whatever can go wrong."""


@sim.command("list")
@speaking
def listing(as_json: bool) -> None:
    """Show the scenarios that come with vendue."""
    loaded = {name: load(name) for name in built_in()}
    document = [{"name": name, "about": one.about, "peers": one.peers} for name, one in loaded.items()]

    def show() -> None:
        for row in document:
            click.echo(f"{row['name']:22}{row['about']}")
        click.echo("\nRun one: vendue sim run NAME")

    answer(as_json, document, show)


@sim.command()
@click.argument("scenario")
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Where all chance comes from.")
@click.option("--tasks", type=int, metavar="N", help="How many tasks come.")
@varying
@changing
@speaking
def run(
    scenario: str,
    seed: int,
    tasks: int | None,
    peers: int | None,
    orders: str | None,
    changes: tuple[str, ...],
    as_json: bool,
) -> None:
    """Run SCENARIO, a name or a TOML file, and say what became of its tasks."""
    simulation = Simulation(scenario, seed=seed, peers=peers, changes=changes_of(changes), orders=orders)
    result, figures = watched(simulation, tasks, quiet=as_json)
    document = {
        "scenario": scenario, "seed": seed, "digest": result.digest, "metrics": asdict(result.metrics),
        "peers": simulation.scenario.peers, "deliveries": result.deliveries, "events": result.events,
        "world_ms": result.world_ms, "figures": figures,
    }  # fmt: skip
    answer(as_json, document, lambda: _show(simulation, result, figures))


def watched(simulation: Simulation, tasks: int | None, *, quiet: bool) -> tuple[Result, dict[str, float]]:
    """Run with a stopwatch, and a bar where somebody looks."""
    watch = Stopwatch()
    with progress(simulation.name, simulation.scenario.seconds, quiet=quiet) as done:

        def watching(part: str, world: World) -> None:
            watch(part, world)
            done(watch.slices)

        result = simulation.run(tasks, watching=watching)
    return result, watch.figures(result)


def _show(simulation: Simulation, result: Result, figures: dict[str, float]) -> None:
    scenario, sheet = simulation.scenario, page()
    sheet.print(f"{simulation.name}, seed {simulation.seed}: {scenario.about}", style="bold")
    mix = ", ".join(f"{count} {kind}" for kind, count in scenario.population.items())
    promises = "all promises held" if scenario.checkers is None else f"{len(scenario.checkers)} promises watched"
    sheet.print(f"{scenario.peers} peers ({mix}); {scenario.seconds} s of tasks, then the heal; {promises}.\n")
    for label, value in lines(result):
        sheet.print(f"  {label:<24} {value}")
    sheet.print(
        f"\n{result.deliveries} deliveries in {figures['seconds']} s: {figures['deliveries_per_s']} a second, "
        f"{figures['times_real_time']} × real time while tasks came; peak {figures['peak_mib']} MiB.",
        style="dim",
    )
    sheet.print(f"digest {result.digest}")


def lines(result: Result) -> list[tuple[str, str]]:
    """The metrics of a run, for people."""
    m = result.metrics
    end = f"{m.vetoed} vetoed, {m.cancelled} cancelled" if m.placed < m.tasks else "none failed"
    return [
        ("tasks placed", f"{m.placed} of {m.tasks} ({_number(m.placed_percent)} %); {end}"),
        ("price over the optimum", _number(m.price_over_optimum, "nothing placed, or scipy is not installed")),
        ("time to award", f"{_number(m.award_ms_median)} ms median, {_number(m.award_ms_p95)} ms p95"),
        ("time to the end", f"{_number(m.end_ms_median)} ms median"),
        ("statements per task", f"{_number(m.statements_per_task)}, handled {_number(m.deliveries_per_task)} times"),
        ("wasted bids", f"{_number(m.wasted_bids_percent)} %"),
        ("agents at work", f"{_number(m.utilisation_percent)} % of what they could"),
        ("converged after the heal", f"{_number(m.converged_ms)} ms"),
        ("fairness (Jain)", _number(m.fairness)),
    ]


def _number(value: Any, nothing: str = "–") -> str:
    return nothing if value is None else f"{value:,.3f}".rstrip("0").rstrip(".")
