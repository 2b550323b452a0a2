"""A scenario and a seed make one run, from a script."""

from __future__ import annotations

import pytest

from protocol.errors import BadConfig, UsageError
from simulations import Simulation


def test_a_script_runs_a_market_of_any_size() -> None:
    """The example of the manual: a seed, a number of peers, a worse network, and as many tasks as asked for."""
    result = Simulation(seed=7, peers=20, network={"loss": 0.05}).run(tasks=40)
    assert result.metrics.tasks == 40
    assert len(result.tasks) == 40
    assert len(result.frames["peers"]) == 20
    assert result.metrics.placed + result.metrics.cancelled == 40


def test_the_same_seed_gives_the_same_result() -> None:
    """Metrics, rows and digest: nothing of this machine is in them."""
    one, again = (Simulation(seed=3, network={"loss": 0.1}).run(tasks=20) for _ in range(2))
    assert one == again
    assert Simulation(seed=4, network={"loss": 0.1}).run(tasks=20).digest != one.digest


@pytest.mark.parametrize("peers", [0, -3, 2, 10**6])
def test_a_market_that_cannot_be_is_refused(peers: int) -> None:
    """The error says how many it takes."""
    with pytest.raises(UsageError, match=r"Take 3 to 100000"):
        Simulation(peers=peers)


def test_a_setting_that_cannot_be_is_refused() -> None:
    """A negative loss, named as it was written."""
    with pytest.raises(BadConfig, match=r"network.loss = -0.1 does not fit. Expected a number from 0 to 1"):
        Simulation(network={"loss": -0.1})
