"""Whole shops: the desk's skills in a row against the oracle, over the shared shop and over made-up ones."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from peer.returns.demo import LIMIT_CENTS
from peer.returns.facts import facts_for
from peer.returns.generate import REQUESTS_MIN, generate_shop, write_shop
from peer.returns.records import Kind, Request
from peer.returns.rules import shipping_label
from peer.returns.shop import Decision, Handled, Shop, outcome_rows, read_requests
from protocol.errors import UsageError
from tests.peer.returns.oracle import decide

Desk = Callable[[Shop, Request, int], Decision]
ALL_RULES = {"owner", "status", "reason", "items", "count", "product", "available", "method", "balance", "veto"}


def handle_all(shop: Shop, requests: list[Request], decided_by: Desk, limit_cents: int) -> list[Handled]:
    """Decide and carry out each request in turn."""
    return [shop.apply(request, decided_by(shop, request, limit_cents)) for request in requests]


def gift_cents(shop: Shop) -> int:
    """What all gift cards of a shop hold together."""
    return sum(method.balance_cents or 0 for user in shop.users.values() for method in user.methods.values())


def gift_cents_of(shop: Shop, handled: list[Handled]) -> int:
    """What the granted cancellations owe to gift cards, summed from the orders' payments."""
    granted = [one.request for one in handled if one.request.kind is Kind.CANCEL and one.decision.refused is None]
    return sum(
        payment.amount_cents
        for request in granted
        for payment in shop.orders[request.order_id].payments
        if payment.payment_method_id in shop.users[request.user_id].methods
        and shop.users[request.user_id].methods[payment.payment_method_id].source == "gift_card"
    )


@cache
def made_up(seed: int) -> tuple[Shop, tuple[Request, ...]]:
    """A made-up shop as it was read from its files; take a `fresh` one to change it."""
    with tempfile.TemporaryDirectory() as directory:
        write_shop(Path(directory), seed)
        return Shop.load(Path(directory)), tuple(read_requests(Path(directory)))


def fresh(shop: Shop) -> Shop:
    """A shop of the same records, free to change: records are frozen, so a shallow copy is one."""
    return Shop(orders=dict(shop.orders), users=dict(shop.users), products=shop.products)


@pytest.mark.parametrize("limit_cents", [0, LIMIT_CENTS, 10**9])
def test_skills_equal_the_oracle_on_every_shared_request(real_shop: Path, desk: Desk, limit_cents: int) -> None:
    """All 481 requests of the shared shop come out alike, by each path, under a tight, a usual and a wide limit."""
    shop, twin, requests = Shop.load(real_shop), Shop.load(real_shop), read_requests(real_shop)
    before_cents = gift_cents(shop)
    handled = handle_all(shop, requests, desk, limit_cents)
    assert handled == handle_all(twin, requests, decide, limit_cents)
    assert shop == twin
    assert Counter(request.kind for request in requests) == {Kind.RETURN: 146, Kind.EXCHANGE: 158, Kind.CANCEL: 177}
    assert gift_cents(shop) - before_cents == gift_cents_of(shop, handled)
    print(limit_cents, Counter((one.request.kind.value, one.decision.refused or "granted") for one in handled))


def test_first_request_of_each_shared_order_is_right_by_the_clerk(real_shop: Path) -> None:
    """A correct clerk granted these cases: with no limit only a poor gift card stops the first request of an order."""
    shop, seen, refused = Shop.load(real_shop), set(), []
    for request in read_requests(real_shop):
        handled = shop.apply(request, decide(shop, request, 10**9))
        if handled.decision.refused and request.order_id not in seen:
            refused.append(handled.decision.refused)
        seen.add(request.order_id)
    assert set(refused) <= {"balance"}
    print(Counter(refused))


def test_users_may_be_handled_in_any_order(real_shop: Path) -> None:
    """Handling user by user, last user first, gives the rows of the file's order."""
    requests = read_requests(real_shop)
    by_file = handle_all(Shop.load(real_shop), requests, decide, LIMIT_CENTS)
    users = list(dict.fromkeys(request.user_id for request in requests))
    order = sorted(range(len(requests)), key=lambda index: (-users.index(requests[index].user_id), index))
    by_user = handle_all(Shop.load(real_shop), [requests[index] for index in order], decide, LIMIT_CENTS)
    restored = sorted(zip(order, by_user, strict=True), key=lambda pair: pair[0])
    assert outcome_rows(one for _, one in restored) == outcome_rows(by_file)


