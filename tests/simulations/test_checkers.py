"""A checker that finds no planted fault proves nothing: there is one for every promise, beside honest markets."""

from __future__ import annotations

import random

import pytest

from protocol.statements import (
    EffectClass,
    Result,
)
from simulations.checkers import awards
from simulations.checkers.base import Broken, Checker, hooks
from simulations.checkers.liveness import bound_ms
from simulations.checkers.promises import PROMISES
from simulations.testimony import NO_RULES
from tests.market import charter_with
from tests.simulations import planted_readings, planted_words, planted_work
from tests.simulations.stage import FAILURE, FAULTS, Fault, Stage
from tests.simulations.watched import WatchedMarket

PLANTED_IN = (planted_readings, planted_words, planted_work)
"""Their faults are in `FAULTS` once they are imported."""
PLANTED = pytest.mark.parametrize(("promise", "fault"), FAULTS, ids=[fault.__name__ for _, fault in FAULTS])


@PLANTED
def test_planted_fault_breaks_its_promise(
    promise: type[Checker], fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checker of the promise, and no other error, stops the run."""
    with pytest.raises(Broken) as broken:
        fault(monkeypatch)
    assert broken.value.checker == promise.__name__


def test_every_promise_has_a_planted_fault() -> None:
    """A checker that is new finds one here too."""
    assert {promise for promise, _ in FAULTS} == {*PROMISES}


def test_every_promise_is_one_sentence() -> None:
    """The docstring of a checker is its promise."""
    for promise in PROMISES:
        assert (promise.__doc__ or "").split("\n\n")[0].strip().endswith("."), promise


def test_a_hook_that_is_not_overridden_is_not_called() -> None:
    """A world calls only who cares."""
    stage = Stage(awards.OneAward)
    assert hooks(stage.market.watch.checkers, "heard") == []
    assert len(hooks(stage.market.watch.checkers, "said")) == 1


DONE = Result(output=b"1", output_digest=None, usage_ms=1)
EFFECTS = {
    governed: [EffectClass.PURE, EffectClass.REVERSIBLE, *([EffectClass.IRREVERSIBLE] if governed else [])]
    for governed in (False, True)
}


@pytest.mark.parametrize("seed", range(12))
def test_honest_markets_keep_every_promise(seed: int) -> None:
    """Losses, repeats, cuts, crashes and lost journals, all of which end: nothing is broken, and all ends well."""
    chance = random.Random(seed)
    governors = [f"g{number}" for number in range(chance.choice((0, 1, 3)))]
    market = WatchedMarket(charter_with(governors), seed=seed)
    bidders = [f"b{number}" for number in range(chance.randint(1, 4))]
    market.join("m")
    for name in bidders:
        market.join(name, capacity=2, shout=chance.choice((10, 10, 12)))
    for name in governors:
        market.join(name, policy=NO_RULES)
    for number in range(12):
        _happen(market, chance, number, [*bidders, "m"], governors)
        market.run(chance.choice((5, 300, 2_500)))
    market.latency_ms = (1, 5)
    for name, each in market.peers.items():
        if not each.alive:
            market.restart(name)
    market.heal()
    market.run(bound_ms([market.task(deadline_ms=20_000)]))
    market.at_rest()
    assert market.peers["m"].node.holdings.contracts or seed not in range(3), "something is announced"


def _happen(market: WatchedMarket, chance: random.Random, number: int, names: list[str], governors: list[str]) -> None:
    name = chance.choice([*names, *governors])
    match chance.choice(("loss", "repeat", "jitter", "cut", "crash", "amnesia", "heal", "task", "task", "task")):
        case "loss":
            market.loss = chance.choice((0.0, 0.2, 0.6))
        case "repeat":
            market.repeat = 0.5
        case "jitter":
            market.latency_ms = chance.choice(((1, 40), (1, 900)))
        case "cut":
            market.cut.add((name, chance.choice(names)))
        case "crash" if market.peers[name].alive:
            market.peers[name].crash()
        case "crash":
            market.restart(name)
        case "amnesia" if name in names:
            market.peers[name].crash()
            market.restart(name, lose_journal=True)
        case "heal":
            market.heal()
        case "task" if market.peers["m"].alive:
            worker, outcome = market.peers[chance.choice(names)], chance.choice((FAILURE, None, DONE))
            worker.work_ms, worker.work = chance.choice((10, 700, 3_000)), lambda execute: outcome
            effect = chance.choice(EFFECTS[bool(governors)])
            market.announce("m", idempotency_key=b"%d" % number, effect=effect, lease_ms=1_500, deadline_ms=20_000)
