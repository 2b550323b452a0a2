"""Made-up shops: from a seed, the four files of a shop with the requests of its customers.

Each request belongs to a story, which brings the order that it is about, so every shop has what there is to see: the
three kinds of request, a refusal by each rule, payouts above the limit. This file refuses to judge: what becomes of
the requests is for `rules` to say, and no answer is written down here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

from msgspec import json

from peer.returns.scenery import CHEAPEST, DEAREST, SOLD_OUT, Json, Scenery
from protocol.errors import UsageError

ORDERS_MAX = 10_000
"""Above that a made-up shop shows nothing new."""
REQUESTS_MIN = 25
"""Room for every story once."""


def generate_shop(seed: int, orders: int = 60, requests: int = 40) -> dict[str, bytes]:
    """Make up the files of a shop, name to bytes; the same arguments give the same bytes. UsageError out of bounds."""
    if not REQUESTS_MIN <= requests <= orders <= ORDERS_MAX:
        raise UsageError(
            f"A shop of {orders} orders with {requests} requests cannot be made up.",
            why="Every story is told once, and each needs an order.",
            do=f"Ask for at least {REQUESTS_MIN} requests, as many orders, and at most {ORDERS_MAX}.",
        )
    shop = Scenery(Random(seed))
    cases = [story(shop, shop.new_user()) for story in (*USUAL, *RARE)]
    told = sum(len(case["actions"]) for case in cases)
    cases += [shop.random.choice(USUAL)(shop, shop.regular()) for _ in range(requests - told)]
    while len(shop.orders) < orders:
        shop.order(shop.regular(), shop.random.choice(("processed", "delivered", "pending")))
    shop.random.shuffle(cases)
    files = {"orders": shop.orders, "users": shop.users, "products": shop.products, "cases": cases}
    encode = json.Encoder(decimal_format="number").encode
    return {f"{name}.json": json.format(encode(value), indent=1) + b"\n" for name, value in files.items()}


def write_shop(directory: Path, seed: int, orders: int = 60, requests: int = 40) -> None:
    """Write the files of a made-up shop into `directory`, which is made if need be."""
    files = generate_shop(seed, orders, requests)
    directory.mkdir(parents=True, exist_ok=True)
    for name, raw in files.items():
        (directory / name).write_bytes(raw)


def _ids(order: Json) -> list[str]:
    return [item["item_id"] for item in order["items"]]


def _original(order: Json) -> str:
    method: str = order["payment_history"][0]["payment_method_id"]
    return method


def _asks_return(order: Json, method: str, item_ids: list[str]) -> Json:
    kwargs = {"order_id": order["order_id"], "item_ids": item_ids, "payment_method_id": method}
    return {"name": "return_delivered_order_items", "kwargs": kwargs}


def _asks_exchange(order: Json, method: str, new_item_ids: list[str]) -> Json:
    kwargs = {
        "order_id": order["order_id"],
        "item_ids": _ids(order),
        "new_item_ids": new_item_ids,
        "payment_method_id": method,
    }
    return {"name": "exchange_delivered_order_items", "kwargs": kwargs}


def _asks_cancel(order: Json, reason: str = "no longer needed") -> Json:
    return {"name": "cancel_pending_order", "kwargs": {"order_id": order["order_id"], "reason": reason}}


def _case(user_id: str, *actions: Json) -> Json:
    return {"user_id": user_id, "actions": list(actions)}


def _returns_some(shop: Scenery, user: str) -> Json:
    order = shop.order(user, "delivered")
    some = shop.random.sample(_ids(order), shop.random.randint(1, len(order["items"])))
    return _case(user, _asks_return(order, _original(order), some))


def _returns_to_gift_card(shop: Scenery, user: str) -> Json:
    order = shop.order(user, "delivered")
    return _case(user, _asks_return(order, shop.method(user, "gift_card"), _ids(order)))


def _exchanges(shop: Scenery, user: str) -> Json:
    order = shop.order(user, "delivered")
    new = [shop.variant(item["product_id"], shop.random.randrange(SOLD_OUT)) for item in order["items"]]
    return _case(user, _asks_exchange(order, _original(order), new))


def _cancels(shop: Scenery, user: str) -> Json:
    order = shop.order(user, "pending", source=shop.random.choice(("credit_card", "gift_card")))
    return _case(user, _asks_cancel(order, shop.random.choice(("no longer needed", "ordered by mistake"))))


def _returns_dear_thing(shop: Scenery, user: str) -> Json:
    order = shop.order(user, "delivered", DEAREST, dear=True)
    return _case(user, _asks_return(order, _original(order), _ids(order)))


def _cancels_dear_thing(shop: Scenery, user: str) -> Json:
    return _case(user, _asks_cancel(shop.order(user, "pending", DEAREST, dear=True)))


def _fills_card_then_spends(shop: Scenery, user: str) -> Json:
    """A cancel fills the gift card, whose balance then covers an exchange that it did not cover before."""
    unwanted = shop.order(user, "pending", DEAREST, DEAREST, DEAREST, source="gift_card")
    return _case(user, _asks_cancel(unwanted), *_exchanges_with_poor_card(shop, user)["actions"])


def _exchanges_with_poor_card(shop: Scenery, user: str) -> Json:
    order = shop.order(user, "delivered", CHEAPEST)
    dearer = [shop.variant(item["product_id"], DEAREST) for item in order["items"]]
    return _case(user, _asks_exchange(order, shop.method(user, "gift_card"), dearer))


def _cancels_twice(shop: Scenery, user: str) -> Json:
    order = shop.order(user, "pending")
    return _case(user, _asks_cancel(order), _asks_cancel(order))


def _returns_too_early(shop: Scenery, user: str) -> Json:
    order = shop.order(user, "pending")
    return _case(user, _asks_return(order, _original(order), _ids(order)))


def _names_foreign_order(shop: Scenery, user: str) -> Json:
    """The order's owner asks for nothing, so its status does not hang on who is handled first."""
    order = shop.order(shop.new_user(), "delivered")
    return _case(user, _asks_return(order, _original(order), _ids(order)))


