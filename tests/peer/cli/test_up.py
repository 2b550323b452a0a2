"""A host's peers in real processes: up together, watched, started again, and gone together however it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from peer.health.place import health_socket
from tests.peer.cli.processes import Running, Vendue
from tests.waiting import PATIENCE_S, wait_until

SHOUT = '@worker("shout", price=5)\ndef shout(text: str) -> str:\n    print("loud")\n    return text.upper()\n'
FLAKY = """
import os, pathlib, sys
if pathlib.Path("tried").exists():
    @worker("shout", price=5)
    def shout(text: str) -> str:
        return text.upper()
else:
    pathlib.Path("tried").touch()
    os._exit(3)
"""
STUBBORN = SHOUT + "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})\n"
GOVERNED = "[[peer]]\ngovernor = true\n"


def peer(name: str, file: str = "agents.py", **more: str) -> str:
    """One table of the file."""
    return "\n".join(["[[peer]]", f'name = "{name}"', f'file = "{file}"', *(f"{k} = {v}" for k, v in more.items())])


def write(vendue: Vendue, *tables: str, settings: str = "") -> str:
    """Write the file, and give its name."""
    (vendue.folder / "peers.toml").write_text("\n".join([settings, *tables]) + "\n")
    return "peers.toml"


def events(running: Running, event: str, name: str | None = None) -> list[dict[str, Any]]:
    """What the supervisor said of this kind."""
    told = [line for line in running.lines() if line["stream"] == "up" and line["event"] == event]
    return [line for line in told if name is None or line["name"] == name]


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def pids(running: Running) -> list[int]:
    """Every process that it has started."""
    return [line["pid"] for line in events(running, "started")]


def test_peers_come_up_work_and_leave_together(vendue: Vendue) -> None:
    """Every line has its peer's name; agents' prints are lines of their own; Ctrl-C stops all, cleanly, with 130."""
    vendue.agents(SHOUT)
    file = write(vendue, peer("poet", capacity="3"), peer("other", environment='{ X = "1" }'), GOVERNED)
    running = vendue.start("up", file).wait_for('"event": "up"')
    assert {line["name"] for line in events(running, "ready")} == {"poet", "other", "governor"}
    status = {told["name"]: told for told in vendue.json("status")["peers"]}
    assert (status["poet"]["capacity"], status["governor"]["governor"]) == (3, True)
    assert {told["pid"] for told in status.values()} == set(pids(running))
    done = vendue.json("announce", "shout", '{"text": "x"}', "--budget", "9", "--effect", "irreversible")
    assert done["state"] == "final"
    running.wait_for("loud")
    assert running.stop() == 130
    assert {line["stream"] for line in running.lines()} == {"out", "err", "up"}
    assert events(running, "goodbye")[0]["failed"] == []
    goodbyes = [line["name"] for line in running.lines() if line.get("event") == "goodbye"]
    assert set(goodbyes) == {"poet", "other", "governor", None}
    assert not any(map(alive, pids(running)))


def test_killing_the_supervisor_ends_its_peers(vendue: Vendue) -> None:
    """They see their lifeline end, say goodbye, and leave nothing behind; the next start finds free homes."""
    vendue.agents(SHOUT)
    file = write(vendue, peer("poet"), GOVERNED)
    running = vendue.start("up", file).wait_for('"event": "up"')
    running.process.kill()
    running.process.wait()
    wait_until(lambda: not any(map(alive, pids(running))))
    home = vendue.folder / "home"
    assert not health_socket(home / "markets/local/peers/poet", home / "run").exists()
    again = vendue.start("up", file).wait_for('"event": "up"')
    assert again.stop(signal.SIGTERM) == 0


def test_a_peer_that_fails_is_started_again_and_one_that_is_killed_too(vendue: Vendue) -> None:
    """Its end is told with its exit code; the others do not notice."""
    vendue.agents(FLAKY)
    file = write(vendue, peer("poet"), GOVERNED)
    running = vendue.start("up", file).wait_for('"event": "up"')
    assert "ended with 3" in events(running, "restart", "poet")[0]["says"]
    os.kill(events(running, "ready", "poet")[0]["pid"], signal.SIGKILL)
    wait_until(lambda: len(events(running, "ready", "poet")) == 2)
    assert "ended with -9" in events(running, "restart", "poet")[1]["says"]
    assert len(events(running, "started", "governor")) == 1
    assert running.stop(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    ("restart", "starts", "why"), [("never", 1, "not to be started again"), ("on-failure", 2, "2 times in a row")]
)
def test_a_peer_that_fails_for_good_decides_the_exit_code(vendue: Vendue, restart: str, starts: int, why: str) -> None:
    """It is given up after its restarts; the others go on; the code at the end is its own, not that of the signal."""
    vendue.agents(SHOUT)
    vendue.agents("import os\nos._exit(5)\n", "broken.py")
    file = write(vendue, peer("broken", "broken.py", restart=f'"{restart}"'), peer("poet"), settings="restarts_max = 1")
    running = vendue.start("up", file).wait_for('"event": "up"')
    assert len(events(running, "started", "broken")) == starts
    assert why in events(running, "failed")[0]["why"]
    vendue("health", "poet")
    assert running.stop() == 5
    assert events(running, "goodbye")[0]["failed"] == ["broken"]


@pytest.mark.parametrize(("restart", "starts", "code"), [("on-failure", 1, 0), ("always", 2, 1)])
def test_a_peer_that_ends_well_is_started_again_only_if_it_must_always_run(
    vendue: Vendue, restart: str, starts: int, code: int
) -> None:
    """One that must run and ends at once, again and again, has failed, whatever it says."""
    vendue.agents("import os\nos._exit(0)\n")
    running = vendue.start("up", write(vendue, peer("poet", restart=f'"{restart}"'), settings="restarts_max = 1"))
    assert running.process.wait(PATIENCE_S) == code
    assert len(events(running, "started")) == starts


def test_what_a_peer_leaves_behind_ends_with_it_and_does_not_hide_its_end(vendue: Vendue) -> None:
    """A process that an agent has started is in the peer's group, and holds the pipe to the supervisor."""
    leaves = "import os, pathlib, subprocess\n"
    leaves += 'pathlib.Path("left").write_text(str(subprocess.Popen(["sleep", "600"]).pid))\nos._exit(4)\n'
    vendue.agents(leaves)
    running = vendue.start("up", write(vendue, peer("poet", restart='"never"')))
    assert running.process.wait(PATIENCE_S) == 4
    assert not alive(int((vendue.folder / "left").read_text()))


