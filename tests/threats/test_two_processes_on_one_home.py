"""Two processes on one home: the same peer is started twice, by mistake or to make it contradict itself.

Two processes that sign with one key would sooner or later say two things with one number, which convicts. The second
refuses; a killed first one is in nobody's way.
"""

from __future__ import annotations

import signal

from tests.peer.cli.processes import Vendue

SHOUT = '@worker("shout", price=5)\ndef shout(text: str) -> str:\n    return text.upper()\n'


def test_the_second_process_refuses_and_the_first_goes_on(vendue: Vendue) -> None:
    """The second says who has the home; meanwhile the first works."""
    agents = vendue.agents(SHOUT)
    first = vendue.start("run", agents, "--name", "one").wait_for("Ctrl-C")
    error = vendue.json("run", agents, "--name", "one", "--exactly", code=2)["error"]
    assert str(first.process.pid) in str(error)
    assert vendue.json("announce", "shout", '{"text": "hi"}', "--budget", "9")["value"] == "HI"
    assert first.process.poll() is None


def test_a_killed_first_is_in_nobodys_way(vendue: Vendue) -> None:
    """The counter-check: the lock is the living process's, and no file that is left behind."""
    agents = vendue.agents(SHOUT)
    first = vendue.start("run", agents, "--name", "one").wait_for("Ctrl-C")
    first.stop(signal.SIGKILL)
    vendue.start("run", agents, "--name", "one", "--exactly").wait_for("Ctrl-C")
