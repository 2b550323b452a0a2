"""Evidence that nobody here asked for, by somebody who may not come in: what a member brings in for an outsider.

Evidence stands whatever has become of its author, or no dispute could be settled (SPEC section 4). But with an
announcement, a bid, a refusal or a card something begins, and who is no member begins nothing by another's mouth.
"""

from __future__ import annotations

from typing import Final

from protocol.bundle import Door
from protocol.job import is_award_of
from protocol.node import Node
from protocol.notices import Card
from protocol.statements import Announcement, AnyStatement, Award, Bid, Refusal

BEGINNINGS: Final = frozenset({Announcement, Bid, Refusal, Card})


def fault_of_evidence(statement: AnyStatement, node: Node, door: Door) -> str | None:
    """Say, in a fixed phrase, why evidence is not taken, or None: most is."""
    if type(statement.body) not in BEGINNINGS or statement.author == node.peer:
        return None
    fault = door(statement.author, None) or door(statement.author, statement)
    if fault is None or _was_said_before(statement, node) or _is_asked_for(statement, node):
        return None
    return fault


def _was_said_before(statement: AnyStatement, node: Node) -> bool:
    """What a revoked member had said before its revocation stands."""
    charters = node.holdings.charters
    return statement.author in charters.revoked and charters.lets_stand(statement)


def _is_asked_for(statement: AnyStatement, node: Node) -> bool:
    """A chain cites it, an award lists it, what is held here is about it, or it fills a gap in a feed."""
    holdings, governs = node.holdings, node.governor is not None
    if node.governor is not None and node.governor.gaps.misses(statement):
        return True
    if type(statement.body) is Announcement:
        behind = holdings.waiting.behind(statement.id)
        return any(governs or is_award_of(statement, guest, node.peer) for guest in behind)
    if holdings.is_wanted(statement.id):
        return True
    contract = holdings.contract_about(statement.about)
    steps = contract.reading.steps if contract is not None else ()
    return any(type(step.body) is Award and statement.id in step.body.considered for step in steps)
