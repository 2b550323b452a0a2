"""`vendue doctor`: what works on this computer, what does not, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import click

from peer.cli.checks import Check, Grade, check_all
from peer.cli.invocation import JOINING, Invocation, asked
from peer.cli.loop import run_to_end
from peer.config import Settings
from peer.market import Market
from peer.presence import wait_for_cards
from peer.telemetry import printable
from protocol.errors import BadConfig, VendueError
from protocol.keys import PeerId, print_peer, short_peer

COLOURS: Final[dict[Grade, str]] = {"ok": "green", "note": "yellow", "bad": "red"}
MDNS_S: Final = 1.6
"""Multicast begins a second after a peer does, and answers in a tenth of one."""


@click.command()
@asked(*JOINING)
def doctor(invocation: Invocation) -> None:
    """Look at everything a peer needs here, and then who can be found, by which path.

    Leaves with 8 when something has to be mended.
    """
    settings = invocation.settings
    checks: list[Check] = []
    for check in check_all(settings, invocation.market):
        checks.append(check)
        _tell(invocation, check)
    # Who cannot be a peer here need not look for others; and to look must not found a market.
    if invocation.market.charter.exists() and all(check.grade != "bad" for check in checks):
        for check in run_to_end(_look_around(settings)):
            checks.append(check)
            _tell(invocation, check)
    bad = [check for check in checks if check.grade == "bad"]
    if invocation.as_json:
        document = {"ok": not bad, "checks": [check._asdict() for check in checks]}
        invocation.answer(document, lambda: None)
    else:
        end = f"{len(bad)} to mend." if bad else "All that is needed is here."
        click.echo(click.style(end, fg="red" if bad else "green", bold=True))
    if bad:
        raise click.exceptions.Exit(BadConfig.exit_code)


def _tell(invocation: Invocation, check: Check) -> None:
    if invocation.as_json:
        return
    click.echo(f"{click.style(f'{check.grade:<4}', fg=COLOURS[check.grade])}  {check.about:<15} {check.says}")
    if check.do:
        click.echo(f"{'':<22}{click.style(check.do, bold=True)}")


async def _look_around(settings: Settings) -> list[Check]:
    """Take part for a moment, and say who was found, and by which path."""
    try:
        async with Market(settings, "observer") as market:
            await wait_for_cards(market.runtime, least_s=MDNS_S if settings.mdns else 0.3, most_s=3.0)
            return list(_found(market))
    except VendueError as error:
        return [Check("taking part", "bad", f"{error.what} {error.why}".strip(), error.do)]


def _found(market: Market) -> Iterator[Check]:
    runtime = market.runtime
    names, here = market.names(), runtime.node.directory.here
    if runtime.discovery.mdns_failure is not None:
        yield Check(
            "mdns", "note", printable(runtime.discovery.mdns_failure),
            "Peers on this computer find each other without it; elsewhere name them with --seeds HOST:PORT.",
        )  # fmt: skip
    for found in runtime.discovery.known:
        name = printable(names.get(found.peer_id, ""), 32) or short_peer(found.peer_id)
        if found.peer_id in here:
            yield Check("found", "ok", f"{name}, by {found.path}, at {found.publish}")
        else:
            yield Check(
                "found", "note", f"{name}, by {found.path}, at {found.publish}: no connection.",
                f"Is {print_peer(PeerId(found.peer_id))} still running, and does a firewall let it be reached?",
            )  # fmt: skip
    if not runtime.discovery.known:
        yield Check("found", "note", "Nobody else is here.", "Start a peer: vendue run FILE")
