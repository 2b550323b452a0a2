"""A scenario and a seed make one run, from a script."""

from __future__ import annotations

import pytest

from protocol.errors import BadConfig, UsageError
from simulations import Simulation
from simulations.world.work import price_of


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


def test_what_became_of_a_liars_tasks_is_read_by_others() -> None:
    """The forking manager reads its contracts as final; the others know that they are void."""
    result = Simulation("equivocator", seed=1).run(tasks=20)
    states = {row["manager"]: row["state"] for row in result.tasks}
    assert states["forking-manager 1"] == "void"
    assert states["manager 1"] == "final"
    assert result.metrics.void > 0


def test_a_strategy_of_ones_own_takes_an_agents_place() -> None:
    """Whoever asks for nothing wins everything; a name that there is not gets the nearest one."""
    free = {"honest 2": price_of(0)}
    result = Simulation(seed=2, strategies=free).run(tasks=10)
    assert {row["winner"] for row in result.tasks} == {"honest 2"}
    with pytest.raises(BadConfig, match="Did you mean honest 2"):
        Simulation(strategies={"honset 2": price_of(0)})


@pytest.mark.parametrize("scenario", ["veto-storm", "flood", "bad-bidders", "lying-governors", "churn"])
def test_a_bad_market_keeps_its_promises(scenario: str) -> None:
    """With every checker on, and an end for every task that was announced."""
    result = Simulation(scenario, seed=5, changes={"seconds": 5}).run(tasks=12)
    assert all(row["ended_ms"] is not None for row in result.tasks if row["contract"])


def test_real_keys_decide_as_keyed_hashes_do() -> None:
    """The profile with Ed25519 everywhere: other keys and ties, the same prices."""
    plain, real = (Simulation(seed=4, changes={"keys": keys}).run(tasks=6) for keys in ("keyed-hash", "ed25519"))
    assert [row["price"] for row in plain.tasks] == [row["price"] for row in real.tasks]
    assert plain.digest != real.digest
