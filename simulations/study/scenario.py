"""What a scenario is: a short TOML table, checked to the last word, or the changes somebody makes to one.

    about = "Every tenth frame is lost."
    seconds = 30                              # how long tasks come and faults come

    [population]                              # who is there, by kind and count
    manager = 2
    honest = 8

    [network]
    loss = 0.1

What is not named is as in `calm`. A scenario says what is put into a world; what becomes of it is `simulation`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from protocol.errors import BadConfig, UsageError
from protocol.statements import AwardRule
from simulations.faults.catalogue import faults_of
from simulations.population import KINDS
from simulations.study import settings
from simulations.study.cast import GOVERNORS, LYING_GOVERNORS, MANAGERS, bears_its_liars
from simulations.world.latency import AT_ONCE, LAN, WAN, Latency
from simulations.world.network import HIGH_WATER, Burst, Conditions

PEERS_MAX: Final = 100_000
_Chance = Annotated[float, Meta(ge=0, le=1, title="a number from 0 to 1")]
_Count = Annotated[int, Meta(ge=0, le=PEERS_MAX, title=f"a whole number from 0 to {PEERS_MAX}")]
_Some = Annotated[int, Meta(ge=1, le=1_000_000, title="a whole number from 1 to 1000000")]
_Span = Annotated[int, Meta(ge=1, le=864_000, title="whole seconds from 1 to 864000")]
_Seconds = Annotated[float, Meta(ge=0, le=864_000, title="seconds, from 0 to 864000")]
_Ms = Annotated[int, Meta(ge=1, le=86_400_000, title="whole milliseconds, from 1 to 86400000")]
_Weight = Annotated[int, Meta(ge=0, le=1_000, title="a whole number from 0 to 1000")]


class Bursts(Struct, frozen=True, kw_only=True):
    """Losses that come in bursts: how likely a frame begins one, ends it, and is lost in it."""

    enter: _Chance
    leave: _Chance
    loss: _Chance = 1.0


class Wires(Struct, frozen=True, kw_only=True):
    """The network between all peers."""

    latency: Annotated[Literal["none", "lan", "wan"], Meta(title="one of none, lan, wan")] = "lan"
    loss: _Chance = 0.0
    burst: Bursts | None = None
    repeat: _Chance = 0.0
    reorder: _Chance = 0.0
    high_water: _Some = HIGH_WATER
    acquainted: bool = False
    """Cards are known beforehand, and only those are linked who have something to say to each other."""

    def conditions(self) -> Conditions:
        """What befalls frames."""
        burst = Burst(self.burst.enter, self.burst.leave, self.burst.loss) if self.burst is not None else None
        return Conditions(
            latency=LATENCIES[self.latency], loss=self.loss, burst=burst, repeat=self.repeat, reorder=self.reorder
        )


LATENCIES: Final[Mapping[str, Latency]] = {"none": AT_ONCE, "lan": LAN, "wan": WAN}


class Effects(Struct, frozen=True, kw_only=True):
    """How the effect classes of tasks are mixed: weights."""

    pure: _Weight = 1
    reversible: _Weight = 0
    irreversible: _Weight = 0


class Tasks(Struct, frozen=True, kw_only=True):
    """What is asked for, and when."""

    count: _Some = 100
    arrivals: Annotated[
        Literal["steady", "poisson", "at-once", "returns"], Meta(title="one of steady, poisson, at-once, returns")
    ] = "poisson"
    """Evenly, or at random over the scenario's seconds; all at its start; or as goods come back to a shop in a day."""
    effects: Effects = Effects()
    rule: Annotated[AwardRule, Meta(title="one of " + ", ".join(AwardRule))] = AwardRule.LOWEST_PRICE
    size_max: _Some = 10
    """A task's size is drawn from 1 to this; price and time of work grow with it."""
    attempts: Annotated[int, Meta(ge=1, le=100, title="a whole number from 1 to 100")] = 3
    bid_window_ms: _Ms = 500
    lease_ms: _Ms = 4_000
    deadline_ms: _Ms = 60_000


