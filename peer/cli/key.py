"""`vendue key`: the public half of a peer's key, and how its file is kept."""

from __future__ import annotations

import click

from peer import keystore
from peer.cli.invocation import READING, Invocation, asked
from peer.launch import GOVERNOR
from protocol.errors import UsageError


@click.command()
@click.argument("name", required=False)
@asked(*READING)
def key(invocation: Invocation, name: str | None) -> None:
    """Show the peer id of NAME, or list the keys that are here. `governor` is the market's governor.

    Nothing of a private key is ever shown.
    """
    market = invocation.market
    peers = sorted(path.name for path in market.peers.iterdir()) if market.peers.is_dir() else []
    names = [GOVERNOR] * market.governor.key.exists() + peers if name is None else [name]
    if not names:
        raise UsageError(f"There is no key in the market {market.path.name!r} yet.", do="Begin with: vendue run FILE")
    homes = {each: market.governor if each == GOVERNOR else market.peer(each) for each in names}
    if name is not None and not homes[name].key.exists():
        known = ", ".join([GOVERNOR] * market.governor.key.exists() + peers) or "none"
        raise UsageError(f"No peer called {name} has a key here.", why=f"Known are: {known}.", do="See: vendue key")
    described = {each: keystore.describe(home.key) for each, home in homes.items() if home.key.exists()}
    keys = [
        {"name": each, "peer": one.peer, "path": str(one.path), "mode": one.mode, "created": one.created}
        for each, one in described.items()
    ]

    def show() -> None:
        width = max(len(each) for each in described)
        for each, one in described.items():
            click.echo(f"{click.style(f'{each:<{width}}', bold=True)}  {one.peer}")
            if name is not None:
                click.echo(click.style(f"{'':<{width}}  {one.path}, mode {one.mode}, made {one.created}", dim=True))

    invocation.answer({"keys": keys} if name is None else keys[0], show)
