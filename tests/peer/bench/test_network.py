"""The figures of a network: what holds, what does not, and what could not be measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from peer.bench.network import command, members
from peer.bench.network.figures import Figure, as_json, hold, row
from peer.bench.network.members import Late, Members, everybody

SOON = Figure(what="first sight", unit="s", value=1.5, most=2.0)
LATE = Figure(what="full mesh", unit="s", value=3.5, most=3.0)
RARE = Figure(what="success", unit="%", value=98.0, least=99.0)
UNKNOWN = Figure(what="flood", unit="s", most=1.0, detail="needs root")


def test_a_figure_holds_within_its_bound() -> None:
    """One that could not be measured neither holds nor fails, and says why."""
    assert [figure.holds for figure in (SOON, LATE, RARE, UNKNOWN)] == [True, False, False, None]
    assert hold([SOON, UNKNOWN])
    assert not hold([SOON, LATE])
    assert "pass" in row(SOON)
    assert "FAIL" in row(LATE)
    assert "not measured" in row(UNKNOWN)
    assert "≥ 99" in row(RARE)
    document = json.loads(as_json([SOON, LATE]))
    assert [figure["holds"] for figure in document["figures"]] == [True, False]
    assert document["ok"] is False


def test_a_machine_that_makes_no_hosts_says_so_and_measures_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is not root still learns what the locks cost."""
    monkeypatch.setattr(command, "fault_of_machine", lambda: "network namespaces need root")
    monkeypatch.setitem(command.MEASURES, "curve", (False, lambda: [SOON]))
    done = CliRunner().invoke(command.network, ["mesh", "curve"])
    assert done.exit_code == 0
    assert "network namespaces need root" in done.output
    assert "first sight" in done.output


def test_what_does_not_come_is_a_figure_out_of_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that is never seen is no crash of the bench; the others are measured all the same."""

    def never() -> list[Figure]:
        raise Late("25 peers see each other: not within 90 s")

    monkeypatch.setitem(command.MEASURES, "curve", (False, never))
    monkeypatch.setitem(command.MEASURES, "flood", (False, lambda: [SOON]))
    done = CliRunner().invoke(command.network, ["curve", "flood", "--json"])
    assert done.exit_code == 1
    assert [figure["holds"] for figure in json.loads(done.output)["figures"]] == [False, True]


def test_members_are_waited_for_by_what_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """First sights count from the time that is asked about, and a peer is seen when both see each other."""
    monkeypatch.setattr(members, "PATIENCE_S", 0.0)
    said = [("bound", "a", ""), ("bound", "b", ""), ("sees", "a", "b"), ("sees", "b", "a"), ("hears", "a", "chatter")]
    lines = [{"at": at, "event": event, "who": who, "whom": whom} for at, (event, who, whom) in enumerate(said)]
    (tmp_path / "0.jsonl").write_text("\n".join(map(json.dumps, lines)))
    with Members(tmp_path, "fair") as known:
        known._logs = 1
        assert known.bound("a", "b") == 1
        assert known.seen(everybody("ab")) == 3
        assert known.heard("chatter") == {"a": 4}
        with pytest.raises(Late):
            known.seen(everybody("ab"), since=2.5)
