"""Huge, many-framed, nested and truncated messages, at every socket of a peer, from a member.

None of them stops the peer, none is kept, and whoever sends what no peer would ever send is hung up on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import msgpack
import pytest
import zmq

from tests.threats.attacker import Line
from tests.threats.rogue import Rogue, heard
from tests.threats.stage import Stage, target
from tests.waiting import until

NESTED = b"\x91" * 100_000
DOORS = pytest.mark.parametrize("door", ["fetch", "lobby"])


def bad_bundles(good: bytes) -> Iterator[bytes]:
    """What a publisher may send instead of a bundle."""
    yield from (good[:length] for length in range(0, len(good), 7))
    yield from (b"", b"\xc1", NESTED, NESTED[: len(NESTED) // 2] + good, good + b"\0", os.urandom(1_000))
    yield msgpack.packb(("vendue-bundle/1", bytes(32), bytes(32), bytes(64), [b""] * 513))
    yield msgpack.packb({"vendue-bundle/1": [{}] * 100})
    yield msgpack.packb(("vendue-exhibits/1", [NESTED[:1_000]] * 64))
    yield b"\xdd\xff\xff\xff\xff" + good
    yield b"\xc6\xff\xff\xff\xff" + good


async def test_bundles_that_are_none_are_thrown_away_and_cost_their_sender_its_connection(stage: Stage) -> None:
    """Every cut of a good bundle, nesting without end, lengths that lie; the first dozen are forgiven."""
    with Rogue(stage) as rogue, Rogue(stage, stage.papers("another")) as member:
        await rogue.meet(stage.worker)
        await member.meet(stage.worker)
        bundles = list(bad_bundles(rogue.voice.sealed(rogue.card())))
        for frame in bundles[:: len(bundles) // 12]:
            rogue.publish(stage.governance, frame)
        rogue.tell(card := rogue.card())
        await heard(stage.worker, card)
        assert not stage.worker.transport.penalised(rogue.papers.peer)
        for frame in bundles:
            rogue.publish(stage.governance, frame)
        rogue.publisher.push(stage.governance[:4])
        await until(lambda: stage.worker.transport.penalised(rogue.papers.peer), why="rubbish is put up with")
        member.tell(card := member.card())
        await heard(stage.worker, card)
        await stage.settle(3)


async def test_a_frame_above_the_limit_ends_the_connection(stage: Stage) -> None:
    """A frame of five megabytes is not taken in: libzmq hangs up when it reads the length."""
    with Rogue(stage) as rogue:
        await rogue.meet(stage.worker)
        rogue.publish(stage.governance, bytes(5 * 1024 * 1024))
        await until(lambda: rogue.publisher.was_cut)
        await stage.settle(3)


async def test_a_message_of_many_frames_ends_the_connection(stage: Stage) -> None:
    """A bundle is one frame; a publisher that sends ten thousand is penalised."""
    with Rogue(stage) as rogue:
        await rogue.meet(stage.worker)
        rogue.publisher.push(stage.governance, *[b"part"] * 10_000)
        await until(lambda: stage.worker.transport.penalised(rogue.papers.peer))
        await stage.settle(3)


@DOORS
@pytest.mark.parametrize(
    "parts",
    [[bytes(1024 * 1024)], [b"part"] * 5_000, [NESTED[:4_000]], [b"\x92\x01"], [b""], [b"", b""], [os.urandom(500)]],
    ids=["huge", "many frames", "nested", "truncated", "empty", "two empty", "random"],
)
async def test_requests_that_are_none_get_no_answer(stage: Stage, door: str, parts: list[bytes]) -> None:
    """At the door for members as at that for everybody; the next good request of somebody else is answered."""
    to = target(stage.worker)
    with Rogue(stage) as rogue:
        await rogue.meet(stage.worker)
        line = rogue.dial(zmq.DEALER, getattr(to, door), to.key if door == "fetch" else to.lobby_key)
        assert await line.outcome() == "in"
        line.push(*parts)
        await stage.settle(3)
        assert not line.drain()
        assert not stage.worker.stopped.done()
    with Rogue(stage, stage.papers("another")) as member:
        assert await _answers(member, member.hello(to))


async def _answers(member: Rogue, line: Line) -> bool:
    await until(lambda: line.socket.poll(0), why="a good request got no answer")
    return bool(line.drain())
