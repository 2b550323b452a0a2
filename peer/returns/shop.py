"""The shop's state: orders, users and products, and what a decided request changes in them.

Records are frozen; a decision replaces them. This file refuses to judge a request: `rules` does, and `Shop.apply` only
checks that a decision which moves something can still be carried out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from msgspec import Struct
from msgspec.structs import replace

from peer.returns.records import (
    Cents,
    Kind,
    Method,
    Order,
    Product,
    Request,
    User,
    Variant,
    malformed,
    read_json,
    record,
)
from protocol.errors import UsageError

NEEDED = {Kind.RETURN: "delivered", Kind.EXCHANGE: "delivered", Kind.CANCEL: "pending"}
"""The status in which an order must be for each request."""
REACHED = {Kind.RETURN: "return requested", Kind.EXCHANGE: "exchange requested", Kind.CANCEL: "cancelled"}
"""The status that each request gives its order when it is granted."""


class _Return(Struct, frozen=True):
    order_id: str
    item_ids: tuple[str, ...]
    payment_method_id: str


class _Exchange(Struct, frozen=True):
    order_id: str
    item_ids: tuple[str, ...]
    new_item_ids: tuple[str, ...]
    payment_method_id: str


class _Cancel(Struct, frozen=True):
    order_id: str
    reason: str


class _Action(Struct, frozen=True):
    name: str
    kwargs: dict[str, Any]


class _Case(Struct, frozen=True):
    user_id: str
    actions: tuple[_Action, ...]


ACTIONS: dict[str, tuple[Kind, type[_Return | _Exchange | _Cancel]]] = {
    "return_delivered_order_items": (Kind.RETURN, _Return),
    "exchange_delivered_order_items": (Kind.EXCHANGE, _Exchange),
    "cancel_pending_order": (Kind.CANCEL, _Cancel),
}
"""The actions of `cases.json` that are requests to the desk, with the fields each must have; others are skipped."""


class Decision(Struct, frozen=True, kw_only=True):
    """What the desk says to one request: granted with an amount, or `refused` by a rule's name or `veto`."""

    refused: str | None = None
    amount_cents: int = 0
    """To the customer; negative: the customer pays. 0 when refused."""

    def __post_init__(self) -> None:
        """Hold the law that a refusal moves no money."""
        if self.refused is not None and self.amount_cents:
            raise ValueError("a refusal or a veto moves nothing: its amount is 0")


class Handled(Struct, frozen=True, kw_only=True):
    """A request decided and carried out; `status` is its order's right after, None if there is no such order."""

    request: Request
    decision: Decision
    status: str | None


class OutcomeRow(TypedDict):
    """One request's outcome as JSON."""

    order_id: str
    request: str
    status: NotRequired[str]
    item_ids: NotRequired[list[str]]
    new_item_ids: NotRequired[list[str]]
    payment_method_id: NotRequired[str]
    amount_cents: int
    refused: NotRequired[str]


