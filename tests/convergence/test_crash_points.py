"""A crash at every transaction of every journal: whatever left before it, nobody is ever caught with two tongues."""

from __future__ import annotations

from collections import defaultdict

import msgpack
import pytest

from protocol.bundle import BUNDLE_TAG
from protocol.codec import decode
from protocol.events import Announce
from protocol.keys import Digest
from protocol.policy import Policy
from protocol.statements import AnyStatement, EffectClass
from protocol.states import State
from protocol.topics import TOPIC_LENGTH
from tests.market import TestMarket, TestPeer, charter_with, task_for

ENDS = {State.SETTLED, State.CANCELLED, State.FINAL}
TRANSACTIONS_MAX = 12


def play(effect: EffectClass, *, crasher: str, at: int) -> tuple[TestMarket, Digest, list[AnyStatement]]:
    """One contract, with a crash of one peer instead of its transaction number `at`; all that ever left."""
    market = TestMarket(charter_with(("g",)))
    left: list[AnyStatement] = []

    def listen(sender: TestPeer, frame: bytes) -> None:
        unpacked = msgpack.unpackb(frame[TOPIC_LENGTH:])
        if unpacked[0] == BUNDLE_TAG:
            left.extend(decode(payload) for payload in unpacked[4])

    market.on_published = listen
    market.join("g", policy=Policy(version=Digest(bytes(32))))
    market.join("m")
    for name, price in (("a", 10), ("b", 20)):
        market.join(name, shout=price).work_ms = 2_500
    market.run(10)
    journal = market.peers[crasher].journal
    journal.fail_at = len(journal.rows) + at
    if crasher == "m" and at == 0:
        market.peers["m"].run(events=[Announce(task=task_for(market.charter, effect=effect, lease_ms=2_000))])
        assert not market.peers["m"].alive
        market.restart("m")
    contract = market.announce("m", effect=effect, lease_ms=2_000)
    market.run(4_000)
    market.restart(crasher)
    market.heal()
    market.run(90_000)
    return market, contract, left


@pytest.mark.parametrize("effect", list(EffectClass))
@pytest.mark.parametrize("crasher", ["m", "a", "b", "g"])
def test_no_crash_makes_a_fork_or_leaves_a_contract_open(effect: EffectClass, crasher: str) -> None:
    """Before the first transaction, before each later one, behind the last: no fork, and an end that all agree on."""
    for at in range(TRANSACTIONS_MAX):
        market, contract, left = play(effect, crasher=crasher, at=at)
        seqs: dict[object, set[bytes]] = defaultdict(set)
        for statement in left:
            seqs[statement.author, statement.feed, statement.seq].add(statement.id)
            if statement.prev is not None:
                seqs[statement.author, statement.feed, statement.prev].add(statement.id)
        assert all(len(ids) == 1 for ids in seqs.values()), f"a fork after a crash at transaction {at}"
        assert not any(each.convictions for each in market.peers.values())
        reading = market.peers["m"].contract(contract)
        assert reading.state in ENDS, f"{reading.state}, {reading.phase} after a crash at transaction {at}"
        assert market.peers["g"].contract(contract).state is reading.state
        assert not market.peers["a"].node.contractor.jobs
        assert not market.peers["b"].node.contractor.jobs
