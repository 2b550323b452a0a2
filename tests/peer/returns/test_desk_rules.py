"""Each rule of the desk, attacked with one plain request; every story is told to the skills and to the oracle."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from peer.returns.facts import facts_for
from peer.returns.records import (
    LINES_MAX,
    METHODS_MAX,
    Cents,
    Item,
    Kind,
    Method,
    Order,
    Payment,
    Product,
    Request,
    User,
    Variant,
)
from peer.returns.rules import fraud_check, policy_check, refund_amount, shipping_label
from peer.returns.shop import Decision, Shop
from protocol.errors import BadInput
from tests.peer.returns.oracle import decide

Desk = Callable[[Shop, Request, int], Decision]

RETURN = Request(
    kind=Kind.RETURN, user_id="ada", order_id="#W1", item_ids=("cup-red", "plate-big"), payment_method_id="ada-card"
)
EXCHANGE = Request(
    kind=Kind.EXCHANGE,
    user_id="ada",
    order_id="#W1",
    item_ids=("cup-red",),
    new_item_ids=("cup-blue",),
    payment_method_id="ada-gift",
)
CANCEL = Request(kind=Kind.CANCEL, user_id="ada", order_id="#W2", reason="no longer needed")

GRANTED = {
    "a return pays the items' prices": (RETURN, 2499),
    "like items may be returned as often as they were bought": (replace(RETURN, item_ids=("cup-red",) * 2), 1000),
    "any gift card of the user takes a return": (replace(RETURN, payment_method_id="ada-gift"), 2499),
    "a refund entry is not how an order was paid": (replace(RETURN, order_id="#W4", item_ids=("cup-red",)), 500),
    "a return of nothing breaks no rule": (replace(RETURN, item_ids=()), 0),
    "a gift card may pay its last cent in an exchange": (EXCHANGE, -100),
    "a card has no balance to run out of": (
        replace(EXCHANGE, new_item_ids=("cup-gold",), payment_method_id="ada-card"),
        -101,
    ),
    "a method that never paid may pay an exchange": (replace(EXCHANGE, payment_method_id="ada-transfer"), -100),
    "an item may be exchanged for its like": (replace(EXCHANGE, new_item_ids=("cup-red",)), 0),
    "a cancel pays back the sum of all payments": (CANCEL, 1999),
    "a cancel sums payments, not refunds": (replace(CANCEL, order_id="#W5"), 500),
    "the other reason is as good": (replace(CANCEL, reason="ordered by mistake"), 1999),
}

REFUSED = {
    "no such order": (replace(RETURN, order_id="#W9"), "owner"),
    "another user's order": (replace(RETURN, order_id="#W3"), "owner"),
    "a user nobody knows": (replace(RETURN, user_id="eve"), "owner"),
    "a return of a pending order": (replace(RETURN, order_id="#W2"), "status"),
    "an exchange of a pending order": (replace(EXCHANGE, order_id="#W2"), "status"),
    "a cancel of a delivered order": (replace(CANCEL, order_id="#W1"), "status"),
    "a reason of one's own": (replace(CANCEL, reason="No longer needed"), "reason"),
    "no reason": (replace(CANCEL, reason=""), "reason"),
    "an item never bought": (replace(RETURN, item_ids=("cup-blue",)), "items"),
    "an item once more than bought": (replace(RETURN, item_ids=("cup-red",) * 3), "items"),
    "an exchange of an item never bought": (replace(EXCHANGE, item_ids=("cup-blue",)), "items"),
    "two new for one old": (replace(EXCHANGE, new_item_ids=("cup-blue", "cup-blue")), "count"),
    "none new for one old": (replace(EXCHANGE, new_item_ids=()), "count"),
    "another product": (replace(EXCHANGE, new_item_ids=("plate-big",)), "product"),
    "a variant of nothing": (replace(EXCHANGE, new_item_ids=("cup-green",)), "product"),
    "pairs crossed": (
        replace(EXCHANGE, item_ids=("cup-red", "plate-big"), new_item_ids=("plate-big", "cup-blue")),
        "product",
    ),
    "sold out": (replace(EXCHANGE, new_item_ids=("cup-old",)), "available"),
    "another user's card": (replace(RETURN, payment_method_id="bo-card"), "method"),
    "one's own method that did not pay": (replace(RETURN, payment_method_id="ada-transfer"), "method"),
    "an exchange on another user's card": (replace(EXCHANGE, payment_method_id="bo-card"), "method"),
    "one cent more than the gift card has": (replace(EXCHANGE, new_item_ids=("cup-gold",)), "balance"),
}

FIRST_BROKEN = {
    "owner before status": (replace(CANCEL, order_id="#W3"), "owner"),
    "status before reason": (replace(CANCEL, order_id="#W1", reason=""), "status"),
    "status before items": (replace(RETURN, order_id="#W2", item_ids=("cup-red",)), "status"),
    "items before count": (replace(EXCHANGE, item_ids=("cup-blue",), new_item_ids=()), "items"),
    "count before product": (replace(EXCHANGE, new_item_ids=("plate-big", "plate-big")), "count"),
    "product before available, whichever pair comes first": (
        replace(EXCHANGE, item_ids=("cup-red", "cup-red"), new_item_ids=("cup-old", "plate-big")),
        "product",
    ),
    "available before method": (replace(EXCHANGE, new_item_ids=("cup-old",), payment_method_id="none"), "available"),
    "items before method": (replace(RETURN, item_ids=("none",), payment_method_id="none"), "items"),
}


@pytest.mark.parametrize("story", GRANTED)
def test_honest_request_is_granted_with_its_amount(shop: Shop, desk: Desk, story: str) -> None:
    """What breaks no rule is granted, to the cent."""
    request, amount_cents = GRANTED[story]
    assert desk(shop, request, 10_000) == decide(shop, request, 10_000) == Decision(amount_cents=amount_cents)


@pytest.mark.parametrize("story", REFUSED)
def test_broken_rule_names_the_refusal(shop: Shop, desk: Desk, story: str) -> None:
    """What breaks one rule is refused in its name."""
    request, rule = REFUSED[story]
    assert desk(shop, request, 10_000) == decide(shop, request, 10_000) == Decision(refused=rule)


@pytest.mark.parametrize("story", FIRST_BROKEN)
def test_first_broken_rule_wins(shop: Shop, desk: Desk, story: str) -> None:
    """What breaks two rules is refused in the name of the earlier one."""
    request, rule = FIRST_BROKEN[story]
    assert desk(shop, request, 10_000) == decide(shop, request, 10_000) == Decision(refused=rule)


@pytest.mark.parametrize("request_", [RETURN, CANCEL])
def test_veto_begins_one_cent_above_the_limit(shop: Shop, desk: Desk, request_: Request) -> None:
    """A payout of just the limit passes; one cent less of a limit and it is vetoed."""
    amount_cents = decide(shop, request_, 10_000).amount_cents
    for decided_by in (desk, decide):
        assert decided_by(shop, request_, amount_cents) == Decision(amount_cents=amount_cents)
        assert decided_by(shop, request_, amount_cents - 1) == Decision(refused="veto")


def test_no_limit_vetoes_what_is_not_paid_out(shop: Shop, desk: Desk) -> None:
    """An even exchange, and one that the customer pays for, pass a limit of 0 and below."""
    for limit_cents in (0, -1_000):
        for request in (EXCHANGE, replace(EXCHANGE, new_item_ids=("cup-red",))):
            assert desk(shop, request, limit_cents) == decide(shop, request, limit_cents)
            assert decide(shop, request, limit_cents).refused is None


def test_two_prices_of_one_item_are_paid_in_the_orders_order(shop: Shop, desk: Desk) -> None:
    """Of two like items bought at different prices, the first one named is the first one bought."""
    order = shop.orders["#W1"]
    first = replace(order.items[0], price_cents=Cents(450))
    shop.orders["#W1"] = replace(order, items=(first, *order.items[1:]))
    once, twice = replace(RETURN, item_ids=("cup-red",)), replace(RETURN, item_ids=("cup-red", "cup-red"))
    assert desk(shop, once, 10_000) == decide(shop, once, 10_000) == Decision(amount_cents=450)
    assert desk(shop, twice, 10_000) == decide(shop, twice, 10_000) == Decision(amount_cents=950)


def test_label_says_what_travels_and_is_the_same_for_the_same_request(shop: Shop) -> None:
    """An exchange travels both ways, a cancelled order not at all, and each request has its own label id."""
    labels = [shipping_label(request, facts_for(shop, request)) for request in (RETURN, EXCHANGE, CANCEL, EXCHANGE)]
    assert [label["back"] for label in labels[:3]] == [["cup-red", "plate-big"], ["cup-red"], []]
    assert [label["out"] for label in labels[:3]] == [[], ["cup-blue"], []]
    assert labels[1] == labels[3]
    assert len({label["label_id"] for label in labels}) == 3


def test_skill_that_is_asked_too_early_says_which_comes_first(shop: Shop) -> None:
    """An agent that gets a request which an earlier skill refuses answers with the reason, not with a lookup error."""
    no_order = replace(RETURN, order_id="#W9")
    with pytest.raises(BadInput, match="fraud_check first"):
        policy_check(no_order, facts_for(shop, no_order))
    for request in (replace(RETURN, item_ids=("none",)), replace(EXCHANGE, new_item_ids=("none",))):
        with pytest.raises(BadInput, match="policy_check first"):
            refund_amount(request, facts_for(shop, request))


def test_facts_hold_no_more_than_the_request_needs(shop: Shop) -> None:
    """Facts name one order, the asking user's methods and the variants asked for, with balances as they stand."""
    facts = facts_for(shop, EXCHANGE)
    assert facts["order"] is not None
    assert facts["order"]["order_id"] == "#W1"
    assert facts["methods"]["ada-gift"] == {"source": "gift_card", "balance_cents": 100}
    assert set(facts["methods"]) == {"ada-card", "ada-transfer", "ada-gift"}
    assert set(facts["variants"]) == {"cup-blue"}
    assert fraud_check(EXCHANGE, facts) is None


