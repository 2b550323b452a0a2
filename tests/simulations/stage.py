"""A small market in which one promise is watched, and the registry of faults that break one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from protocol.actions import Execute
from protocol.codec import encode
from protocol.contract import Contract
from protocol.job import idempotency_token
from protocol.keys import Digest
from protocol.statements import (
    AnyStatement,
    Award,
    Body,
    EffectClass,
    Failure,
    FailureClass,
    Permit,
    Veto,
    VetoScope,
)
from simulations.checkers.base import Checker
from simulations.testimony import NO_RULES
from tests.market import charter_with
from tests.simulations.watched import WatchedMarket, WatchedPeer

PERMIT = Permit(rule="r", policy=bytes(32), reason="", grounds=(), reviewer=None, standing=None)
VETO = Veto(scope=VetoScope.TASK, rule="r", policy=bytes(32), reason="", grounds=(), reviewer=None)
FAILURE = Failure(failure_class=FailureClass.RETRYABLE, reason="", done="")


class Stage:
    """A small market in which one promise is watched: a manager, two bidders and a governor."""

    def __init__(self, *promises: type[Checker], liar: str = "", capacity: int = 8, governed: bool = True) -> None:
        governors = ("g",) if governed else ()
        self.market = WatchedMarket(charter_with(governors), promises=promises)
        self.m = self.market.join("m", honest=liar != "m")
        self.a = self.market.join("a", capacity=capacity, honest=liar != "a", shout=10)
        self.b = self.market.join("b", capacity=capacity, honest=liar != "b", shout=20)
        for name in governors:
            self.g = self.market.join(name, policy=NO_RULES, honest=liar != "g")
        self.market.run(100)

    def task(self, effect: EffectClass = EffectClass.PURE, run_ms: int = 5_000, **changes: object) -> Digest:
        contract = self.market.announce("m", effect=effect, **changes)
        self.market.run(run_ms)
        return contract

    def held(self, who: WatchedPeer, contract: Digest, body: type[Body]) -> AnyStatement:
        """The first statement of a kind that somebody holds of a contract."""
        return next(one for one in self.contract(who, contract).held.values() if isinstance(one.body, body))

    @staticmethod
    def contract(who: WatchedPeer, contract: Digest) -> Contract:
        return who.node.holdings.contracts[contract]

    def word(self, who: WatchedPeer, body: Body, *, about: bytes | None, seq: int = 0, **place: object) -> AnyStatement:
        """What somebody might have said, by hand."""
        fields: dict[str, object] = {
            "market": who.node.market, "author": who.peer, "feed": who.node.feed.id, "prev": None, "made_ms": 0,
        } | place  # fmt: skip
        return encode(body, about=about, seq=seq or who.node.feed.seq + 1, **fields)  # type: ignore[arg-type]

    def tell(self, hook: str, who: WatchedPeer, *what: object) -> None:
        """Tell the watch something, true or not."""
        who.tell(getattr(self.market.watch, hook), *what)

    def execute(self, who: WatchedPeer, contract: Digest) -> Execute:
        """The action that would begin work."""
        held = self.contract(who, contract)
        award = self.held(who, contract, Award)
        token = idempotency_token(held.announcement)
        return Execute(award=award, task=held.announcement.body, lease_until_ms=0, token=token)  # type: ignore[arg-type]


Fault = Callable[[pytest.MonkeyPatch], None]
FAULTS: list[tuple[type[Checker], Fault]] = []


def breaks(promise: type[Checker]) -> Callable[[Fault], Fault]:
    """A planted fault that breaks a promise."""

    def note(fault: Fault) -> Fault:
        FAULTS.append((promise, fault))
        return fault

    return note
