"""`vendue peers`: who is here, what they offer, and how they were found."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click
import msgspec

from peer.caller.market import Market
from peer.caller.presence import wait_for_cards, who_was_found
from peer.cli.ending import INTERRUPTED
from peer.cli.invocation import JOINING, Invocation, asked, console
from peer.cli.loop import run_to_end
from peer.settings import Settings
from peer.telemetry import printable
from protocol.errors import NoPeers
from protocol.keys import PeerId, print_peer, short_peer
from protocol.notices import Card, Charter, Offered
from protocol.statements import Statement

if TYPE_CHECKING:
    from rich.table import Table

LOOK_S = 0.35
"""How long others may take to be found: an mDNS browser hears of those who are there in a tenth of a second."""
WATCH_S = 0.25
ARGUMENTS_SHOWN = 6


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One peer, for people and programs; what it said itself is made printable."""

    name: str
    peer: str
    short: str
    governor: bool
    skills: list[dict[str, Any]]
    capacity: int
    addresses: list[str]
    found: str


@click.command()
@click.option("--watch", is_flag=True, help="Go on, and show who comes and who goes.")
@asked(*JOINING)
def peers(invocation: Invocation, watch: bool) -> None:
    """Show who is in the market, what they offer, and where.

    To look, this command takes part for a moment as a peer called observer.
    """
    if watch:
        try:
            run_to_end(_watch(invocation, invocation.settings))
        except KeyboardInterrupt:  # how a watch ends
            raise click.exceptions.Exit(INTERRUPTED) from None
    rows, found = run_to_end(_look(invocation.settings))
    if not rows:
        raise NoPeers(
            f"Nobody else is in the market {invocation.settings.market!r}.",
            why=found,
            do="Start one with: vendue run FILE. What was tried: vendue doctor",
        )
    document = {"market": invocation.settings.market, "peers": [msgspec.to_builtins(row) for row in rows]}
    invocation.answer(document, lambda: console().print(table(rows)))


async def _look(settings: Settings) -> tuple[list[Row], str]:
    """Who is here, and what is to be said where nobody is."""
    async with Market(settings, "observer") as market:
        await wait_for_cards(market.runtime, least_s=LOOK_S)
        return rows_of(market), who_was_found(market.runtime)


async def _watch(invocation: Invocation, settings: Settings) -> None:
    """Tell each arrival and departure; on a terminal, as one table that changes."""
    page = console()
    async with Market(settings, "observer") as market:
        await wait_for_cards(market.runtime, least_s=LOOK_S)
        if page.is_terminal and not invocation.as_json:
            from rich.live import Live

            with Live(table(rows_of(market)), console=page, auto_refresh=False) as live:
                while not market.runtime.stopped.done():
                    await asyncio.sleep(WATCH_S)
                    live.update(table(rows_of(market)), refresh=True)
        else:
            known: dict[str, Row] = {}
            while not market.runtime.stopped.done():
                known = _tell_changes(invocation, known, {row.peer: row for row in rows_of(market)})
                await asyncio.sleep(WATCH_S)
    market.runtime.stopped.result()


def _tell_changes(invocation: Invocation, before: dict[str, Row], now: dict[str, Row]) -> dict[str, Row]:
    for change, rows in (
        ("gone", [row for peer, row in before.items() if peer not in now]),
        ("here", [row for peer, row in now.items() if peer not in before]),
        ("changed", [row for peer, row in now.items() if before.get(peer, row) != row]),
    ):
        for row in rows:
            text = f"{change:<8} {row.name} {row.short}  {', '.join(skill['skill'] for skill in row.skills)}"
            invocation.line({"change": change, **msgspec.to_builtins(row)}, text)
    return now


def rows_of(market: Market) -> list[Row]:
    """Everybody who is here and has shown a card, governors first, then by name."""
    runtime = market.runtime
    charter: Charter = runtime.node.holdings.charters.newest.body
    seats = {seat.governor for seat in charter.governors}
    ways = {found.peer_id: str(found.path) for found in runtime.discovery.known}
    rows = [_row(card, seats, ways.get(card.author, "")) for card in market.peers()]
    return sorted(rows, key=lambda row: (not row.governor, row.name, row.peer))


def _row(card: Statement[Card], seats: set[bytes], found: str) -> Row:
    body = card.body
    return Row(
        name=printable(body.name, 32), peer=print_peer(PeerId(card.author)), short=short_peer(card.author),
        governor=card.author in seats, skills=[_skill(offered) for offered in body.skills], capacity=body.capacity,
        addresses=[printable(address, 64) for address in body.addresses], found=found,
    )  # fmt: skip


def _skill(offered: Offered) -> dict[str, Any]:
    """A skill with its schemas, and how it is called, as far as the input schema tells."""
    schemas = [_schema(raw) for raw in (offered.input_schema, offered.output_schema)]
    name = printable(offered.skill)
    return {"skill": name, "call": f"{name}({_arguments(schemas[0])})", "input": schemas[0], "output": schemas[1]}


def _schema(raw: bytes) -> Any:
    try:
        return json.loads(raw) if raw else None
    except (ValueError, RecursionError):
        return None


def _arguments(schema: Any) -> str:
    """The names that an input object has; those that may be left out with a question mark."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict):
        return "…"
    required = schema.get("required")
    needed = required if isinstance(required, list) else []
    names = [printable(str(name), 32) + ("" if name in needed else "?") for name in properties]
    return ", ".join(names[:ARGUMENTS_SHOWN] + ["…"] * (len(names) > ARGUMENTS_SHOWN))


def table(rows: Iterable[Row]) -> Table:
    """The peers as a table for a terminal."""
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
    for heading in ("name", "peer", "offers", "capacity", "at", "found by"):
        shown.add_column(heading, justify="right" if heading == "capacity" else "left", overflow="fold")
    for row in rows:
        name = Text(row.name, style="bold")
        if row.governor:
            name.append(" governor", style="cyan")
        offers = Text("\n".join(skill["call"] for skill in row.skills) or "-", style="" if row.skills else "dim")
        where = Text(row.addresses[0] if row.addresses else "-", style="dim")
        capacity = str(row.capacity) if row.skills else "-"
        shown.add_row(name, Text(row.short, style="dim"), offers, capacity, where, Text(row.found, style="dim"))
    return shown
