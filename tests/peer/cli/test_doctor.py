"""The doctor of connections: it says why a peer is met or not, with the remedy, and leaves accordingly."""

from __future__ import annotations

import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path

import pytest

from peer.caller.market import Market
from peer.cli.checks import Check, around, exit_code, one
from peer.home import market_home, runtime_home
from peer.members.hostmember import wall_clock_ms
from peer.settings import Settings
from protocol.bundle import evidence_of
from protocol.errors import UsageError
from protocol.keys import print_peer
from protocol.notices import Charter, Revocation
from protocol.statements import Statement
from tests.peer.cli.processes import Running, Vendue
from tests.peer.net.meeting import OTHER, Member, authority_of, certificate, found_market, members, peer_id

HOUR_MS = 3_600_000
SHOUT = '@worker("shout", price=5)\ndef shout(text: str) -> str:\n    return text.upper()\n'


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENDUE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(one, "PATIENCE_S", 2.5)


def settle(name: str, **changes: object) -> Statement[Charter]:
    """Make this computer know a market that is open to everybody; its charter."""
    home, charter = market_home("local"), found_market(name, **changes)
    home.path.mkdir(parents=True, mode=0o700)
    home.charter.write_bytes(evidence_of(charter, authority_of(name).sealer))
    return charter


def shown(charter: Statement[Charter], *, from_ms: int = 0, until_ms: int = 24 * HOUR_MS) -> bytes:
    """What member 2 says of itself: a certificate that holds now, or from and until other times."""
    now_ms = wall_clock_ms()
    return certificate(2, charter, from_ms=now_ms + from_ms, until_ms=now_ms + until_ms)


@asynccontextmanager
async def a_member(
    charter: Statement[Charter], *, by_folder: bool = True, raw: bytes | None = None,
    wall_clock: Callable[[], int] = wall_clock_ms,
) -> AsyncIterator[Member]:  # fmt: skip
    """Member 2 of a market, which runs here."""
    async with members() as opened:
        member = opened(
            2, charter=charter, runtime=runtime_home() if by_folder else None, shown=raw or shown(charter),
            wall_clock=wall_clock,
        )  # fmt: skip
        member.membership.pass_time(wall_clock())
        yield member


async def diagnose(said: str | None, *seeds: str) -> dict[str, Check]:
    """What the doctor finds about a peer, or all of them: the worst of each thing."""
    async with Market(Settings(mdns=False, seeds=seeds), "observer") as market:
        found = [check async for check in (one.checks(market, said) if said else around.checks(market))]
    assert all(check.do for check in found if check.grade == "bad"), "each finding has its remedy"
    worst = sorted(found, key=lambda check: ("ok", "note", "bad").index(check.grade))
    return {check.about: check for check in worst}


async def test_peer_behind_a_seed_is_named_with_all_that_it_answers() -> None:
    """Found, asked, certified, heard: each is a line, and so are its clock and its charter."""
    charter = settle("seed")
    async with a_member(charter, by_folder=False) as member:
        found = await diagnose(print_peer(member.id), member.seed)
        beginning = await diagnose(print_peer(member.id)[:9], member.seed)
    assert member.seed in found["hello"].says
    assert "answered in" in found["hello"].says
    assert found["certificate"].grade == found["clocks"].grade == found["charter"].grade == "ok"
    assert "it hears us" in found["connection"].says or "It hears us" in found["connection"].says
    assert beginning["peer"] == found["peer"]


@pytest.mark.parametrize("wrong", ["nobody", "another market", "a web server"])
async def test_wrong_seed_is_told_by_what_is_there(wrong: str) -> None:
    """Refused, of another market, or no peer at all: three causes, and three remedies."""
    settle("wrong")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if wrong == "nobody":
            server.close()
        async with a_member(OTHER, by_folder=False) if wrong == "another market" else nullcontext() as other:
            seed = other.seed if other is not None else f"127.0.0.1:{port}"
            found = await diagnose(print_peer(peer_id(2)), seed)
            around_it = await diagnose(None, seed)
    reason = {"nobody": "connection refused", "another market": "does not answer in this market's lobby"}
    for check in (found["seed"], around_it["seed"]):
        assert reason.get(wrong, "lets connect and says nothing") in check.says
        assert seed in check.says
    assert exit_code(found.values()) == exit_code(around_it.values()) == 3


