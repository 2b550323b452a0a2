"""`vendue invite`: a short code that lets a computer in. Nothing is stored: the admitter can make its secret again."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from peer.cli.invocation import READING, Invocation, asked
from peer.home import runtime_home
from peer.members.admitting.admitters import admitter_here, is_answering
from peer.members.charters import market_id
from peer.members.hostmember import wall_clock_ms
from peer.net.endpoints import on_loopback
from peer.net.meet.searching import lobby_in
from protocol.errors import UsageError
from protocol.invitation import ROLES, make_code, market_tag
from protocol.keys import print_peer
from protocol.notices import Admission

UNITS: Final = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
EXPIRES_MAX_MS: Final = 30 * UNITS["d"]
"""A code is for now; one that lies about for longer than a month will be found by somebody else."""
SEEDS_MAX: Final = 8
"""Lobbies that are named: one is enough."""


@click.command()
@click.option("--role", type=click.Choice(list(ROLES)), default="agent", show_default=True, help="What it may do.")
@click.option(
    "--uses", type=click.IntRange(1, 255), default=1, show_default=True, metavar="N", help="For how many computers."
)
@click.option(
    "--expires", default="1h", show_default=True, metavar="TIME", help="How long it is good for: 30m, 2h, 1d."
)
@asked(*READING)
def invite(invocation: Invocation, role: str, uses: int, expires: str) -> None:
    """Print a code with which another computer becomes a member: `vendue join CODE` there.

    The code is a secret until it is used. On standard output there is nothing else, so it can be piped on.
    """
    market = invocation.market
    admitter, charter = admitter_here(market)
    if charter.body.admission is Admission.LIST:
        raise UsageError(
            "In this market members are admitted by hand.",
            why="Its charter says so: admission = list.",
            do="Run `vendue join --request` there, and `vendue member admit` with what it prints here.",
        )
    until_ms = wall_clock_ms() + duration_ms(expires)
    code = make_code(
        admitter.codes, market=market_id(charter), admitter=admitter.sealer.peer, serial=os.urandom(3),
        rights=ROLES[role], uses=uses, until_ms=until_ms,
    )  # fmt: skip
    until = datetime.fromtimestamp(until_ms // 1000, UTC).isoformat()
    running = is_answering(market, charter.body)
    seeds = _seeds(runtime_home(invocation.settings.home) / market_tag(market_id(charter)).hex())
    document = {
        "code": code, "market": market.path.name, "role": role, "rights": [str(right) for right in ROLES[role]],
        "uses": uses, "until": until, "admitter": print_peer(admitter.sealer.peer), "admitter_runs": running,
        "seeds": seeds,
    }  # fmt: skip

    def show() -> None:
        click.echo(code)
        times = "once" if uses == 1 else f"{uses} times"
        invocation.aside(f"To join as {role}, {times}, until {until[:16]} UTC: vendue join CODE")
        if seeds:
            invocation.aside(f"Where multicast does not reach: vendue join CODE --seed {seeds[0]}")
        if not running:
            command = "govern" if charter.body.governors else "run FILE"
            invocation.warn(f"Nobody answers it yet: run vendue {command} --market {market.path.name}")

    invocation.answer(document, show)


def _seeds(folder: Path) -> list[str]:
    """Where the lobbies of the peers that run here can be reached from other computers: host:port."""
    found = [where.removeprefix("tcp://") for path in sorted(folder.glob("*.json")) for where in lobby_in(path)]
    return [where for where in found if not on_loopback(where.rpartition(":")[0].strip("[]"))][:SEEDS_MAX]


def duration_ms(text: str) -> int:
    """Read a time like 30m, 2h or 1d. Raises UsageError."""
    found = re.fullmatch(r"([1-9][0-9]{0,5})([mhd])", text)
    length_ms = int(found[1]) * UNITS[found[2]] if found else 0
    if not 0 < length_ms <= EXPIRES_MAX_MS:
        raise UsageError(
            f"{text[:40]!r} is no time that a code can be good for.",
            why="It takes a number of minutes, hours or days, as 30m, 2h or 1d, up to 30d.",
        )
    return length_ms
