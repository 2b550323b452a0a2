"""Real peers on loopback end a scenario as the simulator says."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.errors import UsageError
from simulations.rehearsal import Compared, Outcome, rehearse


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)


def test_three_real_bidders_decide_as_three_simulated_ones() -> None:
    """With a manager and a governor: the same winners but for ties, the same prices, and everything is final."""
    compared = rehearse("calm", seed=3, tasks=4, peers=5)
    assert [one.agrees for one in compared] == [True] * 4
    assert {one.real.state for one in compared} == {"final"}
    assert {one.real.winner for one in compared} <= {"honest 1", "honest 2", "honest 3"}


def test_what_is_not_the_same_does_not_agree() -> None:
    """A dearer price, another end, or a winner whose bid was not among the best."""
    there = Outcome("honest 1", 5, "final")
    for here in (Outcome("honest 1", 6, "final"), Outcome("honest 1", 5, "settled"), Outcome("honest 3", 5, "final")):
        assert not Compared(0, there, here, ("honest 1", "honest 2")).agrees
    assert Compared(0, there, Outcome("honest 2", 5, "final"), ("honest 1", "honest 2")).agrees


@pytest.mark.parametrize("scenario", ["flood", "thousand-peers", "split-governor"])
def test_what_cannot_be_rehearsed_is_refused(scenario: str) -> None:
    """No liars on real sockets, no thousand processes, no second governor."""
    with pytest.raises(UsageError, match="cannot be rehearsed"):
        rehearse(scenario)
