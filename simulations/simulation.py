"""One run of a scenario, from a script.

    from simulations import Simulation

    result = Simulation(seed=7, peers=50, network={"loss": 0.1}).run(tasks=1000)
    print(result.metrics.placed_percent, result.digest)
    for row in result.tasks: ...

The same seed and the same scenario give the same result and the same digest, on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from protocol.bidder import Quote
from protocol.errors import BadEvidence, UsageError
from protocol.statements import EffectClass
from simulations import scenario as scenarios
from simulations import settings
from simulations.arrivals import Arrival, arrivals_of
from simulations.cast import GOVERNORS, MANAGERS, Cast, input_of, names_of
from simulations.checkers.base import Broken, Checker, Roster
from simulations.checkers.liveness import bound_ms
from simulations.checkers.promises import PROMISES
from simulations.extras import need
from simulations.ledger import Ledger, TaskRow
from simulations.metrics import Metrics, measure
from simulations.network import Network
from simulations.scenario import Scenario
from simulations.world import World

MEETING_US: Final = 2_000_000
"""Before the first task, peers find each other."""
ASK_AGAIN_US: Final = 500_000
"""After so long a task is asked for again whose manager was not there."""
SLICE_US: Final = 1_000_000
"""How often whoever watches is told how far a run is."""
BUDGETS: Final = 2
"""A task's budget is so many times what the dearest honest bidder asks."""

Watching = Callable[[str, World], None]
"""Is told of the part of a run that is under way, `tasks` or `rest`, and sees the world."""