def test_who_asks_twice_does_not_wait_for_goodbyes(vendue: Vendue) -> None:
    """The second Ctrl-C ends everything at once, whatever the time for goodbyes is."""
    vendue.agents(STUBBORN)
    running = vendue.start("up", write(vendue, peer("poet"), settings="stop_timeout_s = 600")).wait_for('"event": "up"')
    running.process.send_signal(signal.SIGINT)

    def ask_again() -> bool:
        if gone := not any(map(alive, pids(running))):
            return gone
        running.process.send_signal(signal.SIGINT)
        return False

    wait_until(ask_again)
    assert running.process.wait(PATIENCE_S) == 130


def test_wrong_settings_are_not_tried_again_and_none_left_is_the_end(vendue: Vendue) -> None:
    """Exit code 8 does not mend itself; when nobody is left to watch, the supervisor ends by itself."""
    (vendue.folder / "rules.toml").write_text("[[rule]]\nid = 'x'\ndecison = 'veto'\n")
    running = vendue.start("up", write(vendue, '[[peer]]\ngovernor = true\npolicy = "rules.toml"'))
    assert running.process.wait(PATIENCE_S) == 8
    assert len(events(running, "started")) == 1
    assert any("decision" in line.get("error", {}).get("do", "") for line in running.lines())


