"""Routing-id squatting: a member takes the routing id of another at a peer's answering socket, to get its answers.

A routing id is what the asker chooses. Who asks is told from the key of the connection; an answer goes back on the
connection that asked.
"""

from __future__ import annotations

import zmq

from peer.net.requests import Ids, Page, open_page, pack_request
from tests.threats.attacker import Line
from tests.threats.rogue import Rogue
from tests.threats.stage import Stage, target
from tests.waiting import until

VICTIM = b"victim"


async def test_a_squatter_gets_no_answer_of_another(stage: Stage) -> None:
    """Both use one routing id; the victim was there first, and goes on being answered."""
    with Rogue(stage, stage.papers("victim")) as victim, Rogue(stage) as squatter:
        mine, theirs = await _line(victim, stage), await _line(squatter, stage)
        for _ in range(20):
            theirs.push(pack_request(2, Ids([bytes(32)])))
            assert await _is_answered(mine, stage)
        assert not [page for page in _pages(theirs) if page.items]


async def test_a_squatter_that_was_first_keeps_nobody_out(stage: Stage) -> None:
    """It sits on the id before the victim comes; a peer has ids of libzmq's own making, and is answered."""
    with Rogue(stage) as squatter, Rogue(stage, stage.papers("victim")) as victim:
        await _line(squatter, stage)
        await victim.meet(stage.worker)
        to = target(stage.worker)
        line = victim.dial(zmq.DEALER, to.fetch, to.key)
        assert await line.outcome() == "in"
        assert await _is_answered(line, stage)


async def test_many_ids_of_one_member_are_one_member(stage: Stage) -> None:
    """It comes with fifty connections under fifty names: more than eight are cut, for they count by its key."""
    with Rogue(stage) as rogue:
        await rogue.meet(stage.worker)
        to = target(stage.worker)
        lines = [
            rogue.dial(zmq.DEALER, to.fetch, to.key, ROUTING_ID=b"name %d" % number, RECONNECT_IVL=-1)
            for number in range(50)
        ]
        for line in lines:
            assert await line.outcome() == "in"
            line.push(pack_request(1, Ids([bytes(32)])))
        await until(lambda: sum(line.was_cut for line in lines) >= 42, why="fifty connections are put up with")
        await stage.settle(3)


async def _line(member: Rogue, stage: Stage) -> Line:
    """A member's connection to the worker under the victim's routing id."""
    await member.meet(stage.worker)
    to = target(stage.worker)
    line = member.dial(zmq.DEALER, to.fetch, to.key, ROUTING_ID=VICTIM)
    assert await line.outcome() == "in"
    return line


async def _is_answered(line: Line, stage: Stage) -> bool:
    """Ask for the announcement that has settled: only an answer to this question has it."""
    known = next(iter(stage.worker.node.holdings.contracts))
    line.push(pack_request(1, Ids([known])))
    await until(lambda: line.socket.poll(0), why="no answer")
    return any(page.items for page in _pages(line))


def _pages(line: Line) -> list[Page]:
    return [page for (raw,) in line.drain() if (page := open_page(raw)) is not None]
