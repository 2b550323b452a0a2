"""What a fault is: a name, parameters that are possible, and what it does to a world while the weather is bad."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple, TypeVar

from protocol.errors import BadConfig

if TYPE_CHECKING:
    from simulations.faults.weather import Weather
    from simulations.world.process import Process

T = TypeVar("T")


class Bounds(NamedTuple):
    """What a parameter may be; which bounds it has is told by the unit at the end of its name."""

    least: float
    most: float


BOUNDS: Final = {
    "rate_per_hour": Bounds(0, 3_600_000),
    "ms": Bounds(1, 86_400_000),
    "ppm": Bounds(0, 500_000),
    "probability": Bounds(0, 1),
    "share": Bounds(0, 1),
}
RATES: Final = (60, 120, 300, 600, 1_200, 2_400)
"""What a seed's rate is drawn from, in an hour of the whole world: the storms of seeds last some seconds."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One kind of fault. Making one with impossible parameters raises BadConfig."""

    name: ClassVar[str]

    def __post_init__(self) -> None:
        for field in fields(self):
            check(self.name, field.name, getattr(self, field.name))

    @classmethod
    def drawn(cls, chance: random.Random) -> Fault:
        """One with parameters as a seed draws them."""
        raise NotImplementedError

    def begin(self, weather: Weather, chance: random.Random) -> None:
        """The weather begins: be there from now on, or come from time to time."""
        raise NotImplementedError


def check(fault: str, name: str, value: object) -> None:
    """Raise BadConfig for a parameter that cannot be."""
    unit, bounds = next((unit, bounds) for unit, bounds in BOUNDS.items() if f"_{name}".endswith(f"_{unit}"))
    whole = unit not in ("probability", "share")
    fits = type(value) is int or (type(value) is float and not whole)
    if not fits or not bounds.least <= value <= bounds.most:  # type: ignore[operator]
        kind = "a whole number" if whole else "a number"
        raise BadConfig(
            f"{fault}.{name} = {value!r} is impossible.",
            do=f"Take {kind} from {bounds.least} to {bounds.most}, or leave it out.",
        )


@dataclass(frozen=True, kw_only=True)
class Passing(Fault):
    """A fault that comes from time to time, somewhere in the world. A rate of 0: never."""

    rate_per_hour: int = 300

    def begin(self, weather: Weather, chance: random.Random) -> None:
        weather.again_and_again(self, chance)

    def strike(self, weather: Weather, chance: random.Random) -> None:
        """It comes now; nothing happens where there is nobody to come to."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Lasting(Passing):
    """A fault that comes, and ends after a while: `lasts_ms` on average."""

    lasts_ms: int = 2_000

    @classmethod
    def drawn(cls, chance: random.Random) -> Lasting:
        return cls(rate_per_hour=chance.choice(RATES), lasts_ms=chance.choice((100, 500, 2_000, 6_000)))


@dataclass(frozen=True, kw_only=True)
class OfOne(Lasting):
    """One that befalls one peer; when it is over, whoever is down begins again."""

    def strike(self, weather: Weather, chance: random.Random) -> None:
        if (process := weather.victim(chance)) is not None:
            self.befall(weather, process, chance)
            weather.until(self.lasts_ms, chance, partial(self.end, weather, process))

    def befall(self, weather: Weather, process: Process, chance: random.Random) -> None:
        """It begins."""
        raise NotImplementedError

    def end(self, weather: Weather, process: Process) -> None:
        """It is over."""
        weather.revive(process)


def two(processes: Sequence[Process], chance: random.Random) -> tuple[Process, Process] | None:
    """Two different ones, in an order of chance; None where there are not so many."""
    if len(processes) < 2:
        return None
    one, other = chance.sample(processes, 2)
    return one, other
