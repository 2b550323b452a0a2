"""Who wins, at what price: the three award rules, by example and against a dumb reading of their definitions."""

from __future__ import annotations

import hashlib
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.auction import Outcome, decide, eligible, score, tie_break
from protocol.keys import Digest
from protocol.statements import Announcement, AwardRule, Bid, Statement
from tests.authors import Author, task
from tests.strategies import NAMES

ID = Digest(b"\1" * 32)
LOWEST, SECOND, BEST = AwardRule.LOWEST_PRICE, AwardRule.SECOND_PRICE, AwardRule.BEST_VALUE


def bids_of(**terms: int | tuple[int, int]) -> list[Statement[Bid]]:
    """Bids by name: a price, or a price and a duration."""
    bids = []
    for name, said in terms.items():
        price, duration_ms = said if isinstance(said, tuple) else (said, 1)
        bids.append(Author(name).say(Bid(price=price, duration_ms=duration_ms), about=ID))
    return bids


def outcome(announcement: Announcement, bids: list[Statement[Bid]], former: tuple[str, ...] = ()) -> object:
    """Who wins and at what price, by name."""
    decided = decide(ID, announcement, bids, [Author(name).peer for name in former])
    if decided is None:
        return None
    return next(name for name in NAMES if Author(name).peer == decided.bid.author), decided.price


@pytest.mark.spec("M-5.2", "M-5.4")
@pytest.mark.parametrize(
    ("rule", "weights", "bids", "expected"),
    [
        (LOWEST, (1, 1), {"ada": 30, "bo": 20, "cy": 25}, ("bo", 20)),
        (LOWEST, (0, 9), {"ada": (30, 1), "bo": (20, 99)}, ("bo", 20)),
        (LOWEST, (1, 1), {"ada": 0}, ("ada", 0)),
        (SECOND, (1, 1), {"ada": 30, "bo": 20, "cy": 25}, ("bo", 25)),
        (SECOND, (1, 1), {"ada": 30}, ("ada", 100)),
        (SECOND, (1, 1), {"ada": 30, "bo": 101}, ("ada", 100)),
        (BEST, (1, 1), {"ada": (30, 5), "bo": (20, 50)}, ("ada", 30)),
        (BEST, (2, 1), {"ada": (30, 5), "bo": (20, 20)}, ("bo", 20)),
        (BEST, (0, 1), {"ada": (30, 5), "bo": (20, 6)}, ("ada", 30)),
        (BEST, (1, 0), {"ada": (30, 5), "bo": (20, 6)}, ("bo", 20)),
    ],
)
def test_each_rule_awards_as_it_says(
    rule: AwardRule, weights: tuple[int, int], bids: dict[str, int | tuple[int, int]], expected: tuple[str, int]
) -> None:
    """Lowest price ignores time; the second price is the budget for who bids alone; best value weighs both."""
    assert outcome(task(award_rule=rule, weights=weights), bids_of(**bids)) == expected


@pytest.mark.spec("M-5.1")
def test_budget_is_the_last_price_that_can_win() -> None:
    """A bid at the budget wins, one above it does not, and sets no second price."""
    assert outcome(task(budget=20), bids_of(ada=20, bo=21)) == ("ada", 20)
    assert outcome(task(budget=20), bids_of(bo=21)) is None
    assert outcome(task(budget=20), []) is None
    assert outcome(task(budget=20, award_rule=SECOND), bids_of(ada=10, bo=21)) == ("ada", 20)


@pytest.mark.spec("M-5.1")
def test_a_peer_wins_a_task_at_most_once() -> None:
    """Former winners are passed over, and their bids set no second price."""
    bids = bids_of(ada=10, bo=20, cy=30)
    assert outcome(task(), bids, ("ada",)) == ("bo", 20)
    assert outcome(task(award_rule=SECOND), bids, ("bo",)) == ("ada", 30)
    assert outcome(task(), bids, ("ada", "bo", "cy")) is None


