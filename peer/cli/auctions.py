"""`vendue auctions`: what became of tasks, and of one task who said what when, and why it ended so."""

from __future__ import annotations

import time
from typing import Any, Final

import click

from peer.audit.records import Records
from peer.audit.timeline import as_plain, call, render, timeline
from peer.audit.why import why
from peer.cli.invocation import READING, Invocation, asked, console
from peer.telemetry import printable
from protocol.contract import Contract
from protocol.errors import UsageError
from protocol.keys import print_peer
from protocol.states import State

COLOURS: Final = {
    State.OPEN: "yellow", State.AWARDED: "yellow", State.CANCELLED: "red", State.SETTLED: "green", State.VOID: "red",
    State.FINAL: "bold green", State.VETOED: "bold red",
}  # fmt: skip
ID_SHOWN: Final = 8


@click.command()
@click.argument("id", required=False)
@click.option("--why", "explain", is_flag=True, help="Of one task: explain its state.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, metavar="N", help="List the newest N."
)
@click.option("--skill", metavar="SKILL", help="Only tasks of this skill.")
@click.option("--state", type=click.Choice([str(state) for state in State]), help="Only tasks in this state.")
@asked(*READING)
def auctions(
    invocation: Invocation, id: str | None, explain: bool, limit: int, skill: str | None, state: str | None
) -> None:
    """List what became of tasks, or tell the story of the one whose id begins with ID.

    It reads the journals of all peers of this computer, whether they run or not.
    """
    if explain and id is None:
        raise UsageError("--why is about one task.", do="Give its id: vendue auctions ID --why")
    records = invocation.records()
    for damage in records.damaged:
        invocation.aside(str(damage))
    if id is not None:
        _tell(invocation, records, records.find(id), explain=explain)
        return
    chosen = [contract for contract in records.newest_first() if _fits(contract, skill, state)]
    document = {
        "market": invocation.settings.market, "known": len(chosen),
        "auctions": [summary(contract, records.names) for contract in chosen[:limit]],
        "damaged": [str(damage) for damage in records.damaged],
    }  # fmt: skip
    invocation.answer(document, lambda: _list(chosen, limit, records.names))


def _fits(contract: Contract, skill: str | None, state: str | None) -> bool:
    if skill is not None and contract.announcement.body.skill != skill:
        return False
    return state is None or contract.reading.state == state


def summary(contract: Contract, names: dict[bytes, str]) -> dict[str, Any]:
    """A contract in a few fields, for programs."""
    task, reading = contract.announcement.body, contract.reading
    award = reading.award
    return {
        "id": contract.id.hex(), "skill": printable(task.skill), "effect": str(task.effect), "budget": task.budget,
        "state": str(reading.state), "phase": str(reading.phase), "epoch": reading.epoch,
        "manager": print_peer(contract.manager), "manager_name": call(contract.manager, names),
        "winner": None if award is None else print_peer(award.body.winner),
        "winner_name": None if award is None else call(award.body.winner, names),
        "price": None if award is None else award.body.price, "bids": len(contract.bids),
        "announced_ms": contract.announcement.made_ms,
        "ended_ms": None if reading.end is None else reading.end.made_ms, "statements": len(contract.held),
    }  # fmt: skip


def _list(contracts: list[Contract], limit: int, names: dict[bytes, str]) -> None:
    from rich.table import Table
    from rich.text import Text

    page = console()
    if not contracts:
        page.print("No task is known here.")
        return
    shown = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
    for heading in ("id", "skill", "state", "winner", "price", "tries", "age"):
        shown.add_column(heading, justify="right" if heading in ("price", "tries", "age") else "left", overflow="fold")
    for contract in contracts[:limit]:
        reading, award = contract.reading, contract.reading.award
        shown.add_row(
            Text(contract.id.hex()[:ID_SHOWN], style="bold"), Text(printable(contract.announcement.body.skill)),
            Text(str(reading.state), style=COLOURS[reading.state]),
            Text("-" if award is None else call(award.body.winner, names)),
            "-" if award is None else str(award.body.price), str(reading.epoch),
            Text(_age(contract.announcement.made_ms), style="dim"),
        )  # fmt: skip
    page.print(shown)
    if len(contracts) > limit:
        click.echo(click.style(f"{len(contracts) - limit} older ones are not shown; see --limit.", dim=True), err=True)


def _age(made_ms: int) -> str:
    """How long ago, by this computer's clock: the announcement's was another one, perhaps."""
    seconds = max(0, int(time.time() - made_ms / 1000))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _tell(invocation: Invocation, records: Records, contract: Contract, *, explain: bool) -> None:
    names = records.names
    lines = timeline(contract, names)
    document = {**summary(contract, names), "timeline": as_plain(lines), "why": why(contract, names)}

    def show() -> None:
        page = console()
        if explain:
            for sentence in why(contract, names):
                page.print(sentence, soft_wrap=False)
            return
        reading = contract.reading
        page.print(f"task {contract.id.hex()}", style="bold")
        page.print(f"{reading.state}, by {call(contract.manager, names)}", style=COLOURS[reading.state])
        page.print()
        page.print(render(lines))

    invocation.answer(document, show)
