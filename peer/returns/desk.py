"""The returns desk: the manager that has each request checked, calculated, refunded and shipped by the market.

Each step is a contract of its own, and names in its `basis` the settlements that it rests on: the contracts of one
request are a signed, linked set. Requests of one user are handled in the file's order, those of different users side by
side. The desk refuses to judge: it carries what was settled from step to step, and then into the shop. What breaks a
rule, is vetoed, or finds no agent goes to a person.

Every granted request takes the refund step, whatever its amount: a positive one pays the customer, a negative one
charges, zero only says so in the ledger. A cancelled order has not left the shop, so nothing is shipped.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from msgspec import to_builtins

from peer.caller.market import Check, Market
from peer.caller.outcome import Done
from peer.caller.task import Task
from peer.returns.agents import CALCULATION, FRAUD_CHECK, GROUNDS, POLICY_CHECK, REFUND, SHIPPING
from peer.returns.facts import Facts, facts_for
from peer.returns.records import Kind, Request
from peer.returns.rules import VETO, refund_amount
from peer.returns.shop import Decision, Handled, Shop, in_their_order
from protocol.contract import Contract
from protocol.errors import DeadlinePassed, NoBids, NoPeers, TaskFailed, UsageError, VendueError, Vetoed
from protocol.statements import AwardRule, EffectClass
from protocol.states import State

FLIGHT_MAX: Final = 24
"""Requests in flight: enough to keep every agent busy, few enough that each is decided soon."""
PATIENCE_S: Final = 10.0
"""How long a step waits for an agent that can do it: one that fell over is back by then."""
DEADLINE_S: Final = 60.0
ROUNDS: Final = 3
"""How often a step without effects is announced before the request goes to a person."""
RECENT_MAX: Final = 12
UNDECIDED: Final = "undecided"
"""The desk's own reason: no agent brought a step to its end."""


@dataclass(frozen=True, slots=True)
class Tendering:
    """How a step is put to the market."""

    budget: int
    effect: EffectClass
    award_rule: AwardRule


TENDERS: Final = {
    FRAUD_CHECK: Tendering(10, EffectClass.PURE, AwardRule.LOWEST_PRICE),
    POLICY_CHECK: Tendering(20, EffectClass.PURE, AwardRule.BEST_VALUE),
    CALCULATION: Tendering(20, EffectClass.PURE, AwardRule.SECOND_PRICE),
    REFUND: Tendering(30, EffectClass.IRREVERSIBLE, AwardRule.LOWEST_PRICE),
    SHIPPING: Tendering(30, EffectClass.REVERSIBLE, AwardRule.LOWEST_PRICE),
}


class _Unsettled(Exception):
    """A step of a case came to no good end; the case goes to a person."""


@dataclass(slots=True)
class Case:
    """One request on its way through the market."""

    number: int
    request: Request
    tasks: dict[str, Task] = field(default_factory=dict)
    """Skill → the task of that step; of several rounds the last."""
    done: dict[str, Done] = field(default_factory=dict)
    handled: Handled | None = None
    trouble: str = ""
    """Why a person has to look, where no rule says it."""

    @property
    def for_a_person(self) -> bool:
        """Tell whether somebody has to look at this request."""
        return bool(self.trouble) or (self.handled is not None and self.handled.decision.refused is not None)

    def basis(self, *skills: str) -> dict[str, str]:
        """The settlements that the next step rests on, by skill."""
        return {skill: self.done[skill].settlement_id.hex() for skill in skills}


