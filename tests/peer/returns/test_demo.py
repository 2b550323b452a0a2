"""The whole demo over real processes: what it decides, what it leaves, and what becomes of it when one is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from peer.audit.evidence import EvidenceFile, Grounds, read_evidence, verify
from peer.home import market_home
from peer.homelock import lock
from peer.returns.agents import REFUND, ROSTER
from peer.returns.crew import tail_of
from peer.returns.demo import LIMIT_CENTS
from peer.returns.generate import write_shop
from peer.returns.ledger import Ledger
from peer.returns.shop import Shop, outcome_rows, read_requests
from protocol.states import State
from tests.peer.returns.oracle import decide
from tests.waiting import wait_until

PATIENCE_S = 100.0
"""For anything that a loaded machine may take long for; nothing here takes a tenth of it otherwise."""
REQUESTS = 25


@dataclass
class Play:
    """One demo that was or is run in a home of its own."""

    home: Path
    orders: Path
    rows: Path
    evidence: Path
    process: subprocess.Popen[bytes] | None = None
    told: dict[str, Any] = field(default_factory=dict)

    def start(self, *more: str) -> subprocess.Popen[bytes]:
        """Start the command; it says one JSON object."""
        command = [
            sys.executable, "-m", "peer.returns.demo", "--json", "--orders", str(self.orders), "--home",
            str(self.home), "--shop-out", str(self.rows), "--evidence", str(self.evidence), *more,
        ]  # fmt: skip
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return self.process

    def finish(self) -> dict[str, Any]:
        """Wait for its end, which must be a good one, and read what it told."""
        assert self.process is not None
        out, err = self.process.communicate(timeout=PATIENCE_S)
        assert self.process.returncode == 0, err.decode()[-2000:]
        self.told = json.loads(out)
        return self.told

    def pid_of(self, name: str) -> int:
        """The process that holds the home of a peer, or 0."""
        lock = market_home("local", self.home).peer(name).path / "lock"
        text = lock.read_text() if lock.exists() else ""
        return int(text or 0)


def oracle(orders: Path, limit_cents: int) -> list[Any]:
    """What the dumb oracle says about every request of a shop."""
    shop = Shop.load(orders)
    return list(outcome_rows(shop.apply(one, decide(shop, one, limit_cents)) for one in read_requests(orders)))


def wait_for(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds: a whole market takes its time."""
    wait_until(holds, why=f"in vain waited for {what}", seconds=PATIENCE_S)


def runs(pid: int) -> bool:
    """Tell whether a process is there, and no mere entry that nobody has buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def holders(home: Path) -> list[int]:
    """The processes that have an open file below a directory: those of its market."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                links = [os.readlink(link) for link in (process / "fd").iterdir()]
            except OSError:
                continue
            if any(link.startswith(str(home)) for link in links):
                found.append(int(process.name))
    return found


def a_play(directory: Path, requests: int = REQUESTS, seed: int = 5) -> Play:
    """A demo that can be started on a made-up shop."""
    write_shop(directory / "shop", seed, requests=requests)
    return Play(directory / "home", directory / "shop", directory / "rows.json", directory / "evidence.vendue")


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Play:
    """One demo, run once for all tests that only look at what it left."""
    play = a_play(tmp_path_factory.mktemp("demo"))
    play.start()
    play.finish()
    return play


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    """A demo that is not started yet; it leaves no process, whatever a test does with it."""
    play = a_play(tmp_path)
    yield play
    if play.process is not None:
        play.process.kill()
        play.process.communicate()
        wait_for(lambda: not holders(play.home), "the market's processes to end")


def test_demo_tells_of_a_market_of_separate_processes(played: Play) -> None:
    """A manager, ten agents and a governor; twenty contracts settle, one is vetoed, and the audit holds."""
    told = played.told
    assert told["processes"] == len(ROSTER) + 2
    assert told["settled"] >= 20
    assert told["vetoed"] >= 1
    assert (told["audit"], told["findings"], told["restarts"]) == ("ok", [], 0)
    assert told["requests"] == REQUESTS == told["granted"] + sum(told["refused"].values())
    assert told["for_a_person"] == sum(told["refused"].values())
    assert told["troubles"] == []
    assert 0 < told["first_settled_s"] <= told["all_done_s"]
    assert not holders(played.home)


def test_demo_decides_as_the_oracle_does(played: Play) -> None:
    """Every row of the outcome is the oracle's, in the file's order."""
    rows = json.loads(played.rows.read_bytes())
    assert rows == oracle(played.orders, LIMIT_CENTS)
    refused = Counter(row["refused"] for row in rows if "refused" in row)
    assert dict(refused) == played.told["refused"]


