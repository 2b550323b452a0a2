"""Two computers' clocks: how far apart they may be, and how people are told.

Certificates hold from one time to another, so the clocks of members have to agree.
"""

from __future__ import annotations

from typing import Final

CLOCKS_APART_MAX_MS: Final = 2 * 60 * 1000
"""Clocks that are set by the network differ by less than a second; one that is so far off is wrong."""
_MINUTE_MS: Final = 60_000


def difference(ahead_ms: int, whose: str) -> str:
    """Say how far this computer's clock is ahead of another, or behind it."""
    return f"This computer's clock is {_span(abs(ahead_ms))} {'ahead of' if ahead_ms > 0 else 'behind'} {whose}."


def _span(length_ms: int) -> str:
    """A length of time, in the unit that fits."""
    if length_ms < 2 * _MINUTE_MS:
        return f"{length_ms / 1000:.0f} s"
    minutes = round(length_ms / _MINUTE_MS)
    return f"{minutes} minutes" if minutes < 180 else f"{minutes // 60} hours"
