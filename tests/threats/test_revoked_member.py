"""Revoked member with a live session: it is connected to everybody when the authority revokes it, and simply stays.

It is cut off within a bounded time, comes in nowhere any more, and what it says from then on counts for nothing,
whoever shows it; what it has said before stands.
"""

from __future__ import annotations

import msgpack
import zmq

from peer.net.meet.introductions import Refused, open_item
from peer.net.requests import Ids, pack_request
from protocol.bundle import evidence_of
from tests.threats.rogue import Rogue, heard
from tests.threats.stage import Stage, target
from tests.waiting import until


async def test_a_revoked_member_is_cut_off_and_not_let_in_again(stage: Stage) -> None:
    """The new list is written on one computer; every session of the member ends, in both directions."""
    caller, worker = stage.caller.runtime, stage.worker
    with Rogue(stage) as rogue:
        await rogue.meet(caller, worker)
        rogue.tell(before := rogue.card("before"))
        await heard(caller, before)
        asking = rogue.dial(zmq.DEALER, target(worker).fetch, target(worker).key)
        asking.push(pack_request(1, Ids([before.id])))
        await until(asking.drain, why="a member gets no answer")
        stage.revoke(rogue.papers.peer)
        await until(lambda: asking.was_cut, why="a revoked member may still ask")
        for runtime in (caller, worker):
            ear = rogue.ears[runtime.node.peer]
            await until(lambda ear=ear: ear.was_cut, why="a revoked member still listens")
            await until(lambda runtime=runtime: rogue.papers.peer not in runtime.node.directory.here)
        rogue.tell(after := rogue.card("after"))
        line = rogue.dial(zmq.SUB, target(worker).publish, target(worker).key)
        assert await line.outcome() == "refused"
        await stage.settle(3)
        assert before.id in caller.node.holdings.seen
        assert after.id not in caller.node.holdings.seen


async def test_the_lobby_tells_a_revoked_member_nothing(stage: Stage) -> None:
    """A hello with a revoked certificate gets one phrase, and no neighbours; before the revocation it got all."""
    to = target(stage.worker)
    with Rogue(stage) as rogue:
        await rogue.meet(stage.worker)
        stage.revoke(rogue.papers.peer)
        await until(lambda: rogue.ears[to.peer].was_cut)
        line = rogue.hello(to)
        await until(lambda: line.socket.poll(0), why="no answer")
        ((answer,),) = line.drain()
        (item,) = msgpack.unpackb(answer)[1]
        told = open_item(item)
        assert isinstance(told, Refused)
        assert told.why == "member is revoked"


async def test_an_accomplice_cannot_say_it_for_a_revoked_member(stage: Stage) -> None:
    """Another member hands on, as evidence, what the revoked one says after its revocation."""
    caller = stage.caller.runtime
    with Rogue(stage) as revoked, Rogue(stage, stage.papers("accomplice")) as accomplice:
        await revoked.meet(caller)
        await accomplice.meet(caller)
        accomplice.exhibit(evidence_of(before := revoked.card("before"), revoked.papers.sealer))
        await heard(caller, before)  # the counter-check: of a member, evidence is taken from anybody
        stage.revoke(revoked.papers.peer)
        await until(lambda: revoked.ears[caller.node.peer].was_cut)
        said = revoked.card("from beyond")
        accomplice.exhibit(evidence_of(said, revoked.papers.sealer))
        accomplice.publish(stage.governance, revoked.voice.sealed(said))
        accomplice.tell(last := accomplice.card("accomplice"))
        await heard(caller, last)
        assert said.id not in caller.node.holdings.seen
        assert caller.node.directory.name_of(revoked.papers.peer) == "before"