def test_a_peer_that_answers_nothing_any_more_is_started_again(vendue: Vendue) -> None:
    """Its process is there and does nothing, as one whose loop is held up: to wait for its end would be to wait."""
    vendue.agents(SHOUT)
    running = vendue.start("up", write(vendue, peer("poet"), settings="hung_after_s = 1"))
    wait_until(lambda: events(running, "ready"))
    (first,) = pids(running)
    os.kill(first, signal.SIGSTOP)
    wait_until(lambda: len(events(running, "ready")) == 2)
    assert [line["pid"] for line in events(running, "hung")] == [first]
    assert not alive(first)
    assert vendue("announce", "shout", '{"text": "x"}', "--budget", "9").stdout.strip() == '"X"'
    assert running.stop() == 130


def test_a_peer_that_does_not_leave_is_killed_after_its_time(vendue: Vendue) -> None:
    """Also when the supervisor is killed: its lifeline does not wait for ever."""
    vendue.agents(STUBBORN)
    file = write(vendue, peer("poet"), settings="stop_timeout_s = 1")
    running = vendue.start("up", file).wait_for('"event": "up"')
    assert running.stop(signal.SIGTERM) == 1
    assert "is killed" in events(running, "killed", "poet")[0]["says"]
    running = vendue.start("up", file).wait_for('"event": "up"')
    running.process.kill()
    wait_until(lambda: not any(map(alive, pids(running))))


def test_check_reads_the_file_and_starts_nothing(vendue: Vendue) -> None:
    """A misspelt word is an error with the nearest one, and exit code 8."""
    vendue.agents(SHOUT)
    write(vendue, peer("poet"))
    assert vendue.json("up", "--check")["peers"] == ["poet"]
    assert not (vendue.folder / "home").exists()
    write(vendue, peer("poet", restrat='"never"'))
    assert vendue.json("up", "--check", code=8)["error"]["do"] == "Did you mean restart?"
    assert "vendue up --help" in vendue.json("up", "nowhere.toml", code=8)["error"]["do"]


def test_a_name_that_is_taken_is_not_worked_around(vendue: Vendue) -> None:
    """A supervised peer has its own home or none: it never becomes poet-2."""
    vendue.agents(SHOUT)
    vendue.start("run", "agents.py", "--name", "poet").wait_for("Ctrl-C")
    assert "runs on the home" in vendue.json("run", "agents.py", "--name", "poet", "--exactly", code=2)["error"]["what"]


def test_on_a_terminal_lines_are_text_behind_the_name(vendue: Vendue) -> None:
    """What is pretty for a person says the same."""
    vendue.agents(SHOUT)
    running = vendue.start("up", write(vendue, peer("poet")), VENDUE_LOG_FORMAT="pretty").wait_for(
        "1 of 1 peers are ready"
    )
    assert "poet | poet" in running.out
    assert running.stop() == 130


MISBIDS = """
from peer import Agent
import asyncio, logging, sys
agent = Agent()
@agent.worker("shout", price=5)
async def shout(text: str) -> str:
    return text
@agent.bidding("shout")
def bid(task):
    logging.getLogger("some.library").warning("odd")
    raise ValueError("no idea")
"""


def test_logs_name_peer_and_contract_and_keep_to_the_level(vendue: Vendue) -> None:
    """What went wrong in a peer is a JSON line with its name, its id, and the task; what a library logs is one too."""
    vendue.agents(MISBIDS)
    tables = peer("poet", environment="{ A = '1' }")
    running = vendue.start("up", write(vendue, tables, settings='log_level = "warning"')).wait_for('"event": "up"')
    vendue.json("announce", "shout", '{"text": "x"}', "--budget", "9", code=4)
    running.wait_for("a bidding strategy failed")
    logged = {line["event"]: line for line in running.lines() if line["stream"] == "err"}
    ready = next(line for line in running.lines() if line["stream"] == "out" and line["event"] == "ready")
    failed, odd = logged["a bidding strategy failed"], logged["odd"]
    assert (failed["name"], failed["level"]) == ("poet", "warning")
    assert ready["peer"].startswith(failed["peer"])
    auctions = vendue.json("auctions")["auctions"]
    assert auctions[0]["id"].startswith(failed["contract"])
    assert (odd["source"], odd["name"]) == ("some.library", "poet")
    assert running.stop() == 130


