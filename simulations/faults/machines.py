"""What befalls the machine under a peer: its clock, its scheduler, its speed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from simulations.faults.base import RATES, Fault, OfOne, Passing
from simulations.faults.weather import Weather
from simulations.world.process import Process


@dataclass(frozen=True, kw_only=True)
class Pause(OfOne):
    """A process is stopped (SIGSTOP) and goes on later; after the heartbeat the others have given it up."""

    name: ClassVar[str] = "pause"

    def befall(self, weather: Weather, process: Process, chance: random.Random) -> None:
        weather.world.pause(process)

    def end(self, weather: Weather, process: Process) -> None:
        weather.world.go_on(process)


@dataclass(frozen=True, kw_only=True)
class SlowTurns(OfOne):
    """A peer is slow: each of its turns takes long."""

    name: ClassVar[str] = "slow-turns"
    turn_ms: int = 20

    def befall(self, weather: Weather, process: Process, chance: random.Random) -> None:
        process.turn_us += self.turn_ms * 1000

    def end(self, weather: Weather, process: Process) -> None:
        process.turn_us -= self.turn_ms * 1000


@dataclass(frozen=True, kw_only=True)
class ClockSkew(Fault):
    """No two clocks show the same: each is ahead of the world by up to so much."""

    name: ClassVar[str] = "clock-skew"
    ahead_ms: int = 3_600_000

    @classmethod
    def drawn(cls, chance: random.Random) -> Fault:
        return cls(ahead_ms=chance.choice((1_000, 60_000, 86_400_000)))

    def begin(self, weather: Weather, chance: random.Random) -> None:
        for process in weather.victims():
            process.jump_clock(chance.randrange(self.ahead_ms * 1000))


@dataclass(frozen=True, kw_only=True)
class ClockJump(Passing):
    """A clock skips forward by up to so much. Leases bear what their grace covers, half a second and more; whoever asks
    for longer jumps leaves the promise of one contractor behind.
    """

    name: ClassVar[str] = "clock-jump"
    ahead_ms: int = 200

    @classmethod
    def drawn(cls, chance: random.Random) -> Fault:
        return cls(rate_per_hour=chance.choice(RATES[:3]), ahead_ms=chance.choice((20, 200)))

    def strike(self, weather: Weather, chance: random.Random) -> None:
        if (process := weather.victim(chance)) is not None:
            process.jump_clock(chance.randrange(self.ahead_ms * 1000))


@dataclass(frozen=True, kw_only=True)
class ClockDrift(Fault):
    """Every clock runs too fast or too slow, by up to so many millionths; the grace of a lease covers 20,000 and more.
    When the weather is over they run true again.
    """

    name: ClassVar[str] = "clock-drift"
    drift_ppm: int = 1_000

    @classmethod
    def drawn(cls, chance: random.Random) -> Fault:
        return cls(drift_ppm=chance.choice((100, 1_000, 10_000)))

    def begin(self, weather: Weather, chance: random.Random) -> None:
        for process in weather.victims():
            process.drift_clock(chance.randint(-self.drift_ppm, self.drift_ppm))
            weather.at_heal(partial(process.drift_clock, 0))