class Agents(Struct, frozen=True, kw_only=True):
    """What those who bid are like: each draws its own price and speed."""

    per_skill: Annotated[int, Meta(ge=1, le=256, title="a whole number from 1 to 256")] = 10
    """How many offer one skill: there are as many skills as that gives."""
    skills_each: Annotated[int, Meta(ge=1, le=64, title="a whole number from 1 to 64")] = 1
    capacity: Annotated[int, Meta(ge=1, le=1_024, title="a whole number from 1 to 1024")] = 4
    price_min: _Some = 5
    price_max: _Some = 20
    work_ms: _Ms = 20
    """How long a quick agent works on a task of size 1; a slow one takes three times as long."""


class Planned(Struct, frozen=True, kw_only=True):
    """Something that befalls all of one kind at a time that is known beforehand."""

    what: Annotated[
        Literal["crash", "power-loss", "pause", "isolate", "halve"],
        Meta(title="one of crash, power-loss, pause, isolate, halve"),
    ]
    """Killed; without power; stopped; cut off from all others; or, of every two, one is cut off with its half."""
    who: Annotated[str, Meta(max_length=64, title="a kind of peer, or all")] = "all"
    at_s: _Seconds
    lasts_s: Annotated[float, Meta(gt=0, le=864_000, title="seconds above 0")]


class Scenario(Struct, frozen=True, kw_only=True):
    """One experiment, for every seed."""

    about: Annotated[str, Meta(min_length=1, max_length=400, title="a sentence")]
    seconds: _Span = 20
    population: dict[str, _Count]
    agents: Agents = Agents()
    tasks: Tasks = Tasks()
    network: Wires = Wires()
    faults: dict[str, Any] = {}
    """Faults that come by chance, by name, each with its parameters: `crash = { rate_per_hour = 60 }`."""
    hits: Annotated[tuple[str, ...], Meta(max_length=64, title="a list of kinds of peer")] = ()
    """Whom those faults may befall that befall single peers; empty: everybody."""
    planned: Annotated[tuple[Planned, ...], Meta(max_length=256, title="tables: [[planned]]")] = ()
    keys: Annotated[Literal["keyed-hash", "ed25519"], Meta(title="one of keyed-hash, ed25519")] = "keyed-hash"
    veto_above: Annotated[int, Meta(ge=0, title="a whole number of minor units")] | None = None
    """The governors' rules veto every award that costs more than this; without it they permit everything."""
    checkers: tuple[str, ...] | None = None
    """The promises that are watched, by name; without it, all."""

    @property
    def peers(self) -> int:
        """How many take part."""
        return sum(self.population.values())

    def count(self, *kinds: str) -> int:
        """How many there are of these kinds."""
        return sum(self.population.get(kind, 0) for kind in kinds)


@cache
def built_in() -> Mapping[str, str]:
    """The scenarios that come with the simulator: name → TOML."""
    folder = files("simulations") / "scenarios"
    found = [entry for entry in folder.iterdir() if entry.name.endswith(".toml")]
    return {entry.name[:-5]: entry.read_text("utf-8") for entry in sorted(found, key=lambda entry: entry.name)}


def table_of(name: str) -> dict[str, Any]:
    """The table of a scenario that comes with the simulator, or of a TOML file. Raises UsageError, BadConfig."""
    text = built_in().get(name)
    if text is None:
        text = _text_of(Path(name))
    return settings.parse(text, name)


def table_of_scenario(scenario: Scenario) -> dict[str, Any]:
    """The table that makes this scenario again."""
    return _without_none(msgspec.to_builtins(scenario))


def _without_none(table: dict[str, Any]) -> dict[str, Any]:
    """TOML has no word for what is not there, and neither have our tables."""
    said = {name: value for name, value in table.items() if value is not None}
    return {name: _without_none(value) if isinstance(value, dict) else value for name, value in said.items()}


