"""`vendue config`: the settings in force, and where each was said."""

from __future__ import annotations

import click

from peer.cli.invocation import Invocation, asked, console
from peer.home import data_home
from peer.settings import declared


@click.group()
def config() -> None:
    """Show the settings in force, and where each comes from."""


@config.command()
@click.option("--origin", is_flag=True, help="Say also where each value comes from.")
@asked(*declared())
def show(invocation: Invocation, origin: bool) -> None:
    """Show every setting: flags win over the environment, that over vendue.toml, that over the user's config.toml."""
    rows = list(invocation.config.rows())
    document = {
        setting.name: {"value": value, "origin": place, "default": setting.default, "meaning": setting.meaning,
                       "variable": setting.variable, "flag": setting.flag}
        for setting, value, place in rows
    }  # fmt: skip

    def table() -> None:
        from rich.table import Table

        shown = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
        for heading in ("setting", "value", "origin" if origin else "meaning"):
            shown.add_column(heading, overflow="fold")
        for setting, value, place in rows:
            shown.add_row(setting.name, _plain(setting.name, value, invocation), place if origin else setting.meaning)
        console().print(shown)

    invocation.answer(document, table)


def _plain(name: str, value: object, invocation: Invocation) -> str:
    """A value as it would be written in TOML; a home that was not chosen as where it is."""
    match value:
        case bool():
            return str(value).lower()
        case None if name == "home":
            return str(data_home(invocation.settings.home))
        case tuple():
            return ", ".join(value) or "none"
    return str(value)
