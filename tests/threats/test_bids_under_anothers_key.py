"""Bids under another's key: a member hears a task announced, and bids for it in the name of a peer that it is not.

It undercuts with a price of 1. It has the victim's public key, and one of its real, signed bids. Nobody's award may
come from that: the price that is paid is the victim's own.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from protocol.bundle import BUNDLE_TAG, seal
from protocol.keys import print_peer
from protocol.statements import AnyStatement, Bid
from protocol.topics import peer_topic
from tests.threats.rogue import Rogue, heard
from tests.threats.stage import Stage

CHEAP = Bid(price=1, duration_ms=1)
Forge = Callable[[Rogue, AnyStatement, AnyStatement], bytes]
"""Makes a frame of the rogue, something that the victim really said, and the announcement."""


def sealed_by_us(rogue: Rogue, real: AnyStatement, announcement: AnyStatement) -> bytes:
    """The victim's name in the statement, our name and signature on the bundle."""
    return rogue.voice.sealed(rogue.voice.say(CHEAP, about=announcement.id, author=real.author))


def signed_by_us(rogue: Rogue, real: AnyStatement, announcement: AnyStatement) -> bytes:
    """The victim's name on both, and our signature."""
    lie = rogue.voice.say(CHEAP, about=announcement.id, author=real.author)
    _, market, _, signature, payloads = msgspec.msgpack.decode(seal([lie], rogue.papers.sealer))
    return msgspec.msgpack.encode((BUNDLE_TAG, market, real.author, signature, payloads))


def with_a_borrowed_signature(rogue: Rogue, real: AnyStatement, announcement: AnyStatement) -> bytes:
    """The victim's name on both, and a signature that the victim has given for something else in this market."""
    lie = rogue.voice.say(CHEAP, about=announcement.id, author=real.author)
    signature = real.seal.source.signature  # type: ignore[union-attr]
    return msgspec.msgpack.encode((BUNDLE_TAG, rogue.market, real.author, signature, [lie.payload]))


@pytest.mark.parametrize(
    ("forge", "ruling"),
    [
        (sealed_by_us, "reject (author): envelope does not fit the bundle"),
        (signed_by_us, "reject (connection): bad signature"),
        (with_a_borrowed_signature, "reject (connection): bad signature"),
    ],
)
async def test_a_bid_under_anothers_key_is_never_paid(stage: Stage, forge: Forge, ruling: str) -> None:
    """The victim asks 5; the forger says in its name that it asks 1."""
    caller, victim = stage.caller.runtime, stage.worker.node.peer
    with Rogue(stage) as rogue:
        real = await _introduced(rogue, stage)
        task = await stage.caller.announce("shout", {"text": "mine"}, budget=10)
        rogue.publish(peer_topic(caller.node.peer), forge(rogue, real, task.contract.announcement))
        done = await task.result()
        assert (done.winner, done.price) == (print_peer(victim), 5)
        assert caller.turn.verdicts[ruling] >= 1
        assert [bid.body.price for bid in task.contract.bids] == [5]


async def test_the_same_bid_under_its_own_key_wins(stage: Stage) -> None:
    """The counter-check: it is the name that was refused; under its own the rogue's price of 1 is the best."""
    with Rogue(stage) as rogue:
        await _introduced(rogue, stage)
        task = await stage.caller.announce("shout", {"text": "mine"}, budget=10)
        bid = rogue.voice.say(CHEAP, about=task.contract.announcement.id)
        rogue.tell(bid, topic=peer_topic(stage.caller.runtime.node.peer))
        async for reading in task.stages():
            if reading.award is not None:
                assert reading.award.body.winner == rogue.papers.peer
                break
        task.withdraw()


async def _introduced(rogue: Rogue, stage: Stage) -> AnyStatement:
    """Let the rogue offer the skill too, so that its bid is waited for; gives the victim's card."""
    caller = stage.caller.runtime
    await rogue.meet(caller)
    real = caller.node.directory.cards[stage.worker.node.peer]
    rogue.tell(card := rogue.card("mallory", *real.body.skills))
    await heard(caller, card)
    return real
