"""The search: every scene that can be reached with so many faults, fewest faults first."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from simulations.explorer.future import Future
from simulations.explorer.locals import Locals
from simulations.explorer.setting import Setting
from simulations.explorer.stage import Move, Scene, Stage

_Waiting = deque[tuple[Scene, int, int]]


class Step(NamedTuple):
    """One move on a path, from this scene."""

    scene: Scene
    move: Move


class Broken(NamedTuple):
    """A promise that is broken, and the moves that lead there: no path has fewer faults."""

    what: str
    path: tuple[Step, ...]


class Explored(NamedTuple):
    """What a search has found."""

    states: tuple[int, ...]
    """How many scenes need 0, 1, 2 ... faults to be reached."""
    transitions: int
    depth: int
    """Moves on the longest of the paths by which scenes were first reached."""
    peer_states: int
    turns: int
    """Turns of production code."""
    futures: int
    """Fault-free continuations played."""
    broken: Broken | None

    @property
    def total(self) -> int:
        return sum(self.states)


class Search:
    """One world, searched once."""

    def __init__(self, setting: Setting) -> None:
        self.table = Locals(setting)
        self.stage = Stage(self.table)
        self.future = Future(self.table)
        self._parents: list[tuple[int, Step | None]] = [(-1, None)]
        self._faults: dict[Scene, int] = {}
        """Every scene that was met → the fewest faults that lead to it."""
        self._transitions = self._depth = 0

    def run(self, faults_max: int, *, on_level: Callable[[Explored], None] = lambda so_far: None) -> Explored:
        """Take every path of at most so many faults, or stop at the first promise that is broken."""
        first = self._last(self.future.first(), 0, faults_max)
        levels: list[_Waiting] = [deque() for _ in range(faults_max + 1)]
        levels[0].append((first, 0, 0))
        self._faults[first] = 0
        states: list[int] = []
        broken = None
        for faults in range(faults_max + 1):
            states.append(0)
            while levels[faults] and broken is None:
                scene, number, depth = levels[faults].popleft()
                if self._faults[scene] == faults:
                    states[-1] += 1
                    self._depth = max(self._depth, depth)
                    broken = self._visit(scene, number, depth, faults, levels)
            on_level(self._explored(states, broken))
            if broken is not None:
                break
        return self._explored(states, broken)

    def _visit(self, scene: Scene, number: int, depth: int, faults: int, levels: list[_Waiting]) -> Broken | None:
        """Look at a scene's future, and at everything that can happen next."""
        fault = self.future.fault_of(scene)
        if fault is not None:
            return Broken(fault, self._path(number))
        faults_max = len(levels) - 1
        for move, more, after, broken in self.stage.moves(scene, faults_max - faults):
            self._transitions += 1
            if broken is not None:
                return Broken(broken, (*self._path(number), Step(scene, move)))
            after = self._last(after, faults + more, faults_max)
            known = self._faults.get(after)
            if known is None or known > faults + more:
                self._faults[after] = faults + more
                levels[faults + more].append((after, len(self._parents), depth + 1))
                self._parents.append((number, Step(scene, move)))
        return None

    def _last(self, scene: Scene, faults: int, faults_max: int) -> Scene:
        """After the last fault of a path nobody will crash any more."""
        return self.stage.safe(scene) if faults == faults_max else scene

    def _path(self, number: int) -> tuple[Step, ...]:
        steps: list[Step] = []
        while (parent := self._parents[number])[1] is not None:
            number, step = parent
            assert step is not None
            steps.append(step)
        return tuple(reversed(steps))

    def _explored(self, states: list[int], broken: Broken | None) -> Explored:
        table, future = self.table, self.future
        return Explored(
            states=tuple(states), transitions=self._transitions, depth=self._depth, peer_states=len(table.all),
            turns=table.turns + future.table.turns, futures=future.played, broken=broken,
        )  # fmt: skip
