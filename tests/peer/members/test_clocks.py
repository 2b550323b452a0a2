"""How people are told that two clocks differ."""

from __future__ import annotations

import pytest

from peer.members.entering.clocks import difference


@pytest.mark.parametrize(
    ("ahead_ms", "told"),
    [
        (119_000, "119 s ahead of the admitter's"),
        (-120_000, "2 minutes behind the admitter's"),
        (179 * 60_000, "179 minutes ahead of the admitter's"),
        (-3 * 3_600_000, "3 hours behind the admitter's"),
    ],
)
def test_clocks_are_told_apart_in_the_unit_that_fits(ahead_ms: int, told: str) -> None:
    """Whoever reads it sets the right clock, in the right direction."""
    assert difference(ahead_ms, "the admitter's") == f"This computer's clock is {told}."
