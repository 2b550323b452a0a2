"""Lobby flood: an outsider that knows the lobby's key, from a code that somebody has lost, asks there without end.

The lobby answers strangers, for members to be are strangers. So the flooder is answered as often as a stranger may be,
and those that come from other computers all the same.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress

import msgpack
import zmq

from peer.net.meet.introductions import Here, open_item
from peer.net.meet.knocks import Knock, pack
from protocol.invitation import market_tag
from tests.threats.attacker import Attacker
from tests.threats.rogue import Rogue
from tests.threats.stage import Stage, target
from tests.waiting import meanwhile, until

AT_ONCE, PACE_S = 200, 0.01
"""Questions of the flood, and until the next ones: the worker, in this process, needs turns to be flooded in."""
HELLOS_MAX, ANSWER_S = 3, 2.0


async def test_a_newcomer_is_answered_while_a_stranger_floods_the_lobby(stage: Stage) -> None:
    """The flood is of good questions, from 127.0.0.2; the newcomer has a good certificate, and 127.0.0.1."""
    to = target(stage.worker)
    with Attacker() as stranger, Rogue(stage) as newcomer:
        counts = stage.worker.lobby.counts
        async with meanwhile(_flood(stranger, to.lobby, to.lobby_key, stage.market)):
            await until(lambda: counts.too_many > 100, why="whatever is free for a start was never used up")
            answers = [await _hello(newcomer, stage) for _ in range(HELLOS_MAX)]
            assert any(isinstance(each, Here) for each in answers), "strangers have no place in the lobby any more"
            await stage.settle(3)


async def _flood(stranger: Attacker, lobby: str, key: bytes, market: bytes) -> None:
    question = pack((1, Knock(market_tag(market), b"abc", os.urandom(32))))
    there = lobby.replace("tcp://", "tcp://127.0.0.2:0;")
    line = stranger.dial(zmq.DEALER, there, key)
    while True:
        for _ in range(AT_ONCE):
            line.push(question)
        line.drain()
        await asyncio.sleep(PACE_S)


async def _hello(newcomer: Rogue, stage: Stage) -> object:
    """Say hello once; the first item of the answer, or None if there is none in the time that everybody waits."""
    line, came = newcomer.hello(target(stage.worker)), list[list[bytes]]()
    with suppress(AssertionError):
        await until(lambda: came.extend(line.drain()) or came, seconds=ANSWER_S)
    return open_item(msgpack.unpackb(came[0][0])[1][0]) if came else None
