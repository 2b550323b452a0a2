"""Python's collector of cycles, in a process that is one peer and lives long.

References counted free nearly all that a peer makes. To find the rest, the collector looks at everything that is held,
again and again: by default that is a twelfth of a busy peer's time. It belongs to a whole process, so only commands of
ours turn to it, and nothing that may run within somebody else's program.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

YOUNG_MAX: Final = 50_000
"""New objects before the collector looks at them: some 10 MB, and a look takes some 5 ms."""
YOUNG_LOOKS: Final = 20
"""Looks at new objects before one at those that outlived the last."""
OLD_LOOKS: Final = 100
"""Looks at those before one at everything since the start: minutes of a busy market."""


def collect_seldom() -> None:
    """Once a process has all that it keeps to its end: leave that alone, and look at what is new ever more rarely."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_MAX, YOUNG_LOOKS, OLD_LOOKS)


@contextmanager
def collected_seldom() -> Iterator[None]:
    """The same for the time of the context, in a process that is one peer after the other."""
    thresholds = gc.get_threshold()
    collect_seldom()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)
