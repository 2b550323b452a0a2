"""The shop's files and state: what is read, what is refused, and what a decision moves."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from peer.returns.records import Kind, Request
from peer.returns.shop import Decision, Shop, in_their_order, outcome_rows, read_requests
from protocol.errors import BadConfig, UsageError
from tests.peer.returns.oracle import decide

RETURN = Request(
    kind=Kind.RETURN, user_id="ada", order_id="#W1", item_ids=("plate-big", "cup-red"), payment_method_id="ada-card"
)
CANCEL = Request(kind=Kind.CANCEL, user_id="ada", order_id="#W2", reason="ordered by mistake")

ITEM = {"item_id": "i", "product_id": "p", "price": 0.29}
ORDER = {
    "order_id": "#A",
    "user_id": "ada",
    "status": "delivered",
    "items": [ITEM],
    "payment_history": [{"transaction_type": "payment", "payment_method_id": "m", "amount": 0.29}],
}
VARIANT = {"item_id": "i", "available": True, "price": 19}
PRODUCT = {"product_id": "p", "variants": {"i": VARIANT}}


def write(directory: Path, name: str, content: object) -> None:
    """Write one file of a shop; text as it is, anything else as JSON."""
    text = content if isinstance(content, str) else json.dumps(content)
    (directory / f"{name}.json").write_text(text, encoding="utf-8")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The directory of a shop with one order, one user and one product."""
    write(tmp_path, "orders", {"#A": ORDER})
    write(tmp_path, "users", {"ada": {"payment_methods": {"m": {"id": "m", "source": "gift_card", "balance": 51}}}})
    write(tmp_path, "products", {"p": PRODUCT})
    return tmp_path


def test_money_is_read_to_the_cent(files: Path) -> None:
    """A price that binary fractions cannot hold, and a balance without a fraction, become exact cents."""
    shop = Shop.load(files)
    assert shop.orders["#A"].items[0].price_cents == 29
    assert shop.users["ada"].methods["m"].balance_cents == 5100
    assert shop.products["p"].variants["i"].price_cents == 1900


@pytest.mark.parametrize("name", ["orders", "users", "products", "cases"])
def test_missing_file_is_named(files: Path, name: str) -> None:
    """A file that is not there is the caller's mistake; the message says which and what to name instead."""
    write(files, "cases", [])
    (files / f"{name}.json").unlink()
    with pytest.raises(UsageError, match=rf"{name}\.json cannot be read.*Name the directory"):
        read_requests(files) if name == "cases" else Shop.load(files)


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("orders", "{", "not JSON"),
        ("orders", "[" * 100_000, "not JSON"),
        ("orders", [], "top is list"),
        ("orders", {"#A": {**ORDER, "items": [{"item_id": "i", "product_id": "p"}]}}, r"order #A.*`price`.*items\[0\]"),
        ("orders", {"#B": ORDER}, "#B.*#A"),
        ("orders", '{"#A": 1, "#A": 2}', "twice"),
        ("orders", {"#A": {**ORDER, "items": [ITEM] * 33}}, "order #A.*length <= 32"),
        ("orders", {"#A\ud800": {**ORDER, "order_id": "#A\ud800"}}, "order #A.*order_id"),
        ("orders", {"#A\n": {**ORDER, "order_id": "#A\n"}}, "order #A.*order_id"),
        ("users", {"ada": {"payment_methods": {"m": {"id": "n", "source": "card"}}}}, "under m.*n"),
        ("users", {"ada": {}}, "user ada.*payment_methods"),
        ("products", {"p": {**PRODUCT, "variants": {"j": VARIANT}}}, "under j.*i"),
        ("products", {"p": PRODUCT, "q": {**PRODUCT, "product_id": "q"}}, "both p and q"),
    ],
)
def test_malformed_file_says_where(files: Path, name: str, content: object, place: str) -> None:
    """A file that cannot be understood is refused with the file's name and the place in it."""
    write(files, name, content)
    with pytest.raises(BadConfig, match=rf"(?s){name}\.json is malformed.*{place}"):
        Shop.load(files)


