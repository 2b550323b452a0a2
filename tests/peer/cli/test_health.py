"""Peers that are asked how they do: by people, by probes, and when they hang or have gone."""

from __future__ import annotations

import signal

from tests.peer.cli.processes import Vendue

SHOUT = '@worker("shout", price=5)\ndef shout(text: str) -> str:\n    return text.upper()\n'
STUCK = '@worker("stick", price=1)\nasync def stick() -> str:\n    import time\n    time.sleep(60)\n'


def test_a_running_peer_is_well_and_ready_and_its_status_adds_up(vendue: Vendue) -> None:
    """Alone it is ready too; when others come it has seen somebody; what it did is counted."""
    poet = vendue.start("run", vendue.agents(SHOUT), "--name", "poet", "--json").wait_for("ready")
    alone = vendue.json("health", "poet", "--ready")
    assert (alone["ok"], alone["peers"][0]["seen_anybody"]) == (True, False)
    vendue.start("run", vendue.agents(SHOUT), "--name", "other", "--json").wait_for("ready")
    vendue("announce", "shout", '{"text": "x"}', "--budget", "9")
    told = {peer["name"]: peer for peer in vendue.json("status")["peers"]}
    assert set(told) == {"poet", "other"}
    mine = told["poet"]
    assert (mine["peer"], mine["skills"], mine["capacity"]) == (poet.lines()[0]["peer"], ["shout"], 8)
    assert mine["pid"] == poet.process.pid
    assert mine["ready"]["seen_anybody"] is True
    assert mine["peers"]["here"] >= 1
    assert mine["work"]["accepted"] == 0
    assert mine["verdicts"]["accept"] > 0
    assert mine["journal"]["bytes"] > 0
    assert 0 < mine["descriptors"]["used"] < mine["descriptors"]["limit"]
    assert "ready" in vendue("status").stdout


def test_who_does_not_run_or_answer_is_no_healthy_peer(vendue: Vendue) -> None:
    """Exit code 3 for nobody, for a name that does not run, after a kill, and for a process that is stopped."""
    assert "vendue up" in vendue.json("status", code=3)["error"]["do"]
    poet = vendue.start("run", vendue.agents(SHOUT), "--name", "poet").wait_for("Ctrl-C")
    assert "does not run" in vendue.json("health", "elsewhere", code=3)["error"]["what"]
    assert vendue("health").stdout == "poet: well\n"
    poet.process.send_signal(signal.SIGSTOP)
    assert "does not answer" in vendue("health", code=3).stdout
    assert vendue.json("health", "poet", code=3)["error"]["what"] == "This peer runs, and does not answer."
    poet.process.kill()
    poet.process.wait()
    vendue.json("health", code=3)
    vendue.start("run", "agents.py", "--name", "poet").wait_for("Ctrl-C")
    vendue("health", "poet", "--ready")


def test_an_agent_that_blocks_the_loop_is_seen_from_outside(vendue: Vendue) -> None:
    """A coroutine that never awaits stops the whole peer; a probe of it fails."""
    vendue.start("run", vendue.agents(STUCK), "--name", "poet").wait_for("Ctrl-C")
    vendue("announce", "stick", "--budget", "9", "--deadline", "1", code=6)
    assert "does not answer" in vendue("health", code=3).stdout
