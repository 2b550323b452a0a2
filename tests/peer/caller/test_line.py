"""The line in which a caller's tasks wait: as many are under way as there are places, in their order."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from peer.caller import line as line_module
from peer.caller.line import Line


async def settle() -> None:
    """Let everybody go as far as they can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_no_more_are_under_way_than_there_are_places_and_all_come_in_order() -> None:
    """Of six that want two places two are in at a time, first come, first served."""
    line, came = Line(lambda skill: 2), list[int]()

    async def work(number: int) -> None:
        await line.enter("sum")
        came.append(number)

    waiting = [asyncio.ensure_future(work(number)) for number in range(6)]
    for left in range(5):
        await settle()
        assert came == list(range(min(2 + left, 6)))
        line.leave("sum")
    await asyncio.gather(*waiting)
    assert came == list(range(6))


async def test_skills_do_not_wait_for_each_other() -> None:
    """Each skill has a line of its own."""
    line = Line(lambda skill: 1)
    await asyncio.wait_for(asyncio.gather(line.enter("sum"), line.enter("shout")), 5)


async def test_who_gives_up_holds_nobody_up() -> None:
    """The first in the line goes away: the next gets the place that becomes free."""
    line = Line(lambda skill: 1)
    await line.enter("sum")
    first, second = asyncio.ensure_future(line.enter("sum")), asyncio.ensure_future(line.enter("sum"))
    await settle()
    first.cancel()
    await settle()
    assert not second.done()
    line.leave("sum")
    await asyncio.wait_for(second, 5)


async def test_a_newcomers_places_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody leaves, but a peer with places comes: whoever is first looks again by itself."""
    monkeypatch.setattr(line_module, "LOOK_S", 0.01)
    places = Counter({"sum": 1})
    line = Line(lambda skill: places[skill])
    await line.enter("sum")
    waiting = asyncio.ensure_future(line.enter("sum"))
    await settle()
    places["sum"] += 1
    await asyncio.wait_for(waiting, 5)


async def test_one_may_try_where_nobody_offers_anything() -> None:
    """Without places one task is under way: that nobody takes it is for the market to say."""
    line = Line(lambda skill: 0)
    await asyncio.wait_for(line.enter("sum"), 5)
    second = asyncio.ensure_future(line.enter("sum"))
    await settle()
    assert not second.done()
    second.cancel()
