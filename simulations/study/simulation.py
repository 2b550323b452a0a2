"""One run of a scenario, from a script.

    from simulations import Simulation

    result = Simulation(seed=7, peers=50, network={"loss": 0.1}).run(tasks=1000)
    print(result.metrics.placed_percent, result.digest)
    for row in result.tasks: ...

The same seed and the same scenario give the same result and the same digest, on every machine.
"""

from __future__ import annotations

import random
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from protocol.bidder import Quote
from protocol.errors import BadEvidence, UsageError
from simulations.checkers.base import Broken, Checker, Roster
from simulations.checkers.promises import PROMISES
from simulations.extras import need
from simulations.study import scenario as scenarios
from simulations.study import settings
from simulations.study.arrivals import Arrival, arrivals_of
from simulations.study.cast import names_of
from simulations.study.metrics import Metrics, measure
from simulations.study.run import Run, Watching
from simulations.study.scenario import Scenario
from simulations.world.collector import no_collector


class PromiseBroken(BadEvidence):
    """A checker has found that a promise does not hold: a fault of vendue, and the most useful result of a run."""

    def __init__(self, broken: Broken, run: Run, replay: str) -> None:
        self.broken, self.at_us = broken, run.world.now_us
        super().__init__(f"{broken}", why=f"At {self.at_us / 1e6:.6f} s of its world.", do=f"Replay it: {replay}")
        self.digest, self.arrivals = run.world.digest(), list(run.arrivals)


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
    arrivals: list[Arrival]
    """When tasks came, and how large."""

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
        scenario: str | Scenario | Mapping[str, Any] = "calm",
        *,
        name: str | None = None,
        seed: int = 0,
        peers: int | None = None,
        network: Mapping[str, Any] | None = None,
        changes: Mapping[str, Any] | None = None,
        strategies: Mapping[str, Quote] | None = None,
        checkers: Sequence[Callable[[Roster], Checker]] | None = None,
        orders: str | Path | None = None,
        arrivals: Sequence[Arrival] | None = None,
    ) -> None:
        """`scenario` is a name, a TOML file, its table, or what was made of one; `network` and `changes`, by dotted
        name, make another one of it, and `peers` the same mix in a market of another size.

        `strategies` gives bidders, by name (`honest 1`), another way to bid; `checkers` are watched in place of the
        scenario's; `orders` is a folder with a real shop's returns, and `arrivals` are the tasks' own times and sizes.
        Raises UsageError, BadConfig.
        """
        if type(seed) is not int or seed < 0:
            raise UsageError(f"{settings.printed(seed)} is no seed.", do="Take a whole number from 0.")
        if isinstance(scenario, str):
            table, self.name = scenarios.table_of(scenario), name or scenario
        else:
            table = scenarios.table_of_scenario(scenario) if isinstance(scenario, Scenario) else dict(scenario)
            self.name = name or "this scenario"
        all_changes = {f"network.{name}": value for name, value in (network or {}).items()} | dict(changes or {})
        self.scenario = scenarios.make(table, self.name, all_changes, peers=peers)
        self.seed = seed
        self._peers, self._changes = peers, all_changes
        self.orders = Path(orders) if orders is not None else None
        self._arrivals = arrivals
        self._checkers = list(checkers) if checkers is not None else checkers_of(self.scenario)
        names = names_of(self.scenario.population)
        self._strategies = dict(strategies or {})
        for name in self._strategies:
            if name not in names:
                raise settings.unknown(name, "strategies", names)

    @property
    def replay(self) -> str:
        """The one line that runs it again."""
        words = ["vendue", "sim", "replay", self.name, "--seed", str(self.seed)]
        words += ["--peers", str(self._peers)] if self._peers is not None else []
        words += ["--orders", str(self.orders)] if self.orders is not None else []
        for name, value in self._changes.items():
            words += ["--set", f"{name}={settings.written(value)}"]
        return shlex.join(words)

    def run(self, tasks: int | None = None, *, watching: Watching = lambda part, world: None) -> Result:
        """Run it; `tasks` changes how many tasks come. Raises PromiseBroken where a checker finds one."""
        if tasks is not None and tasks < 1:
            raise UsageError(f"{tasks} tasks are none.", do="Take 1 or more.")
        run = self.begin(tasks)
        self.finish(run, watching)
        return result_of(run)

    def listen(self, checker: Callable[[Roster], Checker]) -> None:
        """Let one more checker watch: one that breaks nothing leaves the run and its digest as they are."""
        self._checkers.append(checker)

    def begin(self, tasks: int | None = None, *, recorded: bool = False) -> Run:
        """Make the world, in which nothing has happened yet; `recorded` keeps every happening in its trace."""
        scenario = self.scenario
        if tasks is not None:
            scenario = msgspec.structs.replace(scenario, tasks=msgspec.structs.replace(scenario.tasks, count=tasks))
        arrivals = self._arrivals_of(scenario)
        with no_collector():
            return Run(scenario, self.seed, self._checkers, self._strategies, arrivals, recorded=recorded)

    def finish(self, run: Run, watching: Watching = lambda part, world: None) -> None:
        """Let everything happen. Raises PromiseBroken."""
        try:
            with no_collector():
                run.live(watching)
        except Broken as broken:
            count = run.scenario.tasks.count
            changed = f" --tasks {count}" if count != self.scenario.tasks.count else ""
            raise PromiseBroken(broken, run, self.replay + changed) from broken

    def _arrivals_of(self, scenario: Scenario) -> Callable[[random.Random], Sequence[Arrival]]:
        given = self._arrivals
        return lambda chance: given if given is not None else arrivals_of(scenario, chance, self.orders)


def result_of(run: Run) -> Result:
    """What came of a run that is over."""
    ledger, world = run.ledger, run.world
    ledger.close(world.processes.values())
    frames = {
        "tasks": [asdict(row) for row in ledger.tasks],
        "peers": [asdict(row) for row in ledger.peers.values()],
        "statements": [{"kind": kind, "count": count} for kind, count in sorted(ledger.statements.items())],
    }
    metrics = measure(ledger, run.cast, world.deliveries)
    return Result(
        seed=world.seed, metrics=metrics, digest=world.digest(), frames=frames, deliveries=world.deliveries,
        events=world.trace.events, world_ms=world.now_us // 1000, arrivals=list(run.arrivals),
    )  # fmt: skip


def checkers_of(scenario: Scenario) -> list[Callable[[Roster], Checker]]:
    """The promises that a scenario wants watched. Raises BadConfig for one that there is not."""
    known = {promise.__name__: promise for promise in PROMISES}
    if scenario.checkers is None:
        return list(PROMISES)
    for name in scenario.checkers:
        if name not in known:
            raise settings.unknown(f"checkers.{name}", "the scenario", [f"checkers.{each}" for each in known])
    return [known[name] for name in scenario.checkers]
