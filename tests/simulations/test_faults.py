"""Every fault comes, does what its sentence says, and ends when the weather is over."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.errors import BadConfig, UsageError
from protocol.states import State
from simulations.faults.catalogue import FAULTS, KINDS, OUTSIDE_THE_PROMISE, fault, weather_drawn, weather_of
from simulations.faults.homes import Crash
from simulations.faults.weather import Weather
from simulations.world.latency import LAN
from simulations.world.network import Conditions
from simulations.world.world import World
from tests.simulations.worlds import small_market

OFTEN = 3_600
FAIR = Conditions(latency=LAN)


def stormy(seed: int, table: dict[str, Any], **settings: Any) -> tuple[World, Weather]:
    """A small market under this weather for ten seconds, with a task each second, and healed."""
    world = small_market(seed, FAIR, **settings)
    weather = weather_of(world, table)
    weather.begin()
    for number in range(10):
        desk = world.processes["desk"]
        if desk.ready:
            desk.announce(world.task(idempotency_key=b"task %d" % number, deadline_ms=20_000))
        world.run_for(1_000)
    weather.heal()
    world.run_for(240_000)
    return world, weather


def some(name: str) -> dict[str, Any]:
    """A fault, often enough to be seen."""
    return {name: {"rate_per_hour": OFTEN}} if hasattr(FAULTS[name], "rate_per_hour") else {name: {}}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_comes_and_ends(name: str) -> None:
    """While it is there the trace is another one; when it is over everybody runs, and a new task ends well."""
    calm, _ = stormy(3, {})
    world, weather = stormy(3, some(name))
    assert world.digest() != calm.digest()
    assert all(process.alive and not process.turn_us for process in world.processes.values())
    assert not any(process.disk.full or process.disk.delay_us for process in world.processes.values())
    assert all(link.up and not link.cut and link.held is None for link in world.network.links() if not _twins(link))
    if "twin" in str(world.processes):
        return
    contract = world.processes["desk"].announce(world.task(idempotency_key=b"afterwards"))
    world.run_for(10_000)
    assert contract is not None
    reading = world.processes["desk"].reading(contract)
    assert reading is not None
    assert reading.state in (State.SETTLED, State.FINAL)
    assert weather.strikes or not hasattr(FAULTS[name], "rate_per_hour")


def _twins(link: Any) -> bool:
    return bool(link.sender.peer == link.reader.peer)


@pytest.mark.parametrize("name", sorted(set(FAULTS) - OUTSIDE_THE_PROMISE))
def test_no_fault_convicts_anybody(name: str) -> None:
    """Whatever befalls honest peers, nobody holds two statements of theirs that cannot both be honest."""
    for seed in range(3):
        world, _ = stormy(seed, some(name))
        assert not any(process.convictions for process in world.processes.values())


def test_a_copied_home_is_convicted_and_nobody_else() -> None:
    """A home that is run twice forks in the end: its key is convicted, and nobody else's (law 3)."""
    convicted = 0
    for seed in range(4):
        world, _ = stormy(seed, some("copied-home"))
        twice = {process.peer for process in world.processes.values() if len(world.processes_of(process.peer)) > 1}
        found = {each.first.author for process in world.processes.values() for each in process.convictions}
        assert found <= twice
        convicted += len(found)
    assert convicted


def test_a_home_copied_whole_counts_as_honest_no_more() -> None:
    """Outside the promise is said so: neither of the two lives is held to it."""
    world, _ = stormy(1, some("copied-home"))
    twins = [process for process in world.processes.values() if len(world.processes_of(process.peer)) > 1]
    assert twins
    assert not any(process.honest for process in twins)


def test_the_same_seed_has_the_same_weather() -> None:
    """What befalls a world follows from its seed alone."""
    digests = set()
    for _ in range(2):
        world = small_market(11)
        weather = weather_drawn(world)
        weather.begin()
        world.run_for(10_000)
        weather.heal()
        world.run_for(10_000)
        digests.add(world.digest())
    assert len(digests) == 1