@pytest.mark.parametrize("seed", range(8))
def test_made_up_shop_has_all_there_is_to_see(seed: int) -> None:
    """Forty requests hold grants of each kind, a refusal by each rule, and two payouts above the limit."""
    shop, requests = made_up(seed)
    handled = handle_all(fresh(shop), list(requests), decide, LIMIT_CENTS)
    said = Counter(one.decision.refused for one in handled)
    assert (len(shop.orders), len(requests)) == (60, 40)
    assert set(said) == {None, *ALL_RULES}
    assert said["veto"] >= 2
    assert {one.request.kind for one in handled if one.decision.refused is None} == set(Kind)


def test_same_seed_gives_the_same_bytes() -> None:
    """The files depend on the seed and nothing else."""
    assert generate_shop(7) == generate_shop(7)
    assert generate_shop(7)["cases.json"] != generate_shop(8)["cases.json"]


@pytest.mark.parametrize(("orders", "requests"), [(60, REQUESTS_MIN - 1), (30, 31), (10**6, 40)])
def test_shop_out_of_bounds_is_not_made_up(orders: int, requests: int) -> None:
    """Too few requests for the stories, too few orders for the requests, or too many orders, are refused."""
    with pytest.raises(UsageError, match="at least 25 requests"):
        generate_shop(1, orders, requests)


@pytest.mark.parametrize("requests", [REQUESTS_MIN, 33, 90])
def test_made_up_shop_has_the_size_asked_for(tmp_path: Path, requests: int) -> None:
    """As many orders and requests are written as were asked for."""
    write_shop(tmp_path / "new", 3, orders=90, requests=requests)
    assert len(Shop.load(tmp_path / "new").orders) == 90
    assert len(read_requests(tmp_path / "new")) == requests


@st.composite
def spoiled(draw: st.DrawFn) -> tuple[Shop, list[Request]]:
    """A made-up shop, its requests shuffled, and some of them spoiled with what belongs to others."""
    shop, requests = made_up(draw(st.integers(0, 11)))
    order_ids, user_ids = st.sampled_from(sorted(shop.orders)), st.sampled_from(sorted(shop.users))
    item_ids = st.sampled_from(sorted(item for product in shop.products.values() for item in product.variants))
    method_ids = st.sampled_from(sorted(method for user in shop.users.values() for method in user.methods))
    asked = []
    for request in draw(st.permutations(requests)):
        changes: dict[str, object] = {}
        match draw(st.integers(0, 9)):
            case 0:
                changes["order_id"] = draw(order_ids)
            case 1:
                changes["user_id"] = draw(user_ids)
            case 2:
                changes["order_id"] = draw(order_ids)
                changes["user_id"] = shop.orders[str(changes["order_id"])].user_id
            case 3 if request.kind is Kind.CANCEL:
                changes["reason"] = draw(st.sampled_from(["no longer needed", "ordered by mistake", ""]))
            case 4 if request.kind is not Kind.CANCEL:
                changes["item_ids"] = tuple(draw(st.lists(st.sampled_from([*request.item_ids, "x"]), max_size=4)))
            case 5 if request.kind is Kind.EXCHANGE:
                changes["new_item_ids"] = tuple(draw(st.lists(item_ids, max_size=3)))
            case 6 if request.kind is not Kind.CANCEL:
                changes["payment_method_id"] = draw(method_ids)
        asked.append(replace(request, **changes))
    return shop, asked


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(world=spoiled(), limit_cents=st.sampled_from([0, 5_000, LIMIT_CENTS, 10**9]))
def test_skills_equal_the_oracle_on_spoiled_requests(
    desk: Desk, world: tuple[Shop, list[Request]], limit_cents: int
) -> None:
    """Whatever is asked of a shop, skills and oracle decide alike; only grants move something, each by its amount."""
    untouched, requests = world
    shop, twin = fresh(untouched), fresh(untouched)
    for request in requests:
        before, decision = fresh(shop), desk(shop, request, limit_cents)
        assert decision == decide(twin, request, limit_cents)
        assert decision.amount_cents <= limit_cents or decision.amount_cents == 0
        if decision.refused is None:
            label = shipping_label(request, facts_for(shop, request))
            assert (label["back"], label["out"]) == (list(request.item_ids), list(request.new_item_ids))
        handled = shop.apply(request, decision)
        twin.apply(request, decision)
        assert (shop == before) == (decision.refused is not None)
        assert gift_cents(shop) - gift_cents(before) == gift_cents_of(before, [handled])