class Desk:
    """One shop's desk in a market."""

    def __init__(self, market: Market, shop: Shop, *, key: str, slowness: int = 1) -> None:
        """`key` tells this shop's requests from another's: the same key and number give the same contracts again.

        `slowness` is by what the agents are slowed down: where a duration is weighed, a price weighs as much more.
        """
        self.shop = shop
        self.cases: list[Case] = []
        self.contracts: dict[bytes, Contract] = {}
        """Everything that was announced."""
        self.decided = 0
        self.settled = 0
        self.vetoed = 0
        self.won: Counter[str] = Counter()
        """Agent → contracts that it was paid for."""
        self.earned: Counter[str] = Counter()
        """Agent → minor units."""
        self.recent: deque[Case] = deque(maxlen=RECENT_MAX)
        """The cases decided last."""
        self.on_settled: Callable[[], None] = lambda: None
        self._market, self._key, self._slowness = market, key, slowness
        self._places = asyncio.Semaphore(FLIGHT_MAX)

    async def handle_all(self, requests: Sequence[Request]) -> list[Handled]:
        """Decide and carry out all requests; what became of them, in order. Raises TaskFailed if our peer stops."""
        before = dict(self.shop.orders)
        self.cases = [Case(number, request) for number, request in enumerate(requests, start=1)]
        of_user: dict[str, list[Case]] = {}
        for case in self.cases:
            of_user.setdefault(case.request.user_id, []).append(case)
        try:
            async with asyncio.TaskGroup() as group:
                for cases in of_user.values():
                    group.create_task(self._handle_user(cases))
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return in_their_order([case.handled for case in self.cases if case.handled is not None], before)

    async def _handle_user(self, cases: Sequence[Case]) -> None:
        for case in cases:
            async with self._places:
                await self._handle(case)
            self.decided += 1
            self.recent.append(case)

    async def _handle(self, case: Case) -> None:
        facts = facts_for(self.shop, case.request)
        try:
            decision = await self._decide(case, facts)
        except _Unsettled as error:
            case.trouble = str(error)
            decision = Decision(refused=UNDECIDED)
        case.handled = self.shop.apply(case.request, decision)
        if decision.refused is None and case.request.kind is not Kind.CANCEL:
            try:
                await self._step(case, SHIPPING, facts=facts, basis=case.basis(REFUND))
            except (_Unsettled, Vetoed) as error:
                case.trouble = f"granted, but not shipped: {error}"

    async def _decide(self, case: Case, facts: Facts) -> Decision:
        """Have a request checked, calculated and refunded; the first refusal ends it."""
        found = await self._step(case, FRAUD_CHECK, facts=facts)
        if found["refused"] is not None:
            return Decision(refused=found["refused"])
        found = await self._step(case, POLICY_CHECK, facts=facts, basis=case.basis(FRAUD_CHECK))
        if found["refused"] is not None:
            return Decision(refused=found["refused"])
        due_cents = refund_amount(case.request, facts)
        amount = await self._step(
            case, CALCULATION, check=lambda value: value["amount_cents"] == due_cents,
            facts=facts, basis=case.basis(FRAUD_CHECK, POLICY_CHECK),
        )  # fmt: skip
        try:
            receipt = await self._step(
                case, REFUND, check=lambda value: value["amount_cents"] == amount["amount_cents"],
                amount_cents=amount["amount_cents"], basis=case.basis(*GROUNDS),
            )  # fmt: skip
        except Vetoed:
            return Decision(refused=VETO)
        return Decision(amount_cents=receipt["amount_cents"])

    async def _step(self, case: Case, skill: str, *, check: Check | None = None, **given: Any) -> Any:
        """Have one step done: the value that was settled. Raises Vetoed, or _Unsettled when it came to no good end.

        Without effects a step can be announced anew; one with effects is announced once, under one token for ever.
        """
        rounds = ROUNDS if TENDERS[skill].effect is EffectClass.PURE else 1
        trouble: VendueError | None = None
        for round_ in range(1, rounds + 1):
            try:
                task = await self._announce(case, skill, round_, check, given)
                done = await task.result()
            except Vetoed as error:
                if case.tasks[skill].contract.reading.state is State.VETOED:
                    self.vetoed += 1
                    raise
                trouble = error  # no permit came in time
            except (NoPeers, NoBids, TaskFailed, DeadlinePassed, UsageError) as error:
                if self._market.runtime.stopped.done():
                    raise
                trouble = error
            else:
                self._settled(case, skill, done)
                return done.value
        raise _Unsettled(f"{skill}: {trouble}")

    async def _announce(self, case: Case, skill: str, round_: int, check: Check | None, given: Any) -> Task:
        tender = TENDERS[skill]
        again = f"/{round_}" if round_ > 1 else ""
        task = await self._market.announce(
            skill,
            {"request": to_builtins(case.request), **given},
            budget=tender.budget,
            deadline_s=DEADLINE_S,
            effect=tender.effect,
            award_rule=tender.award_rule,
            price_weight=self._slowness,
            duration_weight=1,
            idempotency_key=f"{self._key}/{case.number:03}/{skill}{again}".encode(),
            patience_s=PATIENCE_S,
            check=check,
        )
        case.tasks[skill] = task
        self.contracts[task.id] = task.contract
        return task

    def _settled(self, case: Case, skill: str, done: Done) -> None:
        case.done[skill] = done
        self.settled += 1
        self.won[done.winner_name] += 1
        self.earned[done.winner_name] += done.price
        self.on_settled()
