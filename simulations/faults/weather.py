"""The weather of a world: its faults, from `begin` to `heal`.

weather = Weather(world, [Crash(rate_per_hour=120), Loss(probability=0.05)])
weather.begin(); world.run_for(20_000); weather.heal()

Every fault draws from a stream of chance of its own: one more fault moves no other.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import replace
from itertools import permutations

from protocol.errors import UsageError
from simulations.faults.base import Fault, Passing
from simulations.faults.spans import about_us, pause_us
from simulations.world.network import Conditions
from simulations.world.process import Process
from simulations.world.world import World


class Weather:
    """The faults of one world, and who may be hit by them."""

    def __init__(self, world: World, faults: Iterable[Fault], *, spared: Container[str] = ()) -> None:
        """Processes whose names are `spared` are left alone, but for what befalls the network."""
        self.world = world
        self.faults = list(faults)
        self.bad = False
        """It has begun, and is not over."""
        self.strikes = 0
        """How often a fault came that comes from time to time."""
        self._spared = spared
        self._pending: dict[int, Callable[[], object]] = {}
        """What is to be called once, soon or at the end, in the order of its registration."""
        self._registered = 0
        self._fair = world.network.conditions

    def begin(self) -> None:
        """Let the faults come. Raises UsageError for a weather that began before."""
        if self.bad or self.strikes:
            raise UsageError("This weather has begun before.", do="Make another one.")
        self.bad = True
        times = Counter[str]()
        for fault in self.faults:
            times[fault.name] += 1
            fault.begin(self, self.world.chance(f"fault/{fault.name}/{times[fault.name]}"))

    def heal(self) -> None:
        """End all faults: whoever is down comes back, whoever is paused goes on, and all connect again."""
        self.bad = False
        while self._pending:
            self._pending.pop(next(iter(self._pending)))()
        for process in list(self.world.processes.values()):
            self.world.go_on(process)
            if not process.runs:
                self.world.restart(process)
        self.world.network.heal()
        self.world.network.set_conditions(replace(self._fair, loss=0.0, burst=None, repeat=0.0, reorder=0.0))

    # What faults ask of it

    def again_and_again(self, fault: Passing, chance: random.Random) -> None:
        """Let a fault strike at its rate, until the weather is over."""
        if self.bad and fault.rate_per_hour:
            when_us = self.world.now_us + pause_us(fault.rate_per_hour, chance)
            self.world.at(when_us, self._strike, fault, chance)

    def _strike(self, fault: Passing, chance: random.Random) -> None:
        if self.bad:
            self.strikes += 1
            fault.strike(self, chance)
            self.again_and_again(fault, chance)

    def until(self, mean_ms: int, chance: random.Random, ending: Callable[[], object]) -> None:
        """Call `ending` after a while, or when the weather is over."""
        self.within(about_us(mean_ms, chance), ending)

    def within(self, span_us: int, ending: Callable[[], object]) -> None:
        """Call `ending` after this span, or when the weather is over."""
        self.at_heal(ending)
        self.world.at(self.world.now_us + span_us, self._end, self._registered)

    def at_heal(self, ending: Callable[[], object]) -> None:
        """Call `ending` when the weather is over."""
        self._registered += 1
        self._pending[self._registered] = ending

    def _end(self, registered: int) -> None:
        ending = self._pending.pop(registered, None)
        if ending is not None:
            ending()

    def victims(self) -> Sequence[Process]:
        """Those who run and are not spared."""
        return [
            process for process in self.world.processes.values() if process.alive and process.name not in self._spared
        ]

    def victim(self, chance: random.Random) -> Process | None:
        """One of them."""
        victims = self.victims()
        return chance.choice(victims) if victims else None

    def revive(self, process: Process) -> None:
        """Let a process begin again, if it is down."""
        if not process.runs:
            self.world.restart(process)

    def worsen(self, share: float, chance: random.Random, change: Callable[[Conditions], Conditions]) -> None:
        """Change the conditions on all links, or on a share of them that chance picks."""
        network = self.world.network
        if share >= 1:
            network.conditions = change(network.conditions)
        for sender, reader in permutations(self.world.processes.values(), 2):
            if share >= 1 or chance.random() < share:
                link = network.link(sender, reader)
                network.set_conditions(change(link.conditions), [link])
