"""What becomes of a scene when nothing more goes wrong: the wires are wiped, whoever is down comes back, all see all.

From then on everything arrives in order, agents end their work, timers ring when they are due, and it must end well.
"""

from __future__ import annotations

from simulations.checkers.base import Broken
from simulations.explorer.actor import Actor
from simulations.explorer.locals import Locals, Outcome
from simulations.explorer.promises import judge
from simulations.explorer.stage import Next, Scene, Stage

ROUNDS_MAX = 400
"""Timers that ring in a future before it is taken for endless; the longest pause between two repeats is 30 s."""
WITNESSES_MAX = 2_048
"""Thawed peers that are kept to be looked at again."""


class Future:
    """The futures of all scenes: each state that was once found to end well is not followed again."""

    def __init__(self, table: Locals) -> None:
        self._search_table, self._search_stage = table, Stage(table)
        self.table = Locals(table.setting, beside=table)
        self.stage = Stage(self.table)
        self.played = 0
        self._asked: set[tuple[int, ...]] = set()
        self._well: set[Scene] = set()
        self._parts: dict[tuple[int, tuple[int, ...]], Outcome] = {}
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
        locals_ = self._search_stage.safe(scene).locals
        if locals_ in self._asked:
            return None
        self._asked.add(locals_)
        self.played += 1
        return self._play(tuple([self.table.adopt(self._search_table.all[one]) for one in locals_]))

    def _play(self, locals_: tuple[int, ...]) -> str | None:
        scene, broken = self._healed(locals_)
        if broken is not None:
            return broken
        trail: list[Scene] = []
        unrest: str | None = None
        while len(trail) < ROUNDS_MAX:
            at_rest = not self.stage.is_busy(scene)
            if at_rest or not trail:
                trail.append(scene)
                if scene in self._well or (at_rest and (unrest := self._fault_at_rest(scene)) is None):
                    self._well.update(trail)
                    return None
            following = self._next(scene)
            if following is None:
                break
            if following.broken is not None:
                return following.broken
            scene = following.scene
        return f"nothing more goes wrong, and still {unrest}"

    def _healed(self, locals_: tuple[int, ...]) -> tuple[Scene, str | None]:
        """Whoever is down comes back, and then everybody sees everybody; each peer's part in it is known by now."""
        down = tuple([who for who, local in enumerate(locals_) if not self.table.all[local].alive])
        parts = [self._part(local, who, down) for who, local in enumerate(locals_)]
        healed = tuple([part.local for part in parts])
        wires = self.stage.join(healed, (), [message for part in parts for message in part.sent])
        return Scene(healed, wires, crashed=True), next((part.broken for part in parts if part.broken), None)

    def _part(self, local: int, who: int, down: tuple[int, ...]) -> Outcome:
        part = self._parts.get((local, down))
        if part is None:
            returned = [("begins", 0)] if who in down else [("seen", other) for other in down]
            everybody = range(len(self.table.setting.roles))
            part = Outcome(local, ())
            for given in (*returned, *[("seen", other) for other in everybody if other != who]):
                if part.broken is None:
                    then = self.table.step(part.local, given)
                    part = Outcome(then.local, (*part.sent, *then.sent), then.broken)
            self._parts[local, down] = part
        return part

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
