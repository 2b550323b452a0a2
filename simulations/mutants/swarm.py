"""Small worlds, one for each seed: a few peers, each fault and each lie there or not, and every promise watched.

A swarm (Groce et al., 2012) leaves features out at random: a world without losses reaches what one with everything in
it never would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import Final

from protocol.actions import Execute
from protocol.bidder import Quote
from protocol.events import Vote
from protocol.notices import Oversight
from protocol.statements import (
    Announcement,
    AnyStatement,
    Award,
    AwardRule,
    Bid,
    EffectClass,
    Failure,
    FailureClass,
    Permit,
    Refusal,
    Result,
    Standing,
    Statement,
    Veto,
    VetoScope,
)
from protocol.states import State
from simulations.checkers.base import Checker, Roster
from simulations.checkers.liveness import bound_ms
from simulations.checkers.promises import PROMISES
from simulations.checkers.votes import BY_HAND
from simulations.mutants.lies import LIES, vote_much
from simulations.mutants.looks import LookedAtFirst
from simulations.mutants.strikes import STRIKES
from simulations.testimony import NO_RULES
from simulations.world.latency import Latency
from simulations.world.network import Conditions, Network
from simulations.world.process import Process
from simulations.world.work import Ends
from simulations.world.world import World

DEADLINE_MS: Final = 20_000
LEASE_MS: Final = 1_500
REJECTED: Final = b'"bad"'
"""The output that no user accepts."""
DONE, BAD = (Result(output=output, output_digest=None, usage_ms=1) for output in (b'"done"', REJECTED))
FAILED, FATAL = (
    Failure(failure_class=which, reason="", done="") for which in (FailureClass.RETRYABLE, FailureClass.FATAL)
)
QUORUMS: Final = {0: (0, 0, 0), 1: (0, 1, 1), 3: (0, 2, 2), 4: (1, 3, 3)}
"""Governors → how many of them may lie, and the votes needed."""


class Swarm:
    """One world, and the chance that decides what happens in it."""

    def __init__(self, seed: int) -> None:
        self.chance = chance = Random(seed)
        seats = chance.choice((0, 0, 1, 1, 1, 3, 4, 4))
        liars, permits, vetoes = QUORUMS[seats]
        governors = [f"judge{number}" for number in range(seats)]
        rules = (Oversight(skill="", price_min=0),) if seats and chance.random() < 0.6 else ()
        charter = {"liars_max": liars, "permits_needed": permits, "vetoes_needed": vetoes, "oversight": rules}
        promises: Iterable[Callable[[Roster], Checker]] = (*PROMISES, LookedAtFirst)
        self.latency = chance.choice((Latency.constant(500), Latency.lognormal(median_us=20_000, sigma="1.0")))
        network = Network(Conditions(latency=self.latency))
        self.world = World(seed, network, governors=governors, charter=charter, checkers=promises)
        self.looks = next(one for one in self.world.checkers if isinstance(one, LookedAtFirst))
        self.gone = seats == 1 and chance.random() < 0.2
        """Its governor never comes back from the last fault."""
        self.tasks = 0
        roles = ("", "manager", "bidder", "bidder") if seats < 4 else ("", "bidder", "governor", "governor")
        self._join(governors, liar=chance.choice(("", *roles)))
        self.standing = seats == 1 and chance.random() < 0.4
        """Managers may use what a governor allowed in advance, and forget it if they can."""
        for _ in range(3 if self.standing else 0):
            self._give_standing()
        self.faults = [fault for fault in STRIKES if chance.random() < 0.4]

    def _join(self, governors: list[str], *, liar: str) -> None:
        world, chance = self.world, self.chance
        for number, name in enumerate(governors):
            # A governor may have a trade beside its seat; on its own contracts it does not vote.
            trade = {"shout": self._quote()} if len(governors) > 1 and chance.random() < 0.3 else None
            world.join(
                name, policy=NO_RULES, skills=trade, work=self._work, honest=not (liar == "governor" and not number)
            )
        for number, name in enumerate(("desk", "shop")):
            world.join(name, honest=not (liar == "manager" and not number)).checks = self._look_at
        for number in range(chance.randint(1, 4)):
            honest = not (liar == "bidder" and not number)
            world.join(
                f"hand{number}", skills={"shout": self._quote()}, work=self._work, capacity=chance.randint(1, 2),
                honest=honest,
            )  # fmt: skip
        self.liars = [(process, liar) for process in world.processes.values() if not process.honest]
        world.run_for(1_000)

    def _quote(self) -> Quote:
        price, moody = self.chance.choice((10, 10, 10, 12, 30)), self.chance.random() < 0.15
        bid = Bid(price=price, duration_ms=self.chance.choice((10, 20)))

        def quote(announcement: Statement[Announcement]) -> Bid | Refusal | None:
            return Refusal(reason="not today") if moody and announcement.id[0] % 3 == 0 else bid

        return quote

    def _look_at(self, result: AnyStatement) -> bool | None:
        """What a user says of a result; of some it never says anything."""
        if not isinstance(result.body, Result) or result.body.output != REJECTED:
            self.looks.passed.add(result.id)
            return True
        return None if result.id[0] % 4 == 0 else False

    def _work(self, execute: Execute) -> Ends:
        """What an agent makes of an award is decided by its id: the same in every replay."""
        fate, ms = execute.award.id[1] % 16, (0, 10, 700, 3_000)[execute.award.id[2] % 4]
        outcome = {0: None, 15: None, 1: FAILED, 2: FAILED, 3: FATAL, 4: BAD, 5: BAD}.get(fate, DONE)
        return Ends(ms, outcome)

    def play(self) -> None:
        """All that happens, then peace, and the time that every promise may take. Raises Broken."""
        chance = self.chance
        for _ in range(chance.randint(6, 16)):
            chance.choice((self._announce, self._announce, self._meddle, self._strike))()
            self.world.run_for(chance.choice((1, 5, 300, 2_500)))
            if self.standing and chance.random() < 0.3:
                manager = self.pick(("desk", "shop"))
                self.world.crash(manager)
                self.world.restart(manager)
        self._heal()
        self.world.run_for(bound_ms([self.world.task(deadline_ms=DEADLINE_MS)]))
        self.world.at_rest()

    def pick(self, names: tuple[str, ...] = ()) -> Process:
        """Somebody; or one of those whose names begin so, if there are any."""
        everybody = list(self.world.processes.values())
        return self.chance.choice([one for one in everybody if one.name.startswith(names)] if names else everybody)

    # What users want

    def _announce(self) -> None:
        chance, manager = self.chance, self.pick(("desk", "shop"))
        if not manager.alive:
            return
        effects = list(EffectClass) if self.world.charter.body.governors else [EffectClass.PURE, EffectClass.REVERSIBLE]
        for _ in range(chance.choice((1, 1, 3))):
            self.tasks += 1
            task = self.world.task(
                effect=chance.choice(effects), award_rule=chance.choice(list(AwardRule)),
                duration_weight=chance.choice((0, 1)), lease_ms=LEASE_MS, deadline_ms=DEADLINE_MS,
                attempts=chance.choice((1, 3)), budget=chance.choice((11, 100)),
                bid_window_ms=chance.choice((50, 500)), idempotency_key=b"%d" % self.tasks,
            )  # fmt: skip
            if manager.alive:
                check = chance.random() < 0.3
                contract = manager.announce(task, check=check)
                if check and contract is not None:
                    self.looks.wanted.add(contract)
        for liar in [liar for liar, role in self.liars if role == "governor"]:
            for ms in (1, 2, 5, 20, 50):
                self.world.at(self.world.now_us + ms * 1_000, vote_much, liar, chance)

    def _meddle(self) -> None:
        """A person decides: a withdrawal, a vote, a standing permit, a sub-contract; or a liar lies."""
        chance = self.chance
        if self.liars and chance.random() < 0.7:
            liar, role = self.liars[0]
            if liar.alive:
                for lie in chance.sample(LIES[role], min(2, len(LIES[role]) - 1)):
                    lie(liar, chance)
            return
        chance.choice((self._withdraw, self._vote, self._vote, self._give_standing, self._subcontract))()

    def _withdraw(self) -> None:
        manager = self.pick(("desk", "shop"))
        if manager.alive and manager.node.manager.tenders:
            manager.withdraw(self.chance.choice(list(manager.node.manager.tenders)))

    def _vote(self) -> None:
        governors = [one for one in self.world.processes.values() if one.policy is not None and one.alive]
        held = [(one, contract) for one in governors for contract in list(one.node.holdings.contracts.values())[-4:]]
        if not held:
            return
        governor, contract = self.chance.choice(held)
        reading = contract.reading
        about = reading.end if reading.state is State.SETTLED else reading.award or contract.announcement
        scope = self.chance.choice(list(VetoScope)) if about is not contract.announcement else VetoScope.TASK
        if about is not None:
            veto = Veto(scope=scope, rule=BY_HAND, policy=bytes(32), reason="", grounds=(), reviewer=None)
            governor.post(Vote(about=about.id, body=veto))
            if self.chance.random() < 0.3:
                self.world.crash(governor)
                self.world.restart(governor)

    def _give_standing(self) -> None:
        governors = [one for one in self.world.processes.values() if one.policy is not None and one.alive]
        manager = self.pick(("desk", "shop"))
        if governors:
            standing = Standing(manager=manager.peer, skill="shout", price_max=100, uses=3)
            permit = Permit(rule=BY_HAND, policy=bytes(32), reason="", grounds=(), reviewer=None, standing=standing)
            governors[0].post(Vote(about=None, body=permit))

    def _subcontract(self) -> None:
        """A contractor at work has a part of it done, for less or for more than it may pay."""
        for contractor in self.world.processes.values():
            for award in list(contractor.workers.runs):
                held = contractor.node.holdings.find(award)
                if contractor.alive and held is not None and isinstance(held.body, Award):
                    self.tasks += 1
                    budget = held.body.price + self.chance.choice((-5, 0, 5))
                    task = self.world.task(
                        budget=max(0, budget), deadline_ms=DEADLINE_MS, lease_ms=LEASE_MS,
                        idempotency_key=b"%d" % self.tasks,
                    )  # fmt: skip
                    contractor.announce(task, parent=award)

    # What befalls them

    def _strike(self) -> None:
        if self.faults:
            self.chance.choice(self.faults)(self)

    def _heal(self) -> None:
        world = self.world
        for process in world.processes.values():
            process.disk.full = False
            process.go_on() if process.paused else None
            if not process.runs:
                world.restart(process)
        if self.gone:
            world.crash(world.processes["judge0"])
        world.network.heal()
        world.network.set_conditions(Conditions(latency=Latency.constant(1_000)))
