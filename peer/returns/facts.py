"""The facts of one request: the few records that the desk's agents need, as plain JSON that travels with a task.

This is the data that leaves the shop, so it holds ids, statuses and amounts, and refuses names and addresses. What the
facts mean for the request is the business of `rules`.
"""

from __future__ import annotations

from typing import TypedDict

from peer.returns.records import Order, Request
from peer.returns.shop import Shop


class ItemFacts(TypedDict):
    """One piece of the order, at the price paid for it."""

    item_id: str
    product_id: str
    price_cents: int


class PaymentFacts(TypedDict):
    """One payment or refund of the order."""

    transaction_type: str
    payment_method_id: str
    amount_cents: int


class OrderFacts(TypedDict):
    """The order that the request names."""

    order_id: str
    user_id: str
    status: str
    items: list[ItemFacts]
    payments: list[PaymentFacts]


class MethodFacts(TypedDict):
    """A payment method of the user who asks; a balance other than a gift card's is None."""

    source: str
    balance_cents: int | None


class VariantFacts(TypedDict):
    """A variant that the request asks for."""

    product_id: str
    price_cents: int
    available: bool


class Facts(TypedDict):
    """All that the desk's agents need to know about one request: at most 16 KiB of JSON, by the bounds of `records`."""

    order: OrderFacts | None
    methods: dict[str, MethodFacts]
    variants: dict[str, VariantFacts]


def facts_for(shop: Shop, request: Request) -> Facts:
    """Cut out of the shop what this request needs, as it stands now."""
    order, user = shop.orders.get(request.order_id), shop.users.get(request.user_id)
    asked = set(request.new_item_ids)
    return Facts(
        order=None if order is None else _order_facts(order),
        methods={
            method.id: MethodFacts(
                source=method.source,
                balance_cents=None if method.balance_cents is None else int(method.balance_cents),
            )
            for method in (user.methods.values() if user else ())
        },
        variants={
            item_id: VariantFacts(
                product_id=product.product_id, price_cents=int(variant.price_cents), available=variant.available
            )
            for product in shop.products.values()
            for item_id, variant in product.variants.items()
            if item_id in asked
        },
    )


def _order_facts(order: Order) -> OrderFacts:
    return OrderFacts(
        order_id=order.order_id,
        user_id=order.user_id,
        status=order.status,
        items=[
            ItemFacts(item_id=item.item_id, product_id=item.product_id, price_cents=int(item.price_cents))
            for item in order.items
        ],
        payments=[
            PaymentFacts(
                transaction_type=payment.transaction_type,
                payment_method_id=payment.payment_method_id,
                amount_cents=int(payment.amount_cents),
            )
            for payment in order.payments
        ],
    )
