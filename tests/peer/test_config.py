"""Settings: six layers, each value with its origin, and no misspelling passed over."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from peer.config import ABOVE_THE_MARKET, FILE_BYTES_MAX, ONLY_ONE, load
from peer.settings import Settings, declared
from protocol.errors import BadConfig, VendueError

LAYERS = ("flag", "environment", "project", "user")


@dataclass
class Desk:
    """A user with a project directory, an environment and a command line."""

    root: Path
    monkeypatch: pytest.MonkeyPatch

    @property
    def project(self) -> Path:
        return self.root / "project" / "vendue.toml"

    @property
    def user(self) -> Path:
        return self.root / "user" / "vendue" / "config.toml"

    @property
    def directory(self) -> Path:
        return self.root / "project" / "deep" / "inside"

    def say(self, layer: str, name: str, value: int) -> dict[str, object]:
        """Give `name` the `value` in one layer; the answer is the flags."""
        if layer == "flag":
            return {name: value}
        if layer == "environment":
            self.monkeypatch.setenv(f"VENDUE_{name.upper()}", str(value))
        else:
            (self.project if layer == "project" else self.user).write_text(f"# a comment\n{name} = {value}\n")
        return {}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Nothing is set anywhere."""
    for variable in [name for name in os.environ if name.startswith("VENDUE_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    desk = Desk(tmp_path, monkeypatch)
    desk.directory.mkdir(parents=True)
    desk.user.parent.mkdir(parents=True)
    return desk


def test_with_nothing_said_every_setting_has_its_default(desk: Desk) -> None:
    """A peer starts without any file, and every origin says so."""
    config = load(directory=desk.directory)
    assert config.settings == Settings()
    assert {config.origin(name) for name in declared()} == {"default"}
    assert (config.settings.market, config.settings.seeds, config.settings.bid_window_ms) == ("local", (), 500)


@pytest.mark.parametrize(("stronger", "weaker"), list(itertools.combinations(LAYERS, 2)))
def test_stronger_layer_wins_over_weaker(desk: Desk, stronger: str, weaker: str) -> None:
    """For each pair of layers the earlier one decides, and is named as the origin."""
    flags = desk.say(weaker, "capacity", 3) | desk.say(stronger, "capacity", 4)
    config = load(flags, directory=desk.directory)
    where = {
        "flag": "flag --capacity",
        "environment": "environment VENDUE_CAPACITY",
        "project": f"{desk.project}:2",
        "user": f"{desk.user}:2",
    }
    assert (config.settings.capacity, config.origin("capacity")) == (4, where[stronger])


@pytest.mark.parametrize("layer", LAYERS)
def test_every_layer_wins_over_the_default(desk: Desk, layer: str) -> None:
    """One value said anywhere is in force, and all others keep their defaults."""
    settings = load(desk.say(layer, "lease_ms", 7_000), directory=desk.directory).settings
    assert (settings.lease_ms, settings.capacity) == (7_000, 8)


def joined(desk: Desk, name: str, settings: str = "") -> None:
    """Take part in a market; only that its charter is there is looked at."""
    home = desk.root / "data" / "vendue" / "markets" / name
    home.mkdir(parents=True)
    (home / "charter.vendue").touch()
    (home / "market.toml").write_text(settings)


@pytest.mark.parametrize("layer", LAYERS)
def test_a_markets_own_file_says_what_nobody_else_says(desk: Desk, layer: str) -> None:
    """It is weaker than all that a user says anywhere, and holds for its own market alone."""
    joined(desk, "fair", "\ncapacity = 3\nlease_ms = 900\n")
    flags = desk.say(layer, "capacity", 4)
    config = load(flags | {"market": "fair"}, directory=desk.directory)
    assert (config.settings.capacity, config.settings.lease_ms) == (4, 900)
    assert config.origin("lease_ms").endswith("markets/fair/market.toml:3")
    assert load({"market": "local"}, directory=desk.directory).settings.lease_ms == 10_000


def test_whoever_joined_one_market_means_that_one(desk: Desk) -> None:
    """It is taken if no market is named, and its origin says why; with two of them nobody guesses."""
    joined(desk, "local")
    assert load(directory=desk.directory).settings.market == "local"
    joined(desk, "fair", 'interface = "eth0"\n')
    config = load(directory=desk.directory)
    assert (config.settings.market, config.origin("market")) == ("fair", ONLY_ONE)
    assert config.settings.interface == "eth0"
    assert load({"market": "local"}, directory=desk.directory).settings.market == "local"
    joined(desk, "bazaar")
    assert load(directory=desk.directory).settings.market == "local"


@pytest.mark.parametrize("name", ABOVE_THE_MARKET)
def test_a_markets_own_file_cannot_lead_elsewhere(desk: Desk, name: str) -> None:
    """What led to the file is not in it."""
    joined(desk, "fair", f'{name} = "elsewhere"\n')
    assert f"market.toml:1: a market's own file cannot say its {name}" in refusal(desk).what


def test_nearest_project_file_upward_is_the_one(desk: Desk) -> None:
    """A file nearer to where we stand hides those above it as a whole."""
    desk.project.write_text("capacity = 2\nmdns = false\n")
    (desk.directory.parent / "vendue.toml").write_text("capacity = 3\n")
    settings = load(directory=desk.directory).settings
    assert (settings.capacity, settings.mdns) == (3, True)


def test_lists_and_truth_can_be_said_in_a_variable(desk: Desk) -> None:
    """Variables are text only: lists have commas, an empty variable counts as not set."""
    desk.monkeypatch.setenv("VENDUE_SEEDS", "10.0.0.1:4000, [::1]:4001,")
    desk.monkeypatch.setenv("VENDUE_MDNS", "false")
    desk.monkeypatch.setenv("VENDUE_CAPACITY", "")
    config = load(directory=desk.directory)
    assert config.settings.seeds == ("10.0.0.1:4000", "[::1]:4001")
    assert (config.settings.mdns, config.settings.capacity, config.origin("capacity")) == (False, 8, "default")


def test_flag_that_was_not_given_decides_nothing(desk: Desk) -> None:
    """The command line hands over None for each flag that was left out."""
    desk.project.write_text('seeds = ["host:1"]\n')
    assert load({"seeds": None, "capacity": None}, directory=desk.directory).settings.seeds == ("host:1",)


def test_home_in_a_file_is_seen_from_that_file(desk: Desk) -> None:
    """A project that is moved takes its home along; `~` is the user's own."""
    desk.project.write_text('home = "state"\n')
    assert load(directory=desk.directory).settings.home == str(desk.project.parent / "state")
    desk.monkeypatch.setenv("HOME", str(desk.root))
    desk.project.write_text('home = "~/state"\n')
    assert load(directory=desk.directory).settings.home == str(desk.root / "state")


def refusal(desk: Desk, flags: dict[str, object] | None = None) -> VendueError:
    """Load settings that cannot be loaded."""
    with pytest.raises(BadConfig) as refused:
        load(flags, directory=desk.directory)
    return refused.value


def test_unknown_key_in_a_file_is_told_with_line_and_nearest_name(desk: Desk) -> None:
    """A misspelt setting is an error that already holds its correction."""
    desk.project.write_text('market = "fair"\n\ncapcity = 4\n')
    error = refusal(desk)
    assert f"{desk.project}:3" in error.what
    assert error.do == "Did you mean capacity?"


def test_unknown_table_in_a_file_is_an_error_too(desk: Desk) -> None:
    """Settings are flat; a table would silently hide them."""
    desk.user.write_text("[lease]\nms = 1\n")
    assert f"{desk.user}:1" in refusal(desk).what


def test_unknown_variable_and_flag_are_told_with_the_nearest_name(desk: Desk) -> None:
    """Each layer names what it calls the setting."""
    assert refusal(desk, {"lease": 5}).do == "Did you mean lease_ms?"
    desk.monkeypatch.setenv("VENDUE_SEED", "host:1")
    assert refusal(desk).do == "Did you mean VENDUE_SEEDS?"


def test_variable_that_is_no_setting_is_left_to_its_reader(desk: Desk) -> None:
    """VENDUE_RUNTIME is read where directories are found, and no error here."""
    before = list(load(directory=desk.directory).rows())
    desk.monkeypatch.setenv("VENDUE_RUNTIME", str(desk.root))
    assert list(load(directory=desk.directory).rows()) == before


def test_wrong_type_in_a_file_says_where_and_what_is_expected(desk: Desk) -> None:
    """In TOML a number is no text: the file, the line, the key and what fits are named."""
    desk.project.write_text('# one\n# two\ncapacity = "many"\n')
    error = refusal(desk)
    assert error.what == f"{desk.project}:3: capacity = 'many' does not fit."
    assert "a whole number from 1 to 1024" in error.why
    assert "default, 8" in error.do


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("market", "No Name"),
        ("market", "a\n"),
        ("interface", "a b"),
        ("seeds", "host"),
        ("seeds", "host:0"),
        ("seeds", "host:65536"),
        ("seeds", "host:1\n2"),
        ("seeds", ",".join(["host:1"] * 65)),
        ("mdns", "perhaps"),
        ("log_level", "loud"),
        ("log_format", "xml"),
        ("capacity", "0"),
        ("capacity", "1025"),
        ("lease_ms", "1.5"),
        ("default_deadline_s", "9" * 5000),
    ],
)
def test_value_that_does_not_fit_is_refused(desk: Desk, name: str, value: str) -> None:
    """Every setting has a type and a bound, also when it is said as text."""
    error = refusal(desk, {name: value})
    assert error.what.startswith(f"flag --{name.replace('_', '-')}: {name} = ")
    assert len(str(error)) < 600


