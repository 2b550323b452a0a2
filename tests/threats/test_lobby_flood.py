"""Lobby flood: an outsider that knows the lobby's key, from a code that somebody has lost, asks there without end.

The lobby answers strangers, for members to be are strangers. So the flooder is answered as often as a stranger may be,
and those that come from other computers all the same.
"""

from __future__ import annotations

import asyncio
import os

import msgpack
import zmq

from peer.net.meet.introductions import Here, open_item
from peer.net.meet.knocks import Knock, pack
from protocol.invitation import market_tag
from tests.threats.attacker import Attacker
from tests.threats.rogue import Rogue
from tests.threats.stage import Stage, target

AT_ONCE, HELLOS_MAX = 200, 3


async def test_a_newcomer_is_answered_while_a_stranger_floods_the_lobby(stage: Stage) -> None:
    """The flood is of good questions, from 127.0.0.2; the newcomer has a good certificate, and 127.0.0.1."""
    to = target(stage.worker)
    with Attacker() as stranger, Rogue(stage) as newcomer:
        flooding = asyncio.create_task(_flood(stranger, to.lobby, to.lobby_key, stage.market))
        try:
            await asyncio.sleep(0.5)  # whatever is free for a start is used up
            answers = [await _hello(newcomer, stage) for _ in range(HELLOS_MAX)]
            assert any(isinstance(each, Here) for each in answers), "strangers have no place in the lobby any more"
            await stage.settle(3)
        finally:
            flooding.cancel()
        assert stage.worker.lobby.counts.too_many > 100, "there was no flood"


async def _flood(stranger: Attacker, lobby: str, key: bytes, market: bytes) -> None:
    question = pack((1, Knock(market_tag(market), b"abc", os.urandom(32))))
    there = lobby.replace("tcp://", "tcp://127.0.0.2:0;")
    line = stranger.dial(zmq.DEALER, there, key)
    while True:
        for _ in range(AT_ONCE):
            line.push(question)
        line.drain()
        await asyncio.sleep(0.01)


async def _hello(newcomer: Rogue, stage: Stage) -> object:
    """Say hello once; the first item of the answer, or None if there is none within two seconds, as for everybody."""
    line = newcomer.hello(target(stage.worker))
    for _ in range(200):
        if line.socket.poll(0):
            return open_item(msgpack.unpackb(line.drain()[0][0])[1][0])
        await asyncio.sleep(0.01)
    return None
