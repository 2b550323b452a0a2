"""Liars lie, and an honest market bears it: a fork convicts, what does not recompute is vetoed, the rest is ignored."""

from __future__ import annotations

import pytest

from protocol.errors import BadConfig
from protocol.keys import Digest
from protocol.statements import Award, EffectClass
from protocol.states import State
from simulations import population
from simulations.checkers.liveness import bound_ms
from simulations.checkers.promises import PROMISES
from simulations.population.liar import Liar
from simulations.world.latency import LAN
from simulations.world.network import Conditions, Network
from simulations.world.process import Process
from simulations.world.work import Ends, done_after, done_at_once, hang
from simulations.world.world import World

JUDGES = ("judge 1", "judge 2", "judge 3")
FOUR = {"liars_max": 1, "permits_needed": 3, "vetoes_needed": 3}


def market_with(kind: str, *, governors: int = 1, seed: int = 1, work: str = "quick") -> World:
    """Governors, two bidders of different price, a desk, and mallory, who is of this kind; every promise is watched."""
    is_of = population.KINDS[kind]
    names = [f"judge {n + 1}" for n in range(governors)]
    seats = [*names, "mallory"] if is_of.governs else names
    world = World(
        seed, Network(Conditions(latency=LAN)), governors=seats, charter=FOUR if len(seats) == 4 else {},
        checkers=PROMISES,
    )  # fmt: skip
    for name in names:
        population.make(world, "governor", name)
    agents = {"quick": done_at_once, "slow": done_after(2_000), "hangs": hang}
    population.make(world, "honest", "dear", skills={"shout": 9}, work=agents[work])
    population.make(world, "honest", "cheap", skills={"shout": 5}, work=agents[work])
    population.make(world, "manager", "desk")
    skills = {"shout": 4 if kind == "silent-winner" else 7}
    population.make(world, kind, "mallory", skills=skills if is_of.bids else None)
    world.run_for(1_000)
    return world


def play(world: World, by: str, **changes: object) -> Digest:
    """Announce a task, and let everything happen that comes of it; every promise holds at the end."""
    task = world.task(**{"deadline_ms": 15_000, "award_rule": "lowest-price"} | changes)
    contract = world.processes[by].announce(task)
    assert contract is not None
    world.run_for(bound_ms([task]))
    world.at_rest()
    return contract


def state(world: World, name: str, contract: Digest) -> State:
    """How a peer reads a contract."""
    reading = world.processes[name].reading(contract)
    assert reading is not None
    return reading.state


def convicted(world: World) -> set[str]:
    """Whom the honest convict."""
    names = {process.peer: process.name for process in world.processes.values()}
    return {
        names[c.first.author] for process in world.processes.values() if process.honest for c in process.convictions
    }


def winner(world: World, contract: Digest, name: str = "desk") -> str:
    """Who won it last, as a peer reads it."""
    reading = world.processes[name].reading(contract)
    assert reading is not None
    award = reading.award or next(one for one in reversed(reading.steps) if isinstance(one.body, Award))
    assert isinstance(award.body, Award)
    return next(process.name for process in world.processes.values() if process.peer == award.body.winner)


def lies(world: World) -> int:
    """How often mallory lied."""
    mallory = world.processes["mallory"]
    assert isinstance(mallory, Liar)
    return mallory.lies


@pytest.mark.parametrize("kind", ["forking-manager", "two-faced-manager"])
@pytest.mark.parametrize("governors", [0, 1, 3])
def test_a_manager_that_awards_twice_is_convicted(kind: str, governors: int) -> None:
    """Two awards with one seq: whoever holds both convicts it, and its contract is void for them."""
    world = market_with(kind, governors=governors)
    play(world, "mallory")
    assert lies(world)
    assert convicted(world) == {"mallory"}


def test_a_withheld_recall_is_found_by_who_holds_both_faces() -> None:
    """The recalled contractor hears of the next award, asks for what lies before it, and holds a fork."""
    world = market_with("withholding-manager", work="hangs")
    world.processes["mallory"].checks = lambda result: False
    world.processes["cheap"].work = lambda execute: Ends(50, done_at_once(execute).outcome)
    contract = world.processes["mallory"].announce(world.task(deadline_ms=15_000), check=True)
    assert contract is not None
    world.run_for(120_000)
    assert lies(world)
    assert convicted(world) == {"mallory"}