@pytest.mark.parametrize(
    ("from_ms", "until_ms", "told", "remedy"),
    [(-48, -1, "has expired", "vendue member renew"), (1, 24, "not valid yet", "timedatectl")],
)
async def test_certificate_out_of_time_is_something_to_mend(
    from_ms: int, until_ms: int, told: str, remedy: str
) -> None:
    """It is there, and may not come in: which of the two it is decides what helps."""
    charter = settle("time")
    raw = shown(charter, from_ms=from_ms * HOUR_MS, until_ms=until_ms * HOUR_MS)
    async with a_member(charter, raw=raw) as member:
        found = await diagnose(print_peer(member.id))
    assert told in found["certificate"].says
    assert remedy in found["certificate"].do
    assert exit_code(found.values()) == 8


async def test_revoked_peer_is_said_to_be_that() -> None:
    """The charter says so, whatever its certificate says."""
    charter = settle("revoked", revocations=(Revocation(member=peer_id(2), feed=bytes(8), last_seq=0),))
    async with a_member(charter) as member:
        found = await diagnose(print_peer(member.id))
    assert "revoked" in found["certificate"].says
    assert exit_code(found.values()) == 8


async def test_clock_that_is_wrong_by_an_hour_is_named_whoever_refuses_whom() -> None:
    """An hour ahead of us, and we are not valid yet there: the clocks are told all the same."""
    charter = settle("clock")
    for apart_ms, way in ((-HOUR_MS, "ahead of"), (HOUR_MS, "behind")):
        async with a_member(
            charter, by_folder=False, wall_clock=lambda apart_ms=apart_ms: wall_clock_ms() + apart_ms,
            raw=shown(charter, from_ms=apart_ms, until_ms=apart_ms + 24 * HOUR_MS),
        ) as member:  # fmt: skip
            found = await diagnose(None, member.seed)
        assert f"60 minutes {way}" in found["clocks"].says
        assert "set-ntp" in found["clocks"].do
        assert exit_code(found.values()) == 8


async def test_seed_that_is_remembered_as_well_is_told_as_a_seed() -> None:
    """A member was there the last time, and is away: both paths name one address."""
    charter = settle("away")
    async with a_member(charter, by_folder=False) as member:
        await diagnose(None, member.seed)
    found = await diagnose(None, member.seed)
    assert f"{member.seed}, by seed: connection refused" in found["seed"].says
    assert exit_code(found.values()) == 3


async def test_nobody_of_that_name_is_told_with_what_each_path_gave() -> None:
    """Folder, mDNS, seeds, memory and exchange each say their part."""
    settle("nobody")
    found = await diagnose("nobody")
    assert exit_code(found.values()) == 3
    assert {"peer", "folder", "mdns", "seed", "remembered", "exchange"} == set(found)


async def test_slip_in_an_id_is_a_slip() -> None:
    """A whole id with a wrong letter is not searched for."""
    settle("slip")
    printed = print_peer(peer_id(2))
    with pytest.raises(UsageError, match="slip"):
        await diagnose(printed[:-1] + ("a" if printed[-1] != "a" else "b"))


@pytest.fixture
def poet(vendue: Vendue) -> Running:
    """A peer called poet, which runs."""
    return vendue.start("run", vendue.agents(SHOUT, "poet.py")).wait_for("Ctrl-C")


def test_peer_of_this_computer_is_found_by_folder_then_stopped_then_gone(vendue: Vendue, poet: Running) -> None:
    """Three states of one process, and each is told apart from the others."""
    well = vendue.json("doctor", "poet")
    told = {check["about"]: check["says"] for check in well["checks"]}
    assert well["ok"] is True
    assert "by folder" in told["found"]
    assert told["connection"] == "we hear it, and it hears us"
    poet.process.send_signal(signal.SIGSTOP)
    stopped = vendue.json("doctor", "poet", code=3)
    told = {check["about"]: f"{check['says']} {check['do']}" for check in stopped["checks"]}
    assert "lets connect and says nothing" in told["hello"]
    assert "kill -CONT" in told["hello"]
    poet.process.send_signal(signal.SIGCONT)
    poet.stop()
    gone = vendue.json("doctor", "poet", code=3)
    assert any("does not run" in check["says"] for check in gone["checks"])


def test_who_is_in_no_market_cannot_look_for_anybody(vendue: Vendue) -> None:
    """And looking founds none."""
    (finding,) = [check for check in vendue.json("doctor", "poet", code=3)["checks"] if check["grade"] == "bad"]
    assert "vendue join" in finding["do"]
    assert not (vendue.folder / "home").exists() or not any((vendue.folder / "home").glob("markets/*"))


def test_ports_that_are_taken_are_named_with_the_setting(vendue: Vendue) -> None:
    """Somebody listens on one of the three that the range has."""
    vendue("peers", code=3)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        report = vendue.json("doctor", "--ports", f"{port}-{port + 2}", code=8)
    (finding,) = [check for check in report["checks"] if check["grade"] == "bad"]
    assert str(port) in finding["says"]
    assert "--ports" in finding["do"]
