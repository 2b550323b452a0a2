"""`vendue sim sweep`: many runs of one scenario."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from simulations.speech import page, progress, speaking, split_change
from simulations.study.executors import DIED, pool_of
from simulations.study.report import number
from simulations.study.sweep import Point, Row, RowFile, points_of, seeds_of, sweep, values_of

if TYPE_CHECKING:
    from rich.table import Table

SHOWN: Final = (
    ("placed %", "placed_percent"), ("over optimum", "price_over_optimum"), ("award ms", "award_ms_median"),
    ("frames/task", "frames_per_task"), ("wasted bids %", "wasted_bids_percent"),
    ("converged ms", "converged_ms"), ("fairness", "fairness"),
)  # fmt: skip
FOUND: Final = 7
FAILED: Final = 9
"""The exit codes of a sweep with a broken promise, or with rows that have no result."""


@click.command("sweep")
@click.argument("scenario")
@click.option("--seeds", default="1:10", show_default=True, metavar="1:100", help="The seeds, both ends included.")
@click.option("--peers", type=int, metavar="N", help="The same mix in a market of this size.")
@click.option(
    "--set", "grid", multiple=True, metavar="NAME=VALUE,...",
    help="Every value of a parameter, in combination: --set network.loss=0,0.1,0.2 --set peers=10,100",
)  # fmt: skip
@click.option(
    "--executor", default="process", show_default=True, metavar="KIND", help="process, serial or dask:ADDRESS."
)
@click.option("--workers", type=int, metavar="N", help="How many processes; as many as there are processors.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="The rows. [default: SCENARIO.sweep]")
@click.option("--again", is_flag=True, help="Begin anew, whatever rows there are.")
@speaking
@click.pass_context
def sweep_command(
    ctx: click.Context, scenario: str, seeds: str, peers: int | None, grid: tuple[str, ...], executor: str,
    workers: int | None, out: Path | None, again: bool, as_json: bool,
) -> None:  # fmt: skip
    """Run SCENARIO with every seed and every value; what was interrupted goes on with the same command."""
    swept = {name: values_of(values) for name, values in map(split_change, grid)}
    points = points_of(scenario, seeds_of(seeds), swept, peers=peers)
    pool = pool_of(executor, workers)
    file = RowFile(out or Path(f"{Path(scenario).stem}.sweep"))
    if again:
        file.path.unlink(missing_ok=True)
    begun, fresh = time.perf_counter(), 0
    try:
        with progress(scenario, len(points), quiet=as_json) as done:
            for _ in sweep(points, pool, file):
                fresh += 1
                done(len(file.rows))
    except KeyboardInterrupt:
        click.echo(f"{len(file.rows)} of {len(points)} rows are in {file.path}; the same command goes on.", err=True)
        raise
    took_s = time.perf_counter() - begun
    if as_json:
        import json

        click.echo(json.dumps({"file": str(file.path), "rows": file.rows}, indent=2))
    else:
        _show(scenario, points, file, fresh, took_s)
    ctx.exit(exit_code(file.rows))


def exit_code(rows: Sequence[Row]) -> int:
    """How a sweep ends: well; or with a promise that broke; or with rows that have no result."""
    if any("broken" in row for row in rows):
        return FOUND
    return FAILED if any("error" in row or DIED in row for row in rows) else 0


def _show(scenario: str, points: Sequence[Point], file: RowFile, fresh: int, took_s: float) -> None:
    sheet = page()
    swept = list(points[0].changes)
    sheet.print(f"{scenario}: {len(points)} runs", style="bold")
    sheet.print(_table(swept, file.rows))
    for row in file.rows:
        for what in ("broken", "error", DIED):
            if what in row:
                replay = f"\n    replay: {row['replay']}" if "replay" in row else ""
                sheet.print(f"  {what}, seed {row['seed']}: {row[what]}{replay}")
    sheet.print(
        f"\n{fresh} of {len(points)} runs now, in {took_s:.2f} s: {fresh / took_s:.2f} a second. Rows in {file.path}.",
        style="dim",
    )


def _table(swept: Sequence[str], rows: Sequence[Row]) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 1))
    for title in (*swept, "runs", *(title for title, _ in SHOWN), "found"):
        table.add_column(title, justify="right")
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(repr([row.get(name) for name in swept]), []).append(row)
    for group in groups.values():
        found = sum(what in row for row in group for what in ("broken", "error", DIED))
        cells = [_cell(group[0].get(name)) for name in swept]
        table.add_row(*cells, str(len(group)), *[_mean(group, key) for _, key in SHOWN], str(found or "–"))
    return table


def _cell(value: Any) -> str:
    return number(value) if isinstance(value, float) else str(value)


def _mean(group: Sequence[Row], key: str) -> str:
    values = [row[key] for row in group if row.get(key) is not None]
    return number(statistics.fmean(values)) if values else "–"
