"""A caller in a market with one agent: many tasks at once, given up at any moment, and after the market was left."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from peer import config
from peer.agent import Agent
from peer.caller import task as task_module
from peer.caller.blocking import BlockingMarket
from peer.caller.market import Market
from peer.launch import launch
from protocol.errors import DeadlinePassed, TaskFailed, UsageError
from protocol.states import State

PLACES = 2


def summer() -> Agent:
    """An agent with two places, whose work can be held up."""
    agent = Agent("summer", capacity=PLACES)

    @agent.worker("sum", price=5)
    async def add(a: int, b: int = 0, wait_s: float = 0.01) -> int:
        await asyncio.sleep(wait_s)
        return a + b

    return agent


@asynccontextmanager
async def market_of(home: Path) -> AsyncIterator[Market]:
    """A market with the agent and a caller, in one loop."""
    settings = config.load({"home": str(home), "mdns": False, "seeds": ()}).settings
    async with (
        launch(settings, name="summer", agent=summer()),
        Market.join(home=str(home), mdns=False) as market,
    ):
        await market.find("sum", patience_s=10)
        yield market


async def until(holds: Callable[[], bool], *, within_s: float = 10.0) -> None:
    """Wait until something holds; a test that waits for ever says nothing."""
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110 - what is waited for happens in the other peer
            await asyncio.sleep(0.01)


def states(market: Market) -> list[State]:
    """How all the contracts stand that this caller announced."""
    return [tender.contract.reading.state for tender in market.runtime.node.manager.tenders.values()]


async def test_many_more_tasks_than_places_are_all_done(tmp_path: Path) -> None:
    """Thirty calls at once, one agent with two places: nobody is turned away, and nothing is declined."""
    async with market_of(tmp_path) as market:
        done = await asyncio.gather(*[market.call("sum", {"a": n, "b": 1}, budget=5) for n in range(30)])
        assert states(market) == [State.SETTLED] * 30
    assert [one.value for one in done] == list(range(1, 31))
    assert {one.epoch for one in done} == {1}


async def test_tasks_that_two_callers_crowd_out_are_called_again(tmp_path: Path) -> None:
    """Each caller sends as many as there are places: what is declined for want of one is done all the same."""
    async with market_of(tmp_path) as market, Market.join(home=str(tmp_path), mdns=False) as other:
        callers = (market, other)
        calls = [caller.call("sum", {"a": n, "wait_s": 0.8}, budget=5) for n in range(PLACES + 1) for caller in callers]
        done = await asyncio.wait_for(asyncio.gather(*calls), 30)
    assert sorted(one.value for one in done) == [0, 0, 1, 1, 2, 2]


async def test_the_same_key_is_the_same_task_for_all_who_wait(tmp_path: Path) -> None:
    """Three calls with one key: one contract, and each gets its result."""
    async with market_of(tmp_path) as market:
        calls = [market.call("sum", {"a": 1}, budget=5, idempotency_key=b"k") for _ in range(3)]
        done = await asyncio.wait_for(asyncio.gather(*calls), 20)
        assert len(states(market)) == 1
    assert len({one.contract_id for one in done}) == 1


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8, 20, 60])
async def test_a_call_given_up_at_any_moment_leaves_no_task_behind(tmp_path: Path, turns: int) -> None:
    """However far the announcement is when the caller goes away: what was said is withdrawn."""
    async with market_of(tmp_path) as market:
        await market.call("sum", {"a": 1}, budget=5)
        call = asyncio.ensure_future(market.call("sum", {"a": 1, "wait_s": 30}, budget=5))
        for _ in range(turns):
            await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await until(lambda: not {State.OPEN, State.AWARDED} & {*states(market)})
        assert (await market.call("sum", {"a": 2}, budget=5)).value == 2


async def test_outside_of_the_market_every_call_says_so(tmp_path: Path) -> None:
    """Before it is joined, and after it was left, also for a task that was still waited for."""
    with pytest.raises(UsageError, match="not in the market"):
        await Market.join(home=str(tmp_path)).call("sum", {"a": 1}, budget=5)
    async with market_of(tmp_path) as market:
        task = await market.announce("sum", {"a": 1, "wait_s": 30}, budget=5)
        waiting = asyncio.ensure_future(task.result())
        in_line = [asyncio.ensure_future(market.call("sum", {"a": n, "wait_s": 30}, budget=5)) for n in range(3)]
        await asyncio.sleep(0.05)
    for left in (waiting, *in_line):
        with pytest.raises(UsageError, match=r"left before|not in the market"):
            await asyncio.wait_for(left, 10)
    with pytest.raises(UsageError, match="not in the market"):
        await market.call("sum", {"a": 1}, budget=5)


async def test_what_no_governor_ratifies_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task is settled, its governor does not run: after the deadline the caller is told both."""
    monkeypatch.setattr(task_module, "RATIFY_S", 0.1)
    async with market_of(tmp_path) as market:
        with pytest.raises(DeadlinePassed, match="was settled, but not ratified"):
            await asyncio.wait_for(market.call("sum", {"a": 1}, budget=5, effect="reversible", deadline_s=0.5), 20)
        assert states(market) == [State.SETTLED]


