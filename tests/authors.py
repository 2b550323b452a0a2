"""People to speak in tests: fixed keys, numbered feeds, and charters of every size of government."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from itertools import count
from typing import TypeVar

from protocol.codec import encode
from protocol.keys import Digest, Ed25519Sealer
from protocol.notices import Admission, Charter, Oversight, Seat
from protocol.statements import (
    Announcement,
    AnyStatement,
    Award,
    AwardRule,
    Bid,
    Body,
    EffectClass,
    Permit,
    Recall,
    RecallReason,
    Standing,
    StandingUse,
    Statement,
    Veto,
    VetoScope,
)

B = TypeVar("B", bound=Body)

MARKET = Digest(hashlib.sha256(b"a market for tests").digest())
QUORUMS = {0: (0, 0, 0), 1: (0, 1, 1), 3: (0, 2, 2), 4: (1, 3, 3)}
"""Governors → liars, permits needed, vetoes needed."""


@lru_cache
def sealer_of(name: str) -> Ed25519Sealer:
    """The key pair that this name always has."""
    return Ed25519Sealer.from_seed(hashlib.sha256(name.encode()).digest())


class Author:
    """One key and one feed, which numbers what it says; `feed` tells its journal's lives apart."""

    def __init__(self, name: str, *, feed: int = 0) -> None:
        self.sealer = sealer_of(name)
        self.peer = self.sealer.peer
        self.feed = hashlib.sha256(b"%b %d" % (name.encode(), feed)).digest()[:8]
        self._seqs = count(1)

    def say(
        self,
        body: B,
        *,
        about: AnyStatement | bytes | None = None,
        prev: AnyStatement | bytes | None = None,
        seq: int | None = None,
        market: bytes = MARKET,
    ) -> Statement[B]:
        """Say the next thing, or with `seq` something out of turn."""
        return encode(
            body, market=market, author=self.peer, feed=self.feed, seq=seq or next(self._seqs), made_ms=0,
            prev=_id(prev), about=_id(about),
        )  # fmt: skip

    def seat(self) -> Seat:
        return Seat(governor=self.peer, feed=self.feed)


def _id(named: AnyStatement | bytes | None) -> bytes | None:
    return named.id if isinstance(named, Statement) else named


def charter_of(*governors: Author, oversight: tuple[Oversight, ...] = ()) -> Charter:
    """A sound charter with these governors (0, 1, 3 or 4 of them)."""
    liars_max, permits_needed, vetoes_needed = QUORUMS[len(governors)]
    return Charter(
        name="tests", version=1, admission=Admission.OPEN, admitters=(), governors=tuple(g.seat() for g in governors),
        liars_max=liars_max, permits_needed=permits_needed, vetoes_needed=vetoes_needed, oversight=oversight,
        revocations=(), budget_max=1_000_000, deadline_max_ms=1_000_000,
    )  # fmt: skip


def task(
    *,
    effect: EffectClass = EffectClass.PURE,
    award_rule: AwardRule = AwardRule.LOWEST_PRICE,
    budget: int = 100,
    attempts: int = 3,
    weights: tuple[int, int] = (1, 1),
    skill: str = "sum",
) -> Announcement:
    """What an announcement says, as far as a test cares."""
    return Announcement(
        charter=bytes(32), skill=skill, input=b"", input_digest=None, requirements=(), budget=budget,
        award_rule=award_rule, price_weight=weights[0], duration_weight=weights[1], effect=effect, bid_window_ms=100,
        lease_ms=1_000, deadline_ms=60_000, attempts=attempts, idempotency_key=b"key", traceparent="",
    )  # fmt: skip


def award_of(
    bid: Statement[Bid],
    *considered: Statement[Bid],
    epoch: int = 1,
    price: int | None = None,
    standing: StandingUse | None = None,
) -> Award:
    """The award of a bid, which is always among those considered."""
    return Award(
        epoch=epoch, winner=bid.author, bid=bid.id, price=bid.body.price if price is None else price,
        considered=tuple(dict.fromkeys((bid.id, *(other.id for other in considered)))), standing=standing,
    )  # fmt: skip


def recall(reason: RecallReason, answer: AnyStatement | None = None) -> Recall:
    """The end of an epoch, on this answer if any."""
    return Recall(reason=reason, answer=answer.id if answer else None)


def permit(standing: Standing | None = None) -> Permit:
    """A vote for."""
    return Permit(rule="r", policy=bytes(32), reason="", grounds=(), reviewer=None, standing=standing)


def veto(scope: VetoScope = VetoScope.EPOCH) -> Veto:
    """A vote against."""
    return Veto(scope=scope, rule="r", policy=bytes(32), reason="", grounds=(), reviewer=None)
