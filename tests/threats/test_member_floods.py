"""Member floods: a member with good papers sends a hundred times what it may, of frames that all hold.

Its frames beyond its rate are thrown away unread, then it is cut off for a growing pause, and the same for requests.
What the others announce settles meanwhile, and the flooder is let in again when it has been quiet.
"""

from __future__ import annotations

import asyncio

import pytest
import zmq

from peer.net.requests import FeedRange, Ids, pack_request
from protocol.limits import COUNTER_MAX
from tests.threats.rogue import Rogue, heard
from tests.threats.stage import Stage, target
from tests.waiting import meanwhile, until

AT_ONCE, PACE_S = 4_000, 0.005
"""Frames of the flood, and until the next ones: the worker, in this process, needs turns to be flooded in."""


async def test_a_flood_of_rubbish_is_cut_off_and_auctions_settle(stage: Stage) -> None:
    """Frames that no reader can use, as fast as the sender can."""
    with Rogue(stage) as rogue:
        await rogue.meet(stage.worker)
        rubbish = stage.governance + bytes(500)

        async def flood() -> None:
            while not stage.worker.transport.penalised(rogue.papers.peer):
                for _ in range(AT_ONCE):
                    rogue.publisher.push(rubbish)
                await asyncio.sleep(PACE_S)

        async with asyncio.timeout(30):
            await asyncio.gather(flood(), stage.settle(20))
        await stage.settle(5)


async def test_first_burst_is_thrown_away_before_it_is_checked(stage: Stage) -> None:
    """Different statements, each under a signature that holds: the dearest there is. A few are checked, and no more."""
    worker = stage.worker
    with Rogue(stage) as rogue:
        await rogue.meet(worker)
        frames = [stage.governance + rogue.voice.sealed(rogue.card()) for _ in range(AT_ONCE)]
        before = worker.turn.verdicts.total()
        for frame in frames:
            rogue.publisher.push(frame)
        await until(lambda: worker.transport.penalised(rogue.papers.peer))
        assert worker.turn.verdicts.total() - before < AT_ONCE / 4
        await stage.settle(5)


async def test_auctions_settle_while_good_frames_are_repeated_without_end(stage: Stage) -> None:
    """The same good card again and again: each is a question that could be answered, and none is answered so often."""
    worker = stage.worker
    with Rogue(stage) as rogue:
        await rogue.meet(worker)
        rogue.tell(card := rogue.card())
        await heard(worker, card)
        frame = stage.governance + rogue.voice.sealed(card)

        async def flood() -> None:
            while True:
                for _ in range(AT_ONCE):
                    rogue.publisher.push(frame)
                await asyncio.sleep(PACE_S)

        async with meanwhile(flood()):
            for _ in range(3):
                await stage.settle(10)
            await until(lambda: worker.turn.verdicts["ignore (nobody): seen before"], why="there was no flood")
            await until(lambda: worker.transport.refusals["too_much_of_member"] > 100, why="there was no flood")


@pytest.mark.parametrize("dearest", [False, True])
async def test_a_flood_of_requests_is_cut_off_and_auctions_settle(stage: Stage, dearest: bool) -> None:
    """Each asks for a statement that nobody has, or for as many as anybody may ask for at once."""
    worker = stage.worker
    all_said = FeedRange(worker.node.peer, worker.node.feed.id, 1, COUNTER_MAX)
    request = all_said if dearest else Ids([bytes(32)])
    with Rogue(stage) as rogue:
        await rogue.meet(worker)
        to = target(worker)
        line = rogue.dial(zmq.DEALER, to.fetch, to.key)
        assert await line.outcome() == "in"

        async def flood() -> None:
            number = 0
            while not worker.transport.penalised(rogue.papers.peer):
                for _ in range(500):
                    number += line.push(pack_request(number + 1, request))
                line.drain()
                await asyncio.sleep(PACE_S)

        async with asyncio.timeout(30):
            await asyncio.gather(flood(), stage.settle(20))
        await until(lambda: line.was_cut)


async def test_who_was_cut_off_comes_back_after_the_pause(stage: Stage) -> None:
    """A penalty is a pause: the first is a second long, and what is said after it is heard."""
    worker = stage.worker
    with Rogue(stage) as rogue:
        await rogue.meet(worker)
        worker.transport.penalise(rogue.papers.peer)
        await until(lambda: rogue.papers.peer not in worker.node.directory.here)
        card = rogue.card()

        def is_heard() -> bool:
            rogue.ears[worker.node.peer].drain()  # libzmq subscribes again in its owner's calls
            rogue.tell(card)
            return rogue.papers.peer in worker.node.directory.here and card.id in worker.node.holdings.seen

        await until(is_heard, why="a penalty never ends")
