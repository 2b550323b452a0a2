"""The agents of the returns desk: ten that compete for five skills, each with its own prices and pace.

What an agent decides is said in `rules`, on the request and the facts that travel with the task; all agents with a
skill decide alike and differ in what they ask for it. They refuse to know the shop, the desk and each other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, NamedTuple, TypedDict

from msgspec import Meta

from peer.agent import Agent, Offer, Strategy, Wanted
from peer.returns import rules
from peer.returns.facts import Facts
from peer.returns.ledger import Entry, Ledger
from peer.returns.records import Kind, Request
from peer.work.context import Context
from protocol.errors import BadInput

FRAUD_CHECK: Final = "fraud-check"
POLICY_CHECK: Final = "policy-check"
CALCULATION: Final = "refund-calculation"
REFUND: Final = "refund"
SHIPPING: Final = "shipping"
SKILLS: Final = (FRAUD_CHECK, POLICY_CHECK, CALCULATION, REFUND, SHIPPING)
"""In the order in which a request passes through them."""
GROUNDS: Final = (FRAUD_CHECK, POLICY_CHECK, CALCULATION)
"""The steps on whose settlements a refund rests: without all three no money moves."""
CAPACITY: Final = 32
"""Tasks one agent works on at once: more than the desk has in flight for one skill."""

SettlementId = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Basis = Annotated[dict[str, SettlementId], Meta(max_length=8)]
"""The settlements a task rests on, by skill: what makes the contracts of one request a linked set."""


class Finding(TypedDict):
    """What a check says: the rule that the request breaks, or None."""

    refused: str | None


class Amount(TypedDict):
    """Cents to the customer; negative: from the customer."""

    amount_cents: int


class Receipt(TypedDict):
    """What was moved, and under which award: an earlier one where that had moved it already."""

    amount_cents: int
    award: str


class Terms(NamedTuple):
    """What one agent asks for a skill, by the kind of request, and how long it takes for it."""

    back: int
    exchange: int
    cancel: int
    pace_ms: int
    """How long it looks at a task; a watched market is slowed down by a factor."""

    def price(self, kind: str) -> int:
        """The price for a kind of request, in minor units."""
        return {Kind.RETURN: self.back, Kind.EXCHANGE: self.exchange, Kind.CANCEL: self.cancel}[Kind(kind)]


ROSTER: Final[Mapping[str, Mapping[str, Terms]]] = {
    "argus": {FRAUD_CHECK: Terms(3, 4, 4, 3)},
    "bramble": {FRAUD_CHECK: Terms(5, 3, 5, 6)},
    "corvid": {FRAUD_CHECK: Terms(4, 5, 3, 4), POLICY_CHECK: Terms(8, 8, 3, 11)},
    "dunlin": {POLICY_CHECK: Terms(6, 9, 7, 8)},
    "ember": {POLICY_CHECK: Terms(7, 6, 8, 9)},
    "fennel": {CALCULATION: Terms(5, 7, 6, 5), SHIPPING: Terms(14, 10, 9, 4)},
    "gorse": {CALCULATION: Terms(6, 5, 7, 3)},
    "hazel": {REFUND: Terms(9, 14, 10, 6), CALCULATION: Terms(7, 6, 4, 8)},
    "iris": {REFUND: Terms(11, 12, 8, 4)},
    "juniper": {SHIPPING: Terms(10, 13, 9, 7)},
}
"""Who offers what at which terms: for each skill one is cheaper here and another there, so that no price is safe."""


def agent_called(name: str, ledger: Ledger, *, slowness: int = 1) -> Agent:
    """One agent of the roster, ready to be run by a peer; it takes `slowness` times as long as it could."""
    agent = Agent(name, capacity=CAPACITY)
    for skill, quick in ROSTER[name].items():
        terms = quick._replace(pace_ms=quick.pace_ms * slowness)
        function = _WORK[skill](name, terms.pace_ms / 1000, ledger)
        agent.worker(skill, price=terms.back, duration_ms=terms.pace_ms)(function)
        agent.bidding(skill)(_bidding(terms))
    return agent


def _bidding(terms: Terms) -> Strategy:
    def bid(task: Wanted) -> Offer:
        return Offer(terms.price(task.input["request"]["kind"]), terms.pace_ms)

    return bid


def _fraud_check(name: str, pace_s: float, ledger: Ledger) -> Callable[..., Any]:
    async def fraud_check(request: Request, facts: Facts) -> Finding:
        await asyncio.sleep(pace_s)
        return Finding(refused=rules.fraud_check(request, facts))

    return fraud_check


def _policy_check(name: str, pace_s: float, ledger: Ledger) -> Callable[..., Any]:
    async def policy_check(request: Request, facts: Facts, basis: Basis) -> Finding:
        _demand(basis, FRAUD_CHECK)
        await asyncio.sleep(pace_s)
        return Finding(refused=rules.policy_check(request, facts))

    return policy_check


def _calculation(name: str, pace_s: float, ledger: Ledger) -> Callable[..., Any]:
    async def refund_calculation(request: Request, facts: Facts, basis: Basis) -> Amount:
        _demand(basis, FRAUD_CHECK, POLICY_CHECK)
        await asyncio.sleep(pace_s)
        return Amount(amount_cents=rules.refund_amount(request, facts))

    return refund_calculation


def _refund(name: str, pace_s: float, ledger: Ledger) -> Callable[..., Any]:
    # A plain function, for it waits for the disk: it runs in a thread, and the peer goes on.
    def refund(request: Request, amount_cents: int, basis: Basis, ctx: Context) -> Receipt:
        _demand(basis, *GROUNDS)
        time.sleep(pace_s)
        ctx.fence()
        made = ledger.make(
            Entry(
                token=ctx.idempotency_token.hex(),
                award=ctx.award.hex(),
                epoch=ctx.epoch,
                agent=name,
                order_id=request.order_id,
                amount_cents=amount_cents,
            )
        )
        return Receipt(amount_cents=made.amount_cents, award=made.award)

    return refund


def _shipping(name: str, pace_s: float, ledger: Ledger) -> Callable[..., Any]:
    async def shipping(request: Request, facts: Facts, basis: Basis) -> rules.Label:
        _demand(basis, REFUND)
        await asyncio.sleep(pace_s)
        return rules.shipping_label(request, facts)

    return shipping


_WORK: Final[Mapping[str, Callable[[str, float, Ledger], Callable[..., Any]]]] = {
    FRAUD_CHECK: _fraud_check,
    POLICY_CHECK: _policy_check,
    CALCULATION: _calculation,
    REFUND: _refund,
    SHIPPING: _shipping,
}


def _demand(basis: Mapping[str, str], *steps: str) -> None:
    """Refuse work that does not name what it rests on. Whether that stands is for the audit to say."""
    if lacking := [step for step in steps if step not in basis]:
        raise BadInput(f"$.basis: {', '.join(lacking)} is not named.", do="Have it settled first, and name it.")
