"""The made-up shop behind the stories of `generate`: shelves, customers and orders, drawn from one seeded source.

It has its own vocabulary, and takes every number from the `Random` it is given. It refuses to know about requests.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any

GIVEN = ("Mirel", "Tovan", "Isca", "Brannoc", "Odile", "Pell", "Sunniva", "Quill", "Hesper", "Jory", "Wenna", "Ludo")
FAMILY = ("Ashdown", "Fenwright", "Marlowe", "Ostrander", "Pyke", "Tamsin", "Underhay", "Vane")
STREETS = ("Heron Wharf", "Lime Kiln Row", "Millrace", "Saltmarsh Walk")
TOWNS = ("Eddering", "Little Corvane", "Port Sable")
GOODS = {
    "Fen Lantern": (1_200, 3_400),
    "Copper Kettle": (2_800, 6_900),
    "Otter Blanket": (3_300, 7_800),
    "Tide Clock": (4_100, 8_800),
    "Walking Stick": (900, 2_600),
}
"""Products with their lowest and highest price in cents: three of any cost less than the default refund limit."""
DEAR_GOODS = {"Cedar Canoe": (61_000, 98_000), "Brass Telescope": (52_000, 84_000)}
"""Each costs more than the default refund limit."""
FINISHES = ("plain", "oiled", "painted", "engraved", "limed")
"""The variants of each product, from the cheapest; the last is sold out."""
CHEAPEST, DEAREST, SOLD_OUT = 0, 3, 4

Json = dict[str, Any]


@dataclass(slots=True)
class Scenery:
    """The shop while it is being made up, in the shape of its files."""

    random: Random
    orders: dict[str, Json] = field(default_factory=dict)
    users: dict[str, Json] = field(default_factory=dict)
    products: dict[str, Json] = field(default_factory=dict)
    regulars: list[str] = field(default_factory=list)
    """Customers who may come again; the others have told their one story."""

    def __post_init__(self) -> None:
        """Stock the shelves."""
        for number, (name, span_cents) in enumerate({**GOODS, **DEAR_GOODS}.items(), start=31):
            self.products[f"{number}04417"] = self._product(name, number, *span_cents)

    def new_user(self) -> str:
        """Let a customer in, who has a card and a gift card worth less than one unit of money."""
        given, family = self.random.choice(GIVEN), self.random.choice(FAMILY)
        number = 100 + len(self.users)
        user_id = f"{given}_{family}_{number}".lower()
        gift = {"source": "gift_card", "balance": money(self.random.randrange(100)), "id": f"gift_{number}"}
        self.users[user_id] = {
            "name": {"first_name": given, "last_name": family},
            "address": {
                "address1": f"{self.random.randint(1, 99)} {self.random.choice(STREETS)}",
                "city": self.random.choice(TOWNS),
                "zip": f"{self.random.randrange(10**5):05}",
            },
            "email": f"{user_id}@shop.example",
            "payment_methods": {f"card_{number}": {"source": "credit_card", "id": f"card_{number}"}, gift["id"]: gift},
            "orders": [],
        }
        return user_id

    def regular(self) -> str:
        """A customer who may have been here before."""
        if not self.regulars or self.random.random() < 0.4:
            self.regulars.append(self.new_user())
        return self.random.choice(self.regulars)

    def method(self, user_id: str, source: str) -> str:
        """The id of a user's payment method, by its source."""
        methods: Json = self.users[user_id]["payment_methods"]
        return next(key for key, method in methods.items() if method["source"] == source)

    def order(self, user_id: str, status: str, *variants: int, dear: bool = False, source: str = "credit_card") -> Json:
        """Let a user buy these `variants` of some products, or any one to three, all paid by one method."""
        names = DEAR_GOODS if dear else GOODS
        shelf = [product for product in self.products.values() if product["name"] in names]
        chosen = variants or tuple(self.random.randrange(SOLD_OUT) for _ in range(self.random.randint(1, 3)))
        items = [self._item(self.random.choice(shelf), variant) for variant in chosen]
        order = {
            "order_id": f"#V{7_000 + 13 * len(self.orders)}",
            "user_id": user_id,
            "address": self.users[user_id]["address"],
            "items": items,
            "fulfillments": [],
            "status": status,
            "payment_history": [
                {
                    "transaction_type": "payment",
                    "amount": sum((item["price"] for item in items), Decimal(0)),
                    "payment_method_id": self.method(user_id, source),
                }
            ],
        }
        self.orders[order["order_id"]] = order
        self.users[user_id]["orders"].append(order["order_id"])
        return order

    def variant(self, product_id: str, variant: int) -> str:
        """The item id of a product's variant, counted from the cheapest."""
        variants: Json = self.products[product_id]["variants"]
        return list(variants)[variant]

    def other_product(self, product_id: str) -> str:
        """Any product but this one."""
        return self.random.choice([key for key in self.products if key != product_id])

    def _product(self, name: str, number: int, low_cents: int, high_cents: int) -> Json:
        step, variants = (high_cents - low_cents) // len(FINISHES), {}
        for index, finish in enumerate(FINISHES):
            item_id = f"{number}{self.random.randrange(10**5):05}{index}"
            price = money(self.random.randrange(low_cents + index * step, low_cents + (index + 1) * step))
            options = {"finish": finish}
            variants[item_id] = {"item_id": item_id, "options": options, "available": index != SOLD_OUT, "price": price}
        return {"name": name, "product_id": f"{number}04417", "variants": variants}

    def _item(self, product: Json, variant: int) -> Json:
        bought = list(product["variants"].values())[variant]
        return {
            "name": product["name"],
            "product_id": product["product_id"],
            "item_id": bought["item_id"],
            "price": bought["price"],
            "options": bought["options"],
        }


def money(cents: int) -> Decimal:
    """Cents as the decimal number that stands in a file."""
    return Decimal(cents).scaleb(-2)
