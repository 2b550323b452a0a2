"""Frames by hand, and what is expected of them."""

from __future__ import annotations

import msgpack

from protocol import merkle
from protocol.bundle import BUNDLE_TAG, Opened, message_to_sign
from protocol.codec import statement_id
from protocol.errors import Blame, Ruling, Verdict
from protocol.keys import Ed25519Sealer
from protocol.statements import AnyStatement, Bid
from tests.authors import MARKET, Author, sealer_of

BO = sealer_of("bo")
ELSEWHERE = b"\5" * 32
BAD_SIGNATURE = Ruling(Verdict.REJECT, Blame.CONNECTION, "bad signature")
ANOTHER_MARKET = Ruling(Verdict.IGNORE, Blame.NOBODY, "another market")
MISFIT = Ruling(Verdict.REJECT, Blame.AUTHOR, "envelope does not fit the bundle")


class CountingSealer(Ed25519Sealer):
    """Real keys that remember how often they verified: the costly step."""

    verified = 0

    def verify(self, author: bytes, message: bytes, signature: bytes) -> bool:
        self.verified += 1
        return super().verify(author, message, signature)


def counting() -> CountingSealer:
    """A sealer that has verified nothing yet."""
    return CountingSealer.from_seed(bytes(32))  # type: ignore[return-value]


def bids(number: int, author: Author | None = None, market: bytes = MARKET) -> list[AnyStatement]:
    """So many different bids of one author."""
    author = author or Author("ada")
    return [author.say(Bid(price=price, duration_ms=1), about=bytes(32), market=market) for price in range(number)]


def pack(payloads: list[object], *, market: bytes = MARKET, tag: str = BUNDLE_TAG, signature: bytes = b"") -> bytes:
    """A frame by hand, well signed unless told otherwise."""
    sealer = sealer_of("ada")
    ids = [statement_id(payload) for payload in payloads if isinstance(payload, bytes)]
    signature = signature or sealer.sign(message_to_sign(market, merkle.root(ids)))
    frame: bytes = msgpack.packb((tag, market, sealer.peer, signature, payloads))
    return frame


def refusal(opened: Opened) -> Ruling:
    """The one ruling of a frame that brought nothing."""
    (ruling,) = opened.rulings
    assert not opened.statements
    assert not opened.repeated
    return ruling
