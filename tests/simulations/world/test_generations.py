"""What may be forgotten is remembered for a while."""

from __future__ import annotations

from simulations.world.generations import Generations


def test_what_is_young_is_remembered_and_what_is_old_goes_in_one_stroke() -> None:
    """Two generations are kept: the last that came, and the one before them."""
    kept = Generations[int, str](2)
    for key in range(5):
        kept.keep(key, str(key))
    assert [kept.get(key) for key in range(5)] == [None, None, "2", "3", "4"]
    assert len(kept) == 3


def test_what_was_taken_out_is_gone() -> None:
    """From either generation."""
    kept = Generations[int, str](1)
    kept.keep(1, "old")
    kept.keep(2, "young")
    assert [kept.pop(1), kept.pop(2), kept.pop(3)] == ["old", "young", None]
    assert kept.get(1) is kept.get(2) is None
