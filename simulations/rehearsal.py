"""The same scenario over real peers on loopback: sockets, journals and real keys, and what came of it compared.

Every peer is what `vendue run` starts, with a home of its own, in one process here. What is compared is what the
protocol decides: who wins, at what price, and how each task ends. Faults are not rehearsed; where several bids are
equally good, chance decides otherwise here than there, and any of their authors is right.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from peer import config, interrupt
from peer.agent import Agent, Offer, Wanted
from peer.caller.market import Market
from peer.home import market_home
from peer.launch import GOVERNOR, launch
from peer.members.entering.founding import open_market
from protocol.errors import UsageError, VendueError
from simulations.population import KINDS
from simulations.study import cast
from simulations.study.ledger import PLACED, TaskRow
from simulations.study.run import BUDGETS, Run
from simulations.study.scenario import Scenario
from simulations.study.simulation import Simulation

LOCAL: Final = "local"
PEERS_MAX: Final = 24
MEET_S: Final = 20.0
REHEARSED: Final = ("governor", "manager", "honest", "slow")
"""Kinds of which the agent is all that is special; liars are not let loose on real sockets."""
FAIR: Final[dict[str, Any]] = {"faults": {}, "planned": [], "hits": [], "network": {}}
"""What a rehearsal changes in a scenario: nothing goes wrong."""


class Outcome(NamedTuple):
    """How one task ended."""

    winner: str
    price: int | None
    state: str


class Compared(NamedTuple):
    """One task, there and here."""

    number: int
    simulated: Outcome
    real: Outcome
    winners: tuple[str, ...]
    """Who may have won: all whose bid was as good as the best."""

    @property
    def agrees(self) -> bool:
        """Both ended in the same way, at the same price, with one of the best."""
        same = (self.simulated.price, self.simulated.state) == (self.real.price, self.real.state)
        return same and (self.real.winner in self.winners or self.real.winner == self.simulated.winner)


def rehearse(scenario: str, *, seed: int = 0, tasks: int = 10, peers: int | None = None) -> list[Compared]:
    """Play a scenario there and here. Raises UsageError for one that cannot be rehearsed, BadConfig."""
    simulation = Simulation(scenario, seed=seed, peers=peers, changes=FAIR)
    _check(simulation.scenario)
    run = simulation.begin(tasks)
    simulation.finish(run)
    rows = run.ledger.tasks
    interrupt.give_back()  # to asyncio
    real = asyncio.run(_play(run, rows))
    return [Compared(row.number, _simulated(row), here, _best(run, row)) for row, here in zip(rows, real, strict=True)]


def _check(scenario: Scenario) -> None:
    others = [kind for kind in scenario.population if kind not in REHEARSED]
    if others or scenario.peers > PEERS_MAX or scenario.count("governor") > 1:
        raise UsageError(
            "This scenario cannot be rehearsed with real peers.",
            why=f"It takes at most {PEERS_MAX} of {', '.join(REHEARSED)}, and one governor.",
            do="Take fewer with --peers, or another scenario: calm.",
        )


def _simulated(row: TaskRow) -> Outcome:
    return Outcome(row.winner if row.price is not None else "", row.price, row.state)


def _best(run: Run, row: TaskRow) -> tuple[str, ...]:
    """All bidders whose price for a task is the least."""
    key = cast.key_of(row.number)
    costs = {
        name: agent.cost(row.size, key)
        for name, agent in run.cast.agents.items()
        if row.skill in run.cast.skills_of[name]
    }
    return tuple(name for name, cost in costs.items() if cost == min(costs.values()))


async def _play(run: Run, rows: Sequence[TaskRow]) -> list[Outcome]:
    """Real peers, one task after the other."""
    governed = any(KINDS[kind].governs for kind in run.cast.kind_of.values())
    with tempfile.TemporaryDirectory(prefix="vendue-rehearsal-") as home:
        settings = config.load({"market": LOCAL, "home": home, "mdns": False, "log_level": "error"}).settings
        open_market(market_home(LOCAL, Path(home)), LOCAL, governed=governed)
        async with AsyncExitStack() as stack:
            if governed:
                rules = cast.rules_of(run.scenario)
                await stack.enter_async_context(launch(settings, name=GOVERNOR, policy=rules))
            for name in run.cast.agents:
                await stack.enter_async_context(launch(settings, name=_home_of(name), agent=_agent(run, name)))
            markets = {
                name: await stack.enter_async_context(Market(settings, _home_of(name)))
                for name in run.cast.of(*cast.MANAGERS)
            }
            for market in markets.values():
                await _meet(market, len(run.cast.agents) + governed)
            return [await _ask(markets[row.manager], row, run.scenario, governed) for row in rows]


def _home_of(name: str) -> str:
    return name.replace(" ", "-")


def _agent(run: Run, name: str) -> Agent:
    """The agent that the simulator gave this bidder: the same prices, and as long at work."""
    of = run.cast.agents[name]
    agent = Agent(name, capacity=run.scenario.agents.capacity)

    def quote(wanted: Wanted) -> Offer:
        size = wanted.input["size"]
        return Offer(of.cost(size, cast.key_of(wanted.input["number"])), of.work_ms * size)

    async def work(size: int, number: int) -> str:
        await asyncio.sleep(of.work_ms * size / 1000)
        return "done"

    for skill in run.cast.skills_of[name]:
        agent.worker(skill, price=of.price)(work)
        agent.bidding(skill)(quote)
    return agent


async def _meet(market: Market, others: int) -> None:
    """Wait until a manager knows everybody. Raises UsageError where that does not happen."""
    until = asyncio.get_running_loop().time() + MEET_S
    while len(market.peers()) < others:
        if asyncio.get_running_loop().time() > until:
            raise UsageError(f"Only {len(market.peers())} of {others} real peers met.", do="See: vendue doctor")
        await asyncio.sleep(0.02)


async def _ask(market: Market, row: TaskRow, scenario: Scenario, governed: bool) -> Outcome:
    task = await market.announce(
        row.skill, {"size": row.size, "number": row.number}, effect=row.effect, award_rule=scenario.tasks.rule,
        budget=BUDGETS * scenario.agents.price_max * row.size, attempts=scenario.tasks.attempts, final=governed,
        deadline_s=scenario.tasks.deadline_ms / 1000, idempotency_key=cast.key_of(row.number),
    )  # fmt: skip
    with suppress(VendueError):
        await task.result()
    reading = market.runtime.node.holdings.contracts[task.id].reading
    placed = reading.state in PLACED and reading.award is not None
    if not placed or reading.award is None:
        return Outcome("", None, str(reading.state))
    award = reading.award.body
    return Outcome(market.names().get(award.winner, "?"), award.price, str(reading.state))