def test_an_omitting_manager_harms_those_whom_it_overlooks_and_convicts_nobody() -> None:
    """What a manager says not to have heard cannot be shown; its award follows from the bids it lists."""
    for seed in range(1, 9):
        world = market_with("omitting-manager", seed=seed)
        contract = play(world, "mallory")
        assert not convicted(world)
        assert state(world, "judge 1", contract) in (State.FINAL, State.CANCELLED)
        if lies(world):
            return
    pytest.fail("it overlooked nobody in eight worlds")


@pytest.mark.parametrize("effect", list(EffectClass))
def test_an_award_that_does_not_recompute_is_vetoed(effect: EffectClass) -> None:
    """A governor computes the winner again: what was awarded is recalled, and what was settled is vetoed behind it."""
    world = market_with("favouring-manager")
    contract = play(world, "mallory", effect=effect, attempts=1)
    assert lies(world)
    assert not convicted(world)
    assert state(world, "judge 1", contract) in (State.VETOED, State.CANCELLED)


def test_a_silent_winner_is_recalled_and_the_next_one_wins() -> None:
    """Who does not accept in time loses its award; the task goes on without it."""
    world = market_with("silent-winner")
    contract = play(world, "desk")
    assert lies(world)
    assert state(world, "desk", contract) is State.FINAL
    assert winner(world, contract) == "cheap"


@pytest.mark.parametrize("kind", ["slow", "overpromising", "copying-bidder"])
def test_who_is_only_bad_at_it_is_honest(kind: str) -> None:
    """Slow, too hopeful or shameless peers break no promise, and every promise holds of them too."""
    world = market_with(kind)
    contract = play(world, "desk")
    assert not convicted(world)
    assert state(world, "desk", contract) in (State.FINAL, State.CANCELLED)


def test_a_copying_bidder_undercuts() -> None:
    """A bid is no secret: who waits until the others have bid may bid one less."""
    world = market_with("copying-bidder")
    contract = play(world, "desk")
    assert winner(world, contract) == "mallory"


def test_an_overpromising_peer_keeps_a_task_until_its_deadline() -> None:
    """Its lease is renewed as long as it says that it works; the deadline ends the task."""
    world = market_with("overpromising")
    contract = play(world, "desk")
    assert state(world, "desk", contract) is State.CANCELLED


@pytest.mark.parametrize("kind", ["double-voting-governor", "vetoing-governor", "late-governor", "forking-governor"])
@pytest.mark.parametrize("effect", [EffectClass.PURE, EffectClass.IRREVERSIBLE])
def test_one_lying_governor_of_four_decides_nothing(kind: str, effect: EffectClass) -> None:
    """With f = 1 of n = 4 neither its permits nor its vetoes are missed; only one that forks is convicted."""
    world = market_with(kind, governors=3)
    contract = play(world, "desk", effect=effect)
    assert lies(world)
    assert [state(world, name, contract) for name in ("desk", "cheap", *JUDGES)] == [State.FINAL] * 5
    assert convicted(world) == ({"mallory"} if kind == "forking-governor" else set())


@pytest.mark.parametrize("kind", ["forger", "replayer", "flooder"])
def test_a_meddler_changes_nothing(kind: str) -> None:
    """Forged, repeated and senseless frames move no contract, and convict nobody."""
    world = market_with(kind)
    contract = play(world, "desk")
    assert lies(world)
    assert state(world, "desk", contract) is State.FINAL
    assert winner(world, contract) == "cheap"
    assert not convicted(world)


def test_a_forgery_is_rejected_with_blame() -> None:
    """A name over another's signature is refused before anything is believed."""
    world = market_with("forger")
    play(world, "desk")
    verdicts = [verdict for process in world.processes.values() for verdict in process.turn.verdicts]
    assert any(verdict.startswith("reject") for verdict in verdicts)


def test_every_kind_joins_by_its_name() -> None:
    """Whatever is in the list can be made, and is what the list says."""
    for kind, is_of in population.KINDS.items():
        world = World(1, governors=["mallory"])
        process = population.make(world, kind, "mallory")
        assert isinstance(process, Process)
        assert process.honest is is_of.honest
        assert (process.policy is not None) is is_of.governs
        assert bool(process.quotes) is is_of.bids
        assert isinstance(process, Liar) or is_of.honest


def test_an_unknown_kind_gets_the_nearest_name() -> None:
    """A scenario's typing error is told."""
    with pytest.raises(BadConfig, match="Did you mean 'forking-manager'"):
        population.make(World(1), "forking-manger", "mallory")
