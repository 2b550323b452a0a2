"""When something is due: a time in milliseconds, or None for never."""

from __future__ import annotations


def earliest(*dues: int | None) -> int | None:
    """The first of these times, or None when none of them ever comes."""
    first = None
    for due in dues:
        if due is not None and (first is None or due < first):
            first = due
    return first
