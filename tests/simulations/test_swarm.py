"""Many small markets, each with its own peers, tasks, faults and liars: whatever a seed draws, every promise holds.

`VENDUE_WORLDS=2000` plays more of them, as every run of `.ci/run` does.
"""

from __future__ import annotations

import os

import pytest

from simulations import soak, swarm
from simulations.checkers.base import Checker

WORLDS = int(os.environ.get("VENDUE_WORLDS", "60"))
GROUPS = 24


@pytest.mark.parametrize("group", range(GROUPS))
def test_whatever_a_seed_draws_every_promise_holds(group: int) -> None:
    """Faults, then a heal, then the bound: safety all the time, liveness at the end. What is found can be replayed."""
    found = [finding for seed in range(group, WORLDS, GROUPS) for finding in soak.try_seed(seed).findings]
    assert not found, "\n".join(f"{finding.what}\n  replay: {finding.replay}" for finding in found)


def test_a_seed_is_one_trace() -> None:
    """The line that replays a finding shows the same again, to the last event."""
    assert swarm.play(3) == swarm.play(3)
    assert swarm.play(3).digest != swarm.play(4).digest


def test_seeds_differ_in_everything() -> None:
    """No governors and several, no faults and many, honest markets and such with liars: all are among a few seeds."""
    markets = [swarm.Market(seed) for seed in range(60)]
    assert {len(market.world.charter.body.governors) for market in markets} == {0, 1, 3, 4}
    assert {bool(market.weather.faults) for market in markets} == {False, True}
    assert {all(one.honest for one in market.world.processes.values()) for market in markets} == {False, True}
    assert max(len(market.world.processes) for market in markets) <= 20


class Suspicious(Checker):
    """Nobody is ever at rest."""

    def at_rest(self, everybody: object, now_us: int) -> None:
        raise self.broken("somebody is at rest")


def test_a_finding_has_the_line_that_replays_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a checker says of a seed comes with the command that says it again."""
    monkeypatch.setattr(soak, "play", lambda seed: swarm.play(seed, [Suspicious]))
    (finding,) = soak.try_seed(5).findings
    assert finding.replay == "scripts/soak --seed 5"
    assert "Suspicious: somebody is at rest" in finding.what


def test_an_error_is_a_finding_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A seed that breaks the protocol or the simulator itself ends no soak."""

    def breaks(seed: int) -> swarm.Played:
        raise KeyError("nobody")

    monkeypatch.setattr(soak, "play", breaks)
    (finding,) = soak.try_seed(5).findings
    assert finding.what.startswith("KeyError: 'nobody' (test_swarm.py:")


def test_a_soak_counts_what_it_plays() -> None:
    """Seeds, events, the time that peers have lived, and findings, in one line."""
    said: list[str] = []
    total = soak.soak(0, minutes=0.001, processes=1, say=said.append)
    assert total.seeds >= 1
    assert said == [str(total)]
    assert str(total).endswith("0 findings")


def test_a_replay_tells_the_story(capsys: pytest.CaptureFixture[str]) -> None:
    """The faults that a seed has, who says what, and that nothing is found."""
    assert soak.main(["--seed", "3", "--story"]) == 0
    told = capsys.readouterr().out
    assert "says to all: Announcement t1" in told
    assert f"nothing found; digest {swarm.play(3).digest}" in told


def test_no_time_is_no_soak(capsys: pytest.CaptureFixture[str]) -> None:
    """Impossible arguments are refused with what is wrong."""
    with pytest.raises(SystemExit):
        soak.main(["--minutes", "-1"])
    assert "-1 is not above 0" in capsys.readouterr().err