def _text_of(path: Path) -> str:
    if path.suffix != ".toml":
        close = settings.nearest(path.name, built_in())
        raise UsageError(
            f"There is no scenario {settings.printed(str(path))}.",
            why="It is none that comes with the simulator, and no .toml file.",
            do=f"Did you mean {close}?" if close else f"Take one of {', '.join(built_in())}.",
        )
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfig(f"The scenario {path} cannot be read.", why=f"{error}.", do="Correct the path.") from None


def load(name: str, changes: Mapping[str, Any] | None = None, *, peers: int | None = None) -> Scenario:
    """A scenario by name or file, with `changes` by dotted name, in a market of `peers`.

    Raises UsageError for a name that there is not, BadConfig for what a scenario cannot be.
    """
    return make(table_of(name), name, changes, peers=peers)


def make(
    table: Mapping[str, Any], where: str, changes: Mapping[str, Any] | None = None, *, peers: int | None = None
) -> Scenario:
    """A scenario of a table, as `load` makes it."""
    for dotted, value in (changes or {}).items():
        table = settings.changed(table, dotted, value)
    scenario = settings.read(table, Scenario, where)
    if peers is not None:
        table = {**table, "population": scaled(scenario.population, peers)}
        scenario = settings.read(table, Scenario, where)
    _check_kinds(scenario, where)
    for fault in _impossible(scenario):
        raise BadConfig(f"{where}: {fault}", why="Such a market cannot be.", do="Correct the scenario.")
    faults_of(scenario.faults)
    return scenario


def _check_kinds(scenario: Scenario, where: str) -> None:
    for kind in scenario.population:
        if kind not in KINDS:
            raise settings.unknown(f"population.{kind}", where, [f"population.{known}" for known in KINDS])
    for kind in (*scenario.hits, *(planned.who for planned in scenario.planned)):
        if kind != "all" and kind not in scenario.population:
            raise settings.unknown(kind, where, scenario.population)


def _impossible(scenario: Scenario) -> Iterator[str]:
    """Why a scenario cannot be, if it cannot."""
    effects = scenario.tasks.effects
    if not scenario.count(*MANAGERS):
        yield "nobody announces: the population has no manager."
    if scenario.peers > PEERS_MAX:
        yield f"{scenario.peers} peers are more than {PEERS_MAX}."
    if not effects.pure + effects.reversible + effects.irreversible:
        yield "the weights of tasks.effects are all 0."
    if not bears_its_liars(scenario.population):
        liars, seats = scenario.count(*LYING_GOVERNORS), scenario.count(*GOVERNORS)
        yield f"{liars} of {seats} governors lie, and no quorum of the others is left: it takes {3 * liars + 1}."
    if effects.irreversible and not scenario.count(*GOVERNORS):
        yield "tasks are irreversible, and there is no governor."
    if scenario.agents.price_min > scenario.agents.price_max:
        yield "agents.price_min is above agents.price_max."
    for planned in scenario.planned:
        if planned.at_s + planned.lasts_s > scenario.seconds:
            yield f"what is planned at {planned.at_s} s lasts longer than the scenario's {scenario.seconds} s."


def scaled(population: Mapping[str, int], peers: int) -> dict[str, int]:
    """The same mix of peers in a market of another size: governors stay as many, and no kind vanishes.

    Raises UsageError where so few cannot be so many kinds.
    """
    kept = {kind: count for kind, count in population.items() if kind in KINDS and KINDS[kind].governs and count}
    others = {kind: count for kind, count in population.items() if count and kind not in kept}
    left = peers - sum(kept.values())
    if left < len(others) or peers < 1 or peers > PEERS_MAX:
        least = sum(kept.values()) + len(others)
        raise UsageError(
            f"{peers} peers cannot be this market.",
            why=f"It has {len(others)} kinds of peer and {sum(kept.values())} governors.",
            do=f"Take {least} to {PEERS_MAX}.",
        )
    total = sum(others.values())
    sizes = {kind: max(1, count * left // total) for kind, count in others.items()}
    while (over := sum(sizes.values()) - left) != 0:
        largest = max(sizes, key=lambda kind: sizes[kind])
        sizes[largest] -= 1 if over > 0 else over
    return {kind: sizes.get(kind, kept.get(kind, 0)) for kind in population if population[kind]}
