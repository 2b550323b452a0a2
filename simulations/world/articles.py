"""The charter that a simulated market stands under, and a plain task for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from protocol.codec import encode
from protocol.keys import Digest, PeerId
from protocol.notices import Admission, Charter, Seat
from protocol.statements import NO_MARKET, Announcement, AwardRule, EffectClass, Statement
from simulations.world.disk import FEED_LENGTH

_PLAIN: Final[Mapping[str, object]] = {
    "skill": "shout", "input": b'{"text":"hi"}', "input_digest": None, "requirements": (), "budget": 100,
    "award_rule": AwardRule.LOWEST_PRICE, "price_weight": 1, "duration_weight": 0, "effect": EffectClass.PURE,
    "bid_window_ms": 500, "lease_ms": 4_000, "deadline_ms": 60_000, "attempts": 3, "idempotency_key": b"task",
    "traceparent": "",
}  # fmt: skip


def charter_under(author: PeerId, seats: Mapping[PeerId, bytes], changes: Mapping[str, object]) -> Statement[Charter]:
    """An open market; `seats` gives its governors, each with its feed: most of them are a quorum."""
    n = len(seats)
    fields: dict[str, object] = {
        "name": "simulated", "version": 1, "admission": Admission.OPEN, "admitters": (),
        "governors": tuple(Seat(governor=governor, feed=feed) for governor, feed in seats.items()),
        "liars_max": 0, "permits_needed": n // 2 + 1 if n else 0, "vetoes_needed": n // 2 + 1 if n else 0,
        "oversight": (), "revocations": (), "budget_max": 10**9, "deadline_max_ms": 10**9,
    } | dict(changes)  # fmt: skip
    return encode(
        Charter(**fields),  # type: ignore[arg-type]
        market=NO_MARKET, author=author, feed=bytes(FEED_LENGTH), seq=1, prev=None, made_ms=0, about=None,
    )  # fmt: skip


def plain_task(charter: Digest, changes: Mapping[str, object]) -> Announcement:
    """A pure task for `shout`, with whatever is to be different."""
    return Announcement(**{"charter": charter, **_PLAIN, **changes})  # type: ignore[arg-type]
