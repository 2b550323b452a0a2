"""Vectors of who wins: bids in, winner and price out."""

from __future__ import annotations

from typing import Any, NamedTuple

from protocol.auction import decide
from protocol.codec import encode
from protocol.keys import Digest
from protocol.statements import AwardRule, Bid, Statement
from tests.authors import MARKET, sealer_of, task

ID = Digest(bytes(range(32)))
LOWEST, SECOND, BEST = AwardRule


class Auction(NamedTuple):
    """One auction: bidder → price and duration, with what the announcement says."""

    name: str
    rule: AwardRule
    bids: dict[str, tuple[int, int]]
    budget: int = 100
    weights: tuple[int, int] = (1, 1)
    former: tuple[str, ...] = ()


AUCTIONS = (
    Auction("the lowest price", LOWEST, {"ada": (30, 5), "bo": (20, 50), "cy": (25, 1)}),
    Auction("a tie falls to the smaller hash", LOWEST, {"ada": (20, 5), "bo": (20, 5), "cy": (20, 5)}),
    Auction("former winners are passed over", LOWEST, {"ada": (10, 5), "bo": (20, 5)}, former=("ada",)),
    Auction("a bid at the budget wins", LOWEST, {"ada": (100, 5), "bo": (101, 5)}),
    Auction("nobody is within the budget", LOWEST, {"ada": (101, 5)}),
    Auction("no bids", LOWEST, {}),
    Auction("the second price", SECOND, {"ada": (30, 5), "bo": (20, 50), "cy": (25, 1)}),
    Auction("alone at the second price", SECOND, {"bo": (20, 5)}),
    Auction("a bid above the budget sets no second price", SECOND, {"ada": (101, 5), "bo": (20, 5)}),
    Auction("a former winner sets no second price", SECOND, {"ada": (25, 5), "bo": (20, 5)}, former=("ada",)),
    Auction("a tie at the second price", SECOND, {"ada": (20, 5), "bo": (20, 5)}),
    Auction("best value by duration", BEST, {"ada": (30, 5), "bo": (20, 50)}),
    Auction("best value by price", BEST, {"ada": (30, 5), "bo": (20, 50)}, weights=(9, 1)),
    Auction("a tie of best value", BEST, {"ada": (30, 5), "bo": (20, 15)}),
    Auction("products beyond 64 bits", BEST, {"ada": (2**53, 1), "bo": (2**53, 0)}, 2**53, (1_000_000, 1_000_000)),
)


def bid_of(bidder: bytes, price: int, duration_ms: int) -> Statement[Bid]:
    """A bid of which only its author and its terms matter."""
    body = Bid(price=price, duration_ms=duration_ms)
    return encode(body, market=MARKET, author=bidder, feed=bytes(8), seq=1, prev=None, made_ms=0, about=ID)


def document() -> dict[str, Any]:
    """Every auction with its outcome; null where nobody can win."""
    cases = []
    for auction in AUCTIONS:
        bids = [bid_of(sealer_of(name).peer, *terms) for name, terms in auction.bids.items()]
        former = [sealer_of(name).peer for name in auction.former]
        body = task(award_rule=auction.rule, budget=auction.budget, weights=auction.weights)
        outcome = decide(ID, body, bids, former)
        cases.append({
            "name": auction.name, "announcement": ID.hex(), "award_rule": auction.rule.value, "budget": auction.budget,
            "price_weight": auction.weights[0], "duration_weight": auction.weights[1],
            "former_winners": [winner.hex() for winner in former],
            "bids": [{"bidder": bid.author.hex(), "price": bid.body.price, "duration_ms": bid.body.duration_ms}
                     for bid in bids],
            "winner": outcome.bid.author.hex() if outcome else None, "price": outcome.price if outcome else None,
        })  # fmt: skip
    return {"says": "Section 5: these bids, in any order, have this winner at this price.", "cases": cases}
