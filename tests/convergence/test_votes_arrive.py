"""Votes reach everybody whom they concern, whoever was away, had bid itself, or had ended the task meanwhile."""

from __future__ import annotations

import pytest

from protocol.events import Vote
from protocol.keys import Digest
from protocol.policy import Policy
from protocol.statements import EffectClass, Failure, FailureClass, Settlement, Veto, VetoScope
from protocol.states import State
from tests.market import TestMarket, charter_with

NO_RULES = Policy(version=Digest(bytes(32)))
AGAINST_ALL = Veto(scope=VetoScope.TASK, rule="hand", policy=bytes(32), reason="", grounds=(), reviewer=None)
FAILED = Failure(failure_class=FailureClass.RETRYABLE, reason="", done="")


def market_of(*governors: str) -> TestMarket:
    """A manager and two bidders; the governors have yet to join."""
    market = TestMarket(charter_with(governors))
    market.join("m")
    market.join("a", shout=10)
    market.join("b", shout=20)
    return market


def governed_by(*governors: str) -> TestMarket:
    """A manager, one bidder, and governors that have no rules of their own."""
    market = TestMarket(charter_with(governors))
    market.join("m")
    market.join("b0", shout=10)
    for name in governors:
        market.join(name, policy=NO_RULES)
    return market


def test_a_governor_that_has_bid_and_lost_votes_all_the_same() -> None:
    """The award lists its own bid, which no other peer needs to show it; also when it was restarted meanwhile."""
    for restarted in (False, True):
        market = market_of("g")
        market.join("g", policy=NO_RULES, shout=30)
        market.run(100)
        market.peers["a"].work_ms = 700
        contract = market.announce("m")
        market.run(600)
        if restarted:
            market.peers["g"].crash()
            market.restart("g")
        market.run(10_000)
        assert market.peers["m"].contract(contract).state is State.FINAL


def test_a_veto_of_the_task_reaches_whoever_has_it_now() -> None:
    """Its manager could not hear it, awarded again and settled: it and the new contractor are told when they ask."""
    market = market_of("g")
    market.join("g", policy=NO_RULES)
    market.run(100)
    market.peers["a"].work = lambda execute: FAILED
    market.peers["a"].work_ms = 500
    contract = market.announce("m", effect=EffectClass.REVERSIBLE)
    market.run(100)
    award = market.peers["g"].contract(contract).award
    assert award is not None
    market.cut |= {("g", "m"), ("g", "b")}
    market.peers["g"].run(events=[Vote(about=award.id, body=AGAINST_ALL)])
    market.run(10_000)
    settled = market.peers["m"].contract(contract)
    assert (settled.state, settled.epoch) == (State.SETTLED, 2)
    market.cut.clear()
    market.run(60_000)
    assert [market.peers[name].contract(contract).state for name in "mbg"] == [State.VETOED] * 3


def test_a_manager_whose_machine_lost_power_hears_the_votes_on_what_it_settled() -> None:
    """The settlement was synced and the vote on it was not: in its new feed the manager asks for it again."""
    market = market_of("g")
    market.join("g", policy=NO_RULES)
    market.run(100)
    contract = market.announce("m", effect=EffectClass.IRREVERSIBLE)
    market.run(5_000)
    manager = market.peers["m"]
    manager.crash()
    settlement = next(said for said in manager.said() if isinstance(said.body, Settlement))
    synced = next(at for at, (_, said) in enumerate(manager.journal.rows) if settlement.payload in said)
    del manager.journal.rows[synced + 1 :]
    manager.life += 1
    market.restart("m")
    assert manager.contract(contract).state is State.SETTLED
    market.run(10_000)
    assert manager.contract(contract).state is State.FINAL


def test_a_governor_that_was_away_learns_how_the_others_voted() -> None:
    """It was down from the start and heard nothing of the other seats: what they said meanwhile is asked for."""
    market = governed_by("g", "h", "k")
    market.peers["k"].crash()
    market.run(100)
    contract = market.announce("m")
    market.run(1_000)
    assert market.peers["g"].contract(contract).state is State.FINAL
    market.restart("k")
    market.run(60_000)
    assert market.peers["k"].contract(contract).state is State.FINAL