class PromiseBroken(BadEvidence):
    """A checker has found that a promise does not hold: a fault of vendue, and the most useful result of a run."""

    def __init__(self, broken: Broken, at_us: int, replay: str) -> None:
        super().__init__(f"{broken}", why=f"At {at_us / 1e6:.6f} s of the world's time.", do=f"Replay it: {replay}")
        self.broken = broken
        self.at_us = at_us


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of a run."""

    seed: int
    metrics: Metrics
    digest: str
    """Of everything that happened, in order."""
    frames: dict[str, list[dict[str, Any]]]
    """Rows as plain dicts: `tasks`, `peers`, and `statements` by kind."""
    deliveries: int
    events: int
    world_ms: int
    """How long the world lived."""

    @property
    def tasks(self) -> list[dict[str, Any]]:
        """One row for each task."""
        return self.frames["tasks"]

    def pandas(self) -> dict[str, Any]:
        """The frames as pandas has them. Raises MissingExtra where it is not installed."""
        pandas = need("pandas", "sim")
        return {name: pandas.DataFrame(rows) for name, rows in self.frames.items()}


class Simulation:
    """A scenario with a seed. Each run is a world of its own."""

    def __init__(
        self,
        scenario: str | Scenario = "calm",
        *,
        seed: int = 0,
        peers: int | None = None,
        network: Mapping[str, Any] | None = None,
        changes: Mapping[str, Any] | None = None,
        strategies: Mapping[str, Quote] | None = None,
        checkers: Sequence[Callable[[Roster], Checker]] | None = None,
        orders: str | Path | None = None,
    ) -> None:
        """`scenario` is a name, a TOML file, or a scenario; `network` and `changes` (by dotted name) make it another.

        `strategies` gives bidders, by name (`honest 1`), another way to bid; `checkers` are watched in place of the
        scenario's; `orders` is a folder with a real shop's returns. Raises UsageError, BadConfig.
        """
        if type(seed) is not int or seed < 0:
            raise UsageError(f"{settings.printed(seed)} is no seed.", do="Take a whole number from 0.")
        if isinstance(scenario, Scenario):
            table, self.name = msgspec.to_builtins(scenario), "this scenario"
            table = {key: value for key, value in table.items() if value is not None}
        else:
            table, self.name = scenarios.table_of(scenario), scenario
        all_changes = {f"network.{name}": value for name, value in (network or {}).items()} | dict(changes or {})
        self.scenario = scenarios.make(table, self.name, all_changes, peers=peers)
        self.seed = seed
        self._peers, self._changes = peers, all_changes
        self._orders = Path(orders) if orders is not None else None
        self._checkers = list(checkers) if checkers is not None else checkers_of(self.scenario)
        names = names_of(self.scenario.population)
        self._strategies = dict(strategies or {})
        for name in self._strategies:
            if name not in names:
                raise settings.unknown(name, "strategies", names)

    @property
    def replay(self) -> str:
        """The one line that runs it again."""
        words = ["vendue sim replay", f"'{self.name}'" if " " in self.name else self.name, f"--seed {self.seed}"]
        words += [f"--peers {self._peers}"] if self._peers is not None else []
        words += [f"--set {name}={settings.written(value)}" for name, value in self._changes.items()]
        return " ".join(words)

    def run(self, tasks: int | None = None, *, watching: Watching = lambda part, world: None) -> Result:
        """Run it; `tasks` changes how many tasks come. Raises PromiseBroken where a checker finds one."""
        if tasks is not None and tasks < 1:
            raise UsageError(f"{tasks} tasks are none.", do="Take 1 or more.")
        scenario = self.scenario
        if tasks is not None:
            scenario = msgspec.structs.replace(scenario, tasks=msgspec.structs.replace(scenario.tasks, count=tasks))
        run = Run(scenario, self.seed, self._checkers, self._strategies, self._orders)
        try:
            run.live(watching)
        except Broken as broken:
            raise PromiseBroken(broken, run.world.now_us, self.replay) from broken
        return run.result()


def checkers_of(scenario: Scenario) -> list[Callable[[Roster], Checker]]:
    """The promises that a scenario wants watched. Raises BadConfig for one that there is not."""
    known = {promise.__name__: promise for promise in PROMISES}
    if scenario.checkers is None:
        return list(PROMISES)
    for name in scenario.checkers:
        if name not in known:
            raise settings.unknown(f"checkers.{name}", "the scenario", [f"checkers.{each}" for each in known])
    return [known[name] for name in scenario.checkers]


class Run:
    """One world on its way: everybody meets, tasks and faults come, all is healed, and what is open ends."""

    def __init__(
        self,
        scenario: Scenario,
        seed: int,
        checkers: Sequence[Callable[[Roster], Checker]],
        strategies: Mapping[str, Quote],
        orders: Path | None,
    ) -> None:
        self.scenario = scenario
        self._ledgers: list[Ledger] = []
        acquainted = scenario.network.acquainted
        network = Network(scenario.network.conditions(), high_water=scenario.network.high_water, meshed=acquainted)
        self.cast = Cast(scenario, names_of(scenario.population))
        self.world = World(
            seed, network, governors=self.cast.of(*GOVERNORS), checkers=[*checkers, self._make_ledger],
            real_keys=scenario.keys == "ed25519",
        )  # fmt: skip
        self.ledger = self._ledgers[0]
        self.world.on_report = self.ledger.report
        self.cast.join(self.world, strategies.get)
        if acquainted:
            self.cast.acquaint(self.world)
        for name, kind in self.cast.kind_of.items():
            self.ledger.meet(self.world.processes[name], kind)
        self.arrivals = arrivals_of(scenario, self.world.chance("arrivals"), orders)
        self.healed_us = 0

    def _make_ledger(self, roster: Roster) -> Ledger:
        self._ledgers.append(Ledger(roster))
        return self._ledgers[-1]

    def live(self, watching: Watching) -> None:
        """Everything, to the end. Raises Broken."""
        world, scenario = self.world, self.scenario
        world.run_for(MEETING_US // 1000)
        start_us = self.ledger.began_us = world.now_us
        self._schedule(start_us)
        for number in range(1, scenario.seconds + 1):
            world.run_until(start_us + number * SLICE_US)
            watching("tasks", world)
        self.healed_us = world.now_us
        self.ledger.healed(world.processes, world.now_us)
        world.run_for(bound_ms([world.task(deadline_ms=scenario.tasks.deadline_ms)]))
        watching("rest", world)
        world.at_rest()

    def _schedule(self, start_us: int) -> None:
        """Every task has a manager and a skill; what else it is comes from the seed."""
        chance, effects = self.world.chance("tasks"), self.scenario.tasks.effects
        kinds = list(EffectClass)
        weights = [effects.pure, effects.reversible, effects.irreversible]
        managers = self.cast.of(*MANAGERS)
        for number, arrival in enumerate(self.arrivals):
            manager = number % len(managers)
            skills = list(self.cast.skills_asked(manager)) if self.scenario.network.acquainted else self.cast.skills
            row = TaskRow(
                number=number, manager=managers[manager], skill=chance.choice(skills),
                effect=str(chance.choices(kinds, weights)[0]), size=arrival.size,
            )  # fmt: skip
            self.ledger.tasks.append(row)
            self.world.at(start_us + arrival.at_us, self._announce, row, arrival)

    def _announce(self, row: TaskRow, arrival: Arrival) -> None:
        world, tasks = self.world, self.scenario.tasks
        process = world.processes[row.manager]
        if not process.ready:
            if not self.healed_us:
                world.at(world.now_us + ASK_AGAIN_US, self._announce, row, arrival)
            return
        task = world.task(
            skill=row.skill, input=input_of(arrival.size), effect=EffectClass(row.effect), award_rule=tasks.rule,
            budget=BUDGETS * self.scenario.agents.price_max * arrival.size, attempts=tasks.attempts,
            bid_window_ms=tasks.bid_window_ms, lease_ms=tasks.lease_ms, deadline_ms=tasks.deadline_ms,
            idempotency_key=b"task %d" % row.number,
        )  # fmt: skip
        contract = process.announce(task)
        if contract is not None:
            self.ledger.announced(row, contract, world.now_us)

    def result(self) -> Result:
        """What came of it."""
        ledger, world = self.ledger, self.world
        ledger.close()
        frames = {
            "tasks": [asdict(row) for row in ledger.tasks],
            "peers": [asdict(row) for row in ledger.peers.values()],
            "statements": [{"kind": kind, "count": count} for kind, count in sorted(ledger.statements.items())],
        }
        metrics = measure(ledger, self.cast, healed_us=self.healed_us, deliveries=world.deliveries)
        return Result(
            seed=world.seed, metrics=metrics, digest=world.digest(), frames=frames, deliveries=world.deliveries,
            events=world.trace.events, world_ms=world.now_us // 1000,
        )  # fmt: skip
