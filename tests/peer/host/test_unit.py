"""What is written for other supervisors is what they read."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from peer.host.notify import Notifier
from peer.host.peersfile import Host, read_host
from peer.host.unit import procfile, systemd_unit

PEERS = """
{settings}
[[peer]]
name = "poet"
file = "poet.py"
environment = {{ TITLE = "100 % '$HOME'" }}
[[peer]]
governor = true
"""


def host_in(folder: Path, settings: str = "") -> Host:
    """A host whose file is in a folder with an awkward name."""
    folder = folder / 'a 100% $odd "folder"'
    folder.mkdir()
    (folder / "poet.py").touch()
    (folder / "peers.toml").write_text(PEERS.format(settings=settings))
    return read_host(folder / "peers.toml")


@pytest.mark.parametrize("settings", ["", 'home = "da ta%"'])
def test_systemd_finds_nothing_wrong_with_the_unit(
    tmp_path: Path, settings: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`systemd-analyze verify` says not a word, whatever the folder is called."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (Debian: apt install systemd)")
    monkeypatch.setenv("VENDUE_HOME", str(tmp_path / "home"))
    unit = tmp_path / "vendue.service"
    unit.write_text(systemd_unit(host_in(tmp_path, settings), user="root"))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_procfile_is_read_back_as_the_commands_that_it_was_made_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name, a colon and a shell command on each line; the shell sees the words that were meant."""
    monkeypatch.setenv("VENDUE_HOME", str(tmp_path / "home"))
    host = host_in(tmp_path)
    lines = [line.partition(": ") for line in procfile(host).splitlines()]
    assert [name for name, _, _ in lines] == ["poet", "governor"]
    words = shlex.split(lines[0][2])
    assert words[:3] == ["exec", "env", "TITLE=100 % '$HOME'"]
    assert words[-5:] == ["run", str(host.folder / "poet.py"), "--name", "poet", "--exactly"]


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_hears_each_word_and_our_children_hear_of_no_socket(tmp_path: Path, abstract: bool) -> None:
    """Words go to the socket that the environment names, which is taken out of it; the watchdog is fed in time."""
    name = f"\0vendue-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hearing:
        hearing.bind(name)
        environment = {
            "NOTIFY_SOCKET": name.replace("\0", "@"), "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid()),
        }  # fmt: skip
        notifier = Notifier(environment)
        notifier.tell("READY=1", "STATUS=fine")
        assert hearing.recv(100) == b"READY=1\nSTATUS=fine"
    assert (environment, notifier.watchdog_s) == ({}, 1.5)
    notifier.tell("WATCHDOG=1")  # nobody hears it, and nobody minds


def test_without_systemd_nothing_is_said() -> None:
    """No socket, no watchdog; and a watchdog for somebody else is not ours."""
    Notifier({}).tell("READY=1")
    assert Notifier({"WATCHDOG_USEC": "3000000"}).watchdog_s == 0
    other = {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}
    assert Notifier(other).watchdog_s == 0
