"""Real nodes under faults: whatever is lost, repeated, reordered, cut off or crashed, everybody agrees in the end.

What can happen, and what is promised meanwhile and at the end, is the test kit's: every run has all its promises.
"""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from simulations import testimony
from simulations.checkers.base import Checker
from simulations.checkers.promises import PROMISES
from simulations.checkers.work import WithinCapacity
from simulations.kit import market_machine
from simulations.world.latency import Latency
from simulations.world.network import Conditions, Network
from simulations.world.work import done_after
from simulations.world.world import World

CAPACITY = 2


class NothingWaits(Checker):
    """At rest no statement waits for another, and nobody waits for an end but for one that governors have to ratify."""

    kind = "liveness"

    def at_rest(self, everybody: Sequence[testimony.Testimony], now_us: int) -> None:
        for who in everybody:
            if who.alive and who.honest and who.node.holdings.waiting:
                raise self.broken(f"{len(who.node.holdings.waiting)} statements wait", who=who)
            for job in who.node.contractor.jobs.values() if who.alive and who.honest else ():
                if self.roster.is_honest(job.contract.manager) and not job.contract.charter.governors:
                    raise self.broken("it is at work still", contract=job.contract.id, who=who)


def play(*, rivals: int, governors: int) -> None:
    """Markets of this size under everything that the kit knows, to the end of every timer."""
    machine = market_machine(rivals=rivals, governors=governors, promises=(*PROMISES, NothingWaits))
    run_state_machine_as_test(machine)


def test_manager_and_contractor_agree_on_the_end() -> None:
    """Two peers, any faults that end: every contract ends, and both say how."""
    play(rivals=1, governors=0)


def test_three_peers_agree_on_the_end() -> None:
    """A second bidder, and with it later epochs: every contract ends, and its parties say how."""
    play(rivals=2, governors=0)


def test_governor_agrees_on_the_end() -> None:
    """With a governor, and tasks that need its permit: it reads the same end as the parties."""
    play(rivals=2, governors=1)


def test_two_governors_agree_on_the_end() -> None:
    """Of two governors both are needed: they read the same end as the parties, and as each other."""
    play(rivals=1, governors=2)


@given(st.data())
def test_accepted_work_never_exceeds_capacity(data: st.DataObject) -> None:
    """Every moment of a run, a peer works on no more than it has places for."""
    latency = Latency.constant(data.draw(st.sampled_from((1_000, 150_000))))
    seed = data.draw(st.integers(0, 2**16))
    world = World(seed, Network(Conditions(latency=latency, reorder=0.3)), checkers=[WithinCapacity])
    managers = [world.join(name) for name in ("m", "n")]
    worker = world.join("a", skills={"shout": 10}, work=done_after(800), capacity=CAPACITY)
    at_once: list[int] = []
    world.hooks.began.append(lambda who, execute, now_us: at_once.append(len(worker.workers.runs)))
    world.run_for(1_000)
    for number in range(data.draw(st.integers(3, 8))):
        data.draw(st.sampled_from(managers)).announce(world.task(idempotency_key=b"%d" % number))
        world.run_for(data.draw(st.sampled_from((0, 200))))
    world.run_for(30_000)
    assert 0 < max(at_once) <= CAPACITY
