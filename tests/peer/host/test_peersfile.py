"""The file that names a host's peers: every word in it is understood, or named with what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from peer.host.commands import peer_command, peer_variables, shell_line
from peer.host.peersfile import Host, read_host
from protocol.errors import BadConfig

WHOLE = """
market = "local"
mdns = false
seeds = ["10.0.0.1:7000", "[fe80::1]:7000"]
stop_timeout_s = 3
[[peer]]
name = "poet"
file = "poet.py"
capacity = 3
restart = "always"
environment = { PRICE = "7", TITLE = "it's a 'title'" }
[[peer]]
governor = true
policy = "rules.toml"
"""


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, folder in (("VENDUE_HOME", "home"), ("XDG_CONFIG_HOME", "config")):
        monkeypatch.setenv(name, str(tmp_path / folder))


def host_of(folder: Path, text: str) -> Host:
    """What a file with this text says, beside agents and rules."""
    (folder / "poet.py").touch()
    (folder / "rules.toml").touch()
    file = folder / "peers.toml"
    file.write_text(text)
    return read_host(file)


def test_a_whole_file_is_understood(tmp_path: Path) -> None:
    """Settings, supervision and peers; what is left out has its default; a governor needs no name."""
    host = host_of(tmp_path, WHOLE)
    assert [peer.label for peer in host.peers] == ["poet", "governor"]
    assert (host.settings.mdns, host.plan.stop_timeout_s, host.plan.restarts_max) == (False, 3, 8)
    assert [peer.restart for peer in host.peers] == ["always", "on-failure"]


def test_each_peer_has_its_command_and_the_settings_of_the_file(tmp_path: Path) -> None:
    """Paths begin at the file; settings travel as variables, so that they win over those of whoever starts the peer."""
    host = host_of(tmp_path, WHOLE)
    poet, governor = host.peers
    assert peer_command(host, poet)[-7:] == [
        "run", str(tmp_path / "poet.py"), "--name", "poet", "--exactly", "--capacity", "3",
    ]  # fmt: skip
    assert peer_command(host, governor)[-3:] == ["govern", "--policy", str(tmp_path / "rules.toml")]
    assert peer_variables(host, poet) == {
        "VENDUE_MARKET": "local", "VENDUE_MDNS": "false", "VENDUE_SEEDS": "10.0.0.1:7000,[fe80::1]:7000",
        "PRICE": "7", "TITLE": "it's a 'title'",
    }  # fmt: skip
    assert shell_line(host, poet).startswith("exec env VENDUE_MARKET=local")


POET = '[[peer]]\nname = "poet"\nfile = "poet.py"\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "names no peers"),
        ("peer = 3", "names no peers"),
        ("[[peer]", "is not TOML"),
        ("market = 3\n" + POET, "market = 3 does not fit"),
        ("marked = 'x'\n" + POET, "Did you mean market"),
        ("stop_timeout = 3\n" + POET, "Did you mean stop_timeout_s"),
        ("stop_timeout_s = 0\n" + POET, "a whole number from 1 to 600"),
        (POET + "restrat = 'never'", "Did you mean restart"),
        (POET + "restart = 'sometimes'", "one of always, on-failure, never"),
        (POET + "capacity = 0", "a whole number from 1 to 1024"),
        (POET + "policy = 'rules.toml'", "policy says nothing here"),
        (POET + "governor = true", "two things"),
        (POET + POET, "peers 1 and 2 have one name, poet"),
        (POET + "environment = { VENDUE_HOME = 'x' }", "VENDUE_HOME is a setting"),
        (POET + 'environment = { X = "a\\u0000b" }', "a table of texts"),
        (POET + "environment = { 'a b' = 'x' }", "a table of texts"),
        ("[[peer]]\nname = 'poet'", "is nothing"),
        ("[[peer]]\nfile = 'poet.py'", "has no name"),
        ("[[peer]]\nname = 'Poet!'\nfile = 'poet.py'", "a name of a-z, 0-9 and -"),
        ("[[peer]]\nname = 'poet'\nfile = 'gone.py'", "there is no file"),
        (f"[[peer]]\nname = 'poet'\nfile = '{'x' * 300}.py'", "there is no file"),
        ("[[peer]]\ngovernor = true\ncapacity = 3", "capacity says nothing here"),
        ("[[peer]]\ngovernor = true\n[[peer]]\nname = 'two'\ngovernor = true", "more than one governor"),
        ("".join(POET.replace("poet", f"p{n}", 1) for n in range(65)), "names 65 peers"),
    ],
)
def test_what_is_not_understood_is_refused_and_named(tmp_path: Path, text: str, told: str) -> None:
    """Each error says where, why, and what was probably meant."""
    with pytest.raises(BadConfig) as refused:
        host_of(tmp_path, text)
    error = refused.value
    assert told in f"{error.what} {error.why} {error.do}"
    assert str(tmp_path / "peers.toml") in error.what


def test_a_file_that_is_not_there_is_no_empty_file(tmp_path: Path) -> None:
    """Unlike settings, which may be missing."""
    with pytest.raises(BadConfig, match="There is no file"):
        read_host(tmp_path / "peers.toml")
