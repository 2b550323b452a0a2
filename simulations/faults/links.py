"""What befalls the network: each link, and who can reach whom."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Final

from simulations.faults.base import RATES, Fault, Lasting, Passing, two
from simulations.faults.weather import Weather
from simulations.world.network import Burst, Conditions
from simulations.world.process import Process

SHARES: Final = (0.2, 0.5, 1.0)
"""The share of links that a seed draws."""


@dataclass(frozen=True, kw_only=True)
class _Steady(Fault):
    """A condition of links that is there all the time, on all links or on a share of them."""

    probability: float = 0.05
    share: float = 1.0

    @classmethod
    def drawn(cls, chance: random.Random) -> Fault:
        return cls(probability=chance.choice((0.01, 0.05, 0.2)), share=chance.choice(SHARES))

    def begin(self, weather: Weather, chance: random.Random) -> None:
        weather.worsen(self.share, chance, self.change)

    def change(self, conditions: Conditions) -> Conditions:
        """The conditions with this one added."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Loss(_Steady):
    """Each frame may be lost by itself."""

    name: ClassVar[str] = "loss"

    def change(self, conditions: Conditions) -> Conditions:
        return replace(conditions, loss=self.probability)


@dataclass(frozen=True, kw_only=True)
class BurstyLoss(_Steady):
    """Each frame may begin a burst, in which most frames are lost until it ends."""

    name: ClassVar[str] = "bursty-loss"
    probability: float = 0.01
    leave_probability: float = 0.2
    loss_probability: float = 0.9

    def change(self, conditions: Conditions) -> Conditions:
        return replace(conditions, burst=Burst(self.probability, self.leave_probability, self.loss_probability))


@dataclass(frozen=True, kw_only=True)
class Repeats(_Steady):
    """Each frame may come twice."""

    name: ClassVar[str] = "repeats"

    def change(self, conditions: Conditions) -> Conditions:
        return replace(conditions, repeat=self.probability)


@dataclass(frozen=True, kw_only=True)
class Reordering(_Steady):
    """Each frame may be held up while later ones pass it."""

    name: ClassVar[str] = "reordering"

    def change(self, conditions: Conditions) -> Conditions:
        return replace(conditions, reorder=self.probability)


@dataclass(frozen=True, kw_only=True)
class OneWay(Lasting):
    """One direction between two peers is cut; the other holds."""

    name: ClassVar[str] = "one-way"

    def strike(self, weather: Weather, chance: random.Random) -> None:
        if (pair := two(_running(weather), chance)) is not None:
            _cut_until(weather, [pair], self.lasts_ms, chance)


@dataclass(frozen=True, kw_only=True)
class Partition(Lasting):
    """The world falls into two sides, and nothing passes between them."""

    name: ClassVar[str] = "partition"

    def strike(self, weather: Weather, chance: random.Random) -> None:
        mine, theirs = _sides(weather, chance, 2)
        _cut_until(weather, _both_ways(mine, theirs), self.lasts_ms, chance)


@dataclass(frozen=True, kw_only=True)
class PartialPartition(Lasting):
    """Two groups cannot reach each other, while a third reaches both."""

    name: ClassVar[str] = "partial-partition"

    def strike(self, weather: Weather, chance: random.Random) -> None:
        mine, theirs, _ = _sides(weather, chance, 3)
        _cut_until(weather, _both_ways(mine, theirs), self.lasts_ms, chance)


@dataclass(frozen=True, kw_only=True)
class Flapping(Lasting):
    """The connection of two peers goes and comes again and again; `lasts_ms` is what each of its gaps lasts."""

    name: ClassVar[str] = "flapping"
    TIMES: ClassVar[int] = 5

    def strike(self, weather: Weather, chance: random.Random) -> None:
        if (pair := two(_running(weather), chance)) is not None:
            self._cut(weather, pair, chance, self.TIMES)

    def _cut(self, weather: Weather, pair: tuple[Process, Process], chance: random.Random, left: int) -> None:
        _cut(weather, _both_ways(pair[:1], pair[1:]))
        weather.until(self.lasts_ms, chance, partial(self._mend, weather, pair, chance, left))

    def _mend(self, weather: Weather, pair: tuple[Process, Process], chance: random.Random, left: int) -> None:
        _mend(weather, _both_ways(pair[:1], pair[1:]))
        if left > 1 and weather.bad:
            weather.until(self.lasts_ms, chance, partial(self._again, weather, pair, chance, left - 1))

    def _again(self, weather: Weather, pair: tuple[Process, Process], chance: random.Random, left: int) -> None:
        if weather.bad:
            self._cut(weather, pair, chance, left)


@dataclass(frozen=True, kw_only=True)
class Clog(Lasting):
    """What one peer sends another waits, and arrives in one burst."""

    name: ClassVar[str] = "clog"

    def strike(self, weather: Weather, chance: random.Random) -> None:
        if (pair := two(_running(weather), chance)) is not None:
            network = weather.world.network
            network.clog(*pair)
            weather.until(self.lasts_ms, chance, partial(network.unclog, *pair))


@dataclass(frozen=True, kw_only=True)
class Bounce(Passing):
    """A connection breaks and is made anew at once: what was under way is lost in silence."""

    name: ClassVar[str] = "bounce"

    @classmethod
    def drawn(cls, chance: random.Random) -> Fault:
        return cls(rate_per_hour=chance.choice(RATES))

    def strike(self, weather: Weather, chance: random.Random) -> None:
        if (pair := two(_running(weather), chance)) is not None:
            weather.world.network.bounce(weather.world.network.link(*pair))


@dataclass(frozen=True, kw_only=True)
class StaleRecords(Lasting):
    """A peer begins again at another address, and half of the others look for it at the old one for a while."""

    name: ClassVar[str] = "stale-records"

    def strike(self, weather: Weather, chance: random.Random) -> None:
        process, world = weather.victim(chance), weather.world
        if process is None:
            return
        misled = [other for other in world.processes.values() if other is not process and chance.random() < 0.5]
        world.crash(process)
        _cut_until(weather, [(process, other) for other in misled], self.lasts_ms, chance)
        world.restart(process)


def _running(weather: Weather) -> list[Process]:
    return [process for process in weather.world.processes.values() if process.runs]


def _sides(weather: Weather, chance: random.Random, count: int) -> list[list[Process]]:
    sides: list[list[Process]] = [[] for _ in range(count)]
    for process in weather.world.processes.values():
        sides[chance.randrange(count)].append(process)
    return sides


def _both_ways(mine: Iterable[Process], theirs: Iterable[Process]) -> list[tuple[Process, Process]]:
    theirs = list(theirs)
    return [pair for one in mine for other in theirs for pair in ((one, other), (other, one))]


def _cut_until(weather: Weather, pairs: list[tuple[Process, Process]], lasts_ms: int, chance: random.Random) -> None:
    _cut(weather, pairs)
    weather.until(lasts_ms, chance, partial(_mend, weather, pairs))


def _cut(weather: Weather, pairs: list[tuple[Process, Process]]) -> None:
    for sender, reader in pairs:
        weather.world.network.cut(sender, reader)


def _mend(weather: Weather, pairs: list[tuple[Process, Process]]) -> None:
    for sender, reader in pairs:
        weather.world.network.mend(sender, reader)