@pytest.mark.spec("M-5.3", "M-5.5")
def test_ties_fall_to_the_smaller_hash() -> None:
    """Equal scores are told apart by SHA-256(announcement id ‖ bidder), whatever order the bids are in."""
    bids = bids_of(ada=10, bo=10, cy=10)
    first = min(bids, key=lambda bid: hashlib.sha256(ID + bid.author).digest())
    for order in permutations(bids):
        assert decide(ID, task(), order) == Outcome(first, 10)
        assert decide(ID, task(award_rule=SECOND), order) == Outcome(first, 10)


def test_the_tie_falls_differently_for_another_task() -> None:
    """No key wins all ties: the hash hangs on the announcement too."""
    ada, bo = (Author(name).peer for name in ("ada", "bo"))
    tasks = [Digest(bytes([number]) * 32) for number in range(20)]
    assert {tie_break(one, ada) < tie_break(one, bo) for one in tasks} == {True, False}


TERMS = st.tuples(st.integers(0, 120), st.integers(0, 20))


@pytest.mark.spec("M-5.1", "M-5.2", "M-5.3", "M-5.4", "M-5.5")
@given(
    st.dictionaries(st.sampled_from(NAMES), TERMS),
    st.sampled_from(AwardRule),
    st.tuples(st.integers(0, 3), st.integers(0, 3)),
    st.sets(st.sampled_from(NAMES), max_size=2),
    st.randoms(use_true_random=False),
)
def test_decision_agrees_with_a_dumb_one(terms, rule, weights, former, chance) -> None:  # type: ignore[no-untyped-def]
    """Nobody who may win has a better claim than the winner, and the price is what the rule says, in any order."""
    announcement = task(award_rule=rule, weights=weights)
    bids = bids_of(**terms)
    chance.shuffle(bids)
    may_win = {name: said for name, said in terms.items() if said[0] <= announcement.budget and name not in former}
    decided = outcome(announcement, bids, tuple(former))
    if not may_win:
        assert decided is None
        return

    def claim(name: str) -> tuple[int, bytes]:
        price, duration_ms = may_win[name]
        worth = weights[0] * price + weights[1] * duration_ms if rule is BEST else price
        return worth, hashlib.sha256(ID + Author(name).peer).digest()

    winner = sorted(may_win, key=claim)[0]
    second = sorted(price for name, (price, _) in may_win.items() if name != winner)
    due = (second[0] if second else announcement.budget) if rule is SECOND else may_win[winner][0]
    assert decided == (winner, due)


@given(st.dictionaries(st.sampled_from(NAMES), TERMS, min_size=1), st.sampled_from(AwardRule))
def test_the_price_is_between_the_bid_and_the_budget(terms, rule) -> None:  # type: ignore[no-untyped-def]
    """Nobody works below its bid, and nothing costs more than the budget."""
    announcement = task(award_rule=rule)
    bids = bids_of(**terms)
    decided = decide(ID, announcement, bids)
    assert (decided is None) == (not eligible(announcement, bids))
    if decided is not None:
        assert decided.bid.body.price <= decided.price <= announcement.budget


@given(st.integers(0, 120), st.dictionaries(st.sampled_from(NAMES[1:]), st.integers(0, 120)), st.integers(0, 120))
def test_under_the_second_price_honesty_pays(cost: int, others: dict[str, int], lie: int) -> None:
    """Vickrey (1961): no other bid earns more than one's true cost."""
    announcement = task(award_rule=SECOND)

    def earns(price: int) -> int:
        decided = outcome(announcement, bids_of(ada=price, **others))
        return decided[1] - cost if isinstance(decided, tuple) and decided[0] == "ada" else 0

    assert earns(cost) >= earns(lie)


@pytest.mark.spec("M-5.2")
def test_largest_numbers_stay_exact() -> None:
    """Weights and prices at their bounds are compared as whole numbers."""
    announcement = task(award_rule=BEST, weights=(1_000_000, 1_000_000), budget=2**53)
    near = bids_of(ada=(2**53, 1), bo=(2**53, 0))
    assert score(announcement, near[0].body) - score(announcement, near[1].body) == 1_000_000
    assert outcome(announcement, near) == ("bo", 2**53)
