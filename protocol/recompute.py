"""The winner and the price of an award, computed again from the bids that it lists. It votes on nothing."""

from __future__ import annotations

from typing import cast

from protocol.auction import decide
from protocol.contract import Contract
from protocol.keys import Digest
from protocol.statements import Award, Bid, Statement
from protocol.states import Reading


def fault_of_award(contract: Contract, reading: Reading, award: Statement[Award]) -> str | None:
    """Recompute an award from the bids that it lists (SPEC section 5)."""
    considered: list[Statement[Bid]] = []
    for bid_id in award.body.considered:
        bid = contract.held.get(Digest(bid_id))
        if bid is None or not isinstance(bid.body, Bid) or bid.about != contract.id:
            return "the award lists a bid that is none for this task"
        considered.append(cast(Statement[Bid], bid))
    before = [
        step.body.winner
        for step in reading.steps
        if isinstance(step.body, Award) and step.body.epoch < award.body.epoch
    ]
    outcome = decide(contract.id, contract.announcement.body, considered, before)
    if outcome is None or outcome.bid.id != award.body.bid:
        return "another of the listed bids wins"
    if outcome.price != award.body.price:
        return f"the price should be {outcome.price}"
    return None
