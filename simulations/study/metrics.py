"""What a run amounts to: a few numbers of a ledger, each the same for the same seed on every machine."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from protocol.states import State
from simulations.extras import MissingExtra
from simulations.study.cast import Agent, Cast, key_of
from simulations.study.ledger import PLACED, Ledger, TaskRow
from simulations.study.optimum import Offer, Wanted, least_cost


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """The numbers of one run. None: there was nothing to measure."""

    tasks: int
    placed: int
    placed_percent: float
    """Settled with a result, of those that were wanted."""
    vetoed: int
    cancelled: int
    void: int
    """Their manager broke the rules."""
    price_over_optimum: float | None
    """What was paid, over the least that the same tasks could have cost in the same time; tasks count that were won by
    who bids what they cost. None also without scipy, where it is needed."""
    award_ms_median: float | None
    """From the announcement to the first award."""
    award_ms_p95: float | None
    end_ms_median: float | None
    """From the announcement to the end."""
    statements_per_task: float
    """Statements said, each counted once, whoever said it; cards are not counted."""
    frames_per_task: float
    """Frames sent, repeats included: each counted once, however many hear it."""
    deliveries_per_task: float
    """Statements handed to a node, repeats included."""
    wasted_bids_percent: float | None
    """Bids that did not become a settlement."""
    utilisation_percent: float | None
    """The time that agents worked, of what they could have while tasks came."""
    converged_ms: float
    """How long after the heal a manager, a contractor or a governor still read a new state of a task."""
    fairness: float | None
    """Jain's index of the tasks won by each bidder: 1 if all won as many, 1/n if one won all."""


def measure(ledger: Ledger, cast: Cast, deliveries: int) -> Metrics:
    """Measure a run that is over."""
    rows = ledger.tasks
    placed = [row for row in rows if row.state in PLACED]
    awards = [row.awarded_ms - row.announced_ms for row in rows if _both(row.awarded_ms, row.announced_ms)]  # type: ignore[operator]
    ends = [row.ended_ms - row.announced_ms for row in rows if _both(row.ended_ms, row.announced_ms)]  # type: ignore[operator]
    bidders = [row for row in ledger.peers.values() if row.name in cast.skills_of]
    bids = ledger.statements["Bid"]
    said = sum(count for kind, count in ledger.statements.items() if kind != "Card")
    could_ms = sum(row.capacity for row in bidders) * cast.scenario.seconds * 1000
    return Metrics(
        tasks=len(rows),
        placed=len(placed),
        placed_percent=_share(len(placed), len(rows)) or 0.0,
        vetoed=sum(row.state == State.VETOED or row.reason == "vetoed" for row in rows),
        cancelled=sum(row.state == State.CANCELLED for row in rows),
        void=sum(row.state == State.VOID for row in rows),
        price_over_optimum=_price_over_optimum(placed, cast),
        award_ms_median=_rounded(statistics.median(awards) if awards else None),
        award_ms_p95=_rounded(quantile(awards, 95)),
        end_ms_median=_rounded(statistics.median(ends) if ends else None),
        statements_per_task=round(said / len(rows), 3),
        frames_per_task=round(ledger.frames / len(rows), 3),
        deliveries_per_task=round(deliveries / len(rows), 3),
        wasted_bids_percent=_share(bids - len(placed), bids),
        utilisation_percent=_share(sum(round(row.worked_ms * 1000) for row in bidders) / 1000, could_ms),
        converged_ms=ledger.converged_ms,
        fairness=jain([row.won for row in bidders]),
    )


def _both(later: float | None, earlier: float | None) -> bool:
    return later is not None and earlier is not None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _share(part: float, whole: float) -> float | None:
    return round(100 * part / whole, 3) if whole else None


def quantile(values: Sequence[float], percent: int) -> float | None:
    """The smallest value that so many of a hundred do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] if ordered else None


def jain(shares: Sequence[int]) -> float | None:
    """Jain, Chiu and Hawe (1984): how equal shares are."""
    squares = sum(share * share for share in shares)
    return round(sum(shares) ** 2 / (len(shares) * squares), 4) if squares else None


def _price_over_optimum(placed: Sequence[TaskRow], cast: Cast) -> float | None:
    """Every placed task was worked on in the time from the first announcement to the last end."""
    placed = [row for row in placed if row.winner in cast.agents]
    if not placed:
        return None
    sizes = {row.number: row.size for row in placed}
    span_ms = max(row.ended_ms or 0 for row in placed) - min(row.announced_ms or 0 for row in placed)

    def offer(name: str, agent: Agent) -> Offer:
        rounds = int(span_ms // (agent.work_ms * min(sizes.values()))) + 1
        slots = rounds * cast.scenario.agents.capacity
        return Offer(cast.skills_of[name], lambda task: agent.cost(sizes[task.number], key_of(task.number)), slots)

    tasks = [Wanted(row.number, row.skill) for row in placed]
    offers = [offer(name, agent) for name, agent in cast.agents.items()]
    try:
        least = least_cost(tasks, offers)
    except MissingExtra:
        return None
    return round(sum(row.price or 0 for row in placed) / least, 4) if least else None
