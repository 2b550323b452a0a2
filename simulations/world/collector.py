"""Python's cycle collector, kept away from a world that runs.

A world has millions of objects to look at and makes next to no garbage in cycles: looked at again and again, they cost
more than some of its protocol. What does leave cycles is a life that ends, for a node, its roles and its turn know each
other; so those are counted, and collected when there are many.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

LIVES_LEFT: Final = 64
"""So many ended lives may lie about, or as many as there are processes."""


@contextmanager
def no_collector() -> Iterator[None]:
    """Run without it. Around a whole run, not a slice of one: whatever is new by its end is looked at then."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class Lives:
    """How many lives have ended since their remains were collected last."""

    def __init__(self) -> None:
        self.ended = 0

    def end(self, processes: int) -> None:
        """One more has ended, in a world of so many processes: a look at all of it is worth as many remains."""
        self.ended += 1
        if self.ended > max(LIVES_LEFT, processes):
            self.ended = 0
            gc.collect()
