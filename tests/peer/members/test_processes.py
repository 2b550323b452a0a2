"""Making a market and letting a computer in, with real commands in real processes."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from peer.members.admitting.register import Register
from peer.members.hostmember import HostMember
from protocol.invitation import parse_code
from tests.peer.members.computers import Computer, computers
from tests.waiting import PATIENCE_S, wait_until

SHOUT = '@worker("shout", price=5)\ndef shout(text: str) -> str:\n    return text.upper()\n'


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Computer, Computer]]:
    """Two computers, the first with a market called fair."""
    here, there = computers(tmp_path)
    here("init", "fair")
    yield here, there
    here.close()
    there.close()


@pytest.fixture(scope="module")
def governed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Computer]:
    """A computer with a market whose governor runs."""
    here, _ = computers(tmp_path_factory.mktemp("governed"))
    here("init", "fair")
    here.govern()
    yield here
    here.close()


@pytest.fixture
def there(governed: Computer, tmp_path: Path) -> Iterator[Computer]:
    """Another computer, that is to join that market."""
    there = Computer(tmp_path / "b", governed.folder.parent / "run")
    yield there
    there.close()


def uses(here: Computer) -> int:
    """How many members have come in by a code."""
    return sum(len(entry.invitation) == 21 for entry in Register(here.market().register).entries())


def test_a_computer_joins_works_and_is_revoked(two: tuple[Computer, Computer]) -> None:
    """From one computer to two and back: the code comes by a pipe, and no file has it in the end."""
    here, there = two
    here.govern()
    code = here.invite("--role", "agent")
    joined = there("join", "-", input=code + "\n")
    assert "is a member of fair as agent" in joined.stdout
    assert there.json("join", code)["already"] is True
    there.start("run", there.agents(SHOUT)).wait_for("Ctrl-C")
    assert here.json("announce", "shout", '{"text": "x"}', "--budget", "9")["value"] == "X"
    assert there.json("member", "renew")["market"] == "fair"
    members = here.json("member", "list")["members"]
    host = next(one for one in members if one["role"] == "agent" and one["sponsor"] == one["peer"])
    assert any(one["name"] == "agents" and one["sponsor"] == host["peer"] for one in members)
    revoked = here.json("member", "revoke", host["peer"], "--reason", "sold")
    assert revoked["version"] == 2
    assert len(revoked["vouched"]) == 1
    wait_until(lambda: "shout" not in here("peers").stdout)
    states = {one["peer"]: (one["state"], one["reason"]) for one in here.json("member", "list")["members"]}
    assert states[host["peer"]] == ("revoked", "sold")
    assert here.json("charter", "show")["revocations"][0]["member"] == host["peer"]
    secret = parse_code(code).secret
    for path in [path for folder in (here, there) for path in folder.folder.rglob("*") if path.is_file()]:
        content = path.read_bytes()
        assert secret not in content, path
        assert code.encode() not in content, path


@pytest.mark.parametrize(
    ("place", "name", "moment", "counted"),
    [
        ("peer.members.entering.joining", "sign_request", 1, 0),
        ("peer.members.entering.joining", "check_certificate", 1, 1),
        ("os", "replace", 2, 1),
        ("os", "rename", 1, 1),
        ("peer.members.entering.joincalls", "label", 1, 0),
    ],
)
def test_kill_during_a_join_costs_no_second_use(
    governed: Computer, there: Computer, place: str, name: str, moment: int, counted: int
) -> None:
    """Wherever kill -9 strikes, there is no half-made market; the same command ends what was begun."""
    before, code = uses(governed), governed.invite()
    assert there.dies(place, name, moment, "join", code) == -signal.SIGKILL
    assert uses(governed) == before + counted
    assert "fair" not in there.markets
    assert there.json("join", code)["already"] is False
    assert uses(governed) == before + 1
    assert there.markets == ["fair"]


def test_kill_of_the_admitter_between_disk_and_answer_costs_no_second_use(two: tuple[Computer, Computer]) -> None:
    """The use is on the disk, the joiner has heard nothing: it comes again, and gets what was its own."""
    here, there = two
    governor = here.dying("peer.members.admitting.admission", "Admitted", 1, "govern")
    wait_until(lambda: any((here.folder.parent / "run").glob("*/*.json")))
    code = here.invite()
    joining = there.start("join", code)
    assert governor.wait(PATIENCE_S) == -signal.SIGKILL
    governor.communicate()
    assert uses(here) == 1
    assert joining.process.wait(PATIENCE_S) == 3
    assert "no second use" in joining.err
    here.govern()
    there("join", code)
    (entry,) = [one for one in Register(here.market().register).entries() if len(one.invitation) == 21]
    assert entry.member == HostMember.load(there.market().member).peer


def test_a_computer_is_let_in_by_hand(tmp_path: Path) -> None:
    """Where nobody governs and nothing is reached: a request goes there as text, and a certificate comes back."""
    here, there = computers(tmp_path)
    here("init", "fair", "--no-governor", "--admission", "list")
    here("invite", code=2)
    request = there("join", "--request").stdout
    admitted = here("member", "admit", "-", "--role", "observer", "--name", "desk", input=request).stdout
    assert "observer" in there("join", "--admit", "-", input=f"hello,\n{admitted}\nbye").stdout
    assert there.markets == ["fair"]
    assert "already a member" in there("join", "--admit", "-", input=admitted).stdout
    assert [one["name"] for one in here.json("member", "list")["members"]][1:] == ["desk"]
    here("member", "admit", "-", input=request.replace("A", "B"), code=7)
    there("join", "--admit", "-", input="nothing", code=2)


def test_another_computer_cannot_take_what_was_admitted(tmp_path: Path) -> None:
    """A certificate is for the key that asked."""
    here, there = computers(tmp_path)
    here("init", "fair", "--admission", "list")
    admitted = here("member", "admit", "-", input=there("join", "--request").stdout).stdout
    third = Computer(tmp_path / "c", tmp_path / "run")
    third("join", "--admit", "-", input=admitted, code=2)
    third("join", "--request")
    assert "for another key" in third("join", "--admit", "-", input=admitted, code=7).stderr
    assert third.markets == [".request.draft"]


def test_without_the_authoritys_key_nobody_is_revoked(two: tuple[Computer, Computer], tmp_path: Path) -> None:
    """The error says where it should be, and how to say where it is; then that works."""
    here, _ = two
    known = here.json("member", "list")["members"][0]["peer"]
    safe = tmp_path / "safe"
    safe.mkdir(mode=0o700)
    here.market().authority.rename(safe / "authority.pem")
    error = here.json("member", "revoke", known, "--force", code=8)["error"]
    assert str(here.market().authority) in error["what"]
    assert "--authority" in error["do"]
    assert here.json("charter", "show")["version"] == 1
    here("member", "revoke", known, code=2)
    assert here.json("member", "revoke", known, "--force", "--authority", str(safe))["version"] == 2
    assert here.json("member", "revoke", known, "--force", "--authority", str(safe))["version"] == 2


def test_a_charter_is_amended_and_admits_by_another_computer(two: tuple[Computer, Computer]) -> None:
    """A member that becomes an admitter makes codes itself; one that is none cannot."""
    here, there = two
    governor = here.govern()
    there("join", here.invite())
    assert "no admitter" in there.json("invite", code=8)["error"]["what"]
    peer = there.json("join", here.invite())["member"]
    assert here.json("charter", "amend", "--admitter", peer)["version"] == 2
    there.start("run", there.agents(SHOUT)).wait_for("Ctrl-C")
    wait_until(lambda: there.json("charter", "show")["version"] == 2)
    assert governor.stop() == 130
    third = Computer(here.folder.parent / "c", here.folder.parent / "run")
    third("join", there.invite())
    assert third.markets == ["fair"]
    here("charter", "amend", code=2)
    here(
        "charter", "amend", "--no-admitter", peer, "--no-admitter", here.json("charter", "show")["admitters"][0], code=2
    )


def test_what_cannot_be_written_is_told_and_uses_nothing_up(governed: Computer, there: Computer) -> None:
    """A data home where nothing can be made: for making a market, and for joining one."""
    before, code = uses(governed), governed.invite()
    there.environment["VENDUE_HOME"] = "/proc/none"
    for arguments in (("init", "fair"), ("join", code), ("join", "--request")):
        error = there.json(*arguments, code=8)["error"]
        assert "VENDUE_HOME" in error["do"]
    assert uses(governed) == before


@pytest.mark.parametrize("slip", ["swap", "short", "empty"])
def test_a_mistyped_code_is_noticed_at_once(governed: Computer, there: Computer, slip: str) -> None:
    """Nothing is searched, nothing is made, and the code is not repeated."""
    code = governed.invite()
    wrong = {"swap": ("b" if code[0] == "a" else "a") + code[1:], "short": code[:-3], "empty": ""}[slip]
    done = there("join", wrong, code=7)
    assert "That is no code" in done.stderr
    assert code[6:20] not in done.stderr
    assert there.markets == []


def test_a_second_governor_is_seated_on_another_computer(two: tuple[Computer, Computer]) -> None:
    """The charter names its key, the admitter certifies it for that, and then it takes both to make a task final."""
    here, there = two
    here.govern()
    there("join", here.invite())
    told = there.json("govern", code=8)["error"]
    seat = told["do"].split()[-1]
    assert "charter amend --seat" in told["do"]
    assert there.json("key", "governor")["peer"] == seat
    amended = here.json("charter", "amend", "--seat", seat)
    assert (amended["version"], amended["permits_needed"], amended["vetoes_needed"]) == (2, 2, 1)
    there.start("run", there.agents(SHOUT)).wait_for("Ctrl-C")
    wait_until(lambda: there.json("charter", "show")["version"] == 2)
    there.govern()
    done = here.json("announce", "shout", '{"text": "x"}', "--budget", "9")
    wait_until(lambda: here.json("auctions", done["contract"])["state"] == "final")
    votes = [line for line in here.json("auctions", done["contract"])["timeline"] if line["kind"] == "Permit"]
    assert len({vote["id"] for vote in votes}) == 2, votes
