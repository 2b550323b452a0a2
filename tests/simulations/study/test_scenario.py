"""A scenario is checked to its last word, and names what it would rather have read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from protocol.errors import BadConfig, UsageError
from simulations.study import settings
from simulations.study.arrivals import RETURNS_FILE, arrivals_of
from simulations.study.cast import charter_of, names_of
from simulations.study.scenario import built_in, load, make, scaled, table_of_scenario
from simulations.world.world import World

PLAIN = {"about": "Plain.", "population": {"manager": 1, "honest": 2}}


@pytest.mark.parametrize("name", sorted(built_in()))
def test_every_scenario_that_comes_with_us_is_sound(name: str) -> None:
    """It can be read, says what it is about, and is the same when it is written and read again."""
    scenario = load(name)
    assert scenario.about.endswith(".")
    assert make(table_of_scenario(scenario), name) == scenario


def test_there_are_at_least_fourteen() -> None:
    """As many as were asked for."""
    assert len(built_in()) >= 14


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network.los": 0.1}, r"no 'network.los' here.*Did you mean network.loss\?"),
        ({"network.loss": -0.1}, r"network.loss = -0.1 does not fit. Expected a number from 0 to 1"),
        ({"network.latency": "fast"}, "one of none, lan, wan"),
        ({"population": {"honest": 2}}, "nobody announces"),
        ({"population.mangaer": 1}, r"Did you mean population.manager\?"),
        ({"tasks.effects": {"irreversible": 1}}, "there is no governor"),
        ({"tasks.effects": {"pure": 0}}, "all 0"),
        ({"tasks.count": 0}, "a whole number from 1"),
        ({"faults.crsh": {}}, "Did you mean 'crash'"),
        ({"faults.crash": {"rate_per_hour": -1}}, "impossible"),
        ({"hits": ["honset"]}, r"Did you mean honest\?"),
        ({"planned": [{"what": "crash", "who": "manager", "at_s": 15, "lasts_s": 10}]}, "lasts longer"),
        ({"agents": {"price_min": 9, "price_max": 3}}, "price_min is above"),
        ({"seconds": 0}, "whole seconds from 1"),
        ({"population": "many"}, "population = 'many' does not fit"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    """The name as it was written, what fits, and the nearest name."""
    with pytest.raises(BadConfig, match=message):
        make(PLAIN, "mine", changes)


def test_what_is_missing_is_named() -> None:
    """A scenario without a population is none."""
    with pytest.raises(BadConfig, match="population is missing"):
        make({"about": "Nobody."}, "mine")


def test_an_unknown_scenario_gets_the_nearest_name() -> None:
    """And a file that is not there, its reason."""
    with pytest.raises(UsageError, match=r"Did you mean lossy\?"):
        load("losy")
    with pytest.raises(BadConfig, match="cannot be read"):
        load("nowhere.toml")


def test_a_file_of_ones_own_is_a_scenario(tmp_path: Path) -> None:
    """Anywhere, by its path; what is no TOML is told with its line."""
    mine = tmp_path / "mine.toml"
    mine.write_text('about = "Mine."\n[population]\nmanager = 1\nhonest = 1\n')
    assert load(str(mine)).peers == 2
    mine.write_text("about = Mine.\n")
    with pytest.raises(BadConfig, match=r"is not TOML.*line 1"):
        load(str(mine))


@pytest.mark.parametrize("peers", [4, 5, 7, 8, 20, 1_000])
def test_another_size_keeps_the_mix(peers: int) -> None:
    """Governors stay as many, nobody vanishes, and the sum is what was asked for."""
    mixed = {"governor": 1, "manager": 50, "honest": 50, "slow": 1}
    sizes = scaled(mixed, peers)
    assert sum(sizes.values()) == peers
    assert sizes["governor"] == 1
    assert min(sizes.values()) >= 1


def test_the_order_in_which_kinds_are_written_does_not_matter() -> None:
    """A trace that went through JSON is the same run."""
    mixed = {"manager": 1, "governor": 1, "honest": 2}
    assert list(names_of(mixed)) == list(names_of(dict(reversed(mixed.items()))))


@pytest.mark.parametrize("value", [3, 0.5, True, "lan", "two words", "1", [1, 2], {"pure": 1, "reversible": 2}])
def test_a_value_is_read_as_it_was_written(value: object) -> None:
    """What a replay line says is what was meant."""
    assert settings.value_of(settings.written(value)) == value


def test_returns_come_through_the_day_in_notes() -> None:
    """As many as asked for, in order, some together, and the same for the same seed."""
    scenario = load("returns-day")
    some, again = (arrivals_of(scenario, World(1).chance("arrivals")) for _ in range(2))
    assert some == again == sorted(some)
    assert len(some) == scenario.tasks.count
    assert len({one.at_us for one in some}) < len(some)
    afternoon = sum(one.at_us >= scenario.seconds * 500_000 for one in some)
    assert afternoon > len(some) // 2


def test_a_shops_own_returns_are_read(tmp_path: Path) -> None:
    """One day of them; and a folder without any is named."""
    scenario = load("returns-day")
    (tmp_path / RETURNS_FILE).write_text("time,quantity\n2010-12-01T08:00,-3\n2010-12-01T18:00,-1\n")
    found = arrivals_of(scenario, World(1).chance("arrivals"), tmp_path)
    assert [(one.at_us, one.size) for one in found] == [(0, 3), (scenario.seconds * 1_000_000, 1)]
    with pytest.raises(BadConfig, match="No returns can be read"):
        arrivals_of(scenario, World(1).chance("arrivals"), tmp_path / "nowhere")


def test_the_shared_returns_are_read() -> None:
    """Eight days of a real shop, where they are at hand."""
    folder = Path(__file__).resolve().parents[4] / "shared/data/returns"
    if not folder.is_dir():
        pytest.skip("there is no ../shared/data/returns beside the project")
    assert len(arrivals_of(load("returns-day"), World(1).chance("arrivals"), folder)) > 5


def test_a_charter_bears_the_liars_among_its_governors() -> None:
    """Quorums follow from their number (SPEC section 7); where no honest quorum is left, the market is refused."""
    assert charter_of({"governor": 3, "vetoing-governor": 1}) == {
        "liars_max": 1, "permits_needed": 3, "vetoes_needed": 3,
    }  # fmt: skip
    with pytest.raises(BadConfig, match="1 of 3 governors lie, and no quorum of the others is left: it takes 4"):
        make({"about": "A coup.", "population": {"manager": 1, "governor": 2, "vetoing-governor": 1}}, "mine")
