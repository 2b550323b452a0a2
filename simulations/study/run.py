"""One world on its way through a scenario: everybody meets, tasks and faults come, all is healed, what is open ends."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from protocol.bidder import Quote
from protocol.statements import EffectClass
from simulations.checkers.base import Checker, Roster
from simulations.checkers.liveness import bound_ms
from simulations.faults.catalogue import weather_of
from simulations.study.arrivals import Arrival
from simulations.study.cast import GOVERNORS, MANAGERS, Cast, charter_of, input_of, key_of, names_of
from simulations.study.ledger import Ledger, TaskRow
from simulations.study.planned import schedule
from simulations.study.scenario import Scenario
from simulations.world.network import Network
from simulations.world.world import World

MEETING_US: Final = 2_000_000
"""Before the first task, peers find each other."""
ASK_AGAIN_US: Final = 500_000
"""After so long a task is asked for again whose manager was not there."""
SLICE_US: Final = 1_000_000
"""How often whoever watches is told how far a run is."""
BUDGETS: Final = 2
"""A task's budget is so many times what the dearest honest bidder asks."""

Watching = Callable[[str, World], None]
"""Is told of the part of a run that is under way, and sees the world: at the `start`, behind each second in which
`tasks` come, and when all is at `rest`.
"""


class Run:
    """One world, its peers, and the books that are kept of it."""

    def __init__(
        self,
        scenario: Scenario,
        seed: int,
        checkers: Sequence[Callable[[Roster], Checker]],
        strategies: Mapping[str, Quote],
        arrivals: Callable[[random.Random], Sequence[Arrival]],
        *,
        recorded: bool = False,
    ) -> None:
        """What is `recorded` is in the world's trace, line by line."""
        self.scenario = scenario
        self._ledgers: list[Ledger] = []
        acquainted = scenario.network.acquainted
        network = Network(scenario.network.conditions(), high_water=scenario.network.high_water, meshed=acquainted)
        self.cast = Cast(scenario, names_of(scenario.population))
        self.world = World(
            seed, network, governors=self.cast.of(*GOVERNORS), charter=charter_of(scenario.population),
            checkers=[*checkers, self._make_ledger],
            real_keys=scenario.keys == "ed25519",
        )  # fmt: skip
        self.world.trace.lines = [] if recorded else None
        self.ledger = self._ledgers[0]
        self.world.on_report = self.ledger.report
        self.cast.join(self.world, strategies.get)
        if acquainted:
            self.cast.acquaint(self.world)
        for name, kind in self.cast.kind_of.items():
            self.ledger.meet(self.world.processes[name], kind)
        self.arrivals = arrivals(self.world.chance("arrivals"))
        self.healed_us = 0
        spared = [name for name, kind in self.cast.kind_of.items() if scenario.hits and kind not in scenario.hits]
        self.weather = weather_of(self.world, dict(sorted(scenario.faults.items())), spared=frozenset(spared))

    def _make_ledger(self, roster: Roster) -> Ledger:
        self._ledgers.append(Ledger(roster))
        return self._ledgers[-1]

    def live(self, watching: Watching) -> None:
        """Everything, to the end. Raises Broken."""
        world, scenario = self.world, self.scenario
        watching("start", world)
        world.run_for(MEETING_US // 1000)
        start_us = self.ledger.began_us = world.now_us
        self._schedule(start_us)
        schedule(world, self.cast, scenario.planned)
        self.weather.begin()
        for number in range(1, scenario.seconds + 1):
            world.run_until(start_us + number * SLICE_US)
            watching("tasks", world)
        self.weather.heal()
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
            idempotency_key=key_of(row.number),
        )  # fmt: skip
        contract = process.announce(task)
        if contract is not None:
            self.ledger.announced(row, contract, world.now_us)

    @property
    def lines(self) -> Sequence[str]:
        """What was recorded so far."""
        return self.world.trace.lines or ()