def test_every_granted_request_has_one_effect(played: Play) -> None:
    """The ledger has one line for each grant with its amount, and none for what was refused or vetoed."""
    entries = Ledger(played.home / "ledger.jsonl").entries()
    granted = [row for row in json.loads(played.rows.read_bytes()) if "refused" not in row]
    assert len({entry.token for entry in entries}) == len(entries) == len(granted)
    assert Counter((entry.order_id, entry.amount_cents) for entry in entries) == Counter(
        (row["order_id"], row["amount_cents"]) for row in granted
    )


def test_evidence_of_the_demo_stands_alone(played: Play) -> None:
    """With the file and the market's id alone, every contract is settled or vetoed, and each refund names its basis."""
    report = verify(read_evidence(played.evidence), charter_id=bytes.fromhex(played.told["market"]))
    states = Counter(contract.state for contract in report.contracts)
    assert report.ok
    assert states == {State.FINAL: played.told["settled"], State.VETOED: played.told["vetoed"]}
    refunds = [contract for contract in report.contracts if contract.skill == REFUND]
    assert refunds
    assert all(set(one.basis) == {"fraud-check", "policy-check", "refund-calculation"} for one in refunds)


@pytest.mark.parametrize("place", [0.2, 0.5, 0.8])
def test_tampered_evidence_of_the_demo_does_not_hold(played: Play, place: float) -> None:
    """One flipped bit in one statement fails the audit."""
    honest = read_evidence(played.evidence)
    pieces = list(honest.pieces)
    index = int(place * len(pieces))
    spoiled = bytearray(pieces[index])
    spoiled[len(spoiled) // 2] ^= 1
    pieces[index] = bytes(spoiled)
    report = verify(EvidenceFile(honest.charter, tuple(pieces)), charter_id=bytes.fromhex(played.told["market"]))
    assert not report.ok
    assert Grounds.DAMAGED in {finding.grounds for finding in report.findings}


def test_evidence_without_the_statements_of_one_contract_does_not_hold(played: Play) -> None:
    """To leave a settlement out that others rest on is noticed."""
    honest = read_evidence(played.evidence)
    report = verify(honest)
    refund = next(one for one in report.contracts if one.skill == REFUND and one.state is State.FINAL)
    ground = refund.basis["fraud-check"]
    from protocol.bundle import open_evidence
    from protocol.keys import Ed25519Sealer

    reader, market = Ed25519Sealer.from_seed(bytes(32)), bytes.fromhex(played.told["market"])
    kept = tuple(
        piece
        for piece in honest.pieces
        if open_evidence(piece, market=market, sealer=reader).statements[0].id.hex() != ground
    )
    assert len(kept) == len(honest.pieces) - 1
    findings = verify(EvidenceFile(honest.charter, kept)).findings
    assert (Grounds.BASIS, refund.id) in {(finding.grounds, finding.contract) for finding in findings}


def test_second_run_in_one_home_takes_up_the_first(play: Play) -> None:
    """The same requests in the same home are the same contracts: nothing is decided or paid twice."""
    play.start()
    first, rows = play.finish(), play.rows.read_bytes()
    paid = Ledger(play.home / "ledger.jsonl").entries()
    play.start()
    second = play.finish()
    assert play.rows.read_bytes() == rows
    assert Ledger(play.home / "ledger.jsonl").entries() == paid
    assert (second["settled"], second["vetoed"], second["audit"]) == (first["settled"], first["vetoed"], "ok")
    assert len(verify(read_evidence(play.evidence)).contracts) == first["settled"] + first["vetoed"]


def test_desk_that_is_killed_goes_on_in_its_second_life(play: Play) -> None:
    """After kill -9 of the desk in the middle its processes leave; the next run ends right, each effect made once."""
    process = play.start("--slowness", "10")
    ledger = Ledger(play.home / "ledger.jsonl")
    wait_for(lambda: len(ledger.entries()) >= 3, "some refunds")
    process.kill()
    process.communicate()
    wait_for(lambda: not holders(play.home), "the market's processes to end")
    before = ledger.entries()
    play.start()
    told = play.finish()
    assert json.loads(play.rows.read_bytes()) == oracle(play.orders, LIMIT_CENTS)
    assert ledger.entries()[: len(before)] == before
    assert len({entry.token for entry in ledger.entries()}) == len(ledger.entries()) == told["granted"]
    assert told["audit"] == "ok"


@pytest.mark.parametrize("name", ["hazel", "corvid"])
def test_agent_that_is_killed_is_missed_by_nobody(play: Play, name: str) -> None:
    """After kill -9 of an agent at work its tasks end with others or in its next life; no refund is made twice."""
    play.start("--slowness", "20")
    ledger = Ledger(play.home / "ledger.jsonl")
    wait_for(lambda: len(ledger.entries()) >= 2, "some refunds")
    os.kill(play.pid_of(name), signal.SIGKILL)
    told = play.finish()
    assert told["restarts"] == 1
    assert json.loads(play.rows.read_bytes()) == oracle(play.orders, LIMIT_CENTS)
    entries = ledger.entries()
    assert len({entry.token for entry in entries}) == len(entries) == told["granted"]
    assert told["audit"] == "ok"


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_demo_that_is_interrupted_leaves_nothing_behind(tmp_path: Path, sent: signal.Signals, code: int) -> None:
    """On a signal in the middle all processes leave, and the home made for the demo is gone."""
    command = [sys.executable, "-m", "peer", "demo", "--json", "--slowness", "100"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    wait_for(lambda: len(list(tmp_path.glob("vendue-demo-*/markets/local/peers/*/lock"))) > len(ROSTER), "the market")
    process.send_signal(sent)
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code
    assert list(tmp_path.iterdir()) == []
    assert not holders(tmp_path)


def test_demo_that_is_killed_is_cleared_up_by_its_crew(tmp_path: Path) -> None:
    """After kill -9 of the command itself nothing is left either."""
    command = [sys.executable, "-m", "peer.returns.demo", "--json", "--slowness", "100"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, "TMPDIR": str(tmp_path)})
    wait_for(lambda: len(list(tmp_path.glob("vendue-demo-*/markets/local/peers/*/lock"))) > len(ROSTER), "the market")
    process.kill()
    process.wait()
    wait_for(lambda: not list(tmp_path.iterdir()) and not holders(tmp_path), "the crew to clear up")


def test_process_that_never_stays_alive_ends_the_demo_with_its_log(tmp_path: Path) -> None:
    """A governor whose home is in use falls over each time: the demo gives up, and says what the log says."""
    governor = market_home("local", tmp_path).governor
    governor.path.mkdir(parents=True)
    for place in (tmp_path, *governor.path.parents[:3], governor.path):
        place.chmod(0o700)
    command = [sys.executable, "-m", "peer", "demo", "--json", "--home", str(tmp_path)]
    with lock(governor.path):
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=False)
    told = json.loads(done.stdout)["error"]
    assert done.returncode == told["exit_code"] == 9
    assert told["what"] == "The process governor ended 4 times."
    assert "HomeBusy" in told["why"]
    assert not holders(tmp_path)


