"""What a user wants to look at is a note in its own journal, and nobody else's."""

from __future__ import annotations

from protocol.keys import Digest
from protocol.topics import TOPIC_LENGTH
from protocol.wishes import note_of, wish_in
from tests.market import TestMarket


def test_a_note_is_read_as_what_it_was_written_about() -> None:
    """Whatever is no note is none."""
    contract = Digest(bytes(range(32)))
    assert wish_in(note_of(contract)) == contract
    assert wish_in(note_of(contract)[:-1]) is None
    assert wish_in(b"") is None


def test_a_note_on_the_wire_is_malformed_and_not_recorded() -> None:
    """A stranger cannot make a manager wait for its user."""
    market = TestMarket()
    peer = market.join("m")
    note = note_of(Digest(bytes(32)))
    peer.run(frames=[bytes(TOPIC_LENGTH) + note])
    market.run(1_000)
    assert all(note not in received for received, _ in peer.journal.rows)
    assert any(verdict.startswith("reject") for verdict in peer.turn.verdicts)
