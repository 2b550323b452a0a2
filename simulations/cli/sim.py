"""`vendue sim`: markets that do not exist, in a time that does not pass."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

import click

from simulations.cli.plot import plot_command
from simulations.cli.rehearse import rehearse_command
from simulations.cli.sweep import sweep_command
from simulations.speech import Varied, answer, page, progress, speaking, varying
from simulations.study.figures import Stopwatch
from simulations.study.record import Marks, Parted, Record, every_of, origin, read, record_of, simulation_of, write
from simulations.study.report import Teller, document_of, show_result, show_story
from simulations.study.run import Run, Watching
from simulations.study.scenario import built_in, load
from simulations.study.simulation import PromiseBroken, Result, Simulation, result_of
from simulations.world.trace import Recording
from simulations.world.world import World

PARTED_DO: Final = "Replay it with the code that made it; with the same code, this is a fault of the simulator."


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
        for name, one in loaded.items():
            click.echo(f"{name:22}{one.about}")
        click.echo("\nRun one: vendue sim run NAME")

    answer(as_json, document, show)


@sim.command()
@click.argument("scenario")
@click.option("--record", type=click.Path(path_type=Path), metavar="FILE", help="Keep a trace, which can be replayed.")
@varying
@speaking
def run(varied: Varied, scenario: str, record: Path | None, as_json: bool) -> None:
    """Run SCENARIO, a name or a TOML file, and say what became of its tasks."""
    simulation = varied.simulation(scenario)
    watch, marks = Stopwatch(), Marks(every_of(simulation.scenario.seconds))
    world = simulation.begin(recorded=record is not None)
    try:
        result, figures = watched(simulation, world, watch, [marks], quiet=as_json)
    except PromiseBroken as found:
        if record is not None:
            write(record_of(simulation, marks, found), world.lines, record)
        raise
    if record is not None:
        write(record_of(simulation, marks, result), world.lines, record)
    document = document_of(simulation, result, figures)
    answer(as_json, document, lambda: show_result(page(), simulation, result, figures))


def watched(
    simulation: Simulation, run: Run, watch: Stopwatch, also: Sequence[Watching], *, quiet: bool
) -> tuple[Result, dict[str, float]]:
    """Let a run happen with a stopwatch, and a bar where somebody looks."""
    with progress(simulation.name, simulation.scenario.seconds, quiet=quiet) as done:

        def watching(part: str, world: World) -> None:
            watch(part, world)
            for watcher in also:
                watcher(part, world)
            done(watch.slices)

        simulation.finish(run, watching)
    result = result_of(run)
    return result, watch.figures(result)


@sim.command()
@click.argument("trace")
@varying
@speaking
def replay(varied: Varied, trace: str, as_json: bool) -> None:
    """Run again what TRACE recorded, a file; or a scenario by name, with its --seed. What broke is told in words."""
    path, known, recording = Path(trace), None, None
    if path.is_file() and path.suffix != ".toml":
        known, recording = read(path)
    simulation = varied.simulation(trace) if known is None else simulation_of(known)
    marks = Marks(every_of(simulation.scenario.seconds), expected=known.marks if known is not None else ())
    watch, teller = Stopwatch(), Teller()
    world = simulation.begin(recorded=recording is not None and bool(recording.lines))
    try:
        result, figures = watched(simulation, world, watch, [teller, marks], quiet=as_json)
    except PromiseBroken as found:
        if not as_json:
            show_story(page(), teller.lines(found.broken.contract))
        if known is not None:
            _compare(known, recording, world, found.digest)
        raise
    except Parted as parted:
        _say_where(parted.what, known, recording, world)
    if known is not None:
        _compare(known, recording, world, result.digest)
    document = document_of(simulation, result, figures) | {"trace": origin(known) if known else None}
    answer(as_json, document, lambda: _show_replay(simulation, result, figures, known))


def _compare(known: Record, recording: Recording | None, run: Run, digest: str) -> None:
    """Raises Parted where a trace has another end than its replay."""
    if known.digest != digest:
        broken = f", where it broke: {known.broken}" if known.broken else ""
        _say_where(f"The replay parts from the trace at its end{broken}.", known, recording, run)


def _say_where(what: str, known: Record | None, recording: Recording | None, run: Run) -> NoReturn:
    """Raises Parted, with the first line that differs, if the trace has its lines."""
    first = None
    if recording is not None and recording.lines:
        first = recording.first_difference(Recording(recording.recipe, list(run.lines)))
    made = f"It was {origin(known)}." if known is not None else ""
    raise Parted(what, why=f"{made} {first[:1].upper()}{first[1:]}." if first else made, do=PARTED_DO) from None


def _show_replay(simulation: Simulation, result: Result, figures: dict[str, float], known: Record | None) -> None:
    show_result(page(), simulation, result, figures)
    if known is not None:
        click.echo(f"The same as the trace, at {len(known.marks)} marks and at its end; {origin(known)}.")


sim.add_command(sweep_command)
sim.add_command(plot_command)
sim.add_command(rehearse_command)