def test_largest_facts_fit_into_a_task() -> None:
    """Records at all their bounds still give facts of at most 16 KiB of JSON."""
    ids = [f"{n:0>48}" for n in range(64)]
    cents = Cents(10**11)
    order = Order(
        order_id=ids[0],
        user_id=ids[0],
        status="s" * 48,
        items=tuple(Item(item_id=ids[n], product_id=ids[0], price_cents=cents) for n in range(LINES_MAX)),
        payments=tuple(
            Payment(transaction_type="t" * 48, payment_method_id=ids[n], amount_cents=cents) for n in range(METHODS_MAX)
        ),
    )
    methods = {ids[n]: Method(id=ids[n], source="s" * 48, balance_cents=cents) for n in range(METHODS_MAX)}
    variants = {item_id: Variant(item_id=item_id, available=False, price_cents=cents) for item_id in ids}
    shop = Shop(
        orders={ids[0]: order},
        users={ids[0]: User(methods=methods)},
        products={ids[0]: Product(product_id=ids[0], variants=variants)},
    )
    request = Request(
        kind=Kind.EXCHANGE,
        user_id=ids[0],
        order_id=ids[0],
        item_ids=tuple(ids[:LINES_MAX]),
        new_item_ids=tuple(ids[-LINES_MAX:]),
        payment_method_id=ids[0],
    )
    assert len(facts_for(shop, request)["variants"]) == LINES_MAX
    assert len(json.dumps(facts_for(shop, request))) <= 16 * 1024
