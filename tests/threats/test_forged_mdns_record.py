"""Forged mDNS record for an existing member: a stranger announces that a member is where the stranger listens.

The member's id and the market's tag are in its own records, for everybody to copy. The lobby's key may be known too,
from a code that somebody has lost. A record moves nobody: it is a place to knock, and whoever opens there has to prove
who it is.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from peer.caller.market import Market
from peer.launch import launch
from peer.net.meet.discovery import Discovery, Way
from peer.net.meet.introductions import Hello
from peer.runtime import Runtime
from tests.threats.forger import forging
from tests.threats.rogue import Rogue
from tests.threats.stage import Stage, shouter
from tests.waiting import until


class Impostor(Rogue):
    """Answers in its lobby in the name of another: with that peer's own words and certificate, and our places."""

    def pose_as(self, victim: Runtime) -> None:
        me = victim.discovery.introduction()
        self.me = msgspec.structs.replace(
            me, publish=self.me.publish, fetch=self.me.fetch, lobby=self.me.lobby, certificate=me.certificate
        )


async def test_who_answers_at_a_forged_record_is_not_believed(tmp_path: Path) -> None:
    """The victim is away; the caller knocks where the record says, and what opens there is not taken for the victim."""
    async with Stage(tmp_path) as stage:
        settings = msgspec.structs.replace(stage.settings, mdns=True)
        with Impostor(stage) as impostor:
            async with launch(settings, name="worker", agent=shouter()) as victim:
                peer = victim.node.peer
                impostor.pose_as(victim)
            async with Market(settings, "caller") as caller, forging(stage.market) as forger:
                await forger.announce(peer, impostor.me.lobby)
                await until(lambda: len(impostor.said_hello) > 1, why="the record was not heard")
                assert isinstance(impostor.said_hello[0], Hello)
                assert caller.runtime.discovery.find(peer) is None
                outcomes = {place.outcome for place in caller.runtime.discovery.places if place.said == peer}
                assert "the answer's signature does not hold" in outcomes
                async with launch(settings, name="worker", agent=shouter()):
                    assert (await caller.call("shout", {"text": "me"}, budget=10, patience_s=10)).value == "ME"


async def test_a_forged_record_moves_no_live_session(tmp_path: Path) -> None:
    """The victim is here; neither the record nor a goodbye in its name changes where it is called."""
    async with Stage(tmp_path) as stage:
        with Impostor(stage) as impostor:
            await stage.begin(mdns=True)
            await stage.settle()
            discovery, peer = stage.caller.runtime.discovery, stage.worker.node.peer
            before = discovery.find(peer)
            hung_up = _hung_up(stage.caller.runtime)
            impostor.pose_as(stage.worker)
            async with forging(stage.market) as forger:
                record = await forger.announce(peer, impostor.me.lobby)
                own = await forger.announce(peer, stage.worker.discovery.introduction().lobby)
                stranger = await forger.announce(stage.papers("nobody").peer, impostor.me.lobby)
                last = await forger.announce(stage.papers("no other").peer, impostor.me.fetch)
                await until(lambda: impostor.said_hello, why="the forger is not heard at all")
                await until(lambda: impostor.me.fetch in _announced(discovery), why="nor is its last record")
                await stage.settle(3)
                for each in (record, own, stranger, last):
                    await forger.take_back(each)
                await until(lambda: impostor.me.fetch not in _announced(discovery), why="no goodbye is heard")
                await stage.settle(3)
            assert discovery.find(peer) == before
            assert peer not in hung_up, "it was called anew"
            assert peer in stage.caller.runtime.node.directory.here
            assert impostor.me.publish not in {found.endpoints.publish for found in discovery.known}


def _announced(discovery: Discovery) -> set[int]:
    """The ports of lobbies that are known by mDNS alone."""
    found = (place.addresses[0] for place in discovery.places if place.way is Way.MDNS)
    return {int(address.rpartition(":")[2]) for address in found}


def _hung_up(runtime: Runtime) -> list[bytes]:
    """Whom a peer hears no more, from now on."""
    hung_up: list[bytes] = []
    disconnect = runtime.transport.disconnect

    def spied(peer: bytes) -> None:
        hung_up.append(peer)
        disconnect(peer)

    runtime.transport.disconnect = spied  # type: ignore[method-assign]
    return hung_up
