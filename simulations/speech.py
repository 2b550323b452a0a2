"""How the simulator's commands answer: as one JSON document, or in a page for people; and the options they share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import click

from protocol.errors import UsageError
from simulations.study import settings

if TYPE_CHECKING:
    from rich.console import Console

    from simulations.study.simulation import Simulation

_Command = TypeVar("_Command", bound=Callable[..., Any])
PLAIN_WIDTH: Final = 160
"""Columns of a page that is written to a file or a pipe."""


def speaking(command: _Command) -> _Command:
    """Give a command `--json`, which it is told, and `--debug`, which whoever tells its errors reads."""
    debug = click.option("--debug", is_flag=True, expose_value=False, help="Show where in the code an error arose.")
    as_json = click.option("--json", "as_json", is_flag=True, help="Answer in JSON, for programs.")
    return as_json(debug(command))


class Varied(NamedTuple):
    """What the options of a command make of a scenario."""

    seed: int
    peers: int | None
    tasks: int | None
    orders: str | None
    changes: dict[str, Any]

    def simulation(self, scenario: str) -> Simulation:
        """The scenario, so varied. Raises UsageError, BadConfig."""
        from simulations.study.simulation import Simulation

        changes = self.changes if self.tasks is None else {**self.changes, "tasks.count": self.tasks}
        return Simulation(scenario, seed=self.seed, peers=self.peers, changes=changes, orders=self.orders)


def varying(command: _Command) -> _Command:
    """Give a command the options that make another experiment of a scenario; it is called with them as one."""

    @wraps(command)
    def called(
        seed: int, peers: int | None, tasks: int | None, orders: str | None, changes: tuple[str, ...], **others: Any
    ) -> Any:
        return command(Varied(seed, peers, tasks, orders, changes_of(changes)), **others)

    for option in reversed(VARYING):
        called = option(called)
    return called  # type: ignore[return-value]


VARYING: Final = (
    click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Where all chance comes from."),
    click.option("--peers", type=int, metavar="N", help="The same mix in a market of this size."),
    click.option("--tasks", type=int, metavar="N", help="How many tasks come."),
    click.option("--orders", type=click.Path(), metavar="DIR", help="Take arrivals from a real shop's returns."),
    click.option(
        "--set", "changes", multiple=True, metavar="NAME=VALUE", help="Change the scenario: --set network.loss=0.1"
    ),
)


def changes_of(said: tuple[str, ...]) -> dict[str, Any]:
    """What `--set` said, by dotted name. Raises UsageError."""
    return {name: settings.value_of(value) for name, value in map(split_change, said)}


def split_change(said: str) -> tuple[str, str]:
    """The name and the value of one `--set`. Raises UsageError."""
    name, equals, value = said.partition("=")
    if not equals or not name.strip():
        raise UsageError(f"--set {settings.printed(said)} sets nothing.", do="Write --set network.loss=0.1")
    return name.strip(), value.strip()


def answer(as_json: bool, document: object, show: Callable[[], None]) -> None:
    """Give the answer."""
    if as_json:
        click.echo(json.dumps(document, indent=2))
    else:
        show()


def page() -> Console:
    """A terminal, or a plain wide page. Nothing that is printed is read as markup."""
    from rich.console import Console

    console = Console(markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    return console


@contextmanager
def progress(what: str, total: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A bar on standard error, where that is a terminal: call what comes with how much is done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)
