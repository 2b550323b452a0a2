"""All faults by name, and the weather of a seed: for each kind chance says whether it is there at all, and how bad."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, Final

from protocol.errors import BadConfig
from simulations.faults import homes, links, machines
from simulations.faults.base import Fault
from simulations.faults.weather import Weather
from simulations.world.world import World

KINDS: Final[tuple[type[Fault], ...]] = (
    links.Loss, links.BurstyLoss, links.Repeats, links.Reordering, links.OneWay, links.Partition,
    links.PartialPartition, links.Flapping, links.Clog, links.Bounce, links.StaleRecords,
    homes.Crash, homes.CrashInTurn, homes.PowerLoss, homes.OldJournal, homes.LostJournal, homes.CopiedKey,
    homes.CopiedHome, homes.FullDisk, homes.SlowDisk, homes.Churn,
    machines.Pause, machines.SlowTurns, machines.ClockSkew, machines.ClockJump, machines.ClockDrift,
)  # fmt: skip
FAULTS: Final[Mapping[str, type[Fault]]] = {kind.name: kind for kind in KINDS}
OUTSIDE_THE_PROMISE: Final = frozenset({homes.CopiedHome.name})
"""What no seed draws by itself."""
HOW_OFTEN: Final = (0.0, 0.1, 0.1, 0.2, 0.2, 0.4)
"""How likely a seed has each kind of fault: a few at a time find what all at once would hide."""


def fault(name: str, **parameters: object) -> Fault:
    """The fault of this name. Raises BadConfig for a name or a parameter that there is not, or that cannot be."""
    kind = FAULTS.get(name)
    if kind is None:
        raise BadConfig(f"There is no fault called {name!r}.", do=_instead(name, FAULTS))
    known = [field.name for field in fields(kind)]
    for parameter in parameters:
        if parameter not in known:
            raise BadConfig(f"The fault {name} has no {parameter!r}.", do=_instead(parameter, known))
    return kind(**parameters)


def _instead(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f"Did you mean {near[0]!r}?" if near else f"Take one of {', '.join(known)}."


def weather_of(world: World, table: Mapping[str, Any], *, spared: Container[str] = ()) -> Weather:
    """The weather that a scenario describes: name of a fault → its parameters. Raises BadConfig as `fault` does."""
    return Weather(world, faults_of(table), spared=spared)


def faults_of(table: Mapping[str, Any]) -> list[Fault]:
    """The faults of a table: name → parameters. Raises BadConfig as `fault` does."""
    faults = []
    for name, parameters in table.items():
        if not isinstance(parameters, Mapping):
            raise BadConfig(f"faults.{name} = {parameters!r} is no table.", do="Write {rate_per_hour = 60} or {}.")
        faults.append(fault(name, **parameters))
    return faults


def weather_drawn(
    world: World,
    kinds: Iterable[type[Fault]] = KINDS,
    *,
    without: Container[str] = OUTSIDE_THE_PROMISE,
    spared: Container[str] = (),
) -> Weather:
    """The weather of a world's seed: each kind is there or not, at a rate of its own."""
    faults = []
    how_often = world.chance("weather").choice(HOW_OFTEN)
    for kind in kinds:
        chance = world.chance(f"weather/{kind.name}")
        if chance.random() < how_often and kind.name not in without:
            faults.append(kind.drawn(chance))
    return Weather(world, faults, spared=spared)
