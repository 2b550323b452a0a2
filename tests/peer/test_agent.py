"""Bidding in one's own way: whatever a strategy says or does, its peer says something that others can read."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from peer.agent import Agent, Offer, Wanted, quotes_of
from protocol.codec import encode
from protocol.errors import UsageError
from protocol.limits import DURATION_MAX_MS, MONEY_MAX
from protocol.statements import Bid, Refusal
from tests.authors import MARKET, Author, task


def answer_of(strategy: Any, budget: int = 100) -> Bid | Refusal:
    """What a peer with this strategy answers to an announcement."""
    agent = Agent()
    agent.worker("sum", price=7, duration_ms=70)(lambda: None)
    agent.bidding("sum")(strategy)
    manager = Author("mia")
    announcement = manager.say(task(budget=budget))
    answer = quotes_of(agent.skills, agent.strategies, manager.peer)["sum"](announcement)
    encode(answer, market=MARKET, author=manager.peer, feed=manager.feed, seq=2, made_ms=0, prev=None, about=None)
    return answer


@pytest.mark.parametrize(
    ("says", "bid"),
    [
        (5, Bid(price=5, duration_ms=70)),
        (0, Bid(price=0, duration_ms=70)),
        (Offer(5), Bid(price=5, duration_ms=70)),
        (Offer(5, 0), Bid(price=5, duration_ms=0)),
        (Offer(5, DURATION_MAX_MS), Bid(price=5, duration_ms=DURATION_MAX_MS)),
        (None, Refusal(reason="not for me")),
        (101, Refusal(reason="the budget is below my price")),
        (MONEY_MAX + 1, Refusal(reason="the budget is below my price")),
        (10**30, Refusal(reason="the budget is below my price")),
    ],
)
def test_what_a_strategy_says_is_bid(says: object, bid: Bid | Refusal) -> None:
    """A price alone comes with the skill's duration; nothing, or more than the budget, is a refusal."""
    assert answer_of(lambda wanted: says) == bid


@pytest.mark.parametrize(
    "says",
    ["5", 2.5, True, -1, [], Offer(-1), Offer(5, -1), Offer(5, 10**30), Offer(5, 2.5), Offer(5, "1"), Offer(5, True)],  # type: ignore[arg-type]
    ids=repr,
)
def test_nonsense_is_a_refusal(says: object) -> None:
    """What is no price or no duration is not sent: others would blame the peer, or it could not be sent at all."""
    assert answer_of(lambda wanted: says) == Refusal(reason="the bidding strategy failed")


class _Unprintable(Exception):
    def __repr__(self) -> str:
        raise RuntimeError("in repr")

    __str__ = __repr__


def _leave(wanted: Wanted) -> int:
    sys.exit(3)


def _fall(wanted: Wanted) -> int:
    raise _Unprintable


@pytest.mark.parametrize("strategy", [_leave, _fall, lambda: 5, lambda wanted: wanted.input["word"]])
def test_a_strategy_that_fails_refuses_and_harms_nobody(strategy: Any) -> None:
    """It may leave, raise what cannot be printed, or take no task: the peer lives on."""
    assert answer_of(strategy) == Refusal(reason="the bidding strategy failed")


@pytest.mark.parametrize(
    "made", [{"capacity": 0}, {"capacity": -1}, {"capacity": 2.5}, {"capacity": "3"}, {"name": 5}], ids=repr
)
def test_an_agent_that_cannot_be_is_refused_when_it_is_made(made: dict[str, Any]) -> None:
    """A number of places is whole and at least one; a name is a text."""
    with pytest.raises(UsageError):
        Agent(**made)