def test_report_on_a_page_tells_the_whole_story(tmp_path: Path) -> None:
    """Without --json people read of requests, agents, a linked set, a timeline, a veto with its rule, the audit."""
    command = [sys.executable, "-m", "peer.returns.demo", "--requests", "25"]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "COLUMNS": "80"}
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S, env=environment, check=True)
    page = done.stdout.decode()
    for heading in ("One request", "One contract", "One veto", "For a person", "The evidence"):
        assert heading in page
    assert "refund-limit" in page
    assert page.rstrip().endswith("hold.")
    assert max(map(len, page.splitlines())) <= 80


def test_made_up_shop_and_a_real_one_exclude_each_other(tmp_path: Path) -> None:
    """A seed beside a shop's directory would mean nothing, and is refused."""
    command = [sys.executable, "-m", "peer.returns.demo", "--orders", str(tmp_path), "--seed", "3"]
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 2
    assert b"made-up shop" in done.stderr


def test_log_that_is_not_there_has_no_tail(tmp_path: Path) -> None:
    """Whoever asks why a process failed gets the end of its log, or nothing."""
    (tmp_path / "iris.log").write_text("x" * 5_000 + " the reason\n")
    assert tail_of(tmp_path / "iris.log").endswith("the reason")
    assert len(tail_of(tmp_path / "iris.log")) < 2_001
    assert tail_of(tmp_path / "nobody.log") == ""


@pytest.mark.parametrize("limit_cents", [20_000])
def test_demo_decides_the_shared_shop_as_the_oracle_does(real_shop: Path, tmp_path: Path, limit_cents: int) -> None:
    """All 481 requests of the shared shop, under a limit of one's own."""
    play = Play(tmp_path / "home", real_shop, tmp_path / "rows.json", tmp_path / "evidence.vendue")
    play.start("--refund-limit", str(limit_cents))
    told = play.finish()
    assert json.loads(play.rows.read_bytes()) == oracle(real_shop, limit_cents)
    assert (told["requests"], told["audit"]) == (481, "ok")
    assert len(Ledger(play.home / "ledger.jsonl").entries()) == told["granted"]
