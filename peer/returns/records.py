"""What the shop's files hold, as frozen records: orders, users, products, and the requests of customers.

Only the fields that the rules need are read; names and addresses of customers never enter. Money is read as an exact
decimal and kept in integer cents. This file refuses to know what a request may do: see `rules`.
"""

from __future__ import annotations

import json
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

from msgspec import Meta, Struct, ValidationError, convert, field

from protocol.errors import BadConfig, UsageError

T = TypeVar("T")

FILE_BYTES_MAX = 64 * 1024 * 1024
"""Room for thirty times the largest shop seen; a wrong file is refused before it fills the memory."""
MONEY_MAX = Decimal(10) ** 9
"""No price or payment is larger, so every sum of a request fits 64 bits of cents."""
LINES_MAX = 32
"""Items of one order or request. With ids of 48 ASCII characters the facts of a request stay below 16 KiB of JSON."""
METHODS_MAX = 16
"""Payment methods of one user, and payments of one order; the same reason."""

Id = Annotated[str, Meta(pattern=r"^[^\x00-\x20\x7f\"\\\ud800-\udfff]+\Z", max_length=48)]
"""An id in the shop's own files: no blank, and no character that JSON escapes, so that its length is its size."""
Asked = Annotated[str, Meta(max_length=64)]
"""An id that a customer wrote: it may name nothing at all."""
Word = Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f\"\\\ud800-\udfff]+\Z", max_length=48)]
"""A status, a source of money, a kind of transaction."""


class Cents(int):
    """An amount of money in integer cents, read exactly from a decimal number."""


class Kind(StrEnum):
    """What a customer can ask the desk for."""

    RETURN = "return"
    """Send delivered items back for their price."""
    EXCHANGE = "exchange"
    """Swap delivered items for other variants of the same products."""
    CANCEL = "cancel"
    """Stop a pending order and get its payments back."""


class Item(Struct, frozen=True, kw_only=True):
    """One piece of an order, at the price paid for it; two like pieces are two items with one id."""

    item_id: Id
    product_id: Id
    price_cents: Cents = field(name="price")


class Payment(Struct, frozen=True, kw_only=True):
    """One movement of money of an order; `transaction_type` is `payment` or `refund`."""

    transaction_type: Word
    payment_method_id: Id
    amount_cents: Cents = field(name="amount")


class Order(Struct, frozen=True, kw_only=True):
    """What one user bought, how it was paid, and how far it is."""

    order_id: Id
    user_id: Id
    status: Word
    items: Annotated[tuple[Item, ...], Meta(max_length=LINES_MAX)]
    payments: Annotated[tuple[Payment, ...], Meta(max_length=METHODS_MAX)] = field(name="payment_history")


class Method(Struct, frozen=True, kw_only=True):
    """One way a user pays; only a gift card has a balance."""

    id: Id
    source: Word
    balance_cents: Cents | None = field(name="balance", default=None)


class User(Struct, frozen=True, kw_only=True):
    """A customer, as far as the desk needs to know: the payment methods."""

    methods: Annotated[dict[Id, Method], Meta(max_length=METHODS_MAX)] = field(name="payment_methods")


class Variant(Struct, frozen=True, kw_only=True):
    """One form of a product that can be bought."""

    item_id: Id
    available: bool
    price_cents: Cents = field(name="price")


class Product(Struct, frozen=True, kw_only=True):
    """A product with its variants, by item id."""

    product_id: Id
    variants: dict[Id, Variant]


class Request(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a customer asks for; the fields that its kind has not are empty. It is also JSON on the wire."""

    kind: Kind
    user_id: Asked
    order_id: Asked
    item_ids: Annotated[tuple[Asked, ...], Meta(max_length=LINES_MAX)] = ()
    new_item_ids: Annotated[tuple[Asked, ...], Meta(max_length=LINES_MAX)] = ()
    payment_method_id: Asked = ""
    reason: Annotated[str, Meta(max_length=1000)] = ""

    def __post_init__(self) -> None:
        """Refuse what does not belong to the kind, so that no rule has to look for it."""
        if self.new_item_ids and self.kind is not Kind.EXCHANGE:
            raise ValueError(f"a {self.kind} asks for no new items")
        if self.kind is Kind.CANCEL and (self.item_ids or self.payment_method_id):
            raise ValueError("a cancel names no items and no payment method")
        if self.kind is not Kind.CANCEL and self.reason:
            raise ValueError(f"a {self.kind} gives no reason")
        for text in (self.user_id, self.order_id, *self.item_ids, *self.new_item_ids, self.payment_method_id):
            _check_text(text)
        _check_text(self.reason)


def read_json(path: Path, top: type[T]) -> T:
    """Read one file whose top is a `top` (list or dict), every fraction in it as an exact `Decimal`."""
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise UsageError(
            f"The shop's file {path} cannot be read.",
            why=f"{error.strerror or error}.",
            do="Name the directory that holds orders.json, users.json, products.json and cases.json.",
        ) from None
    if len(raw) > FILE_BYTES_MAX:
        malformed(path, f"It is larger than {FILE_BYTES_MAX} bytes.")
    try:
        value = json.loads(raw, parse_float=Decimal, parse_constant=_no_number, object_pairs_hook=_no_twins)
    except (ValueError, ArithmeticError, RecursionError) as error:
        malformed(path, f"It is not JSON: {error}.")
    if not isinstance(value, top):
        malformed(path, f"Its top is {type(value).__name__}, expected {top.__name__}.")
    return value


def record(raw: object, shape: type[T], path: Path, where: str) -> T:
    """Turn one decoded record of `path` into a `shape`; the error names the file, the record and the field."""
    try:
        return convert(raw, shape, dec_hook=_cents)
    except ValidationError as error:
        malformed(path, f"In {where}: {error}.")


def malformed(path: Path, why: str) -> NoReturn:
    """Refuse a file of the shop, saying what is wrong with it."""
    raise BadConfig(f"The shop's file {path} is malformed.", why=why, do="Correct that place, or export it again.")


def _cents(wanted: type, value: object) -> Cents:
    if wanted is not Cents or isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError(f"Expected a decimal amount, got {type(value).__name__}")
    amount = Decimal(value)
    if not 0 <= amount <= MONEY_MAX:
        raise ValueError(f"Expected an amount from 0 to {MONEY_MAX}")
    rounded = amount.quantize(Decimal("0.01"))
    if rounded != amount:
        raise ValueError("Expected an amount with at most two decimals")
    return Cents(rounded.scaleb(2))


def _check_text(text: str) -> None:
    """JSON can name half of a surrogate pair, which is no character and cannot be sent on."""
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError(f"{text[:64]!a} is no text: it holds half a character")


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number")


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return members
