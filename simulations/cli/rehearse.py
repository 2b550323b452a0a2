"""`vendue sim rehearse`: a scenario with real peers, beside the simulated ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from simulations.speech import answer, page, speaking

if TYPE_CHECKING:
    from simulations.rehearsal import Compared

PARTED = 7
"""The exit code where simulated and real peers part ways."""


@click.command("rehearse")
@click.argument("scenario")
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Where all chance comes from.")
@click.option("--tasks", type=int, default=10, show_default=True, metavar="N", help="How many tasks come.")
@click.option("--peers", type=int, metavar="N", help="The same mix in a market of this size.")
@speaking
@click.pass_context
def rehearse_command(
    ctx: click.Context, scenario: str, seed: int, tasks: int, peers: int | None, as_json: bool
) -> None:
    """Play SCENARIO with real peers on this computer too, and compare who won, at what price, and how it ended."""
    from simulations.rehearsal import rehearse

    compared = rehearse(scenario, seed=seed, tasks=tasks, peers=peers)
    document = [
        {
            "task": one.number + 1, "agrees": one.agrees, "simulated": one.simulated._asdict(),
            "real": one.real._asdict(),
        }
        for one in compared
    ]  # fmt: skip

    def show() -> None:
        from rich.table import Table

        table = Table(box=None, padding=(0, 1))
        for title in ("task", "simulated", "", "", "real", "", "", ""):
            table.add_column(title)
        for one in compared:
            cells = [str(value) if value is not None else "–" for value in (*one.simulated, *one.real)]
            table.add_row(str(one.number + 1), *cells, _remark(one))
        page().print(table)
        agreed = sum(one.agrees for one in compared)
        click.echo(f"\n{agreed} of {len(compared)} tasks ended with real peers as they did with simulated ones.")

    answer(as_json, document, show)
    ctx.exit(0 if all(one.agrees for one in compared) else PARTED)


def _remark(one: Compared) -> str:
    if not one.agrees:
        return "they part"
    return "" if one.real.winner == one.simulated.winner else "a tie"
