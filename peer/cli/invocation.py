"""What every command shares: the settings it was given, and its two ways to answer, for people and for programs.

With `--json` standard output carries exactly one JSON document, or, where a command goes on telling, one a line.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TextIO, TypeVar

import click

from peer.config import ONLY_ONE, Config, load
from peer.home import MarketHome, market_home
from peer.settings import Setting, Settings, declared
from peer.telemetry import configure, take_in_libraries
from protocol.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from peer.audit.records import Records

_Command = TypeVar("_Command", bound=Callable[..., Any])

READING: Final = ("market", "home")
"""The settings of commands that only read what is on this computer."""
JOINING: Final = (*READING, "interface", "ports", "seeds", "mdns", "log_level", "log_format")
"""The settings of commands that take part as a peer."""
PLAIN_WIDTH: Final = 160
"""Columns of a table that is written to a file or a pipe."""


@dataclass
class Invocation:
    """One call of a command: how it is to speak, and its settings."""

    as_json: bool = False
    flags: dict[str, object] = field(default_factory=dict)
    output: TextIO = field(default_factory=lambda: sys.stdout)
    """Where answers go, whatever agent code does with `sys.stdout` meanwhile."""

    @cached_property
    def config(self) -> Config:
        """The settings in force and their origins; from here on diagnostics look as they say."""
        loaded = load(self.flags)
        configure(loaded.settings.log_level, loaded.settings.log_format)
        take_in_libraries(loaded.settings.log_level)
        if loaded.origin("market") == ONLY_ONE:
            self.aside(f"In the market {loaded.settings.market}, {ONLY_ONE}.")
        return loaded

    @property
    def settings(self) -> Settings:
        return self.config.settings

    @property
    def market(self) -> MarketHome:
        """Where the market of the settings lives on this computer."""
        return market_home(self.settings.market, self.settings.home)

    def records(self, *, sealed: bool = False) -> Records:
        """What this computer remembers of the market. Raises UsageError where there is no such market."""
        from peer.audit.records import read_records
        from peer.members.charters import read_charter

        if not self.market.charter.exists():
            raise UsageError(
                f"There is no market {self.settings.market!r} on this computer yet.", do="Begin with: vendue run FILE"
            )
        return read_records(self.market, read_charter(self.market.charter), sealed=sealed)

    def answer(self, document: object, show: Callable[[], None]) -> None:
        """Give the answer: as one JSON document, or by `show`."""
        if self.as_json:
            click.echo(json.dumps(document, indent=2), file=self.output)
        else:
            show()

    def line(self, document: object, text: str | None) -> None:
        """Tell one thing of several: a line of JSON, or a line of text if there is one to tell."""
        if self.as_json:
            click.echo(json.dumps(document), file=self.output)
        elif text is not None:
            click.echo(text, file=self.output)

    def aside(self, text: str) -> None:
        """Say something beside the answer, to people only."""
        if not self.as_json:
            click.echo(click.style(text, dim=True), err=True)

    def warn(self, text: str) -> None:
        """Say what will go wrong if nothing is done, to people only."""
        if not self.as_json:
            click.echo(click.style("note", fg="yellow", bold=True) + f": {text}", err=True)


def console() -> Console:
    """A terminal, or a plain wide page. Nothing that is printed is read as markup."""
    from rich.console import Console

    page = Console(markup=False, emoji=False, highlight=False)
    if not page.is_terminal:
        page.width = PLAIN_WIDTH
    return page


def asked(*names: str) -> Callable[[_Command], _Command]:
    """Give a command `--json`, `--debug`, and a flag for each setting named; it is called with its Invocation."""

    def add(command: _Command) -> _Command:
        passing = click.make_pass_decorator(Invocation, ensure=True)(command)
        for name in reversed(names):
            passing = _flag(declared()[name])(passing)
        passing = click.option(
            "--debug", is_flag=True, expose_value=False, help="Show where in the code an error arose."
        )(passing)
        return click.option(
            "--json", is_flag=True, expose_value=False, callback=_speak_json, help="Answer in JSON, for programs."
        )(passing)  # type: ignore[return-value]

    return add


def _speak_json(ctx: click.Context, _parameter: click.Parameter, chosen: bool) -> None:
    ctx.ensure_object(Invocation).as_json = chosen


def _flag(setting: Setting) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A setting as a flag; what fits is judged with all other layers, by `peer.config`."""

    def keep(ctx: click.Context, _parameter: click.Parameter, value: object) -> None:
        if value is not None:
            ctx.ensure_object(Invocation).flags[setting.name] = value

    about = f"{setting.meaning}  [{setting.variable}]"
    if isinstance(setting.default, bool):
        flags = f"{setting.flag}/--no-{setting.flag[2:]}"
        return click.option(flags, default=None, expose_value=False, callback=keep, help=about)
    return click.option(
        setting.flag, metavar=_METAVARS.get(setting.name, "VALUE"), expose_value=False, callback=keep, help=about
    )


_METAVARS: Final = {
    "market": "NAME",
    "home": "DIRECTORY",
    "interface": "ADDRESS,...",
    "ports": "FIRST-LAST",
    "seeds": "HOST:PORT,...",
    "capacity": "N",
    "lease_ms": "MS",
    "bid_window_ms": "MS",
    "log_level": "LEVEL",
    "log_format": "FORMAT",
}
