"""Scenes: all peers, and what is under way between them; and what each move makes of a scene."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from protocol import limits
from simulations.explorer.locals import Input, Locals, Outcome

TIME_PASSES_MS = limits.ANSWER_AGAIN_MS
"""When one peer's timer rings, all others may answer again whom they have answered."""


class Scene(NamedTuple):
    """One state of the small world."""

    locals: tuple[int, ...]
    wires: tuple[int, ...]
    """Messages under way: link by link, and on each link in order."""
    crashed: bool


class Move(NamedTuple):
    """Something that happens, to whom, and with which message, award or time."""

    what: str
    who: int
    which: int = 0


class Next(NamedTuple):
    """What a move leads to, and how many faults it is."""

    move: Move
    faults: int
    scene: Scene
    broken: str | None


class Stage:
    """All moves, over one table of peers' states."""

    def __init__(self, table: Locals) -> None:
        self.table = table
        self._to = table.post.to
        self._link = table.post.link

    def moves(self, scene: Scene, faults_max: int = 1) -> Iterator[Next]:
        """Everything that can happen next, with so many faults; no move is more than one."""
        yield from self._messages(scene, faults_max)
        yield from self._work(scene, faults_max)
        yield from self._timers(scene, faults_max)
        for who, local in enumerate(scene.locals):
            if not self.table.all[local].alive:
                yield self.begins(scene, who)
            elif faults_max and not scene.crashed:
                yield Next(Move("dies", who), 1, self._dead(scene, who), None)

    def is_busy(self, scene: Scene) -> bool:
        """Something is under way, or an agent is about to end its work."""
        return bool(scene.wires) or any(ends for one in scene.locals for _, ends in self.table.all[one].at_work)

    # Moves

    def _messages(self, scene: Scene, faults_max: int) -> Iterator[Next]:
        """The first message of each link may come, be lost, or come twice; a later one may overtake it."""
        link = None
        for message in scene.wires:
            who = self._to[message]
            first, link = self._link[message] != link, self._link[message]
            if first or faults_max:
                yield self.hears(scene, message, "hears" if first else "hears too early", int(not first))
            if not (first and faults_max):
                continue
            rest = _without(scene.wires, message)
            yield Next(Move("loses", who, message), 1, scene._replace(wires=rest), None)
            twice = self.hears(scene, message, "hears and will again", 1)
            yield twice._replace(
                scene=twice.scene._replace(wires=self.join(twice.scene.locals, twice.scene.wires, (message,)))
            )
            yield from self._dies_in(scene._replace(wires=rest), "dies while it hears", who, message, ("hear", message))

    def hears(self, scene: Scene, message: int, what: str = "hears", faults: int = 0) -> Next:
        """A message arrives."""
        rest = Scene(scene.locals, _without(scene.wires, message), scene.crashed)
        return self._turn(rest, Move(what, self._to[message], message), ("hear", message), faults)

    def _work(self, scene: Scene, faults_max: int) -> Iterator[Next]:
        for who, local in enumerate(scene.locals):
            for award, ends in self.table.all[local].at_work:
                if ends:
                    for what, faults in (("done", 0), ("fails", 1), ("hangs", 1)):
                        if faults <= faults_max:
                            yield self._turn(scene, Move(what, who, award), (what, award), faults)

    def _timers(self, scene: Scene, faults_max: int) -> Iterator[Next]:
        """A timer may ring at any time; it is a fault while something else is to be expected first."""
        busy = self.is_busy(scene)
        for who, local in enumerate(scene.locals):
            early = int(busy or bool(self.table.all[local].at_work))
            if early > faults_max:
                continue
            for in_ms in self.table.rings(local):
                given = ("rings", in_ms)
                outcome = self.table.step(local, given)
                if outcome.local == local and not outcome.sent and outcome.broken is None:
                    continue
                elsewhere = self._elsewhere(scene, who, TIME_PASSES_MS)
                yield self._turn(elsewhere, Move("rings", who, in_ms), given, early)
                if faults_max and not early:
                    yield from self._dies_in(elsewhere, "dies while it rings", who, in_ms, given)

    def rings_in_time(self, scene: Scene, who: int) -> Next:
        """A timer rings, and as much time passes for all others."""
        in_ms = self.table.all[scene.locals[who]].due_in_ms
        assert in_ms is not None, "who rings has a timer"
        return self._turn(self._elsewhere(scene, who, in_ms), Move("rings", who, in_ms), ("rings", in_ms), 0)

    def begins(self, scene: Scene, who: int) -> Next:
        """A peer comes up, and all others see it."""
        begun = self._turn(scene, Move("begins", who), ("begins", 0), 0)
        for other, local in enumerate(scene.locals):
            if other != who and self.table.all[local].alive and begun.broken is None:
                seen = self.sees(begun.scene, other, who)
                begun = begun._replace(scene=seen.scene, broken=seen.broken)
        return begun

    def sees(self, scene: Scene, who: int, other: int) -> Next:
        """A peer sees another, for the first time or again."""
        return self._turn(scene, Move("sees", who, other), ("seen", other), 0)

    def announces(self, scene: Scene) -> Next:
        """The first peer is the manager."""
        return self._turn(scene, Move("announces", 0), ("announces", 0), 0)

    def works(self, scene: Scene) -> Next | None:
        """Some agent ends its work, if one may."""
        return next(self._work(scene, 0), None)

    # Scenes

    def _turn(self, scene: Scene, move: Move, given: Input, faults: int) -> Next:
        outcome = self.table.step(scene.locals[move.who], given)
        return Next(move, faults, self._after(scene, move.who, outcome), outcome.broken)

    def _after(self, scene: Scene, who: int, outcome: Outcome) -> Scene:
        locals_ = (*scene.locals[:who], outcome.local, *scene.locals[who + 1 :])
        return Scene(locals_, self.join(locals_, scene.wires, outcome.sent), scene.crashed)

    def join(self, locals_: tuple[int, ...], wires: tuple[int, ...], sent: Sequence[int]) -> tuple[int, ...]:
        """What is sent goes behind what is under way on its link; not to who is down, and no second time."""
        if not sent:
            return wires
        new = [message for message in sent if message not in wires and self.table.all[locals_[self._to[message]]].alive]
        return tuple(sorted((*wires, *new), key=self._link.__getitem__)) if new else wires

    def safe(self, scene: Scene) -> Scene:
        """The same where nobody will crash any more: what was only heard is never read from a disk again."""
        if scene.crashed:
            return scene
        return Scene(tuple([self._saved(local) for local in scene.locals]), scene.wires, crashed=True)

    def _saved(self, local: int) -> int:
        return self.table.step(local, ("is safe", 0)).local

    def _elsewhere(self, scene: Scene, who: int, by_ms: int) -> Scene:
        later = [local if one == who else self.table.later(local, by_ms) for one, local in enumerate(scene.locals)]
        return scene._replace(locals=tuple(later))

    def _dies_in(self, scene: Scene, what: str, who: int, which: int, given: Input) -> Iterator[Next]:
        """A crash between the record of a turn and its publishing, where that makes a difference."""
        outcome = self.table.step(scene.locals[who], given)
        if not scene.crashed and outcome.sent and outcome.broken is None:
            silent = self._after(scene, who, outcome._replace(sent=()))
            yield Next(Move(what, who, which), 1, self._dead(silent, who), None)

    def _dead(self, scene: Scene, who: int) -> Scene:
        """One peer is down, with whatever was on its way to it; nobody will crash any more."""
        locals_ = [
            self.table.step(local, ("dies", 0)).local if one == who else self._saved(local)
            for one, local in enumerate(scene.locals)
        ]
        wires = tuple([message for message in scene.wires if self._to[message] != who])
        return Scene(tuple(locals_), wires, crashed=True)


def _without(wires: tuple[int, ...], message: int) -> tuple[int, ...]:
    return tuple([one for one in wires if one != message])
