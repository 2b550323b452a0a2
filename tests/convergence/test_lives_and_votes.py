"""Stories that hypothesis found: former lives, and votes that only one party still holds."""

from __future__ import annotations

import pytest

from protocol.states import State
from simulations.checkers.promises import PROMISES
from simulations.kit.market import WORKS, Market


@pytest.mark.spec("M-8.35")
def test_what_a_former_life_delivered_is_not_done_again() -> None:
    """A contractor without its tail starts an award anew, and learns that its first result is settled: it stops."""
    market = Market(None, PROMISES, seed=0, rivals=1, governors=2)
    world, hazel, jury = market.world, market.process("hazel"), market.process("jury")
    market.process("judge").disk.full = True
    world.run_for(5)
    world.crash(jury)
    world.run_for(5)
    market.announce("desk", market.task(deadline_ms=20_000, attempts=3))
    world.run_for(5)
    jury.disk.lose_journal()
    world.restart(jury)
    world.run_for(5)
    hazel.work = WORKS["in 0.7 s"]
    world.run_for(5)
    world.crash(hazel, power=True)
    world.run_for(5)
    market.rest()


@pytest.mark.spec("M-8.34")
def test_the_votes_of_a_seat_that_is_gone_are_learnt_from_the_contractor() -> None:
    """One governor lost its seat with its journal, the manager its tail: whoever has the votes still shows them."""
    market = Market(None, PROMISES, seed=0, rivals=1, governors=2)
    world, judge, jury = market.world, market.process("judge"), market.process("jury")
    world.network.cut(judge, jury)
    world.run_for(5)
    market.announce("desk", market.task(deadline_ms=20_000, attempts=3))
    world.run_for(400)
    world.crash(judge)
    world.run_for(5)
    judge.disk.lose_journal()
    world.restart(judge)
    world.run_for(5)
    world.crash(market.process("desk"), power=True)
    world.run_for(5)
    market.rest()


@pytest.mark.spec("M-8.36")
def test_a_contractor_without_its_tail_takes_back_in_what_is_settled() -> None:
    """Its manager waits for votes and says the settlement again: no statement waits for ever for what is dropped."""
    market = Market(None, PROMISES, seed=255, rivals=2, governors=1, refer=True)
    world, hazel = market.world, market.process("hazel")
    market.announce("desk", market.task())
    world.run_for(5)
    world.crash(hazel, power=True)
    world.run_for(5)
    market.rest()
    assert not hazel.node.holdings.waiting
    assert hazel.node.holdings.contracts[market.tasks["t1"]].reading.state is State.SETTLED
