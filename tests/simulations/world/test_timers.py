"""What is due comes in order, and a timer that moves with every turn fills no heap."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from simulations.world.timers import Alarms


def rings(alarms: Alarms[str], until_us: int) -> list[tuple[int, str]]:
    """Who rings, and when."""
    heard: list[tuple[int, str]] = []
    while (at_us := alarms.next_us()) is not None and at_us <= until_us:
        sleeper = alarms.take()
        if sleeper is not None:
            heard.append((at_us, sleeper))
    return heard


def test_an_earlier_setting_counts_and_a_later_one_waits() -> None:
    """Set again for later, a sleeper is woken at the earlier time, and looks."""
    alarms = Alarms[str]()
    alarms.set("ann", 50)
    alarms.set("ann", 20)
    alarms.set("ann", 90)
    assert rings(alarms, 100) == [(20, "ann")]


def test_those_of_one_time_ring_in_the_order_of_setting() -> None:
    """No name and no hash decides who is first."""
    alarms = Alarms[str]()
    for name in ("zoe", "ann", "mia"):
        alarms.set(name, 7)
    assert rings(alarms, 7) == [(7, "zoe"), (7, "ann"), (7, "mia")]


def test_a_timer_that_always_moves_later_is_held_once() -> None:
    """The alarms hold about one entry a sleeper, however often timers move."""
    alarms = Alarms[str]()
    for due_us in range(1_000):
        alarms.set("ann", due_us + 1_000)
    assert len(alarms) == 1


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 50)), max_size=30))
def test_nobody_sleeps_past_the_earliest_time_set(settings: list[tuple[str, int]]) -> None:
    """Whatever is set, each sleeper rings first at the earliest of its times."""
    alarms = Alarms[str]()
    earliest: dict[str, int] = {}
    for name, due_us in settings:
        alarms.set(name, due_us)
        earliest[name] = min(due_us, earliest.get(name, due_us))
    assert {name: at_us for at_us, name in rings(alarms, 50)} == earliest