def test_systemd_is_told_ready_awake_and_stopping(vendue: Vendue) -> None:
    """READY=1 when the peers are, WATCHDOG=1 while the loop turns, STOPPING=1 when it is asked to leave."""
    vendue.agents(SHOUT)
    file = write(vendue, peer("poet"))
    heard = bytearray()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hearing:
        hearing.bind(str(vendue.folder / "notify"))
        hearing.settimeout(PATIENCE_S)

        def hear(word: bytes) -> None:
            while word not in heard:
                heard.extend(hearing.recv(1000) + b"\n")

        running = vendue.start("up", file, NOTIFY_SOCKET=str(vendue.folder / "notify"), WATCHDOG_USEC="200000")
        hear(b"READY=1")
        assert b"1 of 1 peers are ready" in heard
        heard.clear()
        hear(b"WATCHDOG=1")
        running.process.send_signal(signal.SIGTERM)
        hear(b"STOPPING=1")
    assert running.process.wait(PATIENCE_S) == 0


def test_every_line_of_the_procfile_runs_as_a_process(vendue: Vendue) -> None:
    """Started by a shell each, as foreman would, the peers find each other and work; the unit is there too."""
    vendue.agents(SHOUT)
    file = write(vendue, peer("poet", environment='{ TITLE = "it\'s" }'), GOVERNED)
    lines = vendue("deploy", "procfile", file).stdout.splitlines()
    processes = {}
    try:
        for line in lines:
            name, _, command = line.partition(": ")
            processes[name] = subprocess.Popen(command, shell=True, cwd=vendue.folder, env=vendue.environment)
        wait_until(lambda: are_ready(vendue, 2))
        told = {one["name"]: one["pid"] for one in vendue.json("status")["peers"]}
        assert told == {name: process.pid for name, process in processes.items()}
        done = vendue.json("announce", "shout", '{"text": "x"}', "--budget", "9", "--effect", "irreversible")
        assert done["state"] == "final"
    finally:
        for process in processes.values():
            process.terminate()
    assert [process.wait(PATIENCE_S) for process in processes.values()] == [0, 0]
    assert "Type=notify" in vendue.json("deploy", "systemd", file)["unit"]


def are_ready(vendue: Vendue, count: int) -> bool:
    """Whether so many peers say that they are ready."""
    command = [sys.executable, "-m", "peer", "health", "--ready", "--json"]
    asked = subprocess.run(command, env=vendue.environment, cwd=vendue.folder, capture_output=True, check=False)
    return asked.returncode == 0 and len(json.loads(asked.stdout)["peers"]) == count


REFUSES = """
import ctypes, os, sys
done = ctypes.CDLL(None).prctl(65, 1, 0, 0, 0)   # PR_SET_MDWE, kept by what is executed
os.execv(sys.executable, [sys.executable, *sys.argv[1:]]) if done == 0 else sys.exit(77)
"""


def test_peers_live_where_memory_is_never_both_written_and_executed(tmp_path: Path) -> None:
    """MemoryDenyWriteExecute of the unit takes nothing from us, nor from agents in processes."""
    refuses = tmp_path / "refuses.py"
    refuses.write_text(REFUSES)
    writable_code = [sys.executable, str(refuses), "-c", "import mmap; mmap.mmap(-1, 4096, prot=7)"]
    if b"PermissionError" not in subprocess.run(writable_code, capture_output=True, check=False).stderr:
        pytest.skip("this kernel cannot refuse it (Linux 6.3 can)")
    vendue = Vendue(tmp_path, place=lambda python, *command: [python, str(refuses), *command])
    try:
        vendue.agents(SHOUT.replace("price=5", "price=5, memory_limit_mb=500"))
        running = vendue.start("up", write(vendue, peer("poet"), GOVERNED)).wait_for('"event": "up"')
        assert vendue.json("announce", "shout", '{"text": "x"}', "--budget", "9")["value"] == "X"
        assert running.stop(signal.SIGTERM) == 0
    finally:
        vendue.close()