async def test_a_check_that_says_no_is_the_reason(tmp_path: Path) -> None:
    """The error tells that it was the caller who did not take the result."""
    async with market_of(tmp_path) as market:
        with pytest.raises(TaskFailed, match="did not pass the caller's own check"):
            await market.call("sum", {"a": 1}, budget=5, attempts=1, check=lambda value: value == 2)


@asynccontextmanager
async def blocking_market(home: Path) -> AsyncIterator[BlockingMarket]:
    """The twin, beside an agent that runs in this test's loop; used from other threads only."""
    settings = config.load({"home": str(home), "mdns": False, "seeds": ()}).settings
    async with launch(settings, name="summer", agent=summer()):
        market = BlockingMarket.join(home=str(home), mdns=False)
        await asyncio.to_thread(market.__enter__)
        try:
            yield market
        finally:
            await asyncio.to_thread(market.__exit__, None, None, None)


async def test_the_twin_does_what_the_market_does(tmp_path: Path) -> None:
    """Calls, announcements, stages, time limits and withdrawals, from plain code."""

    def story(market: BlockingMarket) -> None:
        assert market.call("sum", {"a": 1}, budget=5, patience_s=10).value == 1
        task = market.announce("sum", {"a": 2}, budget=5)
        assert [*task.stages()][-1].state is State.SETTLED
        assert task.result().value == 2
        assert "summer" in market.names().values()
        assert "summer" in [card.body.name for card in market.peers()]
        long = market.announce("sum", {"a": 3, "wait_s": 30}, budget=5)
        with pytest.raises(TimeoutError):
            long.result(timeout_s=0.05)
        long.withdraw()
        with pytest.raises(TaskFailed, match="withdrawn"):
            long.result()

    async with blocking_market(tmp_path) as market:
        await asyncio.to_thread(story, market)


async def test_many_threads_share_the_twin(tmp_path: Path) -> None:
    """Each gets its own answer."""
    async with blocking_market(tmp_path) as market:
        one = asyncio.to_thread
        done = await asyncio.gather(*[one(market.call, "sum", {"a": n}, budget=5, patience_s=10) for n in range(20)])
    assert [each.value for each in done] == list(range(20))


def test_the_twin_outside_of_its_with_says_so(tmp_path: Path) -> None:
    """Before and after: it neither hangs nor speaks of event loops."""
    market = BlockingMarket.join(home=str(tmp_path), mdns=False)
    with pytest.raises(UsageError, match="not in the market"):
        market.call("sum", budget=5)
    with market:
        assert market.peers() == []
        with pytest.raises(UsageError, match="entered already"):
            market.__enter__()
    with pytest.raises(UsageError, match="not in the market"):
        market.peers()
    assert not [thread for thread in threading.enumerate() if thread.name == "vendue"]