def test_seeds_draw_few_faults_and_all_of_them() -> None:
    """Swarm: a seed has some kinds and not others, and every kind inside the promise turns up in some seed."""
    drawn = [[each.name for each in weather_drawn(World(seed)).faults] for seed in range(60)]
    assert set().union(*drawn) == set(FAULTS) - OUTSIDE_THE_PROMISE
    assert sum(map(len, drawn)) / len(drawn) < len(KINDS) / 3
    assert [] in drawn
    assert any(one and set(one).isdisjoint(other) for one in drawn for other in drawn if other)


def test_one_more_fault_moves_no_other() -> None:
    """Each fault draws from its own stream: crashes come when they came without the loss."""
    crashes = []
    for table in ({"crash": {}}, {"crash": {}, "clock-skew": {}}):
        world = small_market(5)
        weather = weather_of(world, table)
        weather.begin()
        times = []
        before = {process.name: True for process in world.processes.values()}
        for _ in range(300):
            world.run_for(100)
            now = {process.name: process.runs for process in world.processes.values()}
            times.append(now)
        assert any(now != before for now in times)
        crashes.append(times)
    assert crashes[0] == crashes[1]


def test_a_rate_of_zero_is_never() -> None:
    """A seed may have a fault that does not come."""
    world = small_market(1)
    weather = Weather(world, [Crash(rate_per_hour=0)])
    weather.begin()
    world.run_for(3_600_000)
    assert not weather.strikes


def test_who_is_spared_is_not_hit() -> None:
    """A scenario may leave some alone."""
    world = small_market(1)
    weather = weather_of(world, {"crash": {"rate_per_hour": OFTEN}}, spared=["desk", "judge", "dear"])
    weather.begin()
    nodes = {process.name: process.node for process in world.processes.values()}
    world.run_for(20_000)
    assert [name for name, process in world.processes.items() if process.node is not nodes[name]] == ["cheap"]


def test_healing_restores_the_network_as_it_was() -> None:
    """What the network had of itself, its latency, is what is left."""
    world, _ = stormy(2, {"loss": {"probability": 0.3}, "bursty-loss": {}, "repeats": {}, "reordering": {}})
    assert world.network.conditions == FAIR
    assert all(link.conditions == FAIR for link in world.network.links())


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("crush", {}, "Did you mean 'crash'"),
        ("sunshine", {}, "Take one of loss, "),
        ("crash", {"rate_per_our": 3}, "Did you mean 'rate_per_hour'"),
        ("crash", {"rate_per_hour": -1}, "crash.rate_per_hour = -1 is impossible"),
        ("crash", {"rate_per_hour": 1.5}, "Take a whole number"),
        ("crash", {"lasts_ms": 0}, "from 1 to"),
        ("loss", {"probability": -0.1}, "from 0 to 1"),
        ("loss", {"probability": "much"}, "loss.probability = 'much' is impossible"),
        ("loss", {"share": True}, "impossible"),
        ("clock-drift", {"drift_ppm": 10**9}, "from 0 to 500000"),
    ],
)
def test_what_cannot_be_is_refused(name: str, parameters: dict[str, Any], said: str) -> None:
    """Unknown names get the nearest one; impossible values what is possible."""
    with pytest.raises(BadConfig, match=said):
        fault(name, **parameters)


def test_a_table_of_faults_holds_tables() -> None:
    """A scenario that says `loss = 0.1` is told how to say it."""
    with pytest.raises(BadConfig, match=r"Write \{rate_per_hour"):
        weather_of(World(1), {"loss": 0.1})


def test_a_weather_begins_once() -> None:
    """It is one world's, from one beginning to one end."""
    weather = Weather(World(1), [])
    weather.begin()
    with pytest.raises(UsageError, match="begun before"):
        weather.begin()