def _names_no_order(shop: Scenery, user: str) -> Json:
    return _case(user, _asks_cancel({"order_id": "#V1"}))


def _cancels_for_no_good_reason(shop: Scenery, user: str) -> Json:
    return _case(user, _asks_cancel(shop.order(user, "pending"), "seen cheaper elsewhere"))


def _returns_piece_twice(shop: Scenery, user: str) -> Json:
    order = shop.order(user, "delivered", CHEAPEST)
    return _case(user, _asks_return(order, _original(order), _ids(order) * 2))


def _exchanges_one_for_two(shop: Scenery, user: str) -> Json:
    order = shop.order(user, "delivered", DEAREST)
    return _case(user, _asks_exchange(order, _original(order), _ids(order) * 2))


def _exchanges_for_other_product(shop: Scenery, user: str) -> Json:
    order = shop.order(user, "delivered", DEAREST)
    other = shop.variant(shop.other_product(order["items"][0]["product_id"]), CHEAPEST)
    return _case(user, _asks_exchange(order, _original(order), [other]))


def _exchanges_for_sold_out(shop: Scenery, user: str) -> Json:
    order = shop.order(user, "delivered", DEAREST)
    gone = shop.variant(order["items"][0]["product_id"], SOLD_OUT)
    return _case(user, _asks_exchange(order, _original(order), [gone]))


def _returns_to_foreign_card(shop: Scenery, user: str) -> Json:
    order = shop.order(user, "delivered")
    return _case(user, _asks_return(order, shop.method(shop.new_user(), "credit_card"), _ids(order)))


Story = Callable[[Scenery, str], Json]
USUAL: tuple[Story, ...] = (_returns_some, _returns_to_gift_card, _exchanges, _cancels)
"""What most customers come for, one request each."""
RARE: tuple[Story, ...] = (
    _returns_dear_thing,
    _cancels_dear_thing,
    _fills_card_then_spends,
    _exchanges_with_poor_card,
    _cancels_twice,
    _returns_too_early,
    _names_foreign_order,
    _names_no_order,
    _cancels_for_no_good_reason,
    _returns_piece_twice,
    _exchanges_one_for_two,
    _exchanges_for_other_product,
    _exchanges_for_sold_out,
    _returns_to_foreign_card,
)
"""Told once in each shop, each by a customer of its own, so that no other request gets in between."""
