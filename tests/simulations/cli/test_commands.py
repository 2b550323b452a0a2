"""`vendue sim`, as people and programs call it: what it prints, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from peer.cli.group import vendue
from protocol.errors import UsageError
from simulations.checkers.base import Checker
from simulations.checkers.promises import PROMISES
from simulations.extras import MissingExtra, need
from simulations.speech import split_change
from simulations.study.scenario import built_in

SHORT = ("--tasks", "4", "--set", "seconds=1")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def sim(*arguments: str) -> Result:
    """Run a command of `vendue sim` here."""
    return CliRunner().invoke(vendue, ["sim", *arguments])


def error_of(*arguments: str) -> dict[str, Any]:
    """The error of a command that is to fail, as programs get it; its exit code is the process's."""
    done = sim(*arguments, "--json")
    told: dict[str, Any] = json.loads(done.stdout)["error"]
    assert done.exit_code == told["exit_code"] != 0
    return told


def test_the_scenarios_are_listed() -> None:
    """Each with what it is about."""
    done = sim("list")
    assert done.exit_code == 0
    assert all(f"\n{name} " in f"\n{done.stdout}" for name in built_in())
    assert {row["name"] for row in json.loads(sim("list", "--json").stdout)} == set(built_in())


def test_a_run_is_told_to_people_and_to_programs() -> None:
    """The same run: the same digest; figures of this machine stand beside it."""
    told = sim("run", "calm", "--seed", "3", *SHORT)
    assert told.exit_code == 0
    document = json.loads(sim("run", "calm", "--seed", "3", *SHORT, "--json").stdout)
    assert f"digest {document['digest']}" in told.stdout
    assert document["metrics"]["placed"] == 4
    assert set(document["figures"]) == {"seconds", "cpu_seconds", "deliveries_per_s", "times_real_time", "peak_mib"}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("run", "clam"), 2, "Did you mean calm?"),
        (("run", "calm", "--peers", "0"), 2, "Take 3 to"),
        (("run", "calm", "--seed", "-1"), 2, "whole number from 0"),
        (("run", "calm", "--tasks", "0"), 8, "a whole number from 1"),
        (("run", "calm", "--set", "network.loss=-1"), 8, "a number from 0 to 1"),
        (("run", "calm", "--set", "netwrk.loss=1"), 8, "Did you mean network"),
        (("run", "calm", "--set", "loss"), 2, "Write --set"),
        (("run", "calm", "--orders", "nowhere"), 8, "Leave --orders out"),
        (("replay", "calmm"), 2, "Did you mean calm?"),
        (("sweep", "calm", "--seeds", "x"), 2, "Write --seeds"),
        (("sweep", "calm", "--executor", "procses"), 2, "Did you mean process?"),
        (("sweep", "calm", "--workers", "0"), 2, "Take 1 to"),
        (("plot", "calm", "--out", "a.gif"), 2, "End its name in"),
        (("plot", "calm", "--contract", "1", "--out", "a.png"), 2, "End it in .svg"),
        (("plot", "calm", "--contract", "99", *SHORT), 2, "Take 1 to 4"),
    ],
)  # fmt: skip
def test_bad_input_is_answered_with_what_to_do(arguments: tuple[str, ...], code: int, message: str) -> None:
    """A message, and an exit code that says which kind of mistake it was."""
    told = error_of(*arguments)
    assert told["exit_code"] == code
    assert message in told["do"] + told["why"]


def test_a_trace_is_replayed_to_its_end() -> None:
    """Whatever made the run is in the file: no option needs to be said again."""
    assert sim("run", "crash-of-contractor", "--seed", "5", *SHORT, "--record", "t.trace").exit_code == 0
    done = sim("replay", "t.trace")
    assert done.exit_code == 0
    assert "The same as the trace" in done.stdout


