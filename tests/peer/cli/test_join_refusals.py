"""What `vendue join` and its neighbours refuse, each with its exit code and its remedy, before anything is made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import zmq
from click.testing import CliRunner

from peer.cli.group import vendue
from peer.members.entering import joincalls
from protocol.invitation import AdmitterKey, make_code

DAY_MS = 86_400_000
NOW_MS = 1_800_000_000_000


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENDUE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("VENDUE_MDNS", "false")
    monkeypatch.setattr(joincalls, "SEARCH_S", 0.3)
    monkeypatch.chdir(tmp_path)


def refused(*arguments: str, code: int, input: str | None = None) -> dict[str, str]:
    """Run a command that must fail, and read what it says."""
    done = CliRunner().invoke(vendue, [*arguments, "--json"], input=input)
    assert done.exit_code == code, done.output
    error: dict[str, str] = json.loads(done.stdout)["error"]
    return error


def code() -> str:
    """A code of a market that is nowhere."""
    key = AdmitterKey(bytes(range(32)))
    return make_code(
        key, market=b"m" * 32, admitter=b"a" * 32, serial=b"123", rights=(), uses=1, until_ms=NOW_MS + DAY_MS
    )


def test_a_market_that_is_not_reached_ends_with_3(tmp_path: Path) -> None:
    """Nothing stays behind, and the way around is named."""
    assert "--seed HOST:PORT" in refused("join", code(), code=3)["do"]
    assert "127.0.0.1:9: connection refused" in refused("join", code(), "--seed", "127.0.0.1:9", code=3)["why"]
    unknown = refused("join", code(), "--seed", "nobody.invalid:9", code=3)
    assert "nobody.invalid:9: the name is not known" in unknown["why"]
    assert list((tmp_path / "home" / "markets").iterdir()) == []


def test_a_code_of_another_market_is_told_from_a_market_that_is_not_there(tmp_path: Path) -> None:
    """Somebody of another market is at the seed: its lobby has another key, so it is only seen that it is one."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    lobby = context.socket(zmq.ROUTER)
    lobby.curve_server, lobby.curve_secretkey = True, zmq.curve_keypair()[1]
    port = lobby.bind_to_random_port("tcp://127.0.0.1")
    try:
        told = refused("join", code(), "--seed", f"127.0.0.1:{port}", code=3)
    finally:
        context.destroy(linger=0)
    assert f"127.0.0.1:{port}: a peer is there, which is not of that market" in told["why"]
    assert "code of that market" in told["do"]
    assert list((tmp_path / "home" / "markets").iterdir()) == []


def test_an_interface_that_is_not_here_ends_with_8_and_a_list() -> None:
    """Before anything is looked for or made."""
    for arguments in (("join", code()), ("init", "fair")):
        assert "127.0.0.1" in refused(*arguments, "--interface", "nowhere0", code=8)["do"]
    assert refused("join", code(), "--seed", "nonsense", code=8)["what"].startswith("flag --seeds")


@pytest.mark.parametrize(
    "arguments",
    [("join",), ("join", "x", "--request"), ("invite", "--expires", "soon"), ("init", "No Name"), ("init", "local"),
     ("member", "revoke", "nobody"), ("charter", "amend"), ("charter", "show"), ("member", "list"),
     ("join", "--admit", "no-such-file"), ("member", "renew")],
)  # fmt: skip
def test_calls_that_cannot_be_meant_end_with_2_or_8(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """Each says what to do instead, and founds nothing."""
    done = CliRunner().invoke(vendue, [*arguments, "--json"])
    assert done.exit_code in (2, 8), done.output
    assert json.loads(done.stdout)["error"]["what"]
    assert not (tmp_path / "home" / "markets" / "local").exists()


def test_a_market_that_is_made_twice_is_refused() -> None:
    """And the first is as it was."""
    first = json.loads(CliRunner().invoke(vendue, ["init", "fair", "--json"]).stdout)
    assert "already" in refused("init", "fair", code=2)["what"]
    shown = json.loads(CliRunner().invoke(vendue, ["charter", "show", "--json"]).stdout)
    assert (shown["id"], shown["version"]) == (first["id"], 1)


def test_an_invitation_warns_when_nobody_answers() -> None:
    """The code stands alone on standard output."""
    CliRunner().invoke(vendue, ["init", "fair"])
    done = CliRunner().invoke(vendue, ["invite", "--uses", "3", "--expires", "2d"])
    assert len(done.stdout.strip()) == 59
    assert "vendue govern" in done.stderr
    document = json.loads(CliRunner().invoke(vendue, ["invite", "--role", "worker", "--json"]).stdout)
    assert (document["rights"], document["admitter_runs"], document["seeds"]) == (["bid"], False, [])
