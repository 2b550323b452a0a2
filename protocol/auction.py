"""Who wins, at what price: plain functions that anybody can run again over the considered bids (SPEC section 5)."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from protocol.keys import Digest
from protocol.statements import Announcement, AwardRule, Bid, Statement


class Outcome(NamedTuple):
    """The bid that wins, and the price due in minor units."""

    bid: Statement[Bid]
    price: int


def tie_break(announcement_id: Digest, bidder: bytes) -> bytes:
    """SHA-256(announcement id ‖ bidder key): nobody can choose it, everybody can compute it."""
    return hashlib.sha256(announcement_id + bidder).digest()


def score(announcement: Announcement, bid: Bid) -> int:
    """What the award rule makes smallest."""
    if announcement.award_rule is AwardRule.BEST_VALUE:
        return announcement.price_weight * bid.price + announcement.duration_weight * bid.duration_ms
    return bid.price


def eligible(
    announcement: Announcement, bids: Iterable[Statement[Bid]], former_winners: Collection[bytes] = ()
) -> list[Statement[Bid]]:
    """The bids within the budget of those who have not won this task before."""
    return [bid for bid in bids if bid.body.price <= announcement.budget and bid.author not in former_winners]


def decide(
    announcement_id: Digest,
    announcement: Announcement,
    considered: Sequence[Statement[Bid]],
    former_winners: Collection[bytes] = (),
) -> Outcome | None:
    """The winner and the price of one award, or None when no considered bid can win.

    Vickrey (1961) for the second price: the lowest bid wins and pays the second lowest, or the budget if it is alone.
    """
    candidates = eligible(announcement, considered, former_winners)
    if not candidates:
        return None
    scores = [score(announcement, bid.body) for bid in candidates]
    best = min(scores)
    leaders = [bid for bid, of_bid in zip(candidates, scores, strict=True) if of_bid == best]
    winner = min(leaders, key=lambda bid: tie_break(announcement_id, bid.author)) if len(leaders) > 1 else leaders[0]
    if announcement.award_rule is AwardRule.SECOND_PRICE:
        others = [bid.body.price for bid in candidates if bid.author != winner.author]
        return Outcome(winner, min(others, default=announcement.budget))
    return Outcome(winner, winner.body.price)
