"""`vendue deploy`: the peers of a file as other supervisors want them: a systemd unit, a Procfile."""

from __future__ import annotations

import getpass
import os
import re
from pathlib import Path
from typing import Final

import click

from peer.cli.invocation import Invocation, asked
from peer.host.peersfile import PEERS_FILE, read_host
from peer.host.unit import procfile as write_procfile
from peer.host.unit import systemd_unit
from protocol.errors import UsageError

USER: Final = "vendue"
"""Who runs it where root asks."""


@click.group()
def deploy() -> None:
    """Print what other supervisors need, to run the peers of a file."""


@deploy.command()
@click.argument("file", type=click.Path(path_type=Path), default=PEERS_FILE)
@click.option("--user", metavar="USER", help="Whose processes they are; you, or the user vendue if you are root.")
@asked()
def systemd(invocation: Invocation, file: Path, user: str | None) -> None:
    """Print a systemd unit that runs `vendue up FILE`.

    It is ready when the peers are, is watched, and may write nothing but its own state.
    """
    host = read_host(file)
    user = user or (USER if os.geteuid() == 0 else getpass.getuser())
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,30}", user):
        raise UsageError(f"{user[:80]!r} is no name of a user.", do="Say one with --user.")
    unit = systemd_unit(host, user=user)
    invocation.answer({"unit": unit, "user": user}, lambda: click.echo(unit, nl=False))


@deploy.command(short_help="Print a Procfile, a line for each peer.")
@click.argument("file", type=click.Path(path_type=Path), default=PEERS_FILE)
@asked()
def procfile(invocation: Invocation, file: Path) -> None:
    """Print a Procfile, with a line for each peer of FILE, for foreman, honcho and the like."""
    text = write_procfile(read_host(file))
    invocation.answer({"procfile": text}, lambda: click.echo(text, nl=False))
