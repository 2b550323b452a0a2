"""Where things live: paths by rule, directories for one user, one process per home."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from peer.home import data_home, first_free, lock, market_home, private_directory, runtime_home
from protocol.errors import BadConfig, HomeBusy, UsageError

HOLD = """
import sys
from pathlib import Path
from peer.home import lock
from protocol.errors import HomeBusy
sys.stdin.readline()
try:
    with lock(Path(sys.argv[1])):
        print("held", flush=True)
        sys.stdin.readline()
except HomeBusy:
    print("busy", flush=True)
"""
VARIABLES = ("VENDUE_HOME", "VENDUE_RUNTIME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME")


@pytest.fixture(autouse=True)
def _own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))


def start_holder(home: Path) -> subprocess.Popen[str]:
    """Start a process that locks `home` once it is given a line, and lets go of it at the next."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def give_line(holder: subprocess.Popen[str]) -> None:
    """Let the process go on."""
    assert holder.stdin
    holder.stdin.write("\n")
    holder.stdin.flush()


def hear(holder: subprocess.Popen[str]) -> str:
    """Wait for what the process says next."""
    assert holder.stdout
    return holder.stdout.readline().strip()


def mode(path: Path) -> int:
    """The permission bits of `path`."""
    return stat.S_IMODE(path.stat().st_mode)


