"""The rules of the returns desk, split along its four skills.

The skills work on a request and its `facts` alone, so that agents can run them anywhere. This file changes nothing: see
`Shop.apply`.

The first rule that a request breaks names its refusal, in this order: owner, status, reason, items, count, product,
available, method, balance. A payout above the market's limit is vetoed after that.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from typing import TypedDict

from peer.returns.facts import Facts, ItemFacts, OrderFacts
from peer.returns.records import Kind, Request
from peer.returns.shop import NEEDED
from protocol.errors import BadInput

REASONS = ("no longer needed", "ordered by mistake")
"""Why a pending order may be cancelled, to the letter."""
VETO = "veto"


class Label(TypedDict):
    """What travels: `back` to the shop, `out` to the customer. Like requests have like label ids."""

    label_id: str
    back: list[str]
    out: list[str]


def fraud_check(request: Request, facts: Facts) -> str | None:
    """Name the rule `owner` when the order does not exist or is not that user's, else None."""
    order = facts["order"]
    return "owner" if order is None or order["user_id"] != request.user_id else None


def policy_check(request: Request, facts: Facts) -> str | None:
    """Name the first rule from `status` to `balance` that the request breaks, or None. It comes after `fraud_check`."""
    order = _order(facts)
    for name, holds in _POLICY.items():
        if not holds(request, order, facts):
            return name
    return None


def refund_amount(request: Request, facts: Facts) -> int:
    """Compute the cents due to the customer of a request that passed `policy_check`; negative: the customer pays."""
    order = _order(facts)
    if request.kind is Kind.CANCEL:
        return sum(paid["amount_cents"] for paid in order["payments"] if paid["transaction_type"] == "payment")
    new_cents = 0
    for item_id in request.new_item_ids:
        if item_id not in facts["variants"]:
            raise BadInput(f"$.facts.variants: item {item_id!r} is not there.", do="Ask policy_check first.")
        new_cents += facts["variants"][item_id]["price_cents"]
    return sum(item["price_cents"] for item in _pieces(request, order)) - new_cents


def shipping_label(request: Request, facts: Facts) -> Label:
    """Say what is sent back and what is sent out for a granted request; a cancelled order has not left the shop."""
    order = _order(facts)
    back = [item["item_id"] for item in _pieces(request, order)]
    out = list(request.new_item_ids)
    parts = [request.kind.value, order["order_id"], str(len(back)), *back, *out]
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return Label(label_id=f"L-{digest[:16]}", back=back, out=out)


def _order(facts: Facts) -> OrderFacts:
    if facts["order"] is None:
        raise BadInput("$.facts.order: there is no order.", do="Ask fraud_check first: it refuses such a request.")
    return facts["order"]


def _pieces(request: Request, order: OrderFacts) -> list[ItemFacts]:
    """The order's items that a request names, each piece once, in the request's order."""
    stock: dict[str, list[ItemFacts]] = {}
    for item in reversed(order["items"]):
        stock.setdefault(item["item_id"], []).append(item)
    pieces = [stock[item_id].pop() for item_id in request.item_ids if stock.get(item_id)]
    if len(pieces) < len(request.item_ids):
        raise BadInput("$.request.item_ids: an item is not in the order.", do="Ask policy_check first.")
    return pieces


def _status(request: Request, order: OrderFacts, facts: Facts) -> bool:
    return order["status"] == NEEDED[request.kind]


def _reason(request: Request, order: OrderFacts, facts: Facts) -> bool:
    return request.kind is not Kind.CANCEL or request.reason in REASONS


def _items(request: Request, order: OrderFacts, facts: Facts) -> bool:
    return Counter(request.item_ids) <= Counter(item["item_id"] for item in order["items"])


def _count(request: Request, order: OrderFacts, facts: Facts) -> bool:
    return request.kind is not Kind.EXCHANGE or len(request.new_item_ids) == len(request.item_ids)


def _product(request: Request, order: OrderFacts, facts: Facts) -> bool:
    if request.kind is not Kind.EXCHANGE:
        return True
    new = [facts["variants"].get(item_id) for item_id in request.new_item_ids]
    old = _pieces(request, order)
    return all(variant and variant["product_id"] == item["product_id"] for item, variant in zip(old, new, strict=True))


def _available(request: Request, order: OrderFacts, facts: Facts) -> bool:
    return all(facts["variants"][item_id]["available"] for item_id in request.new_item_ids)


def _method(request: Request, order: OrderFacts, facts: Facts) -> bool:
    if request.kind is Kind.CANCEL:
        return True
    method = facts["methods"].get(request.payment_method_id)
    if method is None:
        return False
    payments = (paid["payment_method_id"] for paid in order["payments"] if paid["transaction_type"] == "payment")
    original = next(payments, None)
    return request.kind is Kind.EXCHANGE or method["source"] == "gift_card" or request.payment_method_id == original


def _balance(request: Request, order: OrderFacts, facts: Facts) -> bool:
    if request.kind is not Kind.EXCHANGE:
        return True
    method = facts["methods"][request.payment_method_id]
    return method["source"] != "gift_card" or (method["balance_cents"] or 0) >= -refund_amount(request, facts)


_POLICY: dict[str, Callable[[Request, OrderFacts, Facts], bool]] = {
    "status": _status,
    "reason": _reason,
    "items": _items,
    "count": _count,
    "product": _product,
    "available": _available,
    "method": _method,
    "balance": _balance,
}
"""The rules of policy_check in their order; each may rely on those before it."""
