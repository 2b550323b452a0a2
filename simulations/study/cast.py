"""Who takes part: the kinds of peer that a scenario counts, and how each of them is put into a world.

Each agent has a price and a speed of its own, drawn from the seed by its name: one more peer changes no other.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from protocol.actions import Execute
from protocol.bidder import Quote
from protocol.keys import Digest
from protocol.policy import Policy, Rule, Ruled, Stage
from protocol.statements import Announcement, Bid, Result, Statement, VetoScope
from simulations.population import KINDS, make
from simulations.world.process import Process
from simulations.world.work import Ends
from simulations.world.world import World

if TYPE_CHECKING:
    from simulations.study.scenario import Scenario

MANAGERS: Final = tuple(name for name, kind in KINDS.items() if kind.manages)
GOVERNORS: Final = tuple(name for name, kind in KINDS.items() if kind.governs)
LYING_GOVERNORS: Final = tuple(name for name, kind in KINDS.items() if kind.governs and kind.lies)
OWN_PRICES: Final = ("copying-bidder", *(name for name, kind in KINDS.items() if kind.quote is not None))
"""Bidders whose price has nothing to do with what a task costs them."""
SLOWER: Final = {"slow": 3}
"""How many times as long the agents of a kind work."""


class Agent(NamedTuple):
    """What one bidder's agent asks for a task, and how long it works on it: both grow with the task's size.

    Its price for one task is up to half above or below its usual one: a task is near to one agent and far from another.
    """

    name: str
    price: int
    work_ms: int

    def cost(self, size: int, key: bytes) -> int:
        """Its price for the task of this idempotency key."""
        nearness = zlib.crc32(self.name.encode() + b"\0" + key) % 101
        return max(1, self.price * size * (50 + nearness) // 100)

    def quote(self, announcement: Statement[Announcement]) -> Bid:
        size = size_of(announcement.body)
        price = self.cost(size, announcement.body.idempotency_key)
        return Bid(price=price, duration_ms=self.work_ms * size)

    def work(self, execute: Execute) -> Ends:
        took_ms = self.work_ms * size_of(execute.task)
        return Ends(took_ms, Result(output=b'"done"', output_digest=None, usage_ms=took_ms))


def key_of(number: int) -> bytes:
    """The idempotency key of a task of a scenario."""
    return b"task %d" % number


def input_of(size: int) -> bytes:
    """The input of a task of a size."""
    return _INPUT % size


def size_of(task: Announcement) -> int:
    """The size that a task's input tells; a stranger's task, which tells none, is of size 1."""
    told = task.input[len(_INPUT) - len(b"%d}") : -1]
    return int(told) if told.isdigit() and task.input == _INPUT % int(told) else 1


_INPUT: Final = b'{"size":%d}'


class Cast:
    """All peers of one world, and what each of them is."""

    def __init__(self, scenario: Scenario, names: Mapping[str, str]) -> None:
        self.scenario = scenario
        self.kind_of = names
        """Name → kind, in the order of joining."""
        self.agents: dict[str, Agent] = {}
        """Of those who bid what a task costs them."""
        self.skills_of: dict[str, list[str]] = {}
        bidders = sum(KINDS[kind].bids for kind in names.values())
        agents = scenario.agents
        self.skills = [f"skill {n + 1}" for n in range(max(1, bidders * agents.skills_each // agents.per_skill))]

    def of(self, *kinds: str) -> list[str]:
        """The names of all peers of these kinds."""
        return [name for name, kind in self.kind_of.items() if kind in kinds]

    def join(self, world: World, offer: Callable[[str], Quote | None]) -> None:
        """Put everybody into a world; `offer` gives strategies that take an agent's place, by name."""
        bidders = 0
        for name, kind in self.kind_of.items():
            quotes, agent = dict[str, int | Quote](), None
            if KINDS[kind].bids:
                agent = self._agent(name, world.chance(f"agent/{name}"), kind)
                self.skills_of[name] = self._skills_of(bidders)
                bidders += 1
                quotes = dict.fromkeys(self.skills_of[name], offer(name) or agent.quote)
                if kind not in OWN_PRICES:
                    self.agents[name] = agent
            make(
                world, kind, name, skills=quotes, work=agent.work if agent is not None else None,
                capacity=self.scenario.agents.capacity, policy=rules_of(self.scenario),
            )  # fmt: skip

    def _skills_of(self, bidder: int) -> list[str]:
        """Skills go round: each is offered by as many as any other, or one more."""
        each = self.scenario.agents.skills_each
        return list(dict.fromkeys(self.skills[(bidder + n) % len(self.skills)] for n in range(each)))

    def _agent(self, name: str, chance: random.Random, kind: str) -> Agent:
        agents = self.scenario.agents
        price = chance.randint(agents.price_min, agents.price_max)
        work_ms = agents.work_ms * chance.randint(75, 125) // 100
        return Agent(name, price, max(1, work_ms * SLOWER.get(kind, 1)))

    def acquaint(self, world: World) -> None:
        """Let all know each other from before who may have something to say to each other."""
        offering: dict[str, list[Process]] = {}
        for name, skills in self.skills_of.items():
            for skill in skills:
                offering.setdefault(skill, []).append(world.processes[name])
        for number, name in enumerate(self.of(*MANAGERS)):
            for skill in self.skills_asked(number):
                for bidder in offering.get(skill, ()):
                    world.acquaint(world.processes[name], bidder)

    def skills_asked(self, manager: int) -> Iterator[str]:
        """The skills that a manager of a market of acquaintances asks for: its share of them, and at least one."""
        managers = self.scenario.count(*MANAGERS)
        yield from self.skills[manager % len(self.skills) :: managers]


def names_of(population: Mapping[str, int]) -> dict[str, str]:
    """The peers' names, each with its kind: `governor 1`, `honest 3`; in one order, however they were written."""
    ordered = sorted(population, key=lambda kind: (not KINDS[kind].governs, list(KINDS).index(kind)))
    return {f"{kind} {n + 1}": kind for kind in ordered for n in range(population[kind])}


def rules_of(scenario: Scenario) -> Policy:
    """What the governors of a scenario go by."""
    if scenario.veto_above is None:
        return Policy(version=Digest(bytes(32)))
    dear = Rule(
        id="dear", decision=Ruled.VETO, scope=VetoScope.TASK, stages=(Stage.AWARD,), price_above=scenario.veto_above,
        reason=f"It costs more than {scenario.veto_above}.",
    )  # fmt: skip
    return Policy(version=Digest(b"\1" * 32), rules=(dear,))


def charter_of(population: Mapping[str, int]) -> dict[str, object]:
    """The quorums of a charter that bears the lying governors of a population (SPEC section 7)."""
    seats = sum(population.get(kind, 0) for kind in GOVERNORS)
    liars = sum(population.get(kind, 0) for kind in LYING_GOVERNORS)
    quorum = (seats + liars) // 2 + 1 if seats else 0
    return {"liars_max": liars, "permits_needed": quorum, "vetoes_needed": quorum}


def bears_its_liars(population: Mapping[str, int]) -> bool:
    """Tell whether the honest governors of a population can still make a quorum."""
    charter = charter_of(population)
    seats = sum(population.get(kind, 0) for kind in GOVERNORS)
    return int(str(charter["permits_needed"])) <= seats - int(str(charter["liars_max"]))
