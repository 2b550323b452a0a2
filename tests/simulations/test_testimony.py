"""The same checkers over journals: rows replayed one by one, from memory or from the files of real processes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from peer.journal import Journal, read_journal
from protocol.codec import decode, encode
from protocol.errors import BadEvidence
from protocol.statements import Award, EffectClass
from protocol.states import State
from simulations.checkers import feeds
from simulations.checkers.base import Broken
from simulations.checkers.promises import PROMISES
from simulations.checkers.watch import Watch
from simulations.testimony import NO_RULES, Recorded
from tests.market import TestMarket, TestPeer, charter_with

Rows = list[tuple[bytes | None, Sequence[bytes]]]


def lived(*, effect: EffectClass = EffectClass.IRREVERSIBLE) -> TestMarket:
    """A market that has settled two tasks, one of them by a second contractor."""
    market = TestMarket(charter_with(("g",)))
    market.join("m")
    market.join("a", shout=10)
    market.join("b", shout=20)
    market.join("g", policy=NO_RULES)
    market.announce("m", effect=effect)
    market.run(2_000)
    market.peers["a"].work = lambda execute: None
    market.announce("m", idempotency_key=b"second", lease_ms=500)
    market.run(500)
    market.peers["a"].crash()
    market.run(20_000)
    market.restart("a")
    market.run(60_000)
    return market


def rows_of(peer: TestPeer) -> Rows:
    """A journal, row by row as `peer.journal` has them: a frame each, and what a turn said."""
    rows: Rows = []
    for received, said in peer.journal.rows:
        rows += [(frame, ()) for frame in received]
        rows += [(None, said)] if said else []
    return rows


def read(market: TestMarket, *, promises: Sequence[type] = PROMISES) -> Watch:
    """Every promise over every journal."""
    watch = Watch(promises)
    journals = [Recorded(name, market.charter, rows_of(peer)) for name, peer in market.peers.items()]
    watch.read(journals)
    for hook in watch.at_rest:
        hook(journals, 0)
    return watch


def test_journals_of_an_honest_market_keep_every_promise() -> None:
    """Row by row, whoever had heard what."""
    market = lived()
    read(market)
    journal = Recorded("m", market.charter, rows_of(market.peers["m"]))
    Watch(()).read([journal])
    states = [contract.reading.state for contract in journal.node.holdings.contracts.values()]
    assert states == [State.FINAL, State.FINAL]


def test_journals_of_real_processes_are_read_as_they_lie_on_the_disk(tmp_path: Path) -> None:
    """The rows come out of the files by `peer.journal`, and go in as they are."""
    market = lived()
    journals = []
    for name, each in market.peers.items():
        (tmp_path / name).mkdir()
        path = tmp_path / name / "journal"
        journal = Journal(path, market=market.charter.id)
        for received, said in each.journal.rows:
            journal.record(received, [decode(payload) for payload in said], durable=False)
        journal.close()
        rows: Rows = []
        read_journal(path, rows.append)
        journals.append(Recorded(name, market.charter, rows))
    watch = Watch(PROMISES)
    watch.read(journals)
    for hook in watch.at_rest:
        hook(journals, 0)
    assert len(journals[0].node.holdings.contracts) == 2


def test_a_journal_that_says_two_things_is_caught() -> None:
    """A second award with the place of the first one."""
    market = lived()
    manager = market.peers["m"]
    award = next(said for said in manager.said() if isinstance(said.body, Award))
    other = encode(
        replace(award.body, price=99), market=award.market, author=award.author, feed=award.feed, seq=award.seq,
        prev=award.prev, made_ms=0, about=award.about,
    )  # fmt: skip
    manager.journal.rows.append(([], [other.payload]))
    with pytest.raises(Broken, match="NoFork"):
        read(market, promises=[feeds.NoFork])


def test_a_journal_that_has_heard_what_nobody_said_is_caught() -> None:
    """A row is missing in the manager's journal, and others have heard what was in it."""
    market = lived()
    manager = market.peers["m"]
    said = [number for number, row in enumerate(manager.journal.rows) if row[1]]
    del manager.journal.rows[said[-1]]
    with pytest.raises(Broken, match="not recorded"):
        read(market, promises=[feeds.RecordedFirst])


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([], "has said nothing"),
        ([(None, (b"\x90",))], "no statement"),
        ([(b"\xc1", ())], "has said nothing"),
    ],
)
def test_rows_that_are_no_journal_are_refused(rows: Rows, why: str) -> None:
    """The error says what is wrong with them."""
    with pytest.raises(BadEvidence, match=why):
        Recorded("m", charter_with(), rows)


def test_a_row_that_is_no_frame_is_refused_when_it_is_reached() -> None:
    """What was said is read at once, what was heard in its turn."""
    market = lived()
    rows = [*rows_of(market.peers["m"]), (b"\xc1", ())]
    with pytest.raises(BadEvidence, match="no frame"):
        Watch(()).read([Recorded("m", market.charter, rows)])


def test_journals_are_not_mixed() -> None:
    """One testimony is of one peer."""
    market = lived()
    with pytest.raises(BadEvidence, match="another peer"):
        Recorded("m", market.charter, rows_of(market.peers["m"]) + rows_of(market.peers["a"]))
