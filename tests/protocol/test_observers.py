"""What a shell may look at from outside: how frames are opened, and which contracts have grown."""

from __future__ import annotations

from typing import Any

from protocol.bundle import Opened, open_bundle
from protocol.contract import Contract
from protocol.keys import Digest
from protocol.turn import Turn
from tests.market import TestMarket


def test_whoever_opens_frames_for_many_is_asked_for_every_bundle() -> None:
    """A shell may share the opening of a frame among those who hear it: the turn asks its opener, not the function."""
    market = TestMarket()
    hazel = market.join("hazel", shout=5)
    opened: list[Opened] = []

    def opener(frame: bytes, **rest: Any) -> Opened:
        opened.append(open_bundle(frame, **rest))
        return opened[-1]

    hazel.turn = Turn(hazel.node, hazel.journal, hazel, hazel.sealer, opener=opener)
    market.join("desk")
    contract = market.announce("desk")
    market.run(1_000)
    assert contract in {statement.id for each in opened for statement in each.statements}


def test_whoever_watches_is_told_each_time_a_contract_grows() -> None:
    """`Holdings.on_learnt` names every contract whose set has grown, whoever said the statement."""
    market = TestMarket()
    market.join("hazel", shout=5)
    desk = market.join("desk")
    sizes: dict[Digest, list[int]] = {}

    def grown(contract: Contract) -> None:
        sizes.setdefault(contract.id, []).append(len(contract.held))

    desk.node.holdings.on_learnt.append(grown)
    contract = market.announce("desk")
    market.run(10_000)
    held = len(desk.node.holdings.contracts[contract].held)
    assert sizes[contract] == list(range(2, held + 1))


def test_a_bidder_whose_bids_are_answered_waits_for_nothing() -> None:
    """The timer of a bid that was lost is none: a node that nothing is due for says so."""
    market = TestMarket()
    dear = market.join("dear", shout=9)
    market.join("cheap", shout=5)
    market.join("desk")
    market.announce("desk")
    market.run(2)
    assert dear.node.bidder.deadline_ms() is not None
    market.run(400)
    assert dear.node.bidder.deadline_ms() is None