@pytest.mark.parametrize(
    "price", ["0.295", "-1", "NaN", "Infinity", "1e10", "1e-999999999", "1e99999999999999999999", '"1"', "true", "null"]
)
def test_amount_that_is_no_money_is_refused(files: Path, price: str) -> None:
    """Half a cent, a debt, a non-number and a number beyond the bound are no prices."""
    write(files, "products", json.dumps({"p": PRODUCT}).replace("19", price))
    with pytest.raises(BadConfig, match="products"):
        Shop.load(files)


def test_requests_come_in_file_order_and_other_actions_are_skipped(files: Path) -> None:
    """Of a case only the three kinds of request are read, with the case's user."""
    actions = [
        {"name": "cancel_pending_order", "kwargs": {"order_id": "#A", "reason": "bored"}},
        {"name": "modify_pending_order_address", "kwargs": {"order_id": "#A", "zip": 5.5}},
        {
            "name": "exchange_delivered_order_items",
            "kwargs": {"order_id": "#A", "item_ids": ["i"], "new_item_ids": ["j"], "payment_method_id": "m"},
        },
    ]
    write(files, "cases", [{"user_id": "bo", "actions": []}, {"user_id": "ada", "actions": actions}])
    assert read_requests(files) == [
        Request(kind=Kind.CANCEL, user_id="ada", order_id="#A", reason="bored"),
        Request(
            kind=Kind.EXCHANGE,
            user_id="ada",
            order_id="#A",
            item_ids=("i",),
            new_item_ids=("j",),
            payment_method_id="m",
        ),
    ]


@pytest.mark.parametrize("field", ["order_id", "reason"])
def test_half_a_character_is_no_text(files: Path, field: str) -> None:
    """JSON can name half of a surrogate pair; nothing that is sent on may hold one, so the place is named at once."""
    kwargs = {"order_id": "#A", "reason": "no longer needed", field: "\ud83d"}
    write(files, "cases", [{"user_id": "ada", "actions": [{"name": "cancel_pending_order", "kwargs": kwargs}]}])
    with pytest.raises(BadConfig, match=r"case 0, cancel_pending_order.*half a character"):
        read_requests(files)


def test_ids_and_words_may_be_of_any_language(files: Path) -> None:
    """A shop names its orders, products and statuses as it likes; only blanks and what JSON escapes are no ids."""
    text = json.dumps({"#A": ORDER}, ensure_ascii=False).replace("#A", "#Ä-日🙂/+1").replace("delivered", "über, Weg")
    write(files, "orders", text)
    assert Shop.load(files).orders["#Ä-日🙂/+1"].status == "über, Weg"


def test_request_without_its_field_is_malformed(files: Path) -> None:
    """A request that lacks a field of its kind is refused with its case and its name."""
    write(files, "cases", [{"user_id": "ada", "actions": [{"name": "cancel_pending_order", "kwargs": {}}]}])
    with pytest.raises(BadConfig, match=r"case 0, cancel_pending_order.*order_id"):
        read_requests(files)


@pytest.mark.parametrize(
    "extra", [{"new_item_ids": ("x",)}, {"reason": "no longer needed"}, {"kind": Kind.CANCEL, "order_id": "#W2"}]
)
def test_request_has_only_what_its_kind_has(extra: dict[str, object]) -> None:
    """A return with new items or a reason, and a cancel with items, cannot be made."""
    with pytest.raises(ValueError, match=r"a (return|cancel) "):
        replace(RETURN, **extra)


def test_cancel_fills_the_gift_card_at_once_with_its_own_share(shop: Shop) -> None:
    """Of an order paid by two methods, only the gift card's share grows the gift card."""
    handled = shop.apply(CANCEL, decide(shop, CANCEL, 10_000))
    assert (handled.status, handled.decision.amount_cents) == ("cancelled", 1999)
    assert shop.users["ada"].methods["ada-gift"].balance_cents == 1100


def test_refund_entry_does_not_fill_the_gift_card(shop: Shop) -> None:
    """A gift card gets back what it paid, whatever else the order's history says."""
    request = replace(CANCEL, order_id="#W5")
    shop.apply(request, decide(shop, request, 10_000))
    assert shop.users["ada"].methods["ada-gift"].balance_cents == 600


