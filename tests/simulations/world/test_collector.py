"""A world runs without Python's cycle collector, and its dead are collected all the same."""

from __future__ import annotations

import gc
import weakref

from simulations.world.collector import LIVES_LEFT, no_collector
from simulations.world.world import World


def test_ended_lives_do_not_pile_up() -> None:
    """However often a process begins again, few of its nodes are left."""
    world = World(seed=1)
    process = world.join("ann")
    lives = weakref.WeakSet([process.node])
    with no_collector():
        for _ in range(3 * LIVES_LEFT):
            world.crash(process)
            world.restart(process)
            lives.add(process.node)
            world.run_for(10)
        left = len(lives)
    assert left <= LIVES_LEFT + 2


def test_the_collector_is_left_as_it_was() -> None:
    """One block inside another, on or off before."""
    assert gc.isenabled()
    with no_collector():
        with no_collector():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()
