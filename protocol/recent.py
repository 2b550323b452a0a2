"""What is remembered up to a bound: a new key pushes the oldest one out."""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(OrderedDict[K, V]):
    """A mapping of at most `most` keys, in the order in which they came.

    Ordered by a list of its own, for a plain dict finds its first key by walking over all that were ever deleted
    before it: a queue made of one slows down with its length.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def keep(self, key: K, value: V) -> None:
        """Remember; the oldest goes when there is no room."""
        if len(self) >= self._most and key not in self:
            self.popitem(last=False)
        self[key] = value
