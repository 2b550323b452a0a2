"""Where the tasks of one caller wait: no more are under way than those who offer their skill can work on.

A peer that is awarded more than it has places for declines, and every award is one of a task's few attempts. This file
refuses to know whose places others take: a task may be declined all the same.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Final

LOOK_S: Final = 1.0
"""How soon whoever is first in the line notices that a peer with places has come."""


class Line:
    """One line for each skill, first come, first served. Use it in one loop only."""

    def __init__(self, places: Callable[[str], int]) -> None:
        """`places` tells for a skill how many tasks those who offer it can work on at once; less than one is one."""
        self._places = places
        self._under_way: Counter[str] = Counter()
        self._lines: dict[str, asyncio.Lock] = {}
        self._left: dict[str, asyncio.Event] = {}

    async def enter(self, skill: str) -> None:
        """Wait for a place, and take it; a place that is taken must be left."""
        lock = self._lines.get(skill)
        if (lock is not None and lock.locked()) or self._is_full(skill):
            async with self._lines.setdefault(skill, asyncio.Lock()):
                await self._first_in_line(skill)
            return
        self._under_way[skill] += 1

    async def _first_in_line(self, skill: str) -> None:
        while self._is_full(skill):
            left = self._left[skill] = asyncio.Event()
            with suppress(TimeoutError):
                await asyncio.wait_for(left.wait(), LOOK_S)
        self._under_way[skill] += 1

    def leave(self, skill: str) -> None:
        """A task is no longer under way."""
        self._under_way[skill] -= 1
        if not self._under_way[skill]:
            del self._under_way[skill]
        if (left := self._left.get(skill)) is not None:
            left.set()

    def _is_full(self, skill: str) -> bool:
        return self._under_way[skill] >= max(self._places(skill), 1)
