"""Buckets and pauses, with time as a value: what passes, when it is enough, and what is forgiven."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peer.net.guard.rates import Meter, Passage, Penalties, Rate, Table

TEN = Rate(10, 20)


def test_burst_passes_and_then_the_rate() -> None:
    """Twenty at once, then ten a second."""
    meter = Meter(TEN, now_s=0.0)
    assert [meter.pass_through(0.0, 1) for _ in range(21)] == [Passage.OPEN] * 20 + [Passage.DROPPED]
    assert [meter.pass_through(0.5, 1) for _ in range(6)] == [Passage.OPEN] * 5 + [Passage.DROPPED]


def test_what_came_while_nobody_looked_may_be_as_much_more() -> None:
    """A reader that was held up for three seconds finds a burst and three seconds' worth at once, and blames nobody."""
    meter = Meter(TEN, now_s=0.0)
    meter.pass_through(0.0, 5)
    passages = [meter.pass_through(4.0, amount, late_s=3.0) for amount in (51, 50, 1)]
    assert [passage is Passage.OPEN for passage in passages] == [False, True, False]
    assert meter.pass_through(9.0, 21) is not Passage.OPEN, "once it is in time there is a burst again"


def test_enough_is_enough_only_without_a_quiet_time_between() -> None:
    """Who drops a little and rests is forgiven; who goes on is to be disconnected."""
    meter = Meter(TEN, now_s=0.0)
    meter.pass_through(0.0, 20)
    assert meter.pass_through(0.0, 15) is Passage.DROPPED
    assert meter.pass_through(10.0, 20) is Passage.OPEN
    assert meter.pass_through(10.0, 15) is Passage.DROPPED
    assert meter.pass_through(10.1, 15) is Passage.ENOUGH


def test_all_rates_pass_or_none_pays() -> None:
    """A frame that is too long costs no frame."""
    meter = Meter(TEN, Rate(100, 100), now_s=0.0)
    assert meter.pass_through(0.0, 1, 101) is not Passage.OPEN
    assert [meter.pass_through(0.0, 1, 5) for _ in range(20)] == [Passage.OPEN] * 20


@given(st.lists(st.tuples(st.floats(0, 2), st.integers(1, 30)), max_size=60))
def test_no_pattern_gets_more_than_the_rate(sent: list[tuple[float, int]]) -> None:
    """In any time, at most a burst and the time's share pass."""
    meter, now_s, passed = Meter(TEN, now_s=0.0), 0.0, 0
    for pause_s, amount in sent:
        now_s += pause_s
        if meter.pass_through(now_s, amount) is Passage.OPEN:
            passed += amount
        assert passed <= TEN.burst + TEN.per_second * now_s + 1e-6


def test_clock_that_steps_back_brings_nothing() -> None:
    """Nor does it cost what is there."""
    meter = Meter(TEN, now_s=100.0)
    assert meter.pass_through(100.0, 20) is Passage.OPEN
    assert meter.pass_through(50.0, 1) is Passage.DROPPED
    assert meter.pass_through(50.5, 5) is Passage.OPEN


def test_table_is_bounded_and_the_idle_make_room() -> None:
    """Whoever invents names gets nothing by it, and costs nobody else anything."""
    table: Table[int] = Table(lambda now_s: Meter(TEN, now_s=now_s), entries_max=3)
    assert [table.pass_through(key, 0.0, 1) for key in range(4)] == [Passage.OPEN] * 3 + [Passage.DROPPED]
    assert table.pass_through(0, 0.0, 1) is Passage.OPEN
    assert table.pass_through(3, 10.0, 1) is Passage.OPEN


@pytest.mark.parametrize(("comes_back_s", "pause_s"), [(0.0, 2.0), (9.0, 2.0), (10.0, 1.0)])
def test_pause_grows_until_a_quiet_time_ten_times_as_long(comes_back_s: float, pause_s: float) -> None:
    """One second, then two; after ten quiet seconds it begins anew."""
    penalties = Penalties(pause_s=1.0, pause_max_s=300.0, entries_max=8)
    assert penalties.punish(b"a", 100.0) == 101.0
    again_s = 101.0 + comes_back_s
    assert penalties.punish(b"a", again_s) == again_s + pause_s


def test_pause_has_an_end_however_often() -> None:
    """No honest peer is lost for ever."""
    penalties, now_s = Penalties(pause_s=1.0, pause_max_s=300.0, entries_max=8), 0.0
    for _ in range(20):
        until_s = penalties.punish(b"a", now_s)
        assert penalties.is_out(b"a", until_s - 0.01)
        assert not penalties.is_out(b"a", until_s)
        pause_s, now_s = until_s - now_s, until_s
    assert pause_s == 300.0


def test_punished_again_while_out_stays_as_it_is() -> None:
    """Several faults of one moment are one."""
    penalties = Penalties(pause_s=1.0, pause_max_s=300.0, entries_max=8)
    assert penalties.punish(b"a", 0.0) == penalties.punish(b"a", 0.5) == 1.0


def test_those_punished_longest_ago_are_forgotten_first() -> None:
    """The table is bounded."""
    penalties = Penalties(pause_s=10.0, pause_max_s=300.0, entries_max=2)
    for who in (b"a", b"b", b"c"):
        penalties.punish(who, 0.0)
    assert [penalties.is_out(who, 1.0) for who in (b"a", b"b", b"c")] == [False, True, True]


def test_everything_is_dearer_for_whoever_was_kept_out_and_is_not_forgiven() -> None:
    """Twice, four times, eight times as dear; a quiet time makes it what it was, and for others it never changes."""
    penalties, now_s = Penalties(pause_s=1.0, pause_max_s=300.0, entries_max=8), 0.0
    for price in (1.0, 2.0, 4.0, 8.0):
        assert penalties.price(b"a", now_s) == price
        assert penalties.price(b"b", now_s) == 1.0
        now_s = penalties.punish(b"a", now_s)
    assert penalties.price(b"a", now_s + 8.0 * Penalties.FORGIVE) == 1.0
