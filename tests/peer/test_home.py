"""Where things live: paths by rule, and directories for one user."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from peer.home import data_home, market_home, private_directory, runtime_home
from protocol.errors import BadConfig, UsageError

VARIABLES = ("VENDUE_HOME", "VENDUE_RUNTIME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME")


@pytest.fixture(autouse=True)
def _own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))


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


def test_file_in_place_of_a_directory_is_named_as_such(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """To close it to others would not help."""
    monkeypatch.setenv("VENDUE_RUNTIME", str(tmp_path / "run"))
    (tmp_path / "run").touch()
    with pytest.raises(BadConfig, match="is no directory"):
        runtime_home()


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
