"""`scripts/explore`: search small worlds, and say how much was searched and what was found."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Any

import click

from protocol.errors import VendueError
from simulations.explorer.search import Explored, Search
from simulations.explorer.telling import tell
from simulations.explorer.worlds import FAULTS_MOST, WORLDS, Small, world_named
from simulations.speech import answer, speaking


@dataclass(frozen=True)
class _Searched:
    """One world, searched."""

    name: str
    small: Small
    faults_max: int
    found: Explored
    seconds: float
    told: str | None

    def document(self) -> dict[str, Any]:
        """The same for programs."""
        found = self.found
        return {
            "world": self.name, "about": self.small.about, "faults_max": self.faults_max, "states": found.total,
            "states_by_faults": found.states, "transitions": found.transitions, "depth": found.depth,
            "peer_states": found.peer_states, "turns": found.turns, "futures": found.futures,
            "seconds": round(self.seconds, 1), "broken": found.broken.what if found.broken else None,
            "path": self.told.splitlines() if self.told else [],
        }  # fmt: skip

    def lines(self) -> list[str]:
        """The same for people."""
        found = self.found
        by_faults = ", ".join(f"{count:,} with {faults}" for faults, count in enumerate(found.states))
        end = "a promise is broken:" if self.told else "every future ends well, and no promise is broken"
        return [
            f"{self.name}: {self.small.about}; every path of at most {self.faults_max} faults",
            f"  {found.total:,} states ({by_faults} faults), {found.transitions:,} transitions, depth {found.depth}",
            f"  {found.peer_states:,} states of single peers, {found.turns:,} turns, {found.futures:,} futures, "
            f"{self.seconds:.1f} s",
            f"  {end}",
            *([self.told] if self.told else []),
        ]


def search(name: str, bound: int | None) -> _Searched:
    """Search one world."""
    small = world_named(name)
    faults_max = small.faults_max if bound is None else bound
    began = time.perf_counter()
    searched = Search(small.setting)
    found = searched.run(faults_max)
    told = tell(searched.table, found.broken) if found.broken is not None else None
    return _Searched(name, small, faults_max, found, time.perf_counter() - began, told)


@click.command()
@click.argument("world", required=False)
@click.option(
    "--bound", type=click.IntRange(0, FAULTS_MOST), metavar="N", help="How many faults a path may have, at most."
)
@speaking
def explore(world: str | None, bound: int | None, as_json: bool) -> None:
    """Search WORLD, or every small world, exhaustively; ends with 1 where a promise is broken."""
    searched: list[_Searched] = []
    for name in [world] if world else WORLDS:
        searched.append(search(name, bound))
        if not as_json:
            click.echo("\n".join(searched[-1].lines()))
    answer(as_json, [one.document() for one in searched], lambda: None)
    sys.exit(any(one.told for one in searched))


def main() -> None:
    """Run the command; what went wrong is one sentence."""
    try:
        explore()
    except VendueError as error:
        click.echo(str(error), err=True)
        sys.exit(2)
