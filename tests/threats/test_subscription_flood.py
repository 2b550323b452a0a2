"""Subscription flood: a member asks a publisher for everything: too many topics, too long ones, and others' own.

Each topic costs the publisher memory and every frame a look. The flooder is cut off and kept out for a while; what is
not for it, it does not hear; the others go on.
"""

from __future__ import annotations

import asyncio
import os

import pytest
import zmq

from protocol.certificate import Right
from protocol.topics import peer_topic, skill_topic
from tests.threats.rogue import Rogue
from tests.threats.stage import AGENT, Stage, target
from tests.waiting import meanwhile, until

PACE_S = 0.005
"""Until the next ones of a flood: the worker, in this process, needs turns to be flooded in."""


async def test_too_many_topics_end_the_connection(stage: Stage) -> None:
    """Ten thousand skills that nobody has; a market's busiest peer has some dozens."""
    with Rogue(stage) as rogue:
        await rogue.meet(stage.worker)
        ear = rogue.ears[stage.worker.node.peer]
        for _ in range(10_000):
            ear.socket.subscribe(b"s" + os.urandom(8))
        await until(lambda: ear.was_cut, why="a flood of topics is put up with")
        assert stage.worker.transport.penalised(rogue.papers.peer)
        await stage.settle(5)


async def test_a_topic_that_is_asked_for_and_given_back_without_end_ends_the_connection(stage: Stage) -> None:
    """It never has many, and each change costs its publisher as much as a topic more."""
    with Rogue(stage) as rogue:
        await rogue.meet(stage.worker)
        to, topic = target(stage.worker), b"s" + os.urandom(8)
        line = rogue.dial(zmq.XSUB, to.publish, to.key)
        assert await line.outcome() == "in"

        async def flood() -> None:
            while True:
                for _ in range(200):
                    line.push(b"\1" + topic)
                    line.push(b"\0" + topic)
                await asyncio.sleep(PACE_S)

        async with meanwhile(flood()):
            await until(lambda: stage.worker.transport.penalised(rogue.papers.peer), why="such a flood is put up with")
            await stage.settle(5)


async def test_some_dozen_topics_are_fine(stage: Stage) -> None:
    """The counter-check: a member with fifty skills is nobody's enemy."""
    with Rogue(stage) as member:
        await member.meet(stage.caller.runtime)
        ear = member.ears[stage.caller.runtime.node.peer]
        for number in range(50):
            ear.socket.subscribe(skill_topic(f"skill {number}"))
        ear.socket.subscribe(skill_topic("shout"))
        await stage.settle(5)
        await until(ear.drain, why="what was asked for after fifty others is not heard")
        assert not ear.was_cut


async def test_a_topic_of_five_thousand_bytes_ends_the_connection(stage: Stage) -> None:
    """A topic has nine bytes; libzmq would keep each of five thousand in a tree of its own."""
    with Rogue(stage) as rogue:
        await rogue.meet(stage.worker)
        ear = rogue.ears[stage.worker.node.peer]
        ear.socket.subscribe(b"s" + os.urandom(5_000))
        await until(lambda: ear.was_cut)
        await stage.settle(5)


@pytest.mark.parametrize("whose", ["everybody's", "the worker's", "a prefix"])
async def test_what_is_for_others_is_not_heard(stage: Stage, whose: str) -> None:
    """Awards and results go to their parties' own topics: nobody else can subscribe to those."""
    worker, caller = stage.worker.node.peer, stage.caller.runtime
    topic = {"everybody's": b"", "the worker's": peer_topic(worker), "a prefix": peer_topic(worker)[:3]}[whose]
    with Rogue(stage) as rogue:
        await rogue.meet(caller)
        spy = rogue.dial(zmq.SUB, target(caller).publish, target(caller).key)
        spy.socket.subscribe(topic)
        await spy.outcome()
        await stage.settle(5)
        assert not spy.drain()


async def test_with_the_right_to_observe_everything_is_heard(stage: Stage) -> None:
    """The counter-check: the same call by an observer, whose certificate says so, brings the auction's frames."""
    caller = stage.caller.runtime
    with Rogue(stage, stage.papers(rights=(*AGENT, Right.OBSERVE))) as observer:
        await observer.meet(caller)
        ear = observer.ears[caller.node.peer]
        ear.socket.subscribe(b"")
        heard: list[bytes] = []

        async def is_heard() -> bool:
            await stage.settle()
            heard.extend(frame for (frame,) in ear.drain())
            return any(frame.startswith(peer_topic(stage.worker.node.peer)) for frame in heard)

        for _ in range(20):
            if await is_heard():
                return
        raise AssertionError("an observer hears nothing")


async def test_what_is_no_subscription_ends_the_connection(stage: Stage) -> None:
    """A subscriber speaks in subscriptions only; libzmq hands on whatever else it sends."""
    to = target(stage.worker)
    with Rogue(stage) as rogue:
        await rogue.meet(stage.worker)
        line = rogue.dial(zmq.XSUB, to.publish, to.key)
        assert await line.outcome() == "in"
        line.push(b"\x05let me speak")
        await until(lambda: line.was_cut)
        await stage.settle(5)
