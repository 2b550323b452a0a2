"""Real nodes under faults: whatever is lost, repeated, reordered, cut off or crashed, everybody agrees in the end."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from protocol.actions import Execute
from protocol.contract import State
from protocol.keys import Digest
from protocol.policy import Policy
from protocol.statements import Acceptance, EffectClass, Failure, FailureClass, Renewal, Result
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
    contracts = {known for each in market.peers.values() for known in each.node.holdings.contracts}
    for contract_id in contracts:
        readings = {}
        for name, each in market.peers.items():
            contract = each.node.holdings.contracts.get(contract_id)
            if contract is not None:
                readings[name] = contract.reading
                assert contract.reading.fault is None
        # Who was released from an early epoch knows that epoch's end, and need not know the task's.
        past = {
            name
            for name, reading in readings.items()
            if name.startswith("b") and not market.peers[name].node.contractor.jobs and reading.state not in ENDS
        }
        ends = {reading.state for name, reading in readings.items() if name not in past}
        # A manager that lost its journal learns only of what somebody still waits for.
        # If its word of that is lost too, nobody waits for anything any more: the contractor keeps the settlement, which
        # stands against the manager (law 4), and the first of the two to be shown the other's statements agrees.
        forgotten = market.peers["m"].life > 0 and ("m" not in readings or readings["m"].orphaned)
        ends -= {State.CANCELLED} if forgotten else set()
        assert len(ends) == 1 or (forgotten and not ends), {
            name: (reading.state, reading.phase) for name, reading in readings.items()
        }
        assert ends <= ENDS
    for each in market.peers.values():
        assert not each.node.contractor.jobs
        assert not each.node.holdings.waiting


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
