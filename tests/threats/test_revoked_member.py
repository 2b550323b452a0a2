"""Revoked member with a live session: it is connected to everybody when the authority revokes it, and simply stays.

It is cut off within a bounded time, comes in nowhere any more, and what it says from then on counts for nothing,
whoever shows it; what it has said before stands.
"""

from __future__ import annotations

from pathlib import Path

import msgpack
import zmq

from peer.home import market_home
from peer.members.hostmember import HostMember
from peer.net.meet.introductions import Newer, Refused, open_item
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


async def test_the_lobby_tells_a_revoked_member_that_it_is_out_and_no_more(stage: Stage) -> None:
    """A hello with a revoked certificate gets one phrase and the charter that says so, and no neighbours."""
    to = target(stage.worker)
    with Rogue(stage) as rogue:
        await rogue.meet(stage.worker)
        stage.revoke(rogue.papers.peer)
        await until(lambda: rogue.ears[to.peer].was_cut)
        line = rogue.hello(to)
        await until(lambda: line.socket.poll(0), why="no answer")
        ((answer,),) = line.drain()
        told, charter = map(open_item, msgpack.unpackb(answer)[1])
        assert isinstance(told, Refused)
        assert told.why == "member is revoked"
        assert isinstance(charter, Newer)
        assert charter.evidence == evidence_of(stage.newest, stage.authority)
        line = rogue.hello(to, version=2)
        await until(lambda: line.socket.poll(0), why="no answer")
        assert len(msgpack.unpackb(line.drain()[0][0])[1]) == 1, "what it knows it need not be told"


async def test_the_peers_of_a_revoked_computer_part_as_well(stage: Stage, tmp_path: Path) -> None:
    """They are cut off before they can hear why; from whoever they call then they do, and believe it."""
    seed = target(stage.worker).lobby.removeprefix("tcp://")
    home = stage.elsewhere(tmp_path / "elsewhere")
    ada, bob = [await stage.run(name, home=home, seeds=(seed,)) for name in ("ada", "bob")]
    await stage.know(stage.worker, ada.node.peer)
    await stage.know(ada, bob.node.peer)
    stage.revoke(HostMember.load(market_home(stage.settings.market, home).member).peer)
    await until(lambda: ada.node.peer not in stage.worker.node.directory.here)
    for one in (ada, bob):
        await until(lambda one=one: one.constitution.membership.charter.body.version == 2, why="it never hears of it")
        await until(lambda one=one: not one.node.directory.here, why="they trade on among themselves")
    await stage.settle(3)


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