def test_return_and_exchange_leave_the_gift_card_alone(shop: Shop) -> None:
    """Only a cancellation moves a balance, even when the money of the others goes by gift card."""
    for request in (
        replace(RETURN, payment_method_id="ada-gift"),
        Request(
            kind=Kind.EXCHANGE,
            user_id="ada",
            order_id="#W4",
            item_ids=("cup-red",),
            new_item_ids=("cup-blue",),
            payment_method_id="ada-gift",
        ),
    ):
        handled = shop.apply(request, decide(shop, request, 10_000))
        assert handled.status == f"{request.kind} requested"
    assert shop.users["ada"].methods["ada-gift"].balance_cents == 100


def test_second_request_for_an_order_finds_its_new_status(shop: Shop) -> None:
    """An order cancelled or returned once is refused the second time, by its status."""
    for request, status in ((CANCEL, "cancelled"), (RETURN, "return requested")):
        shop.apply(request, decide(shop, request, 10_000))
        again = shop.apply(request, decide(shop, request, 10_000))
        assert (again.decision, again.status) == (Decision(refused="status"), status)


@pytest.mark.parametrize("refused", ["veto", "method"])
@pytest.mark.parametrize("request_", [RETURN, CANCEL])
def test_refusal_or_veto_moves_nothing(shop: Shop, request_: Request, refused: str) -> None:
    """After a refusal or a veto every record of the shop is as it was."""
    before = copy.deepcopy(shop)
    handled = shop.apply(request_, Decision(refused=refused))
    assert shop == before
    assert handled.status == before.orders[request_.order_id].status


def test_refusal_with_an_amount_cannot_be_said() -> None:
    """A decision that refuses and pays is no decision."""
    with pytest.raises(ValueError, match="moves nothing"):
        Decision(refused="veto", amount_cents=1)


def test_grant_is_carried_out_once(shop: Shop) -> None:
    """The same grant a second time, or one for a foreign order, is an error and no second payment."""
    grant = decide(shop, CANCEL, 10_000)
    shop.apply(CANCEL, grant)
    for request in (CANCEL, replace(RETURN, order_id="#W3"), replace(RETURN, order_id="#W9")):
        with pytest.raises(UsageError, match="Carry out each decision once"):
            shop.apply(request, grant)
    assert shop.users["ada"].methods["ada-gift"].balance_cents == 1100


def test_rows_hold_what_the_request_has_and_nothing_else(shop: Shop) -> None:
    """Rows come in the order given, ids sorted, and a member that means nothing is absent."""
    asked = [RETURN, replace(CANCEL, order_id="#W9"), CANCEL]
    rows = outcome_rows([shop.apply(request, decide(shop, request, 1_999)) for request in asked])
    assert rows == [
        {
            "order_id": "#W1",
            "request": "return",
            "status": "delivered",
            "item_ids": ["cup-red", "plate-big"],
            "payment_method_id": "ada-card",
            "amount_cents": 0,
            "refused": "veto",
        },
        {"order_id": "#W9", "request": "cancel", "amount_cents": 0, "refused": "owner"},
        {"order_id": "#W2", "request": "cancel", "status": "cancelled", "amount_cents": 1999},
    ]
    assert json.loads(json.dumps(rows)) == rows


def test_status_of_a_foreign_order_is_that_of_the_files_order(shop: Shop) -> None:
    """A stranger's request is refused whenever it is handled; its row shows what the owner's earlier requests did."""
    before = dict(shop.orders)
    stranger = replace(CANCEL, user_id="bo")
    decisions = {CANCEL: Decision(amount_cents=1999), stranger: Decision(refused="owner")}
    asked, handled_in = [stranger, CANCEL, stranger], [0, 2, 1]
    handled = dict(sorted((n, shop.apply(asked[n], decisions[asked[n]])) for n in handled_in))
    assert [one.status for one in handled.values()] == ["pending", "cancelled", "pending"]
    assert [one.status for one in in_their_order([*handled.values()], before)] == ["pending", "cancelled", "cancelled"]