def test_a_replay_that_goes_another_way_says_where() -> None:
    """Which code made the trace, in which second they part, and the first happening that differs."""
    sim("run", "lossy", *SHORT, "--record", "t.trace")
    first, _, rest = Path("t.trace").read_text().partition("\n")
    Path("t.trace").write_text(first.replace('"seed": 0', '"seed": 1') + "\n" + rest)
    told = error_of("replay", "t.trace")
    assert told["exit_code"] == 7
    assert "parts from the trace between" in told["what"]
    assert "made by vendue" in told["why"]
    assert "Line 2: recorded" in told["why"]


@pytest.mark.parametrize(
    ("text", "message"), [("hello", "no trace"), ('{"vendue_trace": 9, "recipe": {}}', "version 9")]
)
def test_what_is_no_trace_of_ours_is_refused(text: str, message: str) -> None:
    """One from another version says which."""
    Path("t.trace").write_text(text)
    told = error_of("replay", "t.trace")
    assert told["exit_code"] == 7
    assert message in told["what"]


class Sceptic(Checker):
    """Nobody bids."""

    def said(self, who: Any, statement: Any, now_us: int) -> None:
        if type(statement.body).__name__ == "Bid":
            raise self.broken("somebody has bid", contract=statement.about, who=who)


def test_a_broken_promise_is_told_with_the_line_that_replays_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a replay of the trace finds it again, and tells the story of its contract."""
    monkeypatch.setattr("simulations.study.simulation.PROMISES", (*PROMISES, Sceptic))
    told = error_of("run", "lossy", "--seed", "5", *SHORT, "--record", "t.trace")
    assert told["exit_code"] == 7
    assert "somebody has bid" in told["what"]
    assert told["do"] == "Replay it: vendue sim replay lossy --seed 5 --set seconds=1 --set tasks.count=4"
    again = sim("replay", "t.trace")
    assert again.exit_code == 7
    assert "somebody has bid" in again.stderr
    assert "says to all: Announcement" in again.stdout


def test_a_sweep_says_by_its_exit_code_that_it_found_something(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows say what, and how to see it again."""
    monkeypatch.setattr("simulations.study.simulation.PROMISES", (*PROMISES, Sceptic))
    done = sim("sweep", "lossy", "--seeds", "1:2", "--set", "seconds=1", "--executor", "serial", "--json")
    assert done.exit_code == 7
    rows = json.loads(done.stdout)["rows"]
    assert ["somebody has bid" in row["broken"] for row in rows] == [True, True]
    assert rows[1]["replay"] == "vendue sim replay lossy --seed 2 --set seconds=1"


def test_a_sweep_is_shown_and_drawn() -> None:
    """From its rows' file, by default beside where it was called."""
    swept = sim(
        "sweep", "calm", "--seeds", "1:2", "--set", "tasks.count=3,5", "--set", "seconds=1", "--executor", "serial"
    )
    assert swept.exit_code == 0
    assert "4 of 4 runs now" in swept.stdout
    assert sim("plot", "calm.sweep", "--out", "a.png", "--out", "b.svg").exit_code == 0
    assert Path("a.png").stat().st_size > 10_000
    assert "<svg" in Path("b.svg").read_text()


def test_a_contract_is_drawn() -> None:
    """By the number of its task."""
    assert sim("plot", "calm", "--contract", "2", *SHORT, "--out", "two.svg").exit_code == 0
    assert "task 2" in Path("two.svg").read_text()


def test_a_missing_extra_is_named() -> None:
    """With the command that installs it."""
    with pytest.raises(MissingExtra, match=r"scripts/environment sim, or pip install 'vendue\[sim\]'"):
        need("no_such_package.at_all", "sim")


def test_a_change_has_a_name_and_a_value() -> None:
    """The value may have equals signs of its own."""
    assert split_change("tasks.effects={ pure = 1 }") == ("tasks.effects", "{ pure = 1 }")
    with pytest.raises(UsageError, match="sets nothing"):
        split_change("=3")