@dataclass(slots=True)
class Shop:
    """All records of one shop, by id."""

    orders: dict[str, Order]
    users: dict[str, User]
    products: dict[str, Product]

    @classmethod
    def load(cls, directory: Path) -> Shop:
        """Read the shop's three files. Raises UsageError (no file) or BadConfig (malformed), naming the place."""
        paths = [directory / f"{name}.json" for name in ("orders", "users", "products")]
        orders, users, products = (read_json(path, dict) for path in paths)
        shop = cls(
            orders={key: record(raw, Order, paths[0], f"order {key}") for key, raw in orders.items()},
            users={key: record(raw, User, paths[1], f"user {key}") for key, raw in users.items()},
            products={key: record(raw, Product, paths[2], f"product {key}") for key, raw in products.items()},
        )
        shop._check_keys(*paths)
        return shop

    def variant(self, item_id: str, product_id: str) -> Variant | None:
        """The variant of that id among those of one product, or None."""
        product = self.products.get(product_id)
        return product.variants.get(item_id) if product else None

    def method(self, user_id: str, method_id: str) -> Method | None:
        """The payment method of that id among those of one user, or None."""
        user = self.users.get(user_id)
        return user.methods.get(method_id) if user else None

    def apply(self, request: Request, decision: Decision) -> Handled:
        """Carry out one decision; a refusal or a veto moves nothing.

        Raises UsageError when a granted request finds its order no longer in the status it needs: carrying out one
        grant twice would pay a gift card twice.
        """
        order = self.orders.get(request.order_id)
        if decision.refused is not None:
            return Handled(request=request, decision=decision, status=order.status if order else None)
        if order is None or order.user_id != request.user_id or order.status != NEEDED[request.kind]:
            raise UsageError(
                f"The {request.kind} of order {request.order_id!r} cannot be carried out.",
                why=f"It needs an order of that user that is {NEEDED[request.kind]}.",
                do="Carry out each decision once, and those of one user in the order of their requests.",
            )
        if request.kind is Kind.CANCEL:
            self._pay_back(order)
        self.orders[order.order_id] = replace(order, status=REACHED[request.kind])
        return Handled(request=request, decision=decision, status=REACHED[request.kind])

    def _pay_back(self, order: Order) -> None:
        """Let the gift cards grow that paid for `order`; other methods are no business of this shop."""
        for payment in order.payments:
            method = self.method(order.user_id, payment.payment_method_id)
            if payment.transaction_type == "payment" and method is not None and method.source == "gift_card":
                balance_cents = Cents((method.balance_cents or 0) + payment.amount_cents)
                methods = {**self.users[order.user_id].methods, method.id: replace(method, balance_cents=balance_cents)}
                self.users[order.user_id] = replace(self.users[order.user_id], methods=methods)

    def _check_keys(self, orders: Path, users: Path, products: Path) -> None:
        """Refuse a file whose keys and records disagree: the desk would pay one and answer about another."""
        claims: list[tuple[Path, str, Any]] = [(orders, key, order.order_id) for key, order in self.orders.items()]
        for user in self.users.values():
            claims += [(users, key, method.id) for key, method in user.methods.items()]
        owners: dict[str, str] = {}
        for key, product in self.products.items():
            claims.append((products, key, product.product_id))
            for item_id, variant in product.variants.items():
                claims.append((products, item_id, variant.item_id))
                if owners.setdefault(item_id, key) != key:
                    malformed(products, f"Item {item_id} is a variant of both {owners[item_id]} and {key}.")
        for path, key, claimed in claims:
            if key != claimed:
                malformed(path, f"The record under {key} says that its id is {claimed}.")


def read_requests(directory: Path) -> list[Request]:
    """Read the requests of `cases.json` in the file's order. Raises UsageError (no file) or BadConfig (malformed)."""
    path = directory / "cases.json"
    requests = []
    for number, raw in enumerate(read_json(path, list)):
        case = record(raw, _Case, path, f"case {number}")
        for action in case.actions:
            if action.name in ACTIONS:
                kind, shape = ACTIONS[action.name]
                where = f"case {number}, {action.name}"
                record(action.kwargs, shape, path, where)
                asked = {name: action.kwargs[name] for name in shape.__struct_fields__}
                requests.append(record({**asked, "kind": kind, "user_id": case.user_id}, Request, path, where))
    return requests


def in_their_order(handled: Sequence[Handled], before: Mapping[str, Order]) -> list[Handled]:
    """The same, with each status as it is when all are handled in the order given; `before` is how the orders were.

    Different users' requests are handled side by side: how far an order is when a stranger asks about it is chance.
    """
    reached = {order_id: order.status for order_id, order in before.items()}
    told = []
    for one in handled:
        if one.decision.refused is None:
            reached[one.request.order_id] = REACHED[one.request.kind]
        told.append(replace(one, status=reached.get(one.request.order_id)))
    return told


def outcome_rows(handled: Iterable[Handled]) -> list[OutcomeRow]:
    """Write what was handled as JSON objects, in the order given: the file's."""
    return [_row(one.request, one.decision, one.status) for one in handled]


def _row(request: Request, decision: Decision, status: str | None) -> OutcomeRow:
    row = OutcomeRow(order_id=request.order_id, request=request.kind.value, amount_cents=decision.amount_cents)
    if status is not None:
        row["status"] = status
    if request.kind is not Kind.CANCEL:
        row["item_ids"] = sorted(request.item_ids)
        row["payment_method_id"] = request.payment_method_id
    if request.kind is Kind.EXCHANGE:
        row["new_item_ids"] = sorted(request.new_item_ids)
    if decision.refused is not None:
        row["refused"] = decision.refused
    return row
