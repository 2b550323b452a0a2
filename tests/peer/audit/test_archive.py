"""Contracts out of records: any order, any mixture, several journals."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from peer.audit.archive import Reader, gather, read_statements, sort_out
from peer.journal import Row
from protocol import limits
from protocol.contract import fold
from protocol.notices import Card
from protocol.statements import EffectClass, Progress, Statement, Veto, VetoScope
from protocol.states import State
from tests.authors import Author, charter_of, permit, veto
from tests.peer.audit.stories import (
    Script,
    declined_twice,
    forked,
    held_by,
    honest_script,
    journal_of,
    rows_of,
    small_market,
    told,
)
from tests.walks import Case, contracts


@pytest.mark.parametrize("effect", list(EffectClass))
def test_managers_journal_tells_what_the_manager_held(effect: EffectClass) -> None:
    """A contract out of a journal reads as it did in the node that wrote it."""
    market = small_market()
    contract = told(market, effect=effect)
    again = gather(journal_of(market, "manager"), market.charter)[contract]
    assert again.reading == held_by(market, "manager", contract).reading
    assert again.reading.state is State.FINAL


def test_merging_journals_joins_what_they_hold() -> None:
    """Two journals together say the same in either order, and no less than each alone."""
    market = small_market()
    contract = told(market, effect=EffectClass.IRREVERSIBLE)
    manager, gov = journal_of(market, "manager"), journal_of(market, "gov")
    one, other = (gather(both, market.charter)[contract] for both in (manager + gov, gov + manager))
    assert one.held.keys() == other.held.keys()
    assert one.reading == other.reading
    for alone in (manager, gov):
        assert gather(alone, market.charter)[contract].held.keys() <= one.held.keys()


def test_journal_read_without_its_key_gives_own_statements_unsealed() -> None:
    """Who may not sign can still read what was said."""
    market = small_market()
    contract = told(market)
    rows = rows_of(market.peers["manager"])
    statements = list(read_statements(rows, market=market.charter.id))
    own = [one for one in statements if one.author == market.peers["manager"].sealer.peer]
    assert own
    assert all(one.seal is None for one in own)
    assert gather(statements, market.charter)[contract].reading.state is State.FINAL


def test_sealed_copy_is_kept_whichever_comes_first() -> None:
    """Merged from a journal with its key and one without, a statement can be shown to others."""
    market = small_market()
    contract = told(market)
    bare = list(read_statements(rows_of(market.peers["manager"]), market=market.charter.id))
    sealed = journal_of(market, "manager")
    for both in (bare + sealed, sealed + bare):
        assert all(one.seal is not None for one in gather(both, market.charter)[contract].held.values())


@given(contracts(), st.randoms(use_true_random=False))
def test_any_mixture_in_any_order_reads_the_same(case: Case, chance: random.Random) -> None:
    """Shuffled and repeated statements fold to the reading of their set."""
    here = [one for one in case.statements if _leads_home(one, case)]
    shuffled = [case.announcement, *case.statements, *case.statements]
    chance.shuffle(shuffled)
    contract = sort_out(shuffled, {case.announcement.body.charter: case.charter}).contracts[case.announcement.id]
    foreign = [one for one in case.statements if one.id in contract.held and one not in here]
    assert contract.reading == fold(case.announcement, [*here, *foreign], case.charter)


def _leads_home(statement: Statement, case: Case) -> bool:
    held = {one.id: one for one in case.statements}
    about = statement.about
    while about is not None and about != case.announcement.id:
        about = held[about].about if about in held else None
    return about is not None


def test_contracts_do_not_mix() -> None:
    """Statements of several tasks in one heap find each their own."""
    script, first, _ = honest_script()
    second = script.announce(b'{"n":2}')
    bid = script.bid(script.ada, second, 5)
    found = gather(reversed(script.statements()), script.charter)
    assert bid.id in found[second.id].held
    assert bid.id not in found[first.id].held
    assert found[first.id].reading.state is State.SETTLED
    assert found[second.id].reading.state is State.OPEN


def test_statement_about_the_unknown_is_a_stray() -> None:
    """What hangs in the air is named, and so is what hangs on it."""
    script, announcement, settlement = honest_script()
    award = next(one for one in script.statements() if one.kind == "accept-proposal/1")
    kept = [one for one in script.statements() if one is not award]
    archive = sort_out(kept, {script.charter.id: script.charter.body})
    assert settlement in archive.strays
    assert len(archive.strays) == 3
    assert archive.contracts[announcement.id].reading.state is State.OPEN


def test_announcement_under_an_unknown_charter_is_a_stray() -> None:
    """Without the charter that it names nobody can say what oversight a task needs."""
    script, announcement, _ = honest_script()
    archive = sort_out(script.statements(), {})
    assert not archive.contracts
    assert announcement in archive.strays


def test_cards_and_standing_permits_are_no_strays() -> None:
    """Some statements are about nothing: they belong to no contract, and nothing is missing."""
    gov = Author("gov")
    script = Script(gov)
    card = Card(name="", skills=(), capacity=1, addresses=(), transport_key=None, certificate=None)
    script.say(script.ada, card)
    given = script.say(gov, permit())
    script.say(gov, veto(), given)
    archive = sort_out(script.statements(), {script.charter.id: script.charter.body})
    assert (archive.strays, archive.contracts) == ((), {})
    assert len(archive.statements) == 3


def test_flood_by_a_stranger_does_not_push_out_chain_and_votes() -> None:
    """A contract has a bound; what decides is taken in first, whatever order it comes in."""
    gov = Author("gov")
    script = Script(gov)
    announcement = script.announce()
    award = script.award(announcement, script.bid(script.ada, announcement, 10))
    stranger = Author("stranger")
    noise = [
        stranger.say(Progress(permille=1, note="", partial=b""), about=award, market=script.charter.id)
        for _ in range(limits.CONTRACT_STATEMENTS_MAX + 10)
    ]
    settlement = script.settle(award, script.ada)
    script.say(gov, permit(), settlement)
    contract = gather([*noise, *script.statements()], script.charter)[announcement.id]
    assert contract.reading.state is State.FINAL


def test_forked_and_declined_stories_are_told_whole() -> None:
    """A fork voids its contract, and three epochs are three epochs."""
    script, announcement, _ = forked()
    assert gather(script.statements(), script.charter)[announcement.id].reading.state is State.VOID
    script, announcement = declined_twice()
    reading = gather(script.statements(), script.charter)[announcement.id].reading
    assert (reading.state, reading.epoch) == (State.SETTLED, 3)


def test_damaged_frame_in_a_journal_is_passed_over() -> None:
    """Bytes that are no bundle give nothing and stop nothing."""
    market = small_market()
    rows = [Row(b"\xc1junk", ()), Row(b"", ()), *rows_of(market.peers["manager"])]
    assert list(read_statements(rows, market=market.charter.id)) == journal_of(market, "manager")


def test_task_veto_reaches_its_contract_through_any_statement() -> None:
    """A vote about an award is the announcement's, two steps up."""
    gov = Author("gov")
    script = Script(gov)
    announcement = script.announce()
    award = script.award(announcement, script.bid(script.ada, announcement, 10))
    vote = script.say(gov, veto(VetoScope.TASK), award)
    contract = gather([vote, award, *script.statements()], script.charter)[announcement.id]
    assert isinstance(contract.votes[0].body, Veto)
    assert contract.reading.state is State.VETOED


def test_charter_version_decides_which_seats_count() -> None:
    """Each contract lives under the version that it names."""
    gov = Author("gov")
    script = Script(gov)
    bare = replace(charter_of(), version=2)
    later = script.say(script.authority, bare, script.charter)
    announcement = script.announce()
    found = gather(script.statements(), script.charter, later)[announcement.id]
    assert found.charter.governors == (gov.seat(),)


def test_reader_signs_nothing() -> None:
    """Who only reads has no key."""
    with pytest.raises(AssertionError, match="signs nothing"):
        Reader().sign(b"")
