"""Real nodes under faults: whatever is lost, repeated, reordered, cut off or crashed, everybody agrees in the end."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.actions import Execute
from protocol.keys import Digest
from protocol.policy import Policy
from protocol.statements import Acceptance, EffectClass, Failure, FailureClass, Renewal, Result
from protocol.states import State
from tests.market import TestMarket, TestPeer, charter_with

ENDS = {State.SETTLED, State.CANCELLED, State.FINAL, State.VETOED}
FAULTS = ("loss", "repeat", "jitter", "cut", "crash", "restart", "calm", "announce", "amnesia")
NO_RULES = Policy(version=Digest(bytes(32)))
CAPACITY = 2


def play(data: st.DataObject, *, bidders: int, governed: bool) -> TestMarket:
    """A market with faults, all of which end; then enough time for every timer."""
    governors = ("g",) if governed else ()
    market = TestMarket(charter_with(governors), seed=data.draw(st.integers(0, 2**16)))
    market.on_action = lambda actor, action: check_start(market, actor, action)
    names = ["m", *[f"b{number}" for number in range(bidders)], *governors]
    market.join("m")
    for number in range(bidders):
        market.join(f"b{number}", capacity=CAPACITY, shout=10 + number)
    for name in governors:
        market.join(name, policy=NO_RULES)
    effects = list(EffectClass) if governed else [EffectClass.PURE, EffectClass.REVERSIBLE]
    announced = 0
    for _ in range(data.draw(st.integers(2, 10))):
        fault, name = data.draw(st.sampled_from(FAULTS)), data.draw(st.sampled_from(names))
        match fault:
            case "loss":
                market.loss = data.draw(st.sampled_from((0.0, 0.2, 0.6)))
            case "repeat":
                market.repeat = data.draw(st.sampled_from((0.0, 0.5)))
            case "jitter":
                market.latency_ms = data.draw(st.sampled_from(((1, 1), (1, 40), (1, 900))))
            case "cut":
                market.cut.add((name, data.draw(st.sampled_from(names))))
            case "crash":
                market.peers[name].crash()
            case "restart" if not market.peers[name].alive:
                market.restart(name)
            case "amnesia" if name == "m" and announced:
                market.peers[name].crash()
                market.restart(name, lose_journal=True)
            case "announce" if market.peers["m"].alive:
                announced += 1
                worker = market.peers[f"b{data.draw(st.integers(0, bidders - 1))}"]
                worker.work_ms = data.draw(st.sampled_from((10, 700, 3_000)))
                failed = Failure(failure_class=FailureClass.RETRYABLE, reason="", done="")
                done = Result(output=b"1", output_digest=None, usage_ms=1)
                outcome = failed if data.draw(st.booleans()) else done
                worker.work = lambda execute, outcome=outcome: outcome
                effect = data.draw(st.sampled_from(effects))
                market.announce(
                    "m", idempotency_key=b"%d" % announced, effect=effect, lease_ms=1_500, deadline_ms=20_000
                )
        market.run(data.draw(st.sampled_from((5, 300, 2_500))))
    market.latency_ms = (1, 5)
    for name in names:
        if not market.peers[name].alive:
            market.restart(name)
    market.heal()
    market.run(150_000)
    return market


def check(market: TestMarket) -> None:
    """Every promise that a run of honest peers keeps."""
    for each in market.peers.values():
        assert each.alive
        assert not each.convictions, f"{each.name} convicts an honest peer: {each.convictions}"
    check_feeds(market)
    for contract_id in {known for each in market.peers.values() for known in each.node.holdings.contracts}:
        check_end(market, contract_id)
    for each in market.peers.values():
        assert not each.node.contractor.jobs
        assert not each.node.holdings.waiting


def check_end(market: TestMarket, contract_id: Digest) -> None:
    """The parties agree on the end; who was released before it knows that end, or less.

    Parties are the manager, the governors, and the winner of the last award if it is not recalled. A manager that lost
    its journal hears only of what somebody still waits for: a task that it forgot and nobody waits for ends nowhere, or
    as its contractor knows. That is all it may do: what it does hear of, it agrees on like all others.
    """
    held = {name: each.node.holdings.contracts.get(contract_id) for name, each in market.peers.items()}
    readings = {name: contract.reading for name, contract in held.items() if contract is not None}
    told = {name: (reading.state, reading.phase, reading.orphaned) for name, reading in readings.items()}
    assert all(reading.fault is None for reading in readings.values()), told
    furthest = max(readings.values(), key=lambda reading: (reading.epoch, len(reading.steps)))
    winner = furthest.award.body.winner if furthest.award is not None else None
    parties = {
        name: reading
        for name, reading in readings.items()
        if not name.startswith("b") or market.peers[name].sealer.peer == winner
    }
    forgotten = "m" not in parties
    assert not forgotten or market.peers["m"].life > 0, told
    ends = {reading.state for reading in parties.values()}
    assert ends <= ENDS, told
    assert len(ends) == 1 or (forgotten and not ends), told
    most = max((reading.rank for reading in parties.values()), default=furthest.rank)
    assert all(reading.rank <= most for reading in readings.values()), told


def check_feeds(market: TestMarket) -> None:
    """No two statements for one seq, nor for one prev in one contract."""
    for each in market.peers.values():
        seqs, prevs = defaultdict(set), defaultdict(set)
        for statement in each.said():
            seqs[(statement.feed, statement.seq)].add(statement.id)
            if statement.prev is not None:
                prevs[(statement.feed, statement.prev)].add(statement.id)
        assert all(len(ids) == 1 for ids in [*seqs.values(), *prevs.values()])


def check_start(market: TestMarket, actor: TestPeer, action: object) -> None:
    """Whoever starts a task with effects is alone with it, and holds its permits if it needs any."""
    if not isinstance(action, Execute) or action.task.effect is EffectClass.PURE:
        return
    contract_id = Digest(action.award.about or b"")
    contract = actor.node.holdings.contracts[contract_id]
    assert contract.reading.permitted or not contract.gate.permit
    assert contract.reading.go
    for other in market.peers.values():
        for job in other.node.contractor.jobs.values() if other.alive and other is not actor else ():
            at_work = job.started and not job.answered and (job.lease_until or 0) > market.now_ms
            assert not (at_work and job.contract.id == contract_id), f"{other.name} works on it too"


def check_work(market: TestMarket) -> None:
    """One start for each award."""
    for each in market.peers.values():
        awards = [execute.award.id for execute in each.executed]
        assert len(awards) == len(set(awards)), "an award was started twice"


@given(st.data())
def test_manager_and_contractor_agree_on_the_end(data: st.DataObject) -> None:
    """Two peers, any faults that end: every contract ends, and both say how."""
    market = play(data, bidders=1, governed=False)
    check(market)
    check_work(market)


@given(st.data())
def test_three_peers_agree_on_the_end(data: st.DataObject) -> None:
    """A second bidder, and with it later epochs: every contract ends, and its parties say how."""
    market = play(data, bidders=2, governed=False)
    check(market)
    check_work(market)


@given(st.data())
def test_governor_agrees_on_the_end(data: st.DataObject) -> None:
    """With a governor, and tasks that need its permit: it reads the same end as the parties."""
    market = play(data, bidders=2, governed=True)
    check(market)
    check_work(market)


@given(st.data())
def test_accepted_work_never_exceeds_capacity(data: st.DataObject) -> None:
    """Every moment of a run, a peer works on no more than it has places for."""
    market = TestMarket(seed=data.draw(st.integers(0, 2**16)))
    for name in ("m", "n"):
        market.join(name)
    worker = market.join("a", capacity=CAPACITY, shout=10)
    worker.work_ms = 800
    most = 0

    def count(*_: object) -> None:
        nonlocal most
        jobs = worker.node.contractor.jobs.values()
        most = max(most, sum(isinstance(job.last.body, Acceptance | Renewal) for job in jobs if job.last is not None))

    market.on_action = count
    market.latency_ms = data.draw(st.sampled_from(((1, 1), (1, 300))))
    for number in range(data.draw(st.integers(3, 8))):
        market.announce(data.draw(st.sampled_from(("m", "n"))), idempotency_key=b"%d" % number)
        market.run(data.draw(st.sampled_from((0, 200))))
    market.run(30_000)
    assert 0 < most <= CAPACITY


def test_a_governor_that_was_away_learns_how_the_others_voted() -> None:
    """It was down from the start and heard nothing of the other seats: what they said meanwhile is asked for."""
    governors = ("g", "h", "k")
    market = TestMarket(charter_with(governors))
    market.join("m")
    market.join("b0", shout=10)
    for name in governors:
        market.join(name, policy=NO_RULES)
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
    governors = ("g", "h", "k")
    market = TestMarket(charter_with(governors))
    market.join("m")
    market.join("b0", shout=10)
    for name in governors:
        market.join(name, policy=NO_RULES)
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
    governors = ("g", "h", "k")
    market = TestMarket(charter_with(governors))
    market.join("m")
    market.join("b0", shout=10)
    for name in governors:
        market.join(name, policy=NO_RULES)
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
