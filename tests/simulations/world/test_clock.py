"""A simulated clock counts as CLOCK_BOOTTIME does, and travel times are the same integers everywhere."""

from __future__ import annotations

import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import UsageError
from simulations.world.clock import Clock
from simulations.world.latency import LAN, WAN, Latency


@given(
    skew_us=st.integers(0, 10**9), ppm=st.integers(-500_000, 1_000_000), jump_us=st.integers(0, 10**9),
    at_us=st.integers(0, 10**12), due_ms=st.integers(0, 10**10),
)  # fmt: skip
def test_a_timer_rings_at_the_first_microsecond_at_which_it_is_due(
    skew_us: int, ppm: int, jump_us: int, at_us: int, due_ms: int
) -> None:
    """Whatever skew, drift and jump: not one microsecond too late, and never too early."""
    clock = Clock(skew_us=skew_us)
    clock.drift(at_us, ppm)
    clock.jump(at_us, jump_us)
    when_us = clock.when_us(due_ms)
    assert clock.ms(when_us) >= due_ms
    assert clock.ms(when_us - 1) < due_ms


def test_a_clock_never_goes_back() -> None:
    """It counts from boot: a jump back, or a clock behind its boot, is a mistake of the script."""
    with pytest.raises(UsageError):
        Clock().jump(0, -1)
    with pytest.raises(UsageError):
        Clock(skew_us=-1)
    with pytest.raises(UsageError):
        Clock().drift(0, 2_000_000)


def test_latencies_are_these_very_integers() -> None:
    """The tables are computed in decimals: this digest holds on every machine and every Python."""
    chance = random.Random(1)
    draws = [latency.draw(chance) for latency in (LAN, WAN) for _ in range(5_000)]
    digest = hashlib.sha256(repr(draws).encode()).hexdigest()
    assert digest[:16] == "7a75b6595ddabb1d"


def test_half_of_the_frames_take_longer_than_the_median() -> None:
    """And few take much longer: the tail is heavy, and bounded."""
    chance = random.Random(2)
    draws = sorted(WAN.draw(chance) for _ in range(20_001))
    assert 39_000 < draws[10_000] < 41_000
    assert draws[-1] > 250_000
    assert draws[-1] <= WAN.longest_us


@pytest.mark.parametrize("sigma", ["-1", "4"])
def test_an_impossible_spread_is_refused(sigma: str) -> None:
    """A sigma below zero or beyond all networks is a slip."""
    with pytest.raises(UsageError):
        Latency.lognormal(median_us=10, sigma=sigma)
    with pytest.raises(UsageError):
        Latency.constant(-1)
