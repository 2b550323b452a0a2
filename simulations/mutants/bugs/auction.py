"""Slips in the auction, and in how its bids and permits are counted."""

from __future__ import annotations

from typing import Final

from simulations.mutants.base import one_edit

AUCTION: Final = (
    one_edit(
        "tie-broken-by-arrival",
        "Of equal bids the one that came first wins.",
        "auction",
        "min(leaders, key=lambda bid: tie_break(announcement_id, bid.author)) if len(leaders) > 1 else leaders[0]",
        "leaders[0]",
    ),
    one_edit(
        "second-price-is-the-highest",
        "The winner pays the highest rival price.",
        "auction",
        "others = [bid.body.price for bid in candidates if bid.author != winner.author]",
        "others = sorted([bid.body.price for bid in candidates if bid.author != winner.author])[-1:]",
    ),
    one_edit(
        "second-price-alone-pays-its-bid",
        "A winner without rivals pays its own price, and not the budget.",
        "auction",
        "min(others, default=announcement.budget)",
        "min(others, default=winner.body.price)",
    ),
    one_edit(
        "winner-wins-twice",
        "A former winner may win the task again.",
        "auction",
        " and bid.author not in former_winners",
        "",
    ),
    one_edit(
        "price-above-the-budget",
        "Bids above the budget are candidates.",
        "auction",
        "if bid.body.price <= announcement.budget and",
        "if",
    ),
    one_edit(
        "award-omits-a-bid",
        "The last bid that came in is not considered.",
        "tender",
        "not in barred][: limits.CONSIDERED_MAX]",
        "not in barred][: len(contract.bids) - 1 or 1]",
    ),
    one_edit(
        "early-close-ignores-a-member",
        "The bidding ends as soon as anybody has answered.",
        "manager",
        "return 0 < len(offering) <= len(tender.answered) and offering <= tender.answered.keys()",
        "return any(member in tender.answered for member in offering)",
    ),
    one_edit(
        "standing-use-forgotten",
        "After a restart a manager does not know which uses of a standing permit it spent.",
        "manager",
        "self._allowance.used(step.body.standing)",
        "pass",
    ),
    one_edit(
        "standing-use-not-counted",
        "Every award uses a standing permit for the first time.",
        "allowance",
        "self._uses[permit.id] = number",
        "pass",
    ),
)
