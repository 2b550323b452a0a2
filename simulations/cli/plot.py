"""`vendue sim plot`: pictures of a sweep, of one run, and of one contract."""

from __future__ import annotations

from pathlib import Path

import click

from protocol.errors import BadConfig, UsageError
from protocol.keys import Digest
from simulations.extras import need
from simulations.speech import Varied, answer, progress, speaking, varying
from simulations.study import plots
from simulations.study.run import Run
from simulations.study.sequence import Scribe, draw_sequence
from simulations.study.simulation import PromiseBroken, Simulation
from simulations.study.sweep import read_rows
from simulations.world.world import World


@click.command("plot")
@click.argument("what")
@click.option(
    "--out",
    "places",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="A .png or .svg; repeatable.",
)
@click.option(
    "--contract", metavar="N", help="Draw the messages of one task: its number from 1, or its id's beginning."
)
@varying
@speaking
def plot_command(varied: Varied, what: str, places: tuple[Path, ...], contract: str | None, as_json: bool) -> None:
    """Draw WHAT: the rows of a sweep, or a run of a scenario; with --contract, one task of it as a message sequence."""
    path = Path(what)
    places = places or (Path(f"{path.stem}{'-contract.svg' if contract else '.png'}"),)
    if contract is not None:
        _sequence(varied.simulation(what), contract, places, quiet=as_json)
    else:
        plots.check_places(places)
        is_sweep = path.is_file() and path.suffix != ".toml"
        figure = plots.draw_sweep(*read_rows(path)) if is_sweep else _run(varied.simulation(what), quiet=as_json)
        for place in places:
            plots.save(figure, place)
    answer(as_json, {"files": [str(place) for place in places]}, lambda: click.echo("\n".join(map(str, places))))


def _run(simulation: Simulation, *, quiet: bool) -> object:
    need("matplotlib", "sim")
    with progress(simulation.name, simulation.scenario.seconds, quiet=quiet) as done:
        slices = 0

        def watching(part: str, world: World) -> None:
            nonlocal slices
            slices += part == "tasks"
            done(slices)

        result = simulation.run(watching=watching)
    mix = ", ".join(f"{count} {kind}" for kind, count in simulation.scenario.population.items())
    about = f"{simulation.scenario.about}  ({mix})"
    title = f"{simulation.name}, seed {simulation.seed}: {result.metrics.placed} of {result.metrics.tasks} tasks placed"
    return plots.draw_run(title, about, result.frames, simulation.scenario)


def _sequence(simulation: Simulation, wanted: str, places: tuple[Path, ...], *, quiet: bool) -> None:
    for place in places:
        if place.suffix.lower() != ".svg":
            raise UsageError(
                f"{place.name} is no SVG.", why="A message sequence is drawn as SVG.", do="End it in .svg."
            )
    simulation.listen(Scribe)
    with progress(simulation.name, simulation.scenario.seconds, quiet=quiet):
        run = simulation.begin()
        try:
            simulation.finish(run)
        except PromiseBroken as found:  # what led to it is what somebody wants to see
            click.echo(f"{found.what}", err=True)
    scribe = next(checker for checker in run.world.checkers if isinstance(checker, Scribe))
    title = f"{simulation.name}, seed {simulation.seed}, task {wanted}"
    drawn = draw_sequence(scribe, _contract(run, wanted), run.cast, title)
    for place in places:
        try:
            place.write_text(drawn, "utf-8")
        except OSError as error:
            raise BadConfig(f"{place} cannot be written.", why=f"{error}.", do="Choose another place.") from None


def _contract(run: Run, wanted: str) -> Digest:
    """The contract of a task, by its number or by the beginning of its id. Raises UsageError."""
    rows = [row for row in run.ledger.tasks if row.contract]
    found = [row for row in rows if str(row.number + 1) == wanted] or [
        row for row in rows if len(wanted) >= 4 and row.contract.startswith(wanted.lower())
    ]
    if len(found) != 1:
        raise UsageError(
            f"There is no one task {wanted[:80]!r} in this run.", do=f"Take 1 to {len(run.ledger.tasks)}, or an id."
        )
    return Digest(bytes.fromhex(found[0].contract))
