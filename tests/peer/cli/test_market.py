"""A market of real processes on loopback, as its users see it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.peer.cli.processes import Vendue
from tests.waiting import wait_until


def test_the_cheapest_of_three_peers_wins_and_the_proof_holds(market: Vendue) -> None:
    """One document on standard output tells value, winner, price and proof."""
    done = market.json("announce", "shout", '{"text": "hello"}', "--budget", "10")
    assert (done["value"], done["price"], done["state"]) == ("HELLO", 5, "settled")
    assert done["proof_ok"] is True
    assert done["winner_name"] in ("shouters", "shouters-2")


def test_the_value_alone_is_on_standard_output(market: Vendue) -> None:
    """What stands about the value is beside it, so that the value can be piped on; the input can be piped in."""
    done = market("announce", "shout", "--budget", "10", "--input-file", "-", input='{"text": "hi"}')
    assert done.stdout == '"HI"\n'
    assert "settled by shouters" in done.stderr
    assert "the proof holds" in done.stderr


def test_following_tells_each_stage_in_its_order(market: Vendue) -> None:
    """With --json each stage is a line, and the result is the last one."""
    told = market("announce", "shout", '{"text": "hello"}', "--budget", "10", "--follow", "--json").stdout
    *stages, last = map(json.loads, told.splitlines())
    names = [stage["stage"] for stage in stages]
    assert names[:2] == ["announced", "awarded"]
    assert names[-1] == "settled"
    assert [stage["ms"] for stage in stages] == sorted(stage["ms"] for stage in stages)
    assert last["result"]["value"] == "HELLO"


def test_following_tells_how_far_the_work_is_while_it_goes_on(market: Vendue) -> None:
    """Progress is told when the lease is renewed for it, and not only when all is over."""
    calling = market.start("announce", "dig", "{}", "--budget", "5", "--follow", "--lease-ms", "400", "--json")
    calling.wait_for("the lease runs on: 40 % done, a spade deep")
    assert calling.stop() == 130


def test_an_unknown_skill_ends_with_4_and_says_what_is_offered(market: Vendue) -> None:
    """Peers are there, and none of them does this."""
    error = market.json("announce", "whisper", "{}", "--budget", "1", code=4)["error"]
    assert error["exit_code"] == 4
    assert "shout" in error["why"]


def test_an_input_that_does_not_fit_ends_with_2_and_says_where(market: Vendue) -> None:
    """The path inside the JSON is in the error, before anything was announced."""
    error = market.json("announce", "shout", '{"text": 1}', "--budget", "10", code=2)["error"]
    assert "$.text" in error["why"]
    market("announce", "shout", "{text", "--budget", "10", code=2)


def test_a_budget_below_every_price_ends_with_4(market: Vendue) -> None:
    """Everybody refuses, and says why."""
    assert "below my price" in market("announce", "shout", '{"text": "x"}', "--budget", "1", code=4).stderr


@pytest.mark.parametrize(
    ("skill", "reason"), [("raise", "the cat sat on it"), ("hang", "time limit"), ("lie", "output")]
)
def test_an_agent_that_misbehaves_ends_the_task_with_9_and_lives_on(market: Vendue, skill: str, reason: str) -> None:
    """The reason is told, and the same peer takes the next task."""
    error = market.json("announce", skill, "{}", "--budget", "5", "--attempts", "1", code=9)["error"]
    assert reason in error["why"]
    after = market.json("announce", "raise", "{}", "--budget", "5", "--attempts", "1", code=9)["error"]
    assert "the cat sat on it" in after["why"]


def test_a_deadline_ends_the_task_with_6(market: Vendue) -> None:
    """Nobody waits longer than was said."""
    market("announce", "wait", "{}", "--budget", "5", "--deadline", "0.3", code=6)


def test_peers_shows_everybody_with_their_skills(market: Vendue) -> None:
    """Siblings of one file have names of their own."""
    document = market.json("peers")
    offers = {row["name"]: [skill["skill"] for skill in row["skills"]] for row in document["peers"]}
    assert offers.keys() >= {"shouters", "shouters-2", "rogues"}
    assert offers["shouters"] == ["shout"]
    assert "shout(text)" in market("peers").stdout


def test_watching_tells_who_comes_and_who_goes(market: Vendue) -> None:
    """A line for each change, until Ctrl-C."""
    watching = market.start("peers", "--watch", "--json")
    watching.wait_for('"shouters-2"')
    market.agents('@worker("brief", price=1)\ndef brief() -> int:\n    return 1\n', "brief.py")
    guest = market.start("run", "brief.py").wait_for("Ctrl-C")
    watching.wait_for('"brief"')
    assert guest.stop() == 130
    wait_until(lambda: any(line["change"] == "gone" for line in watching.lines()))
    assert watching.stop() == 130
    assert {line["change"] for line in watching.lines()} >= {"here", "gone"}


def test_an_interrupted_announcement_withdraws_its_task(market: Vendue) -> None:
    """Ctrl-C leaves with 130, and with a word: the contractor need not work on."""
    calling = market.start("announce", "wait", "{}", "--budget", "5", "--follow", "--json").wait_for("working")
    assert calling.stop() == 130
    contract = calling.lines()[0]["contract"]
    story = market.json("auctions", contract)
    assert story["state"] == "cancelled"
    assert story["timeline"][-1]["text"] == "cancels the task: withdrawn"


def test_auctions_lists_and_tells_from_the_journals_of_all(market: Vendue) -> None:
    """A task is found by a prefix of its id, while its peers run on."""
    done = market.json("announce", "shout", '{"text": "story"}', "--budget", "10")
    listed = market.json("auctions", "--skill", "shout", "--state", "settled", "--limit", "1")
    assert listed["auctions"][0]["id"] == done["contract"]
    story = market.json("auctions", done["contract"][:12])
    assert story["timeline"][0]["kind"] == "Announcement"
    assert story["bids"] == 3
    assert "went to" in market("auctions", done["contract"][:12], "--why").stdout
    assert done["contract"] in market("auctions", done["contract"][:12]).stdout
    market("auctions", "0" * 64, code=2)


def test_exported_evidence_verifies_offline_and_a_flipped_byte_does_not(market: Vendue, tmp_path: Path) -> None:
    """What is exported and what a caller saves both stand alone; the market's id can be held against them."""
    saved, exported, bad = tmp_path / "saved.vendue", tmp_path / "exported.vendue", tmp_path / "bad.vendue"
    done = market.json("announce", "shout", '{"text": "x"}', "--budget", "10", "--save-proof", str(saved))
    export = market.json("audit", "export", done["contract"][:12], "--out", str(exported))
    for file in (saved, exported):
        report = market.json("audit", "verify", str(file), "--charter", export["market"])
        assert report["ok"] is True
        assert report["contracts"][0]["state"] == "settled"
    damaged = bytearray(exported.read_bytes())
    damaged[-40] ^= 1
    bad.write_bytes(damaged)
    assert market.json("audit", "verify", str(bad), code=7)["ok"] is False
    market("audit", "verify", str(saved), "--charter", "00" * 32, code=7)
    assert "holds" in market("audit", "verify", str(saved)).stdout


def test_the_doctor_names_who_was_found_by_which_path(market: Vendue) -> None:
    """A sound market has nothing to mend."""
    report = market.json("doctor")
    assert report["ok"] is True
    found = [check["says"] for check in report["checks"] if check["about"] == "found"]
    assert any("shouters-2, by folder" in says for says in found)
