"""What every statement owes: numbers without gaps, the right predecessor, no clock in any rule, a sound signature."""

from __future__ import annotations

import msgpack
import pytest

from protocol import limits
from protocol.bundle import open_bundle, open_evidence, seal
from protocol.contract import fold
from protocol.errors import Verdict
from protocol.feed import Feed
from protocol.keys import verify
from protocol.notices import Card
from protocol.statements import AnyStatement, Bid
from protocol.turn import EXHIBITS_TAG
from tests.authors import MARKET, Author, award_of, sealer_of
from tests.market import TestMarket
from tests.vectors.telling import SETTLE, Telling
from tests.walks import ACCEPT, RESULT

ORDER = 2**252 + 27742317777372353535851937790883648493
BID = Bid(price=1, duration_ms=1)
CARD = Card(name="", skills=(), capacity=1, addresses=(), transport_key=None, certificate=None)


def feed_of(feed_id: bytes = b"feed one") -> Feed:
    """A feed of ada's in which nothing is said yet."""
    return Feed(market=MARKET, author=sealer_of("ada").peer, feed_id=feed_id)


@pytest.mark.spec("M-2.7")
def test_a_feed_counts_from_one_without_gaps() -> None:
    """Whatever is said in whatever contract, the numbers go on by one; another feed begins anew."""
    feed, tasks = feed_of(), [Author("manager").say(ACCEPT).id for _ in range(3)]
    said = [feed.say(BID, about=task, contract=task, now_ms=5) for task in tasks]
    said.append(feed.say(CARD, about=None, contract=None, now_ms=6))
    assert [one.seq for one in said] == [1, 2, 3, 4]
    assert {one.feed for one in said} == {b"feed one"}
    assert feed_of(b"feed two").say(BID, about=tasks[0], contract=tasks[0], now_ms=0).seq == 1


@pytest.mark.spec("M-2.7", "M-2.8")
def test_a_replayed_feed_goes_on_where_it_stopped() -> None:
    """After a replay the next statement has the next number, and the last one in its contract as predecessor."""
    feed, again, task = feed_of(), feed_of(), Author("manager").say(ACCEPT).id
    for body in (BID, ACCEPT):
        again.remember(feed.say(body, about=task, contract=task, now_ms=0), task)
    following = [each.say(RESULT, about=task, contract=task, now_ms=0) for each in (feed, again)]
    assert following[0].id == following[1].id


@pytest.mark.spec("M-2.8")
def test_prev_is_the_authors_last_word_in_the_same_contract() -> None:
    """Two contracts in turn, a card in between: each has its own line, the card has none."""
    feed = feed_of()
    here, there = (Author(name).say(ACCEPT).id for name in ("manager", "other"))
    first = feed.say(BID, about=here, contract=here, now_ms=0)
    other = feed.say(BID, about=there, contract=there, now_ms=0)
    card = feed.say(CARD, about=None, contract=None, now_ms=0)
    second = feed.say(ACCEPT, about=here, contract=here, now_ms=0)
    assert [one.prev for one in (first, other, card, second)] == [None, None, None, first.id]


def told_by(clock_ms: int) -> tuple[object, ...]:
    """A settled contract by clocks that run on (or back) so much with every statement; ids aside, its reading."""
    told = Telling(clock_ms=clock_ms)
    award = told.step(award_of(told.bid(told.ada), told.bid(told.bo, 12)))
    told.add(told.ada, ACCEPT, award)
    told.step(SETTLE, told.add(told.ada, RESULT, award))
    reading = fold(told.announcement, told.statements, told.charter.body)
    return reading.state, reading.phase, reading.epoch, reading.fault, reading.rank, len(reading.steps)


@pytest.mark.spec("M-2.9")
def test_wall_clocks_change_nothing() -> None:
    """Clocks that stand still, run on, or run backwards: the same reading."""
    assert told_by(0) == told_by(1_000) == told_by(-1_000_000)


@pytest.mark.spec("M-3.2")
def test_a_signature_has_one_form() -> None:
    """S plus the group's order would satisfy a careless equation; it does not verify."""
    ada = sealer_of("ada")
    signature = ada.sign(b"message")
    assert verify(ada.peer, b"message", signature)
    larger = int.from_bytes(signature[32:], "little") + ORDER
    assert not verify(ada.peer, b"message", signature[:32] + larger.to_bytes(32, "little"))


@pytest.mark.spec("M-4.9")
def test_the_door_keeps_no_evidence_out() -> None:
    """Who is revoked is not heard any more; what it said before can be shown."""

    def shut(author: bytes, statement: AnyStatement | None) -> str | None:
        return "revoked"

    ada = Author("ada")
    frame = seal([ada.say(BID, about=bytes(32))], ada.sealer)
    refused = open_bundle(frame, market=MARKET, sealer=ada.sealer, door=shut)
    assert not refused.statements
    assert [ruling.verdict for ruling in refused.rulings] == [Verdict.IGNORE]
    (before,) = open_bundle(frame, market=MARKET, sealer=ada.sealer).statements
    assert open_evidence(before.seal.evidence(), market=MARKET, sealer=ada.sealer).statements == [before]


@pytest.mark.spec("M-4.12", "M-9.1")
def test_exhibits_are_one_to_sixty_four_pieces() -> None:
    """A frame of exhibits yields what its pieces prove; one piece too many, and none is looked at."""
    market = TestMarket()
    listener, ada = market.join("listener"), Author("ada")
    said = [ada.say(BID, about=bytes(32), market=market.charter.id) for _ in range(limits.EVIDENCE_FRAME_MAX + 1)]
    frame = seal(said, ada.sealer)
    opened = open_bundle(frame, market=market.charter.id, sealer=ada.sealer).statements
    pieces = [one.seal.evidence() for one in opened]
    topic = b"p" + bytes(8)
    listener.run(frames=[topic + msgpack.packb((EXHIBITS_TAG, pieces))])
    assert listener.turn.verdicts["accept"] == 0
    assert listener.turn.verdicts["reject (connection): too long"] == 1
    listener.run(frames=[topic + msgpack.packb((EXHIBITS_TAG, pieces[1:]))])
    assert listener.turn.verdicts["accept"] == limits.EVIDENCE_FRAME_MAX
    listener.run(frames=[topic + msgpack.packb((EXHIBITS_TAG, [1]))])
    assert listener.turn.verdicts["reject (connection): not exhibits"] == 1
