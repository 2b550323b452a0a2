"""What becomes of a scene when nothing more goes wrong: the wires are wiped, whoever is down comes back, all see all.

From then on everything arrives in order, agents end their work, timers ring when they are due, and it must end well.
"""

from __future__ import annotations

from collections.abc import Iterator

from simulations.checkers.base import Broken
from simulations.explorer.actor import Actor
from simulations.explorer.locals import Locals
from simulations.explorer.promises import judge
from simulations.explorer.stage import Next, Scene, Stage

ROUNDS_MAX = 400
"""Timers that ring in a future before it is taken for endless; the longest pause between two repeats is 30 s."""
WITNESSES_MAX = 2_048
"""Thawed peers that are kept to be looked at again."""


class Future:
    """The futures of all scenes: each state that was once found to end well is not followed again."""

    def __init__(self, table: Locals) -> None:
        self._search_table = table
        self.table = Locals(table.setting, beside=table)
        self.stage = Stage(self.table)
        self.played = 0
        self._asked: set[tuple[int, ...]] = set()
        self._well: set[tuple[int, ...]] = set()
        self._witnesses: dict[int, Actor] = {}

    def first(self) -> Scene:
        """All have met and are at rest; then the task is announced."""
        setting = self.table.setting
        scene = Scene(tuple([self.table.add(Actor(setting, role)) for role in setting.roles]), (), crashed=False)
        for who in range(len(setting.roles)):
            scene = _sound(self.stage.begins(scene, who))
        while (step := self._next(scene)) is not None:
            scene = _sound(step)
        scene = _sound(self.stage.announces(scene))
        return scene._replace(locals=tuple([self._search_table.adopt(self.table.all[one]) for one in scene.locals]))

    def fault_of(self, scene: Scene) -> str | None:
        """Why the future of a scene does not end well; None where it does."""
        if scene.locals in self._asked:
            return None
        self._asked.add(scene.locals)
        self.played += 1
        return self._play(
            Scene(tuple([self.table.adopt(self._search_table.all[one]) for one in scene.locals]), (), True)
        )

    def _play(self, scene: Scene) -> str | None:
        for step in self._healed(scene):
            if step.broken is not None:
                return step.broken
            scene = step.scene
        trail: list[tuple[int, ...]] = []
        fault: str | None = None
        while len(trail) < ROUNDS_MAX:
            if not self.stage.is_busy(scene):
                if scene.locals in self._well:
                    self._well.update(trail)
                    return None
                trail.append(scene.locals)
                fault = self._fault_at_rest(scene)
                if fault is None:
                    self._well.update(trail)
                    return None
            following = self._next(scene)
            if following is None:
                break
            if following.broken is not None:
                return following.broken
            scene = following.scene
        return f"nothing more goes wrong, and still {fault}"

    def _healed(self, scene: Scene) -> Iterator[Next]:
        """Whoever is down comes back, and then everybody sees everybody."""
        everybody = range(len(scene.locals))
        for who in everybody:
            if not self.table.all[scene.locals[who]].alive:
                step = self.stage.begins(scene, who)
                scene = step.scene
                yield step
        for who in everybody:
            for other in everybody:
                if other != who:
                    step = self.stage.sees(scene, who, other)
                    scene = step.scene
                    yield step

    def _next(self, scene: Scene) -> Next | None:
        """What comes next by itself: the first message, the first work, or the first timer."""
        if scene.wires:
            return self.stage.hears(scene, scene.wires[0])
        if self.stage.is_busy(scene):
            return self.stage.works(scene)
        dues = [
            (due_in_ms, who)
            for who, local in enumerate(scene.locals)
            if (due_in_ms := self.table.all[local].due_in_ms) is not None
        ]
        return self.stage.rings_in_time(scene, min(dues)[1]) if dues else None

    def _fault_at_rest(self, scene: Scene) -> str | None:
        """Why this is no good end, or not yet."""
        for role, local in zip(self.table.setting.roles, scene.locals, strict=True):
            facts = self.table.all[local].facts
            # A loser may hold a contract that it has no part in any more.
            if facts.jobs or facts.waiting or (role.number == 0 and not facts.resting):
                state = f"reads {facts.state}, has {facts.jobs} jobs, and {facts.waiting} statements wait there"
                return f"{role.name} {state}"
        try:
            judge([self._witness(local) for local in scene.locals])
        except Broken as broken:
            return str(broken)
        return None

    def _witness(self, local: int) -> Actor:
        """A peer in this state, to be looked at and not to be given anything."""
        witness = self._witnesses.get(local)
        if witness is None:
            if len(self._witnesses) >= WITNESSES_MAX:
                self._witnesses.clear()
            witness = self._witnesses[local] = self.table.thaw(local)
        return witness


def _sound(step: Next) -> Scene:
    assert step.broken is None, step.broken
    return step.scene
