"""`scripts/bench network`: the figures of a market on a network, each with its bound."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from peer.bench.hosts import Bridge, Host, Network, fault_of_machine
from peer.bench.network import curve, flood, revocation, sight
from peer.bench.network.commands import MARKET, found
from peer.bench.network.figures import Figure, as_json, hold, row
from peer.bench.network.members import PATIENCE_S, Late, Members

HOSTS = "abc"
Measure = Callable[[], list[Figure]]


@contextmanager
def _stage() -> Iterator[tuple[Members, Bridge, list[Host], dict[str, str]]]:
    """A market over three hosts on a bridge, nobody in it running."""
    with Network() as network, tempfile.TemporaryDirectory(prefix="vendue-bench-") as folder:
        bridge, hosts = network.on_one_bridge(HOSTS)
        with Members(Path(folder), MARKET) as members:
            yield members, bridge, hosts, found(members, hosts)


def _sight() -> list[Figure]:
    with _stage() as (members, _, hosts, _):
        figures = [sight.by_multicast(members, hosts)]
    with _stage() as (members, _, hosts, _):
        return [*figures, sight.by_folder(members, hosts[0])]


def _mesh() -> list[Figure]:
    with _stage() as (members, _, hosts, _):
        return [sight.full_mesh(members, hosts)]


def _partition() -> list[Figure]:
    with _stage() as (members, bridge, hosts, _):
        return sight.healed(members, bridge, hosts)


def _revocation() -> list[Figure]:
    with _stage() as (members, _, hosts, joined):
        return [revocation.last_word(members, hosts, joined)]


MEASURES: dict[str, tuple[bool, Measure]] = {
    "sight": (True, _sight),
    "mesh": (True, _mesh),
    "partition": (True, _partition),
    "revocation": (True, _revocation),
    "flood": (False, flood.others),
    "curve": (False, lambda: [curve.cost()]),
}
"""Name → whether it needs hosts of its own, and what measures it."""


@click.command()
@click.argument("names", nargs=-1, type=click.Choice([*MEASURES]))
@click.option("--json", "in_json", is_flag=True, help="Print one JSON object instead of lines.")
@click.pass_context
def network(context: click.Context, names: tuple[str, ...], in_json: bool) -> None:
    """Measure a market on a network: all of it, or only what is named. It ends with 1 if a figure is out of bounds."""
    fault = fault_of_machine()
    figures: list[Figure] = []
    for name in names or MEASURES:
        needs_hosts, measure = MEASURES[name]
        measured = _unmeasured(name, fault) if needs_hosts and fault else _measured(name, measure)
        figures += measured
        for figure in [] if in_json else measured:
            click.echo(row(figure))
    if in_json:
        click.echo(as_json(figures))
    context.exit(0 if hold(figures) else 1)


def _measured(name: str, measure: Measure) -> list[Figure]:
    try:
        return measure()
    except Late as late:
        return [Figure(what=name, unit="s", value=PATIENCE_S, most=0.0, detail=str(late))]


def _unmeasured(name: str, fault: str) -> list[Figure]:
    return [Figure(what=name, unit="", most=0.0, detail=fault)]


if __name__ == "__main__":
    network()
