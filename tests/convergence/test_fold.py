"""The promise of the project: the same set of statements reads the same everywhere, and more never takes back."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.contract import Contract, fold
from protocol.statements import AnyStatement
from protocol.states import Reading, State
from tests.convergence.oracle import Expected, Oracle
from tests.walks import Case, contracts, honest_contracts

settings.register_profile("thorough", settings.default, max_examples=settings.default.max_examples * 4)
THOROUGH = settings.get_profile("thorough")
CHANCE = st.randoms(use_true_random=False)


def shuffled(case: Case, chance: random.Random) -> list[AnyStatement]:
    """The statements of a case, as somebody may hear them."""
    said = list(case.statements)
    chance.shuffle(said)
    return said


def expected_of(reading: Reading) -> Expected:
    """A reading in the oracle's terms."""
    fault = reading.fault if reading.fault in (None, "forked chain") else "illegal step"
    return Expected(**{**msgspec.structs.asdict(reading), "fault": fault})


@pytest.mark.spec("M-6.1")
@THOROUGH
@given(contracts(), CHANCE)
def test_any_order_reads_the_same(case: Case, chance: random.Random) -> None:
    """Two peers that hold the same set say the same, whatever order they heard it in."""
    assert fold(case.announcement, case.statements, case.charter) == fold(
        case.announcement, shuffled(case, chance), case.charter
    )


@pytest.mark.spec("M-6.1")
@THOROUGH
@given(contracts(), CHANCE)
def test_reading_in_between_and_hearing_twice_change_nothing(case: Case, chance: random.Random) -> None:
    """A contract that is asked after some statements, and hears some again, ends where the others end."""
    contract = Contract(case.announcement, case.charter)
    heard = list(case.statements) + chance.sample(case.statements, len(case.statements) // 2)
    chance.shuffle(heard)
    for statement in heard:
        known = statement.id in contract.held
        assert contract.learn(statement) is not known
        if chance.random() < 0.5:
            assert contract.reading is contract.reading
    assert contract.reading == fold(case.announcement, case.statements, case.charter)


@pytest.mark.spec("M-6.1")
@THOROUGH
@given(contracts(), CHANCE, st.integers(2, 4))
def test_peers_that_show_each_other_their_parts_agree(case: Case, chance: random.Random, peers: int) -> None:
    """However the set is spread over peers, and in whatever order they merge, all read the same in the end."""
    parts = [Contract(case.announcement, case.charter) for _ in range(peers)]
    for statement in case.statements:
        chance.choice(parts).learn(statement)
    meetings = [(here, there) for here in parts for there in parts if here is not there] * peers
    chance.shuffle(meetings)
    for here, there in [*meetings, *((parts[0], other) for other in parts), *((other, parts[0]) for other in parts)]:
        for statement in list(there.held.values()):
            here.learn(statement)
        assert here.reading.steps[0] == case.announcement
    together = fold(case.announcement, case.statements, case.charter)
    assert all(part.reading == together for part in parts)


@pytest.mark.spec("M-6.14")
@THOROUGH
@given(contracts(), CHANCE)
def test_learning_more_never_takes_anything_back(case: Case, chance: random.Random) -> None:
    """Law 4: along every order of every set, the rank of the reading never goes down."""
    contract = Contract(case.announcement, case.charter)
    rank = contract.reading.rank
    for statement in shuffled(case, chance):
        contract.learn(statement)
        assert contract.reading.rank >= rank, statement
        rank = contract.reading.rank


@pytest.mark.spec("M-6.14")
@THOROUGH
@given(contracts(), CHANCE)
def test_ends_only_move_up(case: Case, chance: random.Random) -> None:
    """Law 4 in words, not in the core's own numbers: which state may follow which."""
    higher = {"void", "final", "vetoed"}
    ended = {"cancelled", "settled"} | higher
    after = {
        "open": {"open", "awarded", "orphaned"} | ended, "awarded": {"open", "awarded", "orphaned"} | ended,
        "orphaned": {"orphaned"} | ended, "cancelled": {"cancelled"} | higher, "settled": {"settled"} | higher,
        "void": higher, "final": {"final", "vetoed"}, "vetoed": {"vetoed"},
    }  # fmt: skip
    contract = Contract(case.announcement, case.charter)
    was = "open"
    for statement in shuffled(case, chance):
        contract.learn(statement)
        reading = contract.reading
        orphaned = reading.orphaned and reading.state is State.CANCELLED
        now = "orphaned" if orphaned else reading.state.value
        assert now in after[was]
        was = now


@pytest.mark.spec("M-6.2", "M-6.9", "M-7.6")
@settings(THOROUGH, max_examples=THOROUGH.max_examples * 2)
@given(contracts(), CHANCE, st.floats(0, 1))
def test_the_fold_agrees_with_a_dumb_one(case: Case, chance: random.Random, share: float) -> None:
    """A fold that writes out every line and judges it from its beginning reads the same, from any part of a set."""
    known = shuffled(case, chance)[: round(len(case.statements) * share)] if chance.random() < 0.5 else case.statements
    reading = fold(case.announcement, known, case.charter)
    assert expected_of(reading) == Oracle(case.announcement, known, case.charter).read()


@pytest.mark.spec("M-6.4")
@given(honest_contracts())
def test_honest_walks_are_never_void(case: Case) -> None:
    """Following the rules is never read as a fault, and nothing is missing from a whole set."""
    reading = fold(case.announcement, case.statements, case.charter)
    assert reading.fault is None
    assert not reading.missing
