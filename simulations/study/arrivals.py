"""When tasks come, and how large they are: evenly, at random, all at once, or as goods come back to a shop.

The last is shaped like the credit notes of an online shop (UCI Online Retail): a day from eight to six that is busiest
in the middle of the afternoon, half of the notes with one line and some with twenty, and sizes with a long tail.
"""

from __future__ import annotations

import csv
import random
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from protocol.errors import BadConfig

if TYPE_CHECKING:
    from simulations.study.scenario import Scenario

RETURNS_FILE: Final = "returns-online-retail.csv"
HOURS: Final = (2, 7, 11, 11, 14, 18, 29, 28, 10, 8)
"""How many notes of a hundred and some come in each hour from eight to six."""
ONE_LINE: Final = 0.55
ONE_MORE: Final = 0.68
"""How likely a note has one line; and, if it has more, that behind each line there is another."""
LINES_MAX: Final = 21
DAY_S: Final = 36_000
OPENS_S: Final = 8 * 3600
UNITS: Final = (1, 1, 1, 1, 2, 2, 2, 3, 4, 6, 12, 24)
"""How many pieces a line gives back: the twelfths of its distribution."""


class Arrival(NamedTuple):
    """One task that somebody wants."""

    at_us: int
    """Since the scenario began."""
    size: int


def arrivals_of(scenario: Scenario, chance: random.Random, orders: Path | None = None) -> list[Arrival]:
    """The arrivals of one seed, in their order; with `orders`, those of one day of the shop in that folder.

    Raises BadConfig for a folder that holds no returns.
    """
    tasks, span_us = scenario.tasks, scenario.seconds * 1_000_000
    if orders is not None:
        return _read_day(orders, chance, tasks.count, span_us, tasks.size_max)
    if tasks.arrivals == "returns":
        return _returns(chance, tasks.count, span_us, tasks.size_max)
    if tasks.arrivals == "at-once":
        times = [0] * tasks.count
    elif tasks.arrivals == "steady":
        times = [number * span_us // tasks.count for number in range(tasks.count)]
    else:
        times = sorted(chance.randrange(span_us) for _ in range(tasks.count))
    return [Arrival(at_us, chance.randint(1, tasks.size_max)) for at_us in times]


def _returns(chance: random.Random, count: int, span_us: int, size_max: int) -> list[Arrival]:
    """Notes until their lines are as many as asked for: the lines of one note come together."""
    found: list[Arrival] = []
    while len(found) < count:
        hour = chance.choices(range(len(HOURS)), HOURS)[0]
        at_us = (hour * 3_600_000 + chance.randrange(3_600_000)) * span_us // (DAY_S * 1000)
        lines = 1
        if chance.random() >= ONE_LINE:
            lines = 2
            while lines < LINES_MAX and chance.random() < ONE_MORE:
                lines += 1
        found += [Arrival(at_us, min(chance.choice(UNITS), size_max)) for _ in range(min(lines, count - len(found)))]
    return sorted(found)


def _read_day(folder: Path, chance: random.Random, count: int, span_us: int, size_max: int) -> list[Arrival]:
    """One day of real returns, picked by the seed, in the scenario's time; what the scenario asks for at most."""
    path = folder / RETURNS_FILE
    days: dict[str, list[Arrival]] = defaultdict(list)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                day, _, clock = row["time"].partition("T")
                since_s = int(clock[:2]) * 3600 + int(clock[3:5]) * 60 - OPENS_S
                at_us = min(max(since_s, 0), DAY_S) * span_us // DAY_S
                days[day].append(Arrival(at_us, min(max(1, -int(row["quantity"])), size_max)))
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise BadConfig(
            f"No returns can be read from {folder}.", why=f"{RETURNS_FILE}: {error}.", do="Leave --orders out."
        ) from None
    if not days:
        raise BadConfig(f"{path} has no returns.", do="Leave --orders out: they are then generated.")
    return sorted(days[chance.choice(sorted(days))])[:count]
