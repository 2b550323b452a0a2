"""A shop small enough to know by heart, and the desk's skills put in a row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from peer.returns.facts import Facts, facts_for
from peer.returns.records import Cents, Item, Method, Order, Payment, Product, Request, User, Variant
from peer.returns.rules import VETO, fraud_check, policy_check, refund_amount
from peer.returns.shop import Decision, Shop

REAL_SHOP = Path(__file__).resolve().parents[4] / "shared" / "data" / "returns"


@pytest.fixture
def real_shop() -> Path:
    """The directory of the shared shop of a thousand orders; it lives beside the project, never in it."""
    if not (REAL_SHOP / "cases.json").is_file():
        pytest.skip("the shared shop (../shared/data/returns) is not here")
    return REAL_SHOP


@pytest.fixture
def shop() -> Shop:
    """Ada has delivered orders, one of two like cups and a plate, and pending ones; Bo has a delivered one."""

    def item(item_id: str, product_id: str, cents: int) -> Item:
        return Item(item_id=item_id, product_id=product_id, price_cents=Cents(cents))

    def order(order_id: str, user_id: str, status: str, items: tuple[Item, ...], *paid: tuple[str, str, int]) -> Order:
        payments = tuple(
            Payment(transaction_type=kind, payment_method_id=method, amount_cents=Cents(cents))
            for kind, method, cents in paid
        )
        return Order(order_id=order_id, user_id=user_id, status=status, items=items, payments=payments)

    def variant(item_id: str, cents: int, available: bool = True) -> Variant:
        return Variant(item_id=item_id, price_cents=Cents(cents), available=available)

    cup, plate = item("cup-red", "cup", 500), item("plate-big", "plate", 1999)
    orders = [
        order("#W1", "ada", "delivered", (cup, cup, plate), ("payment", "ada-card", 2999)),
        order("#W2", "ada", "pending", (plate,), ("payment", "ada-card", 999), ("payment", "ada-gift", 1000)),
        order("#W3", "bo", "delivered", (cup,), ("payment", "bo-card", 500)),
        order("#W4", "ada", "delivered", (cup,), ("refund", "ada-transfer", 1), ("payment", "ada-card", 500)),
        order("#W5", "ada", "pending", (cup,), ("payment", "ada-gift", 500), ("refund", "ada-gift", 200)),
    ]
    methods = [
        Method(id="ada-card", source="credit_card"),
        Method(id="ada-transfer", source="transfer"),
        Method(id="ada-gift", source="gift_card", balance_cents=Cents(100)),
    ]
    cups = [variant("cup-red", 500), variant("cup-blue", 600), variant("cup-gold", 601), variant("cup-old", 1, False)]
    return Shop(
        orders={one.order_id: one for one in orders},
        users={
            "ada": User(methods={method.id: method for method in methods}),
            "bo": User(methods={"bo-card": Method(id="bo-card", source="credit_card")}),
        },
        products={
            "cup": Product(product_id="cup", variants={one.item_id: one for one in cups}),
            "plate": Product(product_id="plate", variants={"plate-big": variant("plate-big", 1999)}),
        },
    )


@pytest.fixture
def desk() -> Callable[[Shop, Request, int], Decision]:
    """The skills in a row, each of them given only what came back from JSON, as an agent would be."""

    def decide_by_skills(shop: Shop, request: Request, refund_limit_cents: int) -> Decision:
        facts = msgspec.json.decode(msgspec.json.encode(facts_for(shop, request)), type=Facts)
        asked = msgspec.json.decode(msgspec.json.encode(request), type=Request)
        if refused := fraud_check(asked, facts) or policy_check(asked, facts):
            return Decision(refused=refused)
        amount_cents = refund_amount(asked, facts)
        if amount_cents > max(refund_limit_cents, 0):
            return Decision(refused=VETO)
        return Decision(amount_cents=amount_cents)

    return decide_by_skills
