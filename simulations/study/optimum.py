"""What the same tasks would cost at least, had somebody known them all beforehand.

Every task goes to one who offers its skill; nobody takes more than fits into its capacity over the same time. It is a
bound from below: whatever a market of honest bidders does is one of the assignments that are compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from simulations.extras import need

IMPOSSIBLE: Final = 2.0**40
"""The cost of what cannot be: larger than any sum of prices, and exact as a float."""


class Wanted(NamedTuple):
    """One task that was placed."""

    number: int
    skill: str


class Offer(NamedTuple):
    """One bidder: what it asks for a task, and how many tasks fit into the time."""

    skills: Sequence[str]
    cost: Callable[[Wanted], int]
    slots: int


def least_cost(tasks: Sequence[Wanted], offers: Sequence[Offer]) -> int | None:
    """The least sum of prices, or None where not every task finds a place. Raises MissingExtra where it needs scipy."""
    offering: dict[str, list[int]] = {}
    for number, offer in enumerate(offers):
        for skill in offer.skills:
            offering.setdefault(skill, []).append(number)
    if any(task.skill not in offering for task in tasks):
        return None
    cheapest = [_cheapest(task, offers, offering[task.skill]) for task in tasks]
    taken = Counter(cheapest)
    if all(taken[number] <= offers[number].slots for number in taken):
        return sum(offers[number].cost(task) for task, number in zip(tasks, cheapest, strict=True))
    total = 0
    for some_tasks, some_offers in _parts(tasks, offers, offering):
        cost = _assign(some_tasks, some_offers)
        if cost is None:
            return None
        total += cost
    return total


def _cheapest(task: Wanted, offers: Sequence[Offer], able: Iterable[int]) -> int:
    return min(able, key=lambda number: offers[number].cost(task))


def _parts(
    tasks: Sequence[Wanted], offers: Sequence[Offer], offering: Mapping[str, Iterable[int]]
) -> Iterator[tuple[list[Wanted], list[Offer]]]:
    """What has nothing to do with each other, apart: skills are together where one bidder offers both."""
    group = {skill: skill for skill in offering}

    def root(skill: str) -> str:
        while group[skill] != skill:
            group[skill] = group[group[skill]]
            skill = group[skill]
        return skill

    for offer in offers:
        for skill in offer.skills[1:]:
            group[root(skill)] = root(offer.skills[0])
    tasks_of: dict[str, list[Wanted]] = {}
    for task in tasks:
        tasks_of.setdefault(root(task.skill), []).append(task)
    offers_of: dict[str, list[Offer]] = {}
    for offer in offers:
        if offer.skills:
            offers_of.setdefault(root(offer.skills[0]), []).append(offer)
    for skill, some in tasks_of.items():
        yield some, offers_of[skill]


def _assign(tasks: Sequence[Wanted], offers: Sequence[Offer]) -> int | None:
    """One column for each place that a bidder has; no bidder needs more places than there are tasks."""
    numpy, scipy = need("numpy", "sim"), need("scipy.optimize", "sim")
    columns = [offer for offer in offers for _ in range(min(offer.slots, len(tasks)))]
    if len(columns) < len(tasks):
        return None
    costs = numpy.array(
        [[offer.cost(task) if task.skill in offer.skills else IMPOSSIBLE for offer in columns] for task in tasks]
    )
    total = float(costs[scipy.linear_sum_assignment(costs)].sum())
    return int(total) if total < IMPOSSIBLE else None
