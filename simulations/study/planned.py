"""What befalls a market at times that are known beforehand: a crash of all managers, a market in two halves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from simulations.study.scenario import Planned
from simulations.world.process import Process
from simulations.world.world import World

if TYPE_CHECKING:
    from simulations.study.cast import Cast

Ending = Callable[[], object]


def schedule(world: World, cast: Cast, planned: Sequence[Planned]) -> None:
    """Let all that is planned happen in a world, from now on."""
    for one in planned:
        world.at(world.now_us + _us(one.at_s), _befall, world, cast, one)


def _us(seconds: float) -> int:
    return round(seconds * 1_000_000)


def _befall(world: World, cast: Cast, planned: Planned) -> None:
    names = list(cast.kind_of) if planned.who == "all" else cast.of(planned.who)
    targets = [world.processes[name] for name in names]
    ending = _BEGINNINGS[planned.what](world, cast, targets)
    world.at(world.now_us + _us(planned.lasts_s), ending)


def _crash(world: World, cast: Cast, targets: Sequence[Process], *, power: bool = False) -> Ending:
    for process in targets:
        world.crash(process, power=power)
    return partial(_restart, world, targets)


def _restart(world: World, targets: Sequence[Process]) -> None:
    for process in targets:
        if not process.runs:
            world.restart(process)


def _pause(world: World, cast: Cast, targets: Sequence[Process]) -> Ending:
    for process in targets:
        world.pause(process)
    return partial(_go_on, world, targets)


def _go_on(world: World, targets: Sequence[Process]) -> None:
    for process in targets:
        world.go_on(process)


def _isolate(world: World, cast: Cast, targets: Sequence[Process]) -> Ending:
    """Each of them is cut off from everybody, those of its own kind too."""
    others = [world.processes[name] for name in cast.kind_of]
    return _cut(world, [(one, other) for one in targets for other in others if other is not one])


def _halve(world: World, cast: Cast, targets: Sequence[Process]) -> Ending:
    """The first, third, fifth ... of every kind are on one side, the others on the other."""
    chosen = {process.name for process in targets}
    sides: tuple[list[Process], list[Process]] = ([], [])
    for kind in dict.fromkeys(cast.kind_of.values()):
        for number, name in enumerate(name for name in cast.of(kind) if name in chosen):
            sides[number % 2].append(world.processes[name])
    return _cut(world, [(one, other) for one in sides[0] for other in sides[1]])


def _cut(world: World, pairs: Sequence[tuple[Process, Process]]) -> Ending:
    both = [pair for one, other in pairs for pair in ((one, other), (other, one))]
    for sender, reader in both:
        world.network.cut(sender, reader)
    return partial(_mend, world, both)


def _mend(world: World, pairs: Sequence[tuple[Process, Process]]) -> None:
    for sender, reader in pairs:
        world.network.mend(sender, reader)


_BEGINNINGS: dict[str, Callable[[World, Cast, Sequence[Process]], Ending]] = {
    "crash": _crash,
    "power-loss": partial(_crash, power=True),
    "pause": _pause,
    "isolate": _isolate,
    "halve": _halve,
}