def test_data_home_goes_by_choice_then_variable_then_xdg_then_user(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each way to say where data lives gives way to the one before it."""
    assert data_home() == tmp_path / "user/.local/share/vendue"
    monkeypatch.setenv("XDG_DATA_HOME", "relative/is/ignored")
    assert data_home() == tmp_path / "user/.local/share/vendue"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert data_home() == tmp_path / "xdg/vendue"
    monkeypatch.setenv("VENDUE_HOME", "~/mine")
    assert data_home() == tmp_path / "user/mine"
    assert data_home(tmp_path / "chosen") == tmp_path / "chosen"


def test_runtime_home_goes_by_variable_then_home_then_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Peers of one chosen home meet inside it, others where the system gives each user a place."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "xdg"))
    assert runtime_home() == tmp_path / "xdg/vendue"
    monkeypatch.setenv("VENDUE_HOME", str(tmp_path / "home"))
    assert runtime_home() == tmp_path / "home/run"
    assert runtime_home(tmp_path / "chosen") == tmp_path / "chosen/run"
    monkeypatch.setenv("VENDUE_RUNTIME", str(tmp_path / "run"))
    assert runtime_home(tmp_path / "chosen") == tmp_path / "run"
    assert mode(tmp_path / "run") == 0o700


def test_runtime_home_in_the_shared_place_is_one_per_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the system gives no runtime directory, a private one is made among the temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert runtime_home() == tmp_path / f"vendue-{os.geteuid()}"
    assert mode(runtime_home()) == 0o700


def test_runtime_home_open_to_others_is_refused_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A directory that others can read is not used, and the error says the command that closes it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / f"vendue-{os.geteuid()}").mkdir()
    runtime = tmp_path / f"vendue-{os.geteuid()}"
    runtime.chmod(0o755)
    with pytest.raises(BadConfig, match=f"chmod 700 {runtime}"):
        runtime_home()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file that belongs to somebody else")
@pytest.mark.parametrize("squat", ["directory", "link"])
def test_runtime_home_made_first_by_somebody_else_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, squat: str
) -> None:
    """Who squats our name in the shared place, with a directory or a link to one of ours, gets nothing."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    runtime = tmp_path / f"vendue-{os.geteuid()}"
    if squat == "link":
        (tmp_path / "ours").mkdir(mode=0o700)
        runtime.symlink_to(tmp_path / "ours")
    else:
        runtime.mkdir(mode=0o700)
    os.chown(runtime, 65_534, 65_534, follow_symlinks=False)
    with pytest.raises(BadConfig, match="belongs to somebody else"):
        runtime_home()


def test_market_layout_is_as_documented(tmp_path: Path) -> None:
    """The paths of a market and its peers are fixed: other tools and backups rely on them."""
    market = market_home("local", tmp_path)
    root = tmp_path / "markets/local"
    assert (market.charter, market.authority) == (root / "charter.vendue", root / "authority.pem")
    assert market.governor.key == root / "governor/key.pem"
    peer = market.peer("ada")
    assert (peer.key, peer.journal, peer.highwater) == tuple(
        root / "peers/ada" / name for name in ("key.pem", "journal.db", "highwater")
    )


def test_every_directory_made_on_the_way_is_private(tmp_path: Path) -> None:
    """Not only the last directory is closed to others, whatever the umask."""
    before = os.umask(0)
    try:
        home = market_home("local", tmp_path / "data").peer("ada").make()
    finally:
        os.umask(before)
    made = [home.path, *(place for place in home.path.parents if place.is_relative_to(tmp_path / "data"))]
    assert [mode(place) for place in made] == [0o700] * 5


@pytest.mark.parametrize("name", ["", "-a", "A", "a/b", "..", "a.b", "a\n", "a" * 64, "é"])
def test_name_that_is_no_name_is_refused(name: str, tmp_path: Path) -> None:
    """A name never leaves its directory, and always fits a DNS label."""
    with pytest.raises(UsageError, match="is no name"):
        market_home(name, tmp_path)


def test_directory_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    """A file in the way is told as a setting that is wrong, not as a traceback."""
    (tmp_path / "file").touch()
    with pytest.raises(BadConfig, match="cannot be made or read"):
        private_directory(tmp_path / "file" / "below")


def test_second_lock_on_a_home_names_the_holder(tmp_path: Path) -> None:
    """Two processes on one home would speak under one key; the second is told which the first is."""
    holder = start_holder(tmp_path)
    give_line(holder)
    assert hear(holder) == "held"
    with pytest.raises(HomeBusy, match=rf"\(pid {holder.pid}\)"), lock(tmp_path):
        pass
    holder.communicate("\n", timeout=60)
    with lock(tmp_path):
        assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_lock_is_exclusive_within_one_process_too(tmp_path: Path) -> None:
    """Two peers in one process cannot share a home either, and after the first left the home is free."""
    with lock(tmp_path), pytest.raises(HomeBusy, match=str(os.getpid())), lock(tmp_path):
        pass
    with lock(tmp_path):
        assert mode(tmp_path / "lock") == 0o600


def test_of_racing_processes_exactly_one_gets_the_home(tmp_path: Path) -> None:
    """However the processes interleave, one holds the home and all others are refused."""
    holders = [start_holder(tmp_path) for _ in range(4)]
    for holder in holders:
        give_line(holder)
    assert sorted(hear(holder) for holder in holders) == ["busy", "busy", "busy", "held"]
    for holder in holders:
        holder.communicate("\n", timeout=60)


def test_killed_holder_leaves_the_home_free(tmp_path: Path) -> None:
    """The lock ends with the process, even one that could not clean up; no stale lock is ever removed by hand."""
    holder = start_holder(tmp_path)
    give_line(holder)
    assert hear(holder) == "held"
    holder.send_signal(signal.SIGKILL)
    holder.communicate(timeout=60)
    with lock(tmp_path):
        assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_lock_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """A link in place of the lock would have us write our number into some other file."""
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadConfig, match="cannot be opened"), lock(tmp_path):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_first_free_takes_the_next_sibling_while_one_is_in_use(tmp_path: Path) -> None:
    """Short-lived peers get identities that last, and never wait for each other."""
    with first_free(tmp_path, "cli") as one, first_free(tmp_path, "cli") as two:
        assert [one.path.name, two.path.name] == ["cli", "cli-2"]
        with pytest.raises(HomeBusy), lock(two.path):
            pass
    with first_free(tmp_path, "cli") as again:
        assert again == one


def test_first_free_gives_up_after_a_bound(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A script that starts peers without end is stopped before it fills the disk with homes."""
    monkeypatch.setattr("peer.home.SIBLINGS_MAX", 2)
    with (
        first_free(tmp_path, "cli"),
        first_free(tmp_path, "cli"),
        pytest.raises(HomeBusy, match="All 2 homes"),
        first_free(tmp_path, "cli"),
    ):
        pass
