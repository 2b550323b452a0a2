"""What `scripts/fuzz` does, for a second; and that it finds what there is to find."""

from __future__ import annotations

import signal
from random import Random

import pytest

from protocol.bundle import open_bundle
from protocol.codec import Malformed, unpack
from protocol.errors import Verdict
from protocol.node import Node
from protocol.topics import TOPIC_LENGTH
from simulations.fuzz import command, run
from simulations.fuzz.forge import Forge
from simulations.fuzz.market import GOVERNOR, FuzzMarket, Stopped
from simulations.fuzz.mutations import DEEP, Packed, bytes_of, mutate_bytes, mutate_tree, tree_of

SHORT = 3_000
SEED = 7


@pytest.fixture(scope="module")
def market() -> FuzzMarket:
    """A market that nothing was thrown at yet."""
    return FuzzMarket(SEED)


@pytest.fixture(scope="module")
def forge(market: FuzzMarket) -> Forge:
    """What is thrown at it."""
    return run.forge_of(market, SEED)


@pytest.fixture(scope="module")
def report() -> run.Report:
    """A short run, and what it came to."""
    return run.run(SEED, SHORT)


def test_thousands_of_inputs_raise_nothing_and_the_market_trades_on(report: run.Report) -> None:
    """Every target is hit, memory is flat, and each round of trade in between is done and ratified."""
    assert report.inputs == SHORT
    assert report.trades >= 10
    assert report.flat
    assert report.slowest_ms < run.INPUT_MS_MAX
    assert {outcome.partition(":")[0] for outcome in report.outcomes} >= {
        "frame to a worker", "frame to a governor", "page", "request", "certificate", "invitation", "join request",
        "lobby", "lobby's answer", "hello", "answer to a hello",
        "record of mDNS", "file of who is where",
    }  # fmt: skip


def test_every_step_of_opening_a_bundle_is_reached(report: run.Report) -> None:
    """Also those behind the signature, and the fold behind them all: else most of a run is wasted on the first."""
    assert report.verdicts["accept"] > SHORT / 10
    reached = "\n".join(report.verdicts)
    for ruling in (
        "not a bundle", "another market", "not a member", "lacks the right", "bad signature", "unknown kind",
        "fields do not fit", "envelope does not fit the bundle", "path does not fit", "seen before", "truncated",
    ):  # fmt: skip
        assert ruling in reached


def test_a_signed_award_about_nothing_ends_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """It once ended every bidder that heard it; with that fault planted again, a run finds it, and says which input."""
    placed = Node._place

    def as_before(node: Node, statement: object, now_ms: int) -> object:
        assert getattr(statement, "about", b"") is not None or type(statement.body).__name__ != "Award"  # type: ignore[attr-defined]
        return placed(node, statement, now_ms)  # type: ignore[arg-type]

    monkeypatch.setattr(Node, "_place", as_before)
    numbers: list[int] = []
    with pytest.raises(AssertionError):
        run.run(SEED, SHORT, at=numbers.append)
    monkeypatch.undo()
    assert run.run(SEED, 1, only=numbers[-1]).inputs == 1


def test_an_input_that_takes_too_long_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time is CPU time: a machine that is busy elsewhere makes no finding."""
    monkeypatch.setattr(run, "INPUT_MS_MAX", 0.0)
    with pytest.raises(run.Slow, match="Input 0 took"):
        run.run(SEED, 10)


def test_a_process_that_ends_without_a_word_is_a_finding() -> None:
    """A hang is ended by the system; a crash of a library looks the same but for the signal."""
    assert "hangs" in command._death(-signal.SIGPROF)
    assert "SIGSEGV" in command._death(-signal.SIGSEGV)
    assert command.replay_line(3, 41, alone=True) == "scripts/fuzz --seed 3 --only 41"
    assert command.replay_line(3, 41, alone=False) == "scripts/fuzz --seed 3 --bundles 42"


def test_a_run_in_a_process_of_its_own_comes_back_with_its_report() -> None:
    """What the command does."""
    found = command.in_a_process(SEED, 50)
    assert isinstance(found, run.Report)
    assert found.inputs == 50
    assert "50 inputs" in command.told(found)


def test_the_same_number_is_the_same_input(forge: Forge) -> None:
    """Whatever was thrown before it, and in another process."""
    other = run.forge_of(FuzzMarket(SEED), SEED)
    for number in (0, 1, 999, 10**6):
        assert forge.frame(forge.chance(number)) == other.frame(other.chance(number))


def test_a_market_that_does_not_trade_is_a_finding() -> None:
    """Nobody governs, so nothing is ratified."""
    market = FuzzMarket(SEED)
    market.trade()
    market.world.crash(market.world.processes[GOVERNOR])
    with pytest.raises(Stopped):
        market.trade()


def test_the_corpus_is_what_honest_peers_say(market: FuzzMarket) -> None:
    """Every frame of it opens without a fault: what is wrong with an input was put there."""
    sealer = next(iter(market.sealers.values()))
    for frame in market.corpus:
        opened = open_bundle(frame[TOPIC_LENGTH:], market=market.world.charter.id, sealer=sealer)
        faults = [ruling for ruling in opened.rulings if ruling.verdict is Verdict.REJECT]
        assert not faults or frame[TOPIC_LENGTH + 1 :].startswith(b"\xb1vendue-exhibits/1")


def test_trees_are_read_to_their_leaves_and_written_as_they_were(market: FuzzMarket) -> None:
    """A statement inside a bundle is part of the tree; nothing but a mutation changes anything."""
    for frame in market.corpus:
        raw = frame[TOPIC_LENGTH:]
        tree = tree_of(raw)
        assert bytes_of(tree) == raw
        if tree[0] == "vendue-bundle/1":
            assert all(isinstance(payload, Packed) for payload in tree[4])


def test_mutations_change_something_and_never_fail(market: FuzzMarket) -> None:
    """Nearly all of them: a swap of two equal things is none."""
    chance = Random(SEED)
    changed = 0
    for _ in range(500):
        raw = chance.choice(market.corpus)[TOPIC_LENGTH:]
        changed += bytes_of(mutate_tree(tree_of(raw), chance, lambda: tree_of(chance.choice(market.corpus)[9:]))) != raw
        changed += mutate_bytes(raw, chance) != raw
    assert changed > 900


def test_what_is_nested_deeper_than_any_reader_goes_is_malformed() -> None:
    """Fixed phrases, and no recursion that ends a process."""
    with pytest.raises(Malformed):
        unpack(b"\x91" * DEEP + b"\xc0", bytes_max=1, items_max=1)