@pytest.mark.spec("M-8.31")
def test_a_governor_that_lost_votes_alone_asks_for_them() -> None:
    """The last words of the other seats were lost on their way: they leave no gap, and nobody was ever away."""
    market = governed_by("g", "h", "k")
    market.cut |= {("g", "k"), ("h", "k")}
    market.run(100)
    contract = market.announce("m", deadline_ms=5_000)
    market.run(1_000)
    market.cut.clear()
    assert market.peers["k"].contract(contract).state is State.SETTLED
    market.run(60_000)
    assert market.peers["k"].contract(contract).state is State.FINAL


@pytest.mark.spec("M-8.32")
def test_a_manager_shows_the_votes_to_a_contractor_that_still_asks() -> None:
    """The governor is gone for ever, and the manager is the only one who has heard its permit."""
    market = TestMarket(charter_with(["g"]))
    market.join("g", policy=NO_RULES)
    market.join("m")
    market.join("b0", shout=10)
    market.cut.add(("g", "b0"))
    market.run(100)
    contract = market.announce("m")
    market.run(500)
    assert market.peers["m"].contract(contract).state is State.FINAL
    assert market.peers["b0"].contract(contract).state is State.SETTLED
    market.peers["g"].crash()
    market.run(60_000)
    assert market.peers["b0"].contract(contract).state is State.FINAL


@pytest.mark.spec("M-8.31", "M-8.32")
def test_a_governor_learns_the_votes_of_a_seat_that_is_gone_from_the_manager() -> None:
    """The vote was lost on its way, and then its governor for ever: the manager holds it."""
    market = governed_by("g", "h", "k")
    market.cut |= {("g", "k"), ("k", "m"), ("k", "b0")}
    market.peers["h"].crash()
    market.run(100)
    contract = market.announce("m", deadline_ms=5_000)
    market.run(1_000)
    market.restart("h")
    market.run(1_000)
    market.peers["g"].crash()
    assert market.peers["m"].contract(contract).state is State.FINAL
    market.cut.clear()
    market.run(120_000)
    assert market.peers["k"].contract(contract).state is State.FINAL


def test_a_lost_veto_of_an_award_is_said_again_to_who_asks_about_its_settlement() -> None:
    """Nobody speaks of the award any more: the result and the settlement ask for every veto of their epoch."""
    market = market_of("g", "h")
    for name in ("g", "h"):
        market.join(name, policy=NO_RULES)
    market.peers["a"].work_ms = 1_000
    market.run(100)
    contract = market.announce("m")
    market.run(500)
    award = market.peers["h"].contract(contract).award
    assert award is not None
    market.cut |= {("h", "m"), ("h", "a")}
    against = Veto(scope=VetoScope.EPOCH, rule="hand", policy=bytes(32), reason="", grounds=(), reviewer=None)
    for name in ("g", "h"):
        market.peers[name].run(events=[Vote(about=award.id, body=against)])
    market.run(1_000)
    assert market.peers["m"].contract(contract).state is State.SETTLED
    market.cut.clear()
    market.run(60_000)
    for name in ("m", "a", "g", "h"):
        assert market.peers[name].contract(contract).state is State.VETOED


@pytest.mark.spec("M-8.34")
def test_a_manager_learns_the_votes_of_a_seat_that_is_gone_from_the_contractor() -> None:
    """The vote on its settlement was lost on its way, and then the governor for ever: the contractor holds it."""
    market = market_of("g")
    market.join("g", policy=NO_RULES)
    market.cut.add(("g", "m"))
    market.run(100)
    contract = market.announce("m")
    market.run(900)
    assert market.peers["m"].contract(contract).state is State.SETTLED
    assert market.peers["a"].contract(contract).state is State.FINAL
    market.peers["g"].crash()
    market.run(60_000)
    assert market.peers["m"].contract(contract).state is State.FINAL
