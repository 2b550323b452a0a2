"""The desk against agents that lie, or are not there: what it asks for again, and what it leaves to a person."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from peer import config
from peer.agent import Agent
from peer.caller.market import Market
from peer.launch import launch
from peer.policyfile import parse_policy
from peer.returns import desk as desk_module
from peer.returns.agents import CALCULATION, FRAUD_CHECK, REFUND, Amount, agent_called
from peer.returns.desk import UNDECIDED, Desk
from peer.returns.facts import Facts
from peer.returns.ledger import Ledger
from peer.returns.records import Kind, Request
from peer.returns.rules import VETO
from peer.returns.shop import Decision, Shop
from peer.returns.stage import policy_text
from protocol.errors import TaskFailed
from protocol.statements import EffectClass, Recall, RecallReason
from protocol.states import State
from tests.peer.returns.oracle import decide

CUP = Request(kind=Kind.RETURN, user_id="ada", order_id="#W1", item_ids=("cup-red",), payment_method_id="ada-card")
PLATE = Request(kind=Kind.CANCEL, user_id="ada", order_id="#W2", reason="no longer needed")
FOREIGN = Request(kind=Kind.CANCEL, user_id="bo", order_id="#W5", reason="no longer needed")
HONEST = ("argus", "dunlin", "iris", "juniper")
"""One agent for each skill but the calculation."""


def liar() -> Agent:
    """An agent that is the cheapest, and says one cent too much."""
    agent = Agent("liar")

    @agent.worker(CALCULATION, price=1)
    async def one_cent_more(request: Request, facts: Facts, basis: dict[str, str]) -> Amount:
        return Amount(amount_cents=501)

    return agent


@asynccontextmanager
async def market_of(home: Path, limit_cents: int, *agents: Agent) -> AsyncIterator[Market]:
    """A governed market of real peers in one loop, each with a home, a key and sockets of its own."""
    settings = config.load({"home": str(home), "mdns": False, "seeds": ()}).settings
    async with AsyncExitStack() as stack:
        policy = parse_policy(policy_text(limit_cents), "the test's policy")
        await stack.enter_async_context(launch(settings, name="governor", policy=policy))
        for agent in agents:
            await stack.enter_async_context(launch(settings, name=agent.name, agent=agent))
        market = await stack.enter_async_context(Market.join(home=str(home), name="desk", mdns=False))
        for agent in agents:
            for skill in agent.skills:
                await market.find(skill.name, patience_s=10)
        yield market


def crew(home: Path, *names: str) -> list[Agent]:
    """Agents of the roster, with one ledger."""
    return [agent_called(name, Ledger(home / "ledger.jsonl")) for name in names]


async def test_desk_decides_like_the_oracle_and_links_every_step(tmp_path: Path, shop: Shop) -> None:
    """A grant, a veto and a refusal come out right, and the shop is what the oracle makes of it."""
    twin = Shop(orders=dict(shop.orders), users=dict(shop.users), products=shop.products)
    requests = [CUP, PLATE, FOREIGN]
    async with market_of(tmp_path, 1_000, *crew(tmp_path, *HONEST, "gorse")) as market:
        desk = Desk(market, shop, key="test")
        handled = await desk.handle_all(requests)
    assert handled == [twin.apply(one, decide(twin, one, 1_000)) for one in requests]
    assert [one.decision.refused for one in handled] == [None, VETO, "owner"]
    assert shop == twin
    assert [case.for_a_person for case in desk.cases] == [False, True, True]
    assert desk.cases[0].tasks[REFUND].contract.reading.state is State.FINAL
    assert desk.cases[1].tasks[REFUND].contract.reading.state is State.VETOED


async def test_wrong_amount_is_recalled_and_calculated_again(tmp_path: Path, shop: Shop) -> None:
    """The cheapest agent lies: its result fails the desk's check, and the next best is paid instead."""
    async with market_of(tmp_path, 50_000, *crew(tmp_path, *HONEST, "gorse"), liar()) as market:
        desk = Desk(market, shop, key="test")
        (handled,) = await desk.handle_all([CUP])
    contract = desk.cases[0].tasks[CALCULATION].contract
    recalls = [step.body.reason for step in contract.reading.steps if isinstance(step.body, Recall)]
    assert handled.decision == Decision(amount_cents=500)
    assert (recalls, contract.reading.epoch) == ([RecallReason.FAILED_CHECK], 2)
    assert desk.won["gorse"] == 1
    assert desk.won["liar"] == 0


async def test_step_that_nobody_does_right_goes_to_a_person(
    tmp_path: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a liar alone the desk asks three times, then leaves the order as it was; no money moves."""
    monkeypatch.setattr(desk_module, "PATIENCE_S", 0.3)
    before = dict(shop.orders)
    async with market_of(tmp_path, 50_000, *crew(tmp_path, *HONEST), liar()) as market:
        desk = Desk(market, shop, key="test")
        (handled,) = await desk.handle_all([CUP])
    asked = [one for one in desk.contracts.values() if one.announcement.body.skill == CALCULATION]
    assert handled.decision.refused == UNDECIDED
    assert desk.cases[0].trouble.startswith(CALCULATION)
    assert len(asked) == desk_module.ROUNDS
    assert shop.orders == before
    assert Ledger(tmp_path / "ledger.jsonl").entries() == []


async def test_refund_is_announced_once_whatever_becomes_of_it(
    tmp_path: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step with effects that fails is not asked for again under another token: a person must look."""
    broken = Agent("broken")

    @broken.worker(REFUND, price=1)
    def cannot(request: Request, amount_cents: int, basis: dict[str, str]) -> dict[str, Any]:
        raise OSError("the bank is closed")

    async with market_of(tmp_path, 50_000, *crew(tmp_path, "argus", "dunlin", "gorse"), broken) as market:
        monkeypatch.setattr(desk_module, "DEADLINE_S", 2.0)
        desk = Desk(market, shop, key="test")
        (handled,) = await desk.handle_all([CUP])
    asked = [one for one in desk.contracts.values() if one.announcement.body.skill == REFUND]
    assert handled.decision.refused == UNDECIDED
    assert [one.announcement.body.effect for one in asked] == [EffectClass.IRREVERSIBLE]


async def test_requests_of_one_user_are_handled_in_their_order(tmp_path: Path, shop: Shop) -> None:
    """The second request for the same order finds what the first has done to it."""
    async with market_of(tmp_path, 50_000, *crew(tmp_path, *HONEST, "gorse")) as market:
        desk = Desk(market, shop, key="test")
        handled = await desk.handle_all([CUP, CUP])
    assert [one.decision.refused for one in handled] == [None, "status"]
    assert desk.cases[1].tasks.keys() == {FRAUD_CHECK, "policy-check"}


async def test_desk_whose_own_peer_stops_says_so_and_does_not_wait(tmp_path: Path, shop: Shop) -> None:
    """Nothing is decided by a peer that cannot speak any more: neither what was announced nor what comes next."""
    async with market_of(tmp_path, 50_000, *crew(tmp_path, *HONEST, "gorse")) as market:
        desk = Desk(market, shop, key="test")
        desk.on_settled = lambda: market.runtime.stopped.done() or market.runtime.stopped.set_exception(OSError("disk"))
        with pytest.raises(TaskFailed, match="This peer has stopped"):
            await desk.handle_all([CUP, FOREIGN])
