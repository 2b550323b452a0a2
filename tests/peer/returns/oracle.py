"""The rules of the returns desk once more, as one plain function: what the skills are compared with."""

from __future__ import annotations

from peer.returns.records import Request
from peer.returns.shop import Decision, Shop


def decide(shop: Shop, request: Request, refund_limit_cents: int) -> Decision:
    """Decide one request in the dumbest way: from the shop itself, rule by rule, sharing nothing with the skills."""
    kind, order, amount_cents = request.kind.value, shop.orders.get(request.order_id), 0
    if order is None or order.user_id != request.user_id:
        return Decision(refused="owner")
    if order.status != ("pending" if kind == "cancel" else "delivered"):
        return Decision(refused="status")
    if kind == "cancel":
        if request.reason != "no longer needed" and request.reason != "ordered by mistake":
            return Decision(refused="reason")
        for payment in order.payments:
            if payment.transaction_type == "payment":
                amount_cents += payment.amount_cents
    else:
        left, old = list(order.items), []
        for item_id in request.item_ids:
            index = next((index for index, item in enumerate(left) if item.item_id == item_id), None)
            if index is None:
                return Decision(refused="items")
            old.append(left.pop(index))
            amount_cents += old[-1].price_cents
        if kind == "exchange":
            if len(request.new_item_ids) != len(old):
                return Decision(refused="count")
            pairs = zip(old, request.new_item_ids, strict=True)
            new = [shop.variant(item_id, item.product_id) for item, item_id in pairs]
            if any(variant is None for variant in new):
                return Decision(refused="product")
            if any(variant is not None and not variant.available for variant in new):
                return Decision(refused="available")
            amount_cents -= sum(variant.price_cents for variant in new if variant is not None)
        method = shop.method(request.user_id, request.payment_method_id)
        if method is None:
            return Decision(refused="method")
        if kind == "return" and method.source != "gift_card":
            paid = [payment for payment in order.payments if payment.transaction_type == "payment"]
            if not paid or paid[0].payment_method_id != method.id:
                return Decision(refused="method")
        if kind == "exchange" and method.source == "gift_card" and (method.balance_cents or 0) + amount_cents < 0:
            return Decision(refused="balance")
    if amount_cents > 0 and amount_cents > refund_limit_cents:
        return Decision(refused="veto")
    return Decision(amount_cents=amount_cents)
