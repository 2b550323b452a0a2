"""The swarm: from each seed a small market of its own, with its peers, its tasks, its faults and its liars.

No two seeds test the same: each draws how many take part, what is asked of them, which kinds of fault there are and how
bad they are. All promises are watched; when the storm is over all is healed, and what the promises of the end ask for
must be so. `play` runs one seed; what it raises is a finding.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from protocol.actions import Execute
from protocol.keys import Digest
from protocol.notices import Oversight
from protocol.policy import Policy, Rule, Ruled, Stage
from protocol.statements import Announcement, AwardRule, EffectClass, Failure, FailureClass, VetoScope
from simulations import population
from simulations.checkers.base import Checker, Roster
from simulations.checkers.liveness import bound_ms
from simulations.checkers.promises import PROMISES
from simulations.faults.catalogue import weather_drawn
from simulations.population.kinds import KINDS
from simulations.testimony import NO_RULES
from simulations.world.latency import AT_ONCE, LAN, WAN
from simulations.world.network import Conditions, Network
from simulations.world.process import Process
from simulations.world.work import Ends, Work, done_after, done_at_once, hang
from simulations.world.world import World

Checkers = Sequence[Callable[[Roster], Checker]]
MEETING_MS: Final = 1_000
"""Before the storm begins, peers find each other."""
SKILLS: Final = ("shout", "count", "paint")
GOVERNANCES: Final = ((0, 0), (0, 0), (1, 0), (1, 0), (3, 0), (4, 1))
"""How many govern, and how many of them may lie."""
HOW_OFTEN: Final = 0.2
"""How likely somebody is not a plain honest peer."""
ODD_BIDDERS: Final = tuple(name for name, kind in KINDS.items() if kind.bids and name != "honest")
LYING_MANAGERS: Final = tuple(name for name, kind in KINDS.items() if kind.manages and kind.lies)
LYING_GOVERNORS: Final = tuple(name for name, kind in KINDS.items() if kind.governs and kind.lies)
MEDDLERS: Final = tuple(name for name, kind in KINDS.items() if not (kind.bids or kind.manages or kind.governs))


class Played(NamedTuple):
    """What one seed came to."""

    events: int
    deliveries: int
    peer_ms: int
    """The time that the peers of it have lived, together."""
    digest: str


class Market:
    """The market of one seed."""

    def __init__(self, seed: int, checkers: Checkers = PROMISES) -> None:
        self.chance = chance = random.Random(f"swarm/{seed}")
        seats, liars_max = chance.choice(GOVERNANCES)
        governors = [f"judge {n + 1}" for n in range(seats)]
        network = Network(Conditions(latency=chance.choice((AT_ONCE, LAN, LAN, WAN))))
        self.world = World(
            seed, network, governors=governors, charter=self._charter(seats, liars_max), checkers=checkers
        )
        self.policy = self._policy()
        self.skills = SKILLS[: chance.randint(1, len(SKILLS))]
        for n, name in enumerate(governors):
            self._join(name, self._kind("governor", LYING_GOVERNORS if n < liars_max else ()))
        for n in range(chance.choice((1, 2, 2, 3, 3, 5, 8, 12))):
            self._join(f"bidder {n + 1}", self._kind("honest", ODD_BIDDERS))
        names = [f"desk {n + 1}" for n in range(chance.choice((1, 1, 2, 3)))]
        self.desks = [self._join(name, self._kind("manager", LYING_MANAGERS)) for name in names]
        if chance.random() < HOW_OFTEN:
            self._join("mallory", chance.choice(MEDDLERS))
        self._children = 0
        self.weather = weather_drawn(self.world)
        self.storm_ms = chance.choice((2_000, 5_000, 12_000))
        self.tasks = [self._task(n) for n in range(chance.choice((1, 2, 4, 8)))]

    def _kind(self, plain: str, others: Sequence[str]) -> str:
        """Mostly a plain peer, sometimes another."""
        return self.chance.choice(others) if others and self.chance.random() < HOW_OFTEN else plain

    def _charter(self, seats: int, liars_max: int) -> dict[str, object]:
        if not seats:
            return {}
        quorum = (seats + liars_max) // 2 + 1
        rules = (Oversight(skill="", price_min=self.chance.choice((0, 50))),) if self.chance.random() < 0.5 else ()
        return {"liars_max": liars_max, "permits_needed": quorum, "vetoes_needed": quorum, "oversight": rules}

    def _join(self, name: str, kind: str) -> Process:
        chance = self.chance
        offered = [skill for skill in self.skills if chance.random() < 0.7] or [self.skills[0]]
        prices = {skill: chance.choice((5, 5, chance.randint(1, 60))) for skill in offered}
        work = self._delegating(name) if chance.random() < HOW_OFTEN else self._work()
        return population.make(
            self.world, kind, name, skills=prices, work=work, capacity=chance.choice((1, 1, 2, 8)), policy=self.policy
        )

    def _policy(self) -> Policy:
        """What all governors go by: mostly nothing, sometimes a rule that vetoes, or leaves it to a person who never
        comes.
        """
        chance = self.chance
        if chance.random() < 0.6:
            return NO_RULES
        rule = Rule(
            id="dear", decision=chance.choice((Ruled.VETO, Ruled.VETO, Ruled.REFER)),
            price_above=chance.choice((4, 20)),
            scope=chance.choice(list(VetoScope)), stages=(chance.choice((Stage.AWARD, Stage.SETTLEMENT)),),
        )  # fmt: skip
        return Policy(version=Digest(bytes(31) + b"\1"), rules=(rule,))

    def _delegating(self, name: str) -> Work:
        """An agent that has a part of its work done by another, and waits for nobody."""
        takes_ms, skill = self.chance.choice((100, 1_000, 3_000)), self.chance.choice(self.skills)

        def work(execute: Execute) -> Ends:
            process = self.world.processes[name]
            self.world.at(self.world.now_us + 1_000, self._delegate, process, execute, skill)
            return done_after(takes_ms)(execute)

        return work

    def _delegate(self, process: Process, execute: Execute, skill: str) -> None:
        if not process.ready or execute.award.id not in process.workers.runs:
            return
        self._children += 1
        child = self.world.task(
            skill=skill, effect=execute.task.effect, budget=execute.award.body.price, bid_window_ms=50,
            lease_ms=execute.task.lease_ms, deadline_ms=execute.task.deadline_ms // 2,
            idempotency_key=b"child %d" % self._children,
        )  # fmt: skip
        process.announce(child, parent=execute.award.id)

    def _work(self) -> Work:
        chance = self.chance
        return chance.choice(
            (
                done_at_once, done_after(20), done_after(200), done_after(chance.randint(500, 5_000)), hang,
                _fails(chance.choice((0, 20, 1_000)), chance.choice(list(FailureClass))),
            )
        )  # fmt: skip

    def _task(self, number: int) -> Announcement:
        chance, governed = self.chance, bool(self.world.charter.body.governors)
        effects = list(EffectClass) if governed else [EffectClass.PURE, EffectClass.REVERSIBLE]
        weighted = (1, 1) if chance.random() < 0.5 else (0, chance.randint(1, 3))
        return self.world.task(
            skill=chance.choice(self.skills), effect=chance.choice(effects), award_rule=chance.choice(list(AwardRule)),
            budget=chance.choice((100, 30)), price_weight=weighted[0], duration_weight=weighted[1],
            attempts=chance.randint(1, 4), bid_window_ms=chance.choice((50, 200, 500)),
            lease_ms=chance.choice((500, 1_000, 4_000)), deadline_ms=chance.choice((2_000, 6_000, 20_000)),
            idempotency_key=b"task %d" % number,
        )  # fmt: skip

    def live(self) -> None:
        """Everything, to the end. Raises Broken where a promise is."""
        world = self.world
        world.run_for(MEETING_MS)
        self.weather.begin()
        for task in self.tasks:
            desk = self.chance.choice(self.desks)
            if self.chance.random() < 0.2:
                desk.checks = self._opinion
            world.at(world.now_us + self.chance.randrange(self.storm_ms * 1000), self._announce, desk, task)
        world.run_for(self.storm_ms)
        self.weather.heal()
        world.run_for(bound_ms(self.tasks))
        world.at_rest()

    def _opinion(self, result: object) -> bool | None:
        return self.chance.choice((True, True, False, None))

    def _announce(self, desk: Process, task: Announcement) -> None:
        """Announce a task where its desk is there, and now and then withdraw it."""
        if not desk.ready:
            return
        chance = self.chance
        contract = desk.announce(task, patience_ms=chance.choice((0, 0, 1_000)), check=desk.checks == self._opinion)
        if contract is not None and chance.random() < 0.1:
            when_us = self.world.now_us + chance.randrange(4_000_000)
            self.world.at(when_us, lambda: desk.withdraw(contract) if desk.ready else None)


def _fails(after_ms: int, failure_class: FailureClass) -> Work:
    """An agent that brings nothing about."""
    ends = Ends(after_ms, Failure(failure_class=failure_class, reason="it cannot", done=""))
    return lambda execute: ends


def play(seed: int, checkers: Checkers = PROMISES) -> Played:
    """Run one seed to its end. Raises Broken where a promise is, and whatever breaks in the protocol itself."""
    market = Market(seed, checkers)
    market.live()
    world = market.world
    passed_ms = world.now_us // 1000 * len(world.processes)
    return Played(world.trace.events, world.deliveries, passed_ms, world.digest())
