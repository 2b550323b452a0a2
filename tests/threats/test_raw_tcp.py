"""Raw TCP, idle and garbage: somebody who has no ZeroMQ at all, only the address and a socket.

It opens connections and says nothing, or says what no peer ever says. They are hung up on in a bounded time, others
come in meanwhile, and auctions go on. The attacker sits at 127.0.0.2, as on another computer than the honest peers.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
import zmq

from tests.threats.attacker import is_closed, tcp
from tests.threats.rogue import Rogue
from tests.threats.stage import Stage, target
from tests.waiting import until

ELSEWHERE = "127.0.0.2"
GREETING = b"\xff" + bytes(8) + b"\x7f"
GARBAGE = {
    "random": os.urandom(65_536),
    "http": b"GET / HTTP/1.1\r\nHost: market\r\n\r\n",
    "zeros": bytes(4_096),
    "half a greeting": GREETING[:5],
    "a greeting without locks": GREETING + b"\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32),
    "a greeting and garbage": GREETING + b"\x03\x01" + b"CURVE".ljust(20, b"\0") + bytes(32) + os.urandom(4_096),
    "an endless command": GREETING + b"\x03\x01" + b"CURVE".ljust(20, b"\0") + bytes(32) + b"\x06" + b"\x7f" * 8,
}


@contextmanager
def connections(stage: Stage, number: int) -> Iterator[list[socket.socket]]:
    """So many connections to each of the worker's three doors."""
    worker = target(stage.worker)
    with ExitStack() as stack:
        yield [
            stack.enter_context(tcp(address, source=ELSEWHERE))
            for address in (worker.publish, worker.fetch, worker.lobby)
            for _ in range(number)
        ]


async def test_idle_connections_are_hung_up_on(stage: Stage) -> None:
    """A hundred at each door, from one host, that never say a word; auctions settle while they are there."""
    with connections(stage, 100) as idle:
        await stage.settle(5)
        await until(lambda: all(map(is_closed, idle)), why="an idle connection is still open")


async def test_idle_connections_keep_no_member_out(stage: Stage) -> None:
    """As long as they are kept up, a member from another host still meets the worker."""
    with connections(stage, 150), Rogue(stage) as member:
        await member.meet(stage.worker)


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_garbage_is_hung_up_on(stage: Stage, garbage: str) -> None:
    """Whatever is said that is no handshake ends its own connection, and nothing else."""
    with connections(stage, 5) as rude:
        for connection in rude:
            connection.sendall(GARBAGE[garbage])
        await stage.settle(3)
        await until(lambda: all(map(is_closed, rude)), why="garbage is listened to")
    assert not stage.worker.stopped.done()


async def test_members_that_say_nothing_are_hung_up_on_as_well(stage: Stage) -> None:
    """With a good key a handshake succeeds, and holds a place for as long as its holder is let."""
    to = target(stage.worker)
    with Rogue(stage) as member:
        await member.meet(stage.worker)
        silent = [member.dial(zmq.DEALER, to.fetch, to.key, RECONNECT_IVL=-1) for _ in range(20)]
        for line in silent:
            assert await line.outcome() == "in"
        await stage.settle(3)
        await until(lambda: all(line.was_cut for line in silent), why="a silent member is put up with")
        assert not member.ears[to.peer].was_cut, "the counter-check: one that has subscribed stays"
