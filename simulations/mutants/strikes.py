"""What befalls the peers of a swarm and the links between them: one function a fault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simulations.world.network import Conditions

if TYPE_CHECKING:
    from simulations.mutants.swarm import Swarm


def _lose(swarm: Swarm) -> None:
    loss, repeat, reorder = (swarm.chance.choice((0.0, 0.2, 0.5)) for _ in range(3))
    conditions = Conditions(latency=swarm.latency, loss=loss, repeat=repeat, reorder=reorder)
    swarm.world.network.set_conditions(conditions)


def _cut(swarm: Swarm) -> None:
    one, other = swarm.pick(), swarm.pick()
    if one is not other:
        swarm.world.network.cut(one, other)


def _split(swarm: Swarm) -> None:
    processes = list(swarm.world.processes.values())
    at = swarm.chance.randrange(1, len(processes))
    swarm.chance.shuffle(processes)
    swarm.world.network.partition(processes[:at], processes[at:])


def _bounce(swarm: Swarm) -> None:
    process = swarm.pick()
    if not process.runs:
        swarm.world.restart(process)
        return
    swarm.world.crash(process, power=swarm.chance.random() < 0.3)
    if swarm.chance.random() < 0.5:
        swarm.world.restart(process)


def _kill_in_turn(swarm: Swarm) -> None:
    process = swarm.pick()
    if process.runs:
        process.die_in_turn(before_record=swarm.chance.random() < 0.5)


def _forget(swarm: Swarm) -> None:
    """A journal is lost; a governor's would lose its seat."""
    process = swarm.pick(("desk", "hand"))
    swarm.world.crash(process)
    process.disk.lose_journal()
    swarm.world.restart(process)


def _drift(swarm: Swarm) -> None:
    swarm.pick().clock.drift(swarm.world.now_us, swarm.chance.choice((-1_000, 1_000)))


def _calm(swarm: Swarm) -> None:
    swarm.world.network.heal()


STRIKES: Final = (_lose, _cut, _split, _bounce, _bounce, _kill_in_turn, _forget, _drift, _calm)
