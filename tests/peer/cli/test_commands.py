"""What needs no market: help, errors, and checks of files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from peer.cli.ending import tell_error
from peer.cli.group import LISTED, vendue
from protocol.errors import NoBids
from tests.peer.cli.processes import ROOT

CORE = (
    "zmq",
    "msgspec",
    "msgpack",
    "cryptography",
    "rich",
    "zeroconf",
    "structlog",
    "jsonschema_rs",
    "sqlite3",
    "asyncio",
)
OURS = [name for name, listed in LISTED.items() if listed.place.startswith("peer.cli.")]


def invoke(*arguments: str) -> tuple[int, str, str]:
    """Run a command here; its exit code and what it wrote."""
    done = CliRunner().invoke(vendue, arguments)
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENDUE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)


def test_help_names_every_command_and_loads_none_of_the_core() -> None:
    """Whoever only asks what there is waits for nothing."""
    script = (
        "import sys\nfrom peer.cli import main\nsys.argv = ['vendue', '--help']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        f"print([name for name in {CORE!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert all(f"  {name} " in done.stdout for name in LISTED)


@pytest.mark.parametrize("name", OURS)
def test_every_command_is_where_the_list_says(name: str) -> None:
    """No entry is dead, and each has a page of help."""
    command = vendue.get_command(click.Context(vendue), name)
    assert command is not None
    code, out, _ = invoke(name, "--help")
    assert code == 0
    assert "Usage:" in out


def test_every_command_answers_programs() -> None:
    """Each leaf has --json and --debug."""
    leaves: list[click.Command] = []
    ahead = [vendue.get_command(click.Context(vendue), name) for name in OURS]
    while ahead:
        command = ahead.pop()
        if isinstance(command, click.Group):
            ahead += command.commands.values()
        elif command is not None:
            leaves.append(command)
    for leaf in leaves:
        flags = {flag for parameter in leaf.params for flag in parameter.opts}
        assert {"--json", "--debug"} <= flags, leaf.name


def test_a_misspelt_command_names_the_nearest() -> None:
    """A slip of the keyboard costs one look."""
    code, _, err = invoke("anounce")
    assert code == 2
    assert "Did you mean announce?" in err


def test_errors_say_what_why_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error for people; control characters of strangers are written out."""
    code = tell_error(NoBids("Nobody came.", why="They said \x1b[31mno.", do="Pay more."), as_json=False, debug=False)
    told = capsys.readouterr()
    assert (code, told.out) == (4, "")
    assert told.err.splitlines() == ["error: Nobody came.", "  why: They said \\x1b[31mno.", "  do:  Pay more."]


def test_errors_are_one_document_for_programs() -> None:
    """Also those that click itself finds, before any command has begun."""
    code, out, _ = invoke("auctions", "zz", "--limit", "none", "--json")
    assert (code, json.loads(out)["error"]["exit_code"]) == (2, 2)
    code, out, _ = invoke("audit", "verify", "nothing.vendue", "--json")
    assert (code, json.loads(out)["error"]["kind"]) == (2, "UsageError")


def test_a_fault_of_ours_ends_with_1_and_shows_its_place_only_on_demand(capsys: pytest.CaptureFixture[str]) -> None:
    """A traceback is for those who ask."""
    assert tell_error(ZeroDivisionError("by zero"), as_json=False, debug=False) == 1
    assert "Traceback" not in capsys.readouterr().err
    try:
        raise ZeroDivisionError("by zero")
    except ZeroDivisionError as error:
        tell_error(error, as_json=False, debug=True)
    assert "Traceback" in capsys.readouterr().err


def test_a_setting_that_does_not_fit_ends_with_8() -> None:
    """And says where it was said."""
    code, _, err = invoke("config", "show", "--lease-ms", "soon")
    assert code == 8
    assert "flag --lease-ms" in err


def test_rules_are_shown_as_they_will_be_asked(tmp_path: Path) -> None:
    """What a rule does not name is not asked; a value that is left out hides from no rule."""
    file = tmp_path / "rules.toml"
    file.write_text('[[rule]]\nid = "a"\ndecision = "veto"\nskill = "pay*"\n[[rule.input]]\npath = "n"\nabove = 8\n')
    code, out, _ = invoke("policy", "check", str(file), "--json")
    (rule,) = json.loads(out)["rules"]
    assert (code, rule["decision"]) == (0, "veto")
    assert rule["when"] == ["the skill is pay*", "the input's n is above 8 (or is not there)"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_each_shell(shell: str) -> None:
    """It asks this very program what may come next."""
    code, out, _ = invoke("completion", shell)
    assert code == 0
    assert "_VENDUE_COMPLETE" in out


def test_looking_founds_no_market(tmp_path: Path) -> None:
    """The doctor and the lists leave a computer as they found it."""
    assert invoke("auctions")[0] == 2
    assert invoke("key")[0] == 2
    assert invoke("doctor", "--no-mdns")[0] == 0
    assert not (tmp_path / "home" / "markets").exists()


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("", "It is empty"),
        ('{"n": 1', "no JSON"),
        ('{"n": NaN}', "NaN is no JSON"),
        ('{"n": 1e999}', "1e999 is too large"),
        ('{"n": ' + "1" * 5_000 + "}", "a number that is none here"),
        ("[" * 100_000, "nested too deeply"),
    ],
    ids=["nothing", "half", "NaN", "infinite", "endless", "deep"],
)
def test_an_input_that_is_no_json_is_refused_before_anybody_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], written: str, told: str
) -> None:
    """With the exit code of a wrong call, and no word of a fault of ours."""
    code, _, err = invoke("announce", "shout", written, "--budget", "5", "--home", str(tmp_path))
    assert (code, told in err) == (2, True), err


def test_an_input_file_that_is_too_long_is_not_read_in_half(tmp_path: Path) -> None:
    """It is said that it is too long, and not that its JSON does not end."""
    (tmp_path / "long.json").write_text('{"text": "' + "x" * 100_000 + '"}')
    file = str(tmp_path / "long.json")
    code, _, err = invoke("announce", "shout", "--input-file", file, "--budget", "5", "--home", str(tmp_path))
    assert code == 2
    assert "longer than" in err
