"""Expired certificate: a member's time is over, and it comes all the same, or simply stays.

Nobody has to do anything for it to be out: the clock of each peer's own door is enough.
"""

from __future__ import annotations

import msgpack
import pytest
import zmq

from peer.members.hostmember import wall_clock_ms
from peer.net.meet.introductions import Here, Refused, open_item
from tests.threats.rogue import Rogue, heard
from tests.threats.stage import HOUR_MS, Stage, target
from tests.waiting import until

WHENS = {
    "member": (-HOUR_MS, HOUR_MS, "in"),
    "certificate has expired": (-HOUR_MS, -60_000, "refused"),
    "certificate is not valid yet: one of the two clocks is wrong": (HOUR_MS, 2 * HOUR_MS, "refused"),
}


@pytest.mark.parametrize("why", WHENS)
async def test_only_a_certificate_that_holds_now_opens_a_door(stage: Stage, why: str) -> None:
    """One from yesterday, one for tomorrow; and, as a counter-check, one for today: all by the real admitter."""
    begin, end, outcome = WHENS[why]
    now_ms, to = wall_clock_ms(), target(stage.worker)
    with Rogue(stage, stage.papers(from_ms=now_ms + begin, until_ms=now_ms + end)) as rogue:
        line = rogue.hello(to)
        await until(lambda: line.socket.poll(0), why="no answer")
        item = open_item(msgpack.unpackb(line.drain()[0][0])[1][0])
        assert isinstance(item, Here) if outcome == "in" else isinstance(item, Refused) and item.why == why
        assert await rogue.dial(zmq.SUB, to.publish, to.key).outcome() == outcome
        await stage.settle(3)


async def test_a_session_ends_with_its_certificate(stage: Stage) -> None:
    """It has met everybody in time; two seconds later its certificate is over, and so is its session."""
    caller = stage.caller.runtime
    with Rogue(stage, stage.papers(until_ms=wall_clock_ms() + 2_000)) as rogue:
        await rogue.meet(caller)
        rogue.tell(before := rogue.card("before"))
        await heard(caller, before)
        await until(lambda: rogue.ears[caller.node.peer].was_cut, why="it stays for ever")
        rogue.tell(after := rogue.card("after"))
        await stage.settle(3)
        assert after.id not in caller.node.holdings.seen
