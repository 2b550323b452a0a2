"""Slow and stopped subscriber: a member asks for everything and reads nothing, or its whole process is stopped.

What it does not read is kept for it only up to a bound; nobody waits for it; and it is noticed to be gone.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import zmq

from protocol.topics import skill_topic
from tests.peer.cli.processes import Vendue
from tests.threats.rogue import Rogue
from tests.threats.stage import Stage, target
from tests.waiting import PATIENCE_S, until

CHEAP = '@worker("shout", price=1)\ndef shout(text: str) -> str:\n    return text.upper()\n'


async def test_a_subscriber_that_never_reads_holds_nobody_up(stage: Stage) -> None:
    """It hears every auction of the skill, with room for one frame, and takes none."""
    caller = stage.caller.runtime
    with Rogue(stage) as rogue:
        await rogue.meet(caller)
        to = target(caller)
        slow = rogue.dial(zmq.SUB, to.publish, to.key, RCVHWM=1, RCVBUF=2_048)
        slow.socket.subscribe(skill_topic("shout"))
        assert await slow.outcome() == "in"
        for _ in range(5):
            await stage.settle(40)
        assert caller.transport.counts.frames_dropped == 0
        assert slow.socket.poll(0), "it was not even a subscriber"


async def test_a_stopped_peer_holds_nobody_up_and_is_noticed(stage: Stage, vendue: Vendue) -> None:
    """The cheapest bidder of the market is stopped (SIGSTOP) while it is here; auctions settle with the next best."""
    running = vendue.start("run", vendue.agents(CHEAP), "--market", stage.settings.market).wait_for("Ctrl-C")
    directory = stage.caller.runtime.node.directory
    await until(lambda: len(directory.offering("shout")) == 2, why="the second worker was not met")
    done = await stage.caller.call("shout", {"text": "a"}, budget=10, patience_s=PATIENCE_S)
    assert done.price == 1, "the counter-check: as long as it runs, it wins"
    with stopped(running.process.pid):
        await stage.settle(5)
        await until(lambda: len(directory.offering("shout")) == 1, why="a stopped peer is still here")
        done = await stage.caller.call("shout", {"text": "b"}, budget=10, patience_s=PATIENCE_S)
        assert done.price == 5
    await until(lambda: len(directory.offering("shout")) == 2, why="it does not come back")
    assert (await stage.caller.call("shout", {"text": "c"}, budget=10, patience_s=PATIENCE_S)).price == 1


class stopped:  # noqa: N801 - reads as a statement
    """A process that stands still for the time of a context."""

    def __init__(self, pid: int) -> None:
        self._kill: Callable[[int], None] = lambda number: os.kill(pid, number)

    def __enter__(self) -> None:
        self._kill(signal.SIGSTOP)

    def __exit__(self, *error: object) -> None:
        self._kill(signal.SIGCONT)
