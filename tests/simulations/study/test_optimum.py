"""The optimum is the least that the same tasks could have cost."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulations import Simulation
from simulations.study.metrics import jain, quantile
from simulations.study.optimum import Offer, Wanted, least_cost

SKILLS = ("a", "b")


def dumb(tasks: Sequence[Wanted], offers: Sequence[Offer]) -> int | None:
    """Try everything."""
    costs = []
    for choice in itertools.product(range(len(offers)), repeat=len(tasks)):
        fits = all(choice.count(number) <= offer.slots for number, offer in enumerate(offers))
        able = all(task.skill in offers[number].skills for task, number in zip(tasks, choice, strict=True))
        if fits and able:
            costs.append(sum(offers[number].cost(task) for task, number in zip(tasks, choice, strict=True)))
    return min(costs, default=None)


@given(data=st.data())
def test_nothing_that_could_be_done_is_cheaper(data: st.DataObject) -> None:
    """Against a search of every assignment, with bidders of several skills and few places."""
    tasks = [Wanted(number, data.draw(st.sampled_from(SKILLS))) for number in range(data.draw(st.integers(1, 4)))]
    offers = []
    for _ in range(data.draw(st.integers(1, 3))):
        prices = data.draw(st.lists(st.integers(0, 9), min_size=4, max_size=4))
        skills = data.draw(st.lists(st.sampled_from(SKILLS), unique=True))
        offers.append(Offer(skills, lambda task, prices=prices: prices[task.number], data.draw(st.integers(0, 3))))  # type: ignore[misc]
    assert least_cost(tasks, offers) == dumb(tasks, offers)


@pytest.mark.parametrize("scenario", ["rush", "lossy", "crash-of-contractor"])
def test_no_market_is_cheaper_than_the_optimum(scenario: str) -> None:
    """It is a bound from below for whatever honest bidders do."""
    ratio = Simulation(scenario, seed=2).run().metrics.price_over_optimum
    assert ratio is not None
    assert ratio >= 1


def test_fairness_is_jains_index() -> None:
    """1 where all have as much, 1/n where one has all, nothing where nobody has anything."""
    assert jain([3, 3, 3]) == 1
    assert jain([9, 0, 0]) == pytest.approx(1 / 3, abs=1e-4)
    assert jain([0, 0]) is None


def test_a_quantile_is_one_of_the_values() -> None:
    """The smallest that so many do not exceed."""
    assert quantile([5, 1, 4, 2, 3], 50) == 3
    assert quantile(range(1, 101), 95) == 95
    assert quantile([], 50) is None
