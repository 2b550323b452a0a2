"""`vendue doctor`: what works on this computer, who is met or not and why, and how to mend it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import click

from peer.caller.market import Market
from peer.cli.checks import Check, Grade, around, check_all, exit_code, one
from peer.cli.checks.base import UNREACHED, bad, unreached
from peer.cli.invocation import JOINING, Invocation, asked
from peer.cli.loop import run_to_end
from peer.settings import Settings
from protocol.errors import UsageError, VendueError

COLOURS: Final[dict[Grade, str]] = {"ok": "green", "note": "yellow", "bad": "red"}
SHOWN: Final = ("about", "grade", "says", "do")


@click.command()
@click.argument("peer", required=False, metavar="[PEER]")
@asked(*JOINING)
def doctor(invocation: Invocation, peer: str | None) -> None:
    """Look at everything a peer needs here, and who can be found; or why PEER is met or not.

    PEER is a printed id, the beginning of one, or a name, as `vendue peers` shows them. To look, this command takes
    part for a moment as a peer called observer.

    Leaves with 8 when something has to be mended, and with 3 when a peer, or the market, cannot be reached.
    """
    findings: list[Check] = []

    def take(check: Check) -> None:
        findings.append(check)
        if not invocation.as_json:
            _tell(check)

    for check in check_all(invocation.settings, invocation.market, running=peer is None):
        if peer is None or check.grade == "bad":  # who asks about a peer hears of this computer only what is wrong
            take(check)
    if not invocation.market.charter.exists():  # to look must not found a market
        if peer is not None:
            take(_no_market(invocation.settings))
    elif peer is not None or not exit_code(findings):  # who cannot be a peer here need not look for others
        run_to_end(_look(invocation.settings, peer, take))
    _end(invocation, findings)


def _tell(check: Check) -> None:
    click.echo(f"{click.style(f'{check.grade:<4}', fg=COLOURS[check.grade])}  {check.about:<15} {check.says}")
    if check.do:
        click.echo(f"{'':<22}{click.style(check.do, bold=True)}")


def _end(invocation: Invocation, findings: list[Check]) -> None:
    """Say how it stands, and leave accordingly."""
    code, count = exit_code(findings), sum(check.grade == "bad" for check in findings)
    if invocation.as_json:
        checks = [{name: getattr(check, name) for name in SHOWN} for check in findings]
        invocation.answer({"ok": not code, "exit_code": code, "checks": checks}, lambda: None)
    else:
        end = f"{count} to mend: begin with the first." if count else "All that is needed is here."
        end = "Not reached: begin with the first that is bad." if code == UNREACHED else end
        click.echo(click.style(end, fg="red" if code else "green", bold=True))
    if code:
        raise click.exceptions.Exit(code)


def _no_market(settings: Settings) -> Check:
    return unreached(
        "market", f"There is no market {settings.market!r} on this computer, so nobody of it is known.",
        "Become a member: vendue join CODE; or say which market is meant: --market NAME",
    )  # fmt: skip


async def _look(settings: Settings, peer: str | None, take: Callable[[Check], None]) -> None:
    """Take part for a moment, and say what is seen of the others, or of one of them."""
    try:
        async with Market(settings, "observer") as market:
            async for check in around.checks(market) if peer is None else one.checks(market, peer):
                take(check)
    except UsageError:
        raise
    except VendueError as error:
        take(bad("taking part", f"{error.what} {error.why}".strip(), error.do))