def test_weaker_value_that_is_not_in_force_stops_nothing(desk: Desk) -> None:
    """A flag helps at once against a wrong variable."""
    desk.monkeypatch.setenv("VENDUE_CAPACITY", "many")
    assert load({"capacity": 2}, directory=desk.directory).settings.capacity == 2


@pytest.mark.parametrize("content", [b"capacity = \n", b"\xff", b"a = " + b"[" * 5_000, b"#" * (FILE_BYTES_MAX + 1)])
def test_file_that_is_no_settings_file_is_told_not_raised(desk: Desk, content: bytes) -> None:
    """Broken, binary, endlessly nested or huge files end in one sentence."""
    desk.project.write_bytes(content)
    assert str(desk.project) in refusal(desk).what


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file that belongs to somebody else")
def test_project_file_planted_above_us_by_a_stranger_is_refused(desk: Desk) -> None:
    """In a directory that many may write to, anybody could choose our market for us."""
    desk.project.write_text('market = "trap"\n')
    os.chown(desk.project, 65_534, 65_534)
    assert "belong to another user" in refusal(desk).what
    os.chown(desk.directory, 65_534, 65_534)
    assert load(directory=desk.directory).settings.market == "trap"


def test_rows_show_value_and_origin_of_every_setting(desk: Desk) -> None:
    """`vendue config show --origin` prints what is in force and why."""
    rows = {
        setting.name: (value, origin)
        for setting, value, origin in load({"capacity": 2}, directory=desk.directory).rows()
    }
    assert list(rows) == list(declared())
    assert rows["capacity"] == (2, "flag --capacity")


def test_origin_of_what_is_no_setting_is_an_error(desk: Desk) -> None:
    """Asking for a misspelt name gets the nearest one as well."""
    with pytest.raises(BadConfig, match="Did you mean market"):
        load(directory=desk.directory).origin("markt")
