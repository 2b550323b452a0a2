"""The small worlds: who is there, which task is announced, and how much may go wrong.

A setting is data. What is true in all of them: one manager, bidders for one skill with a place for one task each, and
governors that permit whatever is not wrong.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from protocol.charter import market_of
from protocol.codec import encode
from protocol.keys import PeerId
from protocol.notices import Admission, Charter, Seat
from protocol.policy import Policy
from protocol.statements import NO_MARKET, Announcement, AwardRule, EffectClass, Statement
from simulations.testimony import NO_RULES
from simulations.world.seals import KeyedSealer, Keyring

SKILL: Final = "shout"


class Role(NamedTuple):
    """One peer of a setting, in whatever state it is."""

    number: int
    name: str
    sealer: KeyedSealer
    price: int | None
    """What it bids; None: it offers no skill."""
    policy: Policy | None

    @property
    def peer(self) -> PeerId:
        return self.sealer.peer

    @property
    def feed(self) -> bytes:
        return feed_of(self.name)


class Setting:
    """A charter, a task and the peers."""

    def __init__(
        self, *, bidders: int, governors: int, effect: EffectClass, attempts: int = 2, lease_ms: int = 2_000,
        deadline_ms: int = 6_000,
    ) -> None:  # fmt: skip
        ring = Keyring()
        sealers = [(name, ring.sealer(name.encode().ljust(32, b"\0"))) for name in _names(bidders, governors)]
        self.effect = effect
        self.charter = _charter(ring, [(name, sealer.peer) for name, sealer in sealers if name.startswith("governor")])
        self.roles = [
            Role(
                number, name, sealer,
                10 * number if name.startswith("bidder") else None,
                NO_RULES if name.startswith("governor") else None,
            )
            for number, (name, sealer) in enumerate(sealers)
        ]  # fmt: skip
        self.market = market_of(self.charter)
        self.task = _task(self.charter, effect, attempts=attempts, lease_ms=lease_ms, deadline_ms=deadline_ms)


def feed_of(name: str) -> bytes:
    """The feed of a peer's only journal."""
    return name.encode().ljust(8, b"\0")[-8:]


def _names(bidders: int, governors: int) -> list[str]:
    return [
        "manager",
        *[f"bidder {number}" for number in range(1, bidders + 1)],
        *[f"governor {number}" for number in range(1, governors + 1)],
    ]


def _charter(ring: Keyring, governors: list[tuple[str, PeerId]]) -> Statement[Charter]:
    quorum = len(governors) // 2 + 1 if governors else 0
    charter = Charter(
        name="small", version=1, admission=Admission.OPEN, admitters=(),
        governors=tuple(Seat(governor=peer, feed=feed_of(name)) for name, peer in governors),
        liars_max=0, permits_needed=quorum, vetoes_needed=quorum, oversight=(), revocations=(), budget_max=10**9,
        deadline_max_ms=10**9,
    )  # fmt: skip
    authority = ring.sealer(b"authority".ljust(32, b"\0")).peer
    return encode(
        charter, market=NO_MARKET, author=authority, feed=b"charter\0", seq=1, prev=None, made_ms=0, about=None
    )


def _task(
    charter: Statement[Charter], effect: EffectClass, *, attempts: int, lease_ms: int, deadline_ms: int
) -> Announcement:
    return Announcement(
        charter=charter.id, skill=SKILL, input=b"", input_digest=None, requirements=(), budget=100,
        award_rule=AwardRule.LOWEST_PRICE, price_weight=1, duration_weight=0, effect=effect, bid_window_ms=500,
        lease_ms=lease_ms, deadline_ms=deadline_ms, attempts=attempts, idempotency_key=b"task", traceparent="",
    )  # fmt: skip
