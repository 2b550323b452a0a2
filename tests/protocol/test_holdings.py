"""What a node holds is bounded, and in an order that no hash decides."""

from __future__ import annotations

import msgspec
import pytest

from protocol import limits
from protocol.holdings import Holdings
from protocol.keys import Digest
from protocol.statements import Bid
from tests.authors import Author, award_of, charter_of, task


def test_what_is_missing_is_remembered_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chains that name what nobody ever shows fill no memory: the oldest wish gives way to the newest."""
    monkeypatch.setattr(limits, "WAITING_MAX", 4)
    charter = Author("authority").say(charter_of())
    holdings = Holdings(charter)
    manager, bidder = Author("desk"), Author("hazel")
    wishes: list[Digest] = []
    for _ in range(10):
        announcement = manager.say(msgspec.structs.replace(task(), charter=charter.id))
        contract = holdings.open(announcement)
        assert contract is not None
        bid = bidder.say(Bid(price=5, duration_ms=1), about=announcement)
        holdings.learn(contract, manager.say(award_of(bid), about=announcement, prev=announcement))
        wishes += holdings.want(contract)
    assert len(wishes) == 10
    assert [holdings.is_wanted(wish) for wish in wishes] == [False] * 6 + [True] * 4
