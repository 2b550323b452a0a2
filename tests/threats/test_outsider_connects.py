"""Outsider connects: it knows the address, and has no key, a key of its own, or only part of what is needed.

Whatever it has, it does not get into the market's sockets, hears no frame, and auctions go on.
"""

from __future__ import annotations

import msgpack
import pytest
import zmq

from peer.net.meet.introductions import Refused, open_item
from tests.threats.attacker import Attacker, Keys
from tests.threats.rogue import Rogue
from tests.threats.stage import Stage, target
from tests.waiting import until

DOORS = pytest.mark.parametrize("door", ["publish", "fetch"])
KIND = {"publish": zmq.SUB, "fetch": zmq.DEALER}


@DOORS
async def test_without_a_key_nobody_comes_in(stage: Stage, door: str) -> None:
    """A plain ZeroMQ client, as any program on the network can be."""
    with Attacker() as outsider:
        line = outsider.dial(KIND[door], getattr(target(stage.worker), door), None)
        await until(lambda: line.was_cut)
        await stage.settle(3)
        assert not line.is_in
        assert not line.drain()


@DOORS
async def test_with_a_random_key_nobody_comes_in(stage: Stage, door: str) -> None:
    """It has learnt the server's key, which is public, but nobody has certified its own."""
    worker = target(stage.worker)
    with Attacker() as outsider:
        line = outsider.dial(KIND[door], getattr(worker, door), worker.key)
        assert await line.outcome() == "refused"
        await stage.settle(3)
        assert not line.is_in
        assert not line.drain()


async def test_with_a_right_key_and_a_wrong_server_key_nobody_comes_in(stage: Stage) -> None:
    """A member's own key is no use at a peer whose key it does not know: its handshake cannot even be read."""
    papers = stage.papers()
    stage.worker.constitution.membership.admit(papers.certificate)
    with Attacker(papers.keys) as member:
        line = member.dial(zmq.SUB, target(stage.worker).publish, Keys().public)
        await until(lambda: line.was_cut)
        await stage.settle(3)
        assert not line.is_in


@DOORS
async def test_the_same_attacker_comes_in_with_a_certificate(stage: Stage, door: str) -> None:
    """The counter-check: with papers, and nothing else changed, the very same calls succeed."""
    worker, papers = target(stage.worker), stage.papers()
    stage.worker.constitution.membership.admit(papers.certificate)
    with Attacker(papers.keys) as member:
        line = member.dial(KIND[door], getattr(worker, door), worker.key)
        assert await line.outcome() == "in"


async def test_with_the_lobbys_key_nobody_gets_beyond_the_lobby(stage: Stage) -> None:
    """Who has seen a code knows the lobby's key: it opens the lobby, and no other door."""
    worker = target(stage.worker)
    with Attacker() as outsider:
        assert await outsider.dial(zmq.DEALER, worker.lobby, worker.lobby_key).outcome() == "in"
        line = outsider.dial(zmq.DEALER, worker.fetch, worker.lobby_key)
        await until(lambda: line.was_cut)
        assert not line.is_in


async def test_with_a_copied_certificate_nobody_is_taken_for_its_member(stage: Stage) -> None:
    """It has read a member's introduction, certificate and all, and says hello with it, from a key of its own."""
    worker, victim = target(stage.worker), stage.caller.runtime
    with Rogue(stage) as outsider:
        outsider.me = victim.discovery.introduction()
        line = outsider.hello(worker)
        await until(lambda: line.socket.poll(0), why="no answer")
        (item,) = msgpack.unpackb(line.drain()[0][0])[1]
        told = open_item(item)
        assert isinstance(told, Refused)
        assert told.why == "certificate is for other keys"
        assert await outsider.dial(zmq.DEALER, worker.fetch, worker.key).outcome() == "refused"
        await stage.settle(3)
