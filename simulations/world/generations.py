"""What came lately, in two generations: for what may be forgotten, since remembering it only saves time or memory."""

from __future__ import annotations

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Generations(Generic[K, V]):
    """A mapping whose older half goes in one stroke when the younger one is full."""

    __slots__ = ("_most", "_old", "_young")

    def __init__(self, most: int) -> None:
        """`most` is the size of one generation; two are kept."""
        self._most = most
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, key: K) -> V | None:
        """What was kept, if it is young enough."""
        found = self._young.get(key)
        return found if found is not None else self._old.get(key)

    def keep(self, key: K, value: V) -> None:
        """Remember for a while."""
        if len(self._young) >= self._most:
            self._old, self._young = self._young, {}
        self._young[key] = value

    def pop(self, key: K) -> V | None:
        """Take out what was kept, if it is young enough."""
        found, older = self._young.pop(key, None), self._old.pop(key, None)
        return found if found is not None else older
