"""Constitutions: which quorums are sound, which oversight a task needs, where a market's id comes from."""

from __future__ import annotations

import re
from itertools import product

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.charter import EFFECT_ORDER, Gate, fault_of_charter, gate_of, has_seat, market_of, standing_covers
from protocol.notices import Charter, Oversight
from protocol.statements import NO_MARKET, EffectClass, Standing
from tests.authors import QUORUMS, Author, charter_of, permit, task

PURE, REVERSIBLE, IRREVERSIBLE = EffectClass.PURE, EffectClass.REVERSIBLE, EffectClass.IRREVERSIBLE
GOVERNORS = [Author(f"governor {number}") for number in range(5)]


def quorum(governors: int, liars: int, permits: int, vetoes: int) -> Charter:
    """A charter with these numbers, sound or not."""
    return msgspec.structs.replace(
        charter_of(), governors=tuple(one.seat() for one in GOVERNORS[:governors]), liars_max=liars,
        permits_needed=permits, vetoes_needed=vetoes,
    )  # fmt: skip


def sound(governors: int, liars: int, permits: int, vetoes: int) -> bool:
    """Try every way in which honest governors may vote, while liars vote for everything, or for nothing.

    An honest governor permits one of two settlements, vetoes, or is silent. Sound is a charter under which that never
    gives a permit and a veto quorum, or two permit quorums, and under which the honest can always do both alone.
    """
    honest = governors - liars
    if honest < permits or honest < vetoes:
        return False
    for votes in product(("this", "other", "veto", "silence"), repeat=honest):
        this, other, veto = (votes.count(vote) + liars for vote in ("this", "other", "veto"))
        if (this >= permits and veto >= vetoes) or (this >= permits and other >= permits):
            return False
    return True


@pytest.mark.spec("M-7.2")
@pytest.mark.parametrize("governors", range(1, 6))
def test_quorum_inequalities_are_exactly_what_is_sound(governors: int) -> None:
    """For every n, f, p and v the inequalities agree with trying all votes."""
    numbers = range(governors + 2)
    for liars, permits, vetoes in product(numbers, numbers, numbers):
        passes = fault_of_charter(quorum(governors, liars, permits, vetoes)) is None
        assert passes == sound(governors, liars, permits, vetoes), (governors, liars, permits, vetoes)


@pytest.mark.parametrize("governors", QUORUMS)
def test_usual_governments_are_sound(governors: int) -> None:
    """None, one, three, and four with a liar among them: the examples of the design."""
    assert fault_of_charter(charter_of(*GOVERNORS[:governors])) is None


@pytest.mark.spec("M-7.2")
@pytest.mark.parametrize(
    ("numbers", "fault"),
    [
        ((0, 0, 1, 0), "without governors"),
        ((0, 1, 0, 0), "without governors"),
        ((3, 0, 2, 1), r"p \+ v = 3 must exceed n \+ f = 3"),
        ((4, 0, 2, 4), "2p = 4 must exceed"),
        ((4, 1, 4, 3), "p and v must not exceed n - f = 3"),
        ((4, 1, 3, 4), "p and v must not exceed n - f = 3"),
    ],
)
def test_unsound_quorum_is_told_apart(numbers: tuple[int, int, int, int], fault: str) -> None:
    """Which inequality is broken, and what could happen."""
    said = fault_of_charter(quorum(*numbers))
    assert said is not None
    assert re.search(fault, said)


@pytest.mark.spec("M-7.2")
def test_two_seats_for_one_governor_are_refused() -> None:
    """Two feeds of one key are one governor."""
    again = Author("governor 0", feed=2).seat()
    seats = (*(one.seat() for one in GOVERNORS[:2]), again)
    charter = msgspec.structs.replace(quorum(3, 0, 2, 2), governors=seats)
    assert fault_of_charter(charter) == "a governor has two seats"


@pytest.mark.spec("M-7.3")
@pytest.mark.parametrize("governors", [0, 1])
@pytest.mark.parametrize("effect", EffectClass)
def test_gate_of_each_effect_class(effect: EffectClass, governors: int) -> None:
    """The table of gates, row by row, without and with a governor."""
    governed = bool(governors)
    expected = {
        PURE: Gate(go=False, permit=False, final=False, refused=False),
        REVERSIBLE: Gate(go=True, permit=False, final=governed, refused=False),
        IRREVERSIBLE: Gate(go=True, permit=governed, final=governed, refused=not governed),
    }
    assert gate_of(task(effect=effect), charter_of(*GOVERNORS[:governors])) == expected[effect]


@pytest.mark.spec("M-7.4")
@pytest.mark.parametrize(
    ("skill", "price_min", "permit"),
    [("sum", 100, True), ("sum", 101, False), ("add", 0, False), ("", 100, True), ("", 101, False)],
)
def test_oversight_rule_names_skill_and_price(skill: str, price_min: int, permit: bool) -> None:
    """A reversible task needs a permit from the rule's price on, for its skill or any."""
    charter = charter_of(GOVERNORS[0], oversight=(Oversight(skill=skill, price_min=price_min),))
    assert gate_of(task(effect=REVERSIBLE, budget=100), charter).permit is permit
    assert not gate_of(task(effect=PURE, budget=100), charter).permit
    ungoverned = charter_of(oversight=charter.oversight)
    assert not gate_of(task(effect=REVERSIBLE, budget=100), ungoverned).permit


def test_effects_are_ordered() -> None:
    """A child may do less to the world than its parent, not more."""
    assert sorted(EffectClass, key=EFFECT_ORDER.__getitem__) == [PURE, REVERSIBLE, IRREVERSIBLE]


@pytest.mark.spec("M-7.1")
def test_market_id_is_the_first_version() -> None:
    """Only version 1, about nothing and in no market, makes a market."""
    authority = Author("authority")
    first = authority.say(charter_of(), market=NO_MARKET)
    assert market_of(first) == first.id
    second = msgspec.structs.replace(charter_of(), version=2)
    for other in (
        authority.say(second, market=NO_MARKET), authority.say(charter_of()),
        authority.say(charter_of(), market=NO_MARKET, about=first),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="first version"):
            market_of(other)


@pytest.mark.spec("M-7.5")
def test_a_seat_is_a_key_and_a_feed() -> None:
    """A governor that lost its journal, or somebody else in its feed, has no seat."""
    governor = GOVERNORS[0]
    charter = charter_of(governor)
    assert has_seat(charter, governor.say(permit()))
    assert not has_seat(charter, Author("governor 0", feed=2).say(permit()))
    thief = Author("thief")
    thief.feed = governor.feed
    assert not has_seat(charter, thief.say(permit()))


@pytest.mark.spec("M-7.12")
@given(st.integers(0, 60), st.integers(1, 4), st.sampled_from(("sum", "add")), st.sampled_from(("ada", "bo")))
def test_standing_permit_covers_what_it_names(price: int, number: int, skill: str, manager: str) -> None:
    """One manager, one skill, a highest price and so many uses: all must fit."""
    standing = Standing(manager=Author("ada").peer, skill="sum", price_max=50, uses=3)
    covered = standing_covers(standing, Author(manager).peer, task(skill=skill), price, number)
    assert covered == (price <= 50 and number <= 3 and skill == "sum" and manager == "ada")
