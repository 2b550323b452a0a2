"""`vendue health` and `vendue status`: how the peers of this computer do, asked at their own sockets.

`health` is for machines (systemd, Kubernetes, a supervisor), so it is short and its exit code is the answer.
"""

from __future__ import annotations

from typing import Any, Final

import click

from peer.cli.invocation import READING, Invocation, asked, console
from peer.health.ask import ask
from peer.health.place import health_socket
from peer.health.roll import Told, ask_all
from peer.home import market_home, markets_here, runtime_home
from peer.telemetry import printable
from protocol.errors import NoPeers

GOVERNOR: Final = "governor"
KIBIBYTE: Final = 1024


@click.command()
@click.argument("name", required=False)
@click.option("--ready", is_flag=True, help="Ask whether it takes part in the market, not only whether it lives.")
@asked(*READING)
def health(invocation: Invocation, name: str | None, ready: bool) -> None:
    """Ask the peer NAME of this computer whether it lives; without NAME, all that run in the market.

    `governor` is the market's governor. Leaves with 0 if all is well, and with 3 if a peer does not run, does not
    answer within two seconds, or is not well; so it serves as a probe that is executed.
    """
    question = "ready" if ready else "health"
    settings, market = invocation.settings, invocation.market
    if name is not None:
        home = market.governor if name == GOVERNOR else market.peer(name)
        path = health_socket(home.path, runtime_home(settings.home))
        told = [Told(settings.market, name, ask(path, question), None)]
    else:
        told = ask_all([market], settings.home, question)
    if not told:
        raise NoPeers(f"No peer of the market {settings.market!r} runs on this computer.", do="See: vendue status")
    well = all(one.answer is not None and one.answer.get("ok") is True for one in told)
    document = {"ok": well, "question": question, "peers": [_document(one) for one in told]}
    invocation.answer(document, lambda: _tell(told, question))
    if not well:
        raise click.exceptions.Exit(NoPeers.exit_code)


def _document(one: Told) -> dict[str, Any]:
    if one.answer is None:
        return {"name": one.name, "market": one.market, "ok": False, "silent": True}
    return {"name": one.name, "market": one.market, **one.answer}


def _tell(told: list[Told], question: str) -> None:
    word = "ready" if question == "ready" else "well"
    for one in told:
        if one.answer is not None and one.answer.get("ok") is True:
            click.echo(f"{one.name}: {click.style(word, fg='green')}")
        else:
            click.echo(f"{one.name}: {click.style(f'not {word}', fg='red')}{_why(one)}")


def _why(one: Told) -> str:
    """What is wrong, in a few words."""
    if one.answer is None:
        return ": it runs and does not answer"
    missing = one.answer.get("missing")
    if isinstance(missing, list) and missing:
        return ": " + printable("; ".join(map(str, missing)))
    if one.answer.get("stopped"):
        return ": its loop has stopped"
    late_ms = one.answer.get("overdue_ms")
    return f": a turn is {late_ms} ms late" if late_ms else ""


@click.command()
@asked(*READING)
def status(invocation: Invocation) -> None:
    """Show all peers that run on this computer, in every market, and how each does. Leaves with 3 if there is none."""
    chosen = invocation.settings.home
    told = ask_all([market_home(name, chosen) for name in markets_here(chosen)], chosen, "status")
    if not told:
        raise NoPeers("No peer runs on this computer.", do="Start one: vendue run FILE, or several: vendue up")
    peers = [one.answer or {"name": one.name, "market": one.market, "ok": False, "silent": True} for one in told]
    invocation.answer({"peers": peers}, lambda: _show(told))


COLUMNS: Final = (
    "name", "market", "peer", "state", "work", "here", "waiting", "journal", "files", "since", "certified", "skills",
)  # fmt: skip


def _show(told: list[Told]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for heading in COLUMNS:
        table.add_column(heading, no_wrap=heading not in ("skills", "state"), overflow="fold")
    for one in told:
        row = [one.name, one.market, "", "silent"] if one.answer is None else _row(one, one.answer)
        table.add_row(*row)
    console().print(table)


def _row(one: Told, answer: dict[str, Any]) -> list[str]:
    work, files, backlog = answer.get("work", {}), answer.get("descriptors", {}), answer.get("backlog", {})
    waiting = backlog.get("events", 0) + backlog.get("statements_waiting", 0) + work.get("queued", 0)
    return [
        one.name,
        one.market,
        str(answer.get("short", "")),
        _state(answer),
        f"{work.get('accepted', 0)}/{answer.get('capacity', 0)}",
        str(answer.get("peers", {}).get("here", "")),
        str(waiting),
        _size(answer.get("journal", {}).get("bytes", 0)),
        f"{files.get('used', '?')}/{files.get('limit', '?')}",
        _age(answer.get("uptime_s", 0)),
        _left(answer.get("certificate", {}).get("seconds_left")),
        printable(", ".join(map(str, answer.get("skills", []))), 60) or "none",
    ]


def _state(answer: dict[str, Any]) -> str:
    if not answer.get("health", {}).get("ok"):
        return "not well"
    ready = answer.get("ready", {})
    if not ready.get("ok"):
        return printable("; ".join(map(str, ready.get("missing", ["not ready"]))), 80)
    return "ready" if ready.get("seen_anybody") else "ready, alone"


def _left(left_s: int | None) -> str:
    """How long a certificate still holds."""
    return "" if left_s is None else f"for {_age(left_s)}" if left_s > 0 else "expired"


def _size(count: int) -> str:
    return f"{count / KIBIBYTE:.0f} kB" if count < KIBIBYTE**2 else f"{count / KIBIBYTE**2:.1f} MB"


def _age(age_s: float) -> str:
    for unit_s, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if age_s >= 2 * unit_s:
            return f"{age_s / unit_s:.0f} {unit}"
    return f"{age_s:.0f} s"
