"""An award looked at again: its winner and price, and whether its effect may be there already. It votes on nothing."""

from __future__ import annotations

from typing import cast

from protocol.auction import decide
from protocol.contract import Contract
from protocol.keys import Digest
from protocol.statements import Award, Bid, Decline, EffectClass, Failure, Recall, Renewal, Statement
from protocol.states import Reading


def fault_of_award(contract: Contract, reading: Reading, award: Statement[Award]) -> str | None:
    """Recompute an award from the bids that it lists (SPEC section 5)."""
    considered: list[Statement[Bid]] = []
    for bid_id in award.body.considered:
        bid = contract.held.get(Digest(bid_id))
        if bid is None or type(bid.body) is not Bid or bid.about != contract.id:
            return "the award lists a bid that is none for this task"
        considered.append(cast("Statement[Bid]", bid))
    before = [
        step.body.winner for step in reading.steps if type(step.body) is Award and step.body.epoch < award.body.epoch
    ]
    outcome = decide(contract.id, contract.announcement.body, considered, before)
    if outcome is None or outcome.bid.id != award.body.bid:
        return "another of the listed bids wins"
    if outcome.price != award.body.price:
        return f"the price should be {outcome.price}"
    return None


def may_have_happened(contract: Contract, reading: Reading) -> bool:
    """Tell whether an irreversible effect may be there: an earlier epoch had its go and ended without its contractor's
    own word (SPEC section 7).
    """
    if contract.announcement.body.effect is not EffectClass.IRREVERSIBLE:
        return False
    go = False
    for step in reading.steps:
        match step.body:
            case Award():
                go = False
            case Renewal():
                go = True
            case Recall(answer=answer) if go:
                own_end = contract.held.get(Digest(answer)) if answer is not None else None
                if own_end is None or not isinstance(own_end.body, Failure | Decline):
                    return True
    return False
