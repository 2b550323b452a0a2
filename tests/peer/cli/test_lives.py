"""How peers begin and end: goodbyes, kills, first commands at once, and the governor's seat."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from tests.peer.cli.processes import Vendue
from tests.waiting import wait_until

SHOUT = '@worker("shout", price=5)\ndef shout(text: str) -> str:\n    print("loud")\n    return text.upper()\n'
TWO_LIVES = """
import os, pathlib, time
@worker("dig", price=int(os.environ["PRICE"]))
def dig() -> str:
    if os.environ["PRICE"] == "1":
        pathlib.Path("begun").touch()
        time.sleep(60)
    return os.environ["PRICE"]
"""
NO_NINES = """
[[rule]]
id = "no-nine"
decision = "veto"
reason = "nine is too many"
[[rule.input]]
path = "text"
one_of = ["nine"]
"""


def test_nobody_there_ends_with_3_and_names_the_doctor(vendue: Vendue) -> None:
    """The first command of all founds a market, and is alone in it."""
    error = vendue.json("announce", "shout", "{}", "--budget", "1", code=3)["error"]
    assert "vendue doctor" in error["do"]
    assert vendue.json("peers", code=3)["error"]["exit_code"] == 3


def test_first_commands_at_once_found_one_market_and_share_a_name(vendue: Vendue) -> None:
    """Each sibling takes the next free name; all see each other; each leaves cleanly on Ctrl-C or SIGTERM."""
    file = vendue.agents(SHOUT)
    siblings = [vendue.start("run", file, "--json") for _ in range(3)]
    for running in siblings:
        running.wait_for("ready")
    assert {running.lines()[0]["name"] for running in siblings} == {"agents", "agents-2", "agents-3"}
    assert len(vendue.json("peers")["peers"]) == 3
    vendue("announce", "shout", '{"text": "x"}', "--budget", "9")
    assert [siblings[0].stop(), siblings[1].stop(signal.SIGTERM), siblings[2].stop()] == [130, 0, 130]
    assert all(running.lines()[-1]["event"] == "goodbye" for running in siblings)
    assert sum(running.lines()[-1]["done"] for running in siblings) == 1
    assert vendue.json("peers", code=3)["error"]["exit_code"] == 3


def test_a_job_is_one_line_and_what_agents_print_is_none(vendue: Vendue) -> None:
    """With --json standard output stays JSON, whatever agents print."""
    running = vendue.start("run", vendue.agents(SHOUT), "--json").wait_for("ready")
    vendue("announce", "shout", '{"text": "x"}', "--budget", "9")
    running.wait_for('"done"')
    (job,) = [line for line in running.lines() if line["event"] == "done"]
    assert (job["skill"], job["price"], job["epoch"]) == ("shout", 5, 1)
    assert "loud" in running.err


def test_a_killed_contractor_is_replaced_in_a_second_epoch(vendue: Vendue) -> None:
    """The lease of one who was killed runs out, and the next best bidder does the work."""
    file = vendue.agents(TWO_LIVES, "diggers.py")
    doomed = vendue.start("run", file, PRICE="1").wait_for("Ctrl-C")
    vendue.start("run", file, PRICE="2").wait_for("Ctrl-C")
    calling = vendue.start("announce", "dig", "--budget", "9", "--lease-ms", "300", "--follow", "--json")
    wait_until(lambda: (vendue.folder / "begun").exists())
    doomed.process.kill()
    assert calling.process.wait(20) == 0, calling.err
    result = calling.lines()[-1]["result"]
    assert (result["value"], result["price"], result["epoch"]) == ("2", 2, 2)
    assert "recalled" in [line.get("stage") for line in calling.lines()]
    assert result["proof_ok"] is True


def test_a_governor_votes_and_its_vetoes_end_tasks_with_5(vendue: Vendue) -> None:
    """An irreversible task waits for its permit and ends final; what the rules forbid is vetoed; both are explained."""
    rules = vendue.folder / "rules.toml"
    rules.write_text(NO_NINES)
    governor = vendue.start("govern", "--policy", str(rules), "--json").wait_for("ready")
    agent = vendue.start("run", vendue.agents(SHOUT)).wait_for("Ctrl-C")
    done = vendue.json("announce", "shout", '{"text": "x"}', "--budget", "9", "--effect", "irreversible")
    assert (done["state"], done["proof_ok"]) == ("final", True)
    # A pure task may be settled before its veto is here; one with an effect waits for the governor's word.
    nine = ("announce", "shout", '{"text": "nine"}', "--budget", "9", "--effect", "reversible")
    error = vendue.json(*nine, code=5)["error"]
    assert "nine is too many" in error["why"]
    governor.wait_for('"veto"')
    votes = [(line["event"], line["stage"]) for line in governor.lines()[1:]]
    assert votes[:2] == [("permit", "award"), ("permit", "settlement")]
    assert ("veto", "announcement") in votes
    vetoed = vendue.json("auctions", "--state", "vetoed")["auctions"][0]["id"]
    explained = vendue.json("policy", "explain", vetoed, "--policy", str(rules))
    assert explained["stages"][0]["rule"] == "no-nine"
    assert "vetoes the task" in explained["votes"][0]["says"]
    marked = {row["name"]: row["governor"] for row in vendue.json("peers")["peers"]}
    assert marked == {"governor": True, "agents": False}
    assert (governor.stop(), agent.stop()) == (130, 130)
    assert governor.lines()[-1]["event"] == "goodbye"


def test_a_second_governor_and_broken_rules_are_refused(vendue: Vendue) -> None:
    """Two under one key would convict each other, and rules that nobody understands protect nobody."""
    vendue.start("govern", "--json").wait_for("ready")
    error = vendue.json("govern", code=2)["error"]
    assert "governor running here already" in error["what"]
    broken = vendue.folder / "broken.toml"
    broken.write_text('[[rule]]\nid = "x"\ndecison = "veto"\n')
    for command in (("govern", "--policy"), ("policy", "check")):
        assert "decision" in vendue.json(*command, str(broken), code=8)["error"]["do"]


def test_a_journal_that_was_damaged_is_named_and_the_rest_is_told(vendue: Vendue) -> None:
    """The doctor leaves with 8; what other journals hold of the same task is still there."""
    running = vendue.start("run", vendue.agents(SHOUT)).wait_for("Ctrl-C")
    done = vendue.json("announce", "shout", '{"text": "needle in a haystack"}', "--budget", "9")
    running.stop()
    journal = vendue.folder / "home/markets/local/peers/agents/journal.db"
    content = journal.read_bytes()
    assert content.count(b"NEEDLE") >= 1
    journal.write_bytes(content.replace(b"NEEDLE", b"NOODLE"))
    report = vendue.json("doctor", code=8)
    assert [check["about"] for check in report["checks"] if check["grade"] == "bad"] == ["journals"]
    listed = vendue.json("auctions")
    assert [auction["id"] for auction in listed["auctions"]] == [done["contract"]]
    assert len(listed["damaged"]) == 1


def test_an_open_key_file_is_a_finding_with_its_remedy(vendue: Vendue) -> None:
    """The doctor says what to type."""
    vendue.json("peers", code=3)
    key = Path(vendue.json("key", "observer")["path"])
    key.chmod(0o644)
    (finding,) = [check for check in vendue.json("doctor", code=8)["checks"] if check["grade"] == "bad"]
    assert f"chmod 600 {key}" in finding["do"]
    assert json.loads(vendue("config", "show", "--json").stdout)["mdns"]["origin"] == "environment VENDUE_MDNS"
