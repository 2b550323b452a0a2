"""The door of a market of nodes: who comes in, with what, and that nobody comes in by another's mouth."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from protocol.certificate import Right
from protocol.events import Heard
from protocol.statements import AnyStatement, Award, Bid, Refusal, Settlement
from protocol.states import State
from tests.market import TestPeer, sealer_of
from tests.protocol.locked import WALL_MS, Locked, after, revoking
from tests.protocol.overheard import PERMISSIVE


def market_of(*names: str, strangers: tuple[str, ...] = ()) -> Locked:
    """A manager m, workers for all others, and strangers who are there and have no certificate."""
    market = Locked()
    market.certify(*names)
    for name in (*names, *strangers):
        market.join(name, **({} if name == "m" else {"shout": 10}))
    return market


@pytest.mark.spec("M-10.8")
def test_a_stranger_is_not_heard() -> None:
    """No card, no bid, no announcement; and nobody is blamed for it."""
    market = market_of("m", "a", strangers=("s",))
    task = market.announce("m")
    market.announce("s")
    market.run(5_000)
    assert market.of(Bid, by="s")
    award = market.peers["m"].contract(task).award
    assert award is not None
    assert award.body.considered == tuple(said.statement.id for said in market.of(Bid, by="a")[:1])
    assert sealer_of("s").peer not in market.peers["m"].node.directory.cards
    assert len(market.of(Award)) == len(market.of(Award, by="m"))
    assert market.verdicts("m")["ignore (nobody): not a member"] > 0


@pytest.mark.spec("M-10.9")
def test_what_was_refused_is_heard_when_its_author_is_let_in() -> None:
    """It was not taken for seen: the same words, said again, count."""
    market = market_of("m", "a", strangers=("s",))
    card = market.peers["s"].node.card
    assert card is not None
    market.certify("s")
    market.peers["m"].node.directory.arrive(market.peers["s"].sealer.peer)
    assert card.id not in market.peers["m"].node.holdings.seen
    market.greet(market.peers["s"])
    task = market.announce("m", bid_window_ms=200)
    market.run(5_000)
    award = market.peers["m"].contract(task).award
    assert award is not None
    assert len(award.body.considered) == 2


@pytest.mark.spec("M-10.8")
@pytest.mark.parametrize(
    ("rights", "bids", "announces"), [((Right.BID,), True, False), ((Right.ANNOUNCE,), False, True), ((), False, False)]
)
def test_a_member_does_what_it_has_the_right_to(rights: tuple[Right, ...], bids: bool, announces: bool) -> None:
    """A worker bids, a caller announces, and either is there with its card."""
    market = Locked()
    market.certify("m", "a")
    market.certify("b", rights=rights)
    for name, offer in (("m", {}), ("a", {"shout": 10}), ("b", {"shout": 5})):
        market.join(name, **offer)
    theirs, ours = market.announce("b"), market.announce("m")
    market.run(5_000)
    winner = market.peers["m"].contract(ours).award
    assert winner is not None
    assert (winner.body.winner == sealer_of("b").peer) is bids
    assert (market.peers["b"].contract(theirs).state is State.SETTLED) is announces
    assert sealer_of("b").peer in market.peers["m"].node.directory.cards


@pytest.mark.spec("M-10.3")
def test_who_has_expired_is_not_heard_any_more() -> None:
    """From the instant at which the door's clock says so, whatever was begun before."""
    market = Locked()
    market.certify("m")
    market.certify("a", until_ms=WALL_MS + 1_000)
    market.join("m")
    market.join("a", shout=10)
    first = market.announce("m", idempotency_key=b"1")
    market.run(5_000)
    assert market.peers["m"].contract(first).state is State.SETTLED
    gone = market.memberships["m"].pass_time(WALL_MS + 1_000)
    assert [member.peer for member in gone] == [sealer_of("a").peer]
    second = market.announce("m", idempotency_key=b"2", deadline_ms=5_000)
    market.run(6_000)
    assert market.peers["m"].contract(second).state is State.CANCELLED


@pytest.mark.spec("M-10.10")
def test_what_is_in_a_journal_stands_whoever_is_out() -> None:
    """A restart after a revocation, or behind an expiry, gives the same contracts back."""
    market = market_of("m", "a")
    task = market.announce("m")
    market.run(5_000)
    before = market.peers["m"].contract(task)
    market.tell(revoking(market.charter, market.peers["a"], 0), "m")
    market.certificates.clear()
    market.restart("m")
    assert market.memberships["m"].is_revoked(sealer_of("a").peer)
    assert market.peers["m"].contract(task).state is before.state is State.SETTLED


@dataclass
class Plot:
    """A revoked member, the accomplice that is still one, and their victims: a worker and a governor."""

    market: Locked
    outcast: TestPeer
    last_seq: int

    def smuggle(self, to: str, statement: AnyStatement) -> bool:
        """Bring the outcast's words to a victim; whether they were let in."""
        self.market.smuggle(to, statement, author=self.outcast)
        return statement.id in self.market.peers[to].node.holdings.seen


def plot(*, stranger: bool = False) -> Plot:
    """The outcast was revoked, or never let in; it has said a card, and goes on to speak."""
    market = Locked()
    market.certify("m", "a", "g", *(() if stranger else ("outcast",)))
    market.join("g", policy=PERMISSIVE)
    market.join("m")
    market.join("a", shout=10)
    outcast = market.join("outcast", shout=1)
    market.run(100)
    last_seq = outcast.node.feed.seq
    if not stranger:
        market.tell(revoking(market.charter, outcast, last_seq), "m")
        market.run(100)
    return Plot(market, outcast, last_seq)


@pytest.mark.spec("M-10.11")
@pytest.mark.parametrize("stranger", [False, True], ids=["revoked", "stranger"])
@pytest.mark.parametrize("victim", ["a", "g", "m"])
def test_nobody_begins_anything_by_another_s_mouth(victim: str, stranger: bool) -> None:
    """New announcements, cards, bids and refusals of an outsider are not taken as evidence that nobody asked for."""
    scheme = plot(stranger=stranger)
    market, feed = scheme.market, scheme.outcast.node.feed
    ours = market.announce("m", bid_window_ms=50_000)
    market.run(100)
    bodies = (
        (market.task(idempotency_key=b"smuggled"), None),
        (scheme.outcast.node.card.body, None),  # type: ignore[union-attr]
        (Bid(price=1, duration_ms=1), ours),
        (Refusal(reason=""), ours),
    )  # fmt: skip
    for body, about in bodies:
        said = feed.say(body, about=about, contract=about, now_ms=market.now_ms)
        assert not scheme.smuggle(victim, said), body
    bidders = {bid.author for bid in market.peers["m"].node.holdings.contracts[ours].bids}
    assert bidders == {sealer_of("a").peer}
    assert not [said for said in market.of(Bid, by="a") if said.statement.about != ours]


@pytest.mark.spec("M-10.14", "M-4.9")
def test_what_was_said_before_a_revocation_stands() -> None:
    """Up to the seq that the revocation names, in that feed and in no other."""
    scheme = plot()
    card = scheme.outcast.node.card
    assert card is not None
    assert card.seq <= scheme.last_seq
    newcomer = scheme.market.join("late")
    scheme.market.certify("late")
    scheme.market.run(100)
    assert newcomer.node.holdings.charters.newest.body.version == 2
    assert scheme.smuggle("late", card)


@pytest.mark.spec("M-10.11", "M-9.3")
def test_what_an_award_lists_is_taken_from_whoever_said_it() -> None:
    """A governor computes an award again from all of its bids, and what it asked for comes in as evidence."""
    scheme = plot()
    market, outcast = scheme.market, scheme.outcast
    manager, governor = market.peers["m"], market.peers["g"]
    ours = market.announce("m", bid_window_ms=50_000)
    market.run(100)
    late = outcast.node.feed.say(Bid(price=1, duration_ms=1), about=ours, contract=ours, now_ms=0)
    (fair,) = manager.node.holdings.contracts[ours].bids
    award = Award(epoch=1, winner=fair.author, bid=fair.id, price=10, considered=(fair.id, late.id), standing=None)
    assert not scheme.smuggle("g", late)
    step = manager.node.feed.say(award, about=ours, contract=ours, now_ms=0)
    governor.run(events=[Heard(step)])
    assert scheme.smuggle("g", late)
    assert late.id in governor.node.holdings.contracts[ours].held


@pytest.mark.spec("M-10.11")
def test_a_governor_fills_its_gaps_with_what_an_outsider_said() -> None:
    """What is missing in a feed that it follows it has asked for."""
    scheme = plot()
    feed, ours = scheme.outcast.node.feed, scheme.market.announce("m", bid_window_ms=50_000)
    missing = feed.say(scheme.market.task(idempotency_key=b"x"), about=None, contract=None, now_ms=0)
    assert not scheme.smuggle("g", missing)
    ahead = feed.say(Settlement(), about=ours, contract=ours, now_ms=0)
    scheme.market.smuggle("g", ahead, author=scheme.outcast)
    assert scheme.smuggle("g", missing)
    assert not [said for said in scheme.market.of(Bid, by="a") if said.statement.about != ours]


@pytest.mark.spec("M-10.11")
def test_our_own_words_are_ours_whoever_shows_them() -> None:
    """A peer that lost its journal is shown its announcements, whatever the door says of itself."""
    market = market_of("m", "a")
    announcement = market.announce("m")
    old = market.peers["m"].node.holdings.contracts[announcement].announcement
    manager = market.restart("m", lose_journal=True)
    market.certificates.clear()
    market.memberships["m"].learn_charter(revoking(market.charter, manager, 0))
    market.smuggle("m", old, author=manager)
    assert announcement in manager.node.holdings.contracts


def test_the_door_opens_with_the_next_charter() -> None:
    """A member whose revocation is taken back is heard again."""
    market = market_of("m", "a")
    out = revoking(market.charter, market.peers["a"], 0)
    market.tell(out, "m")
    market.run(100)
    assert market.memberships["m"].member(sealer_of("a").peer) is None
    market.tell(after(out, revocations=()), "m")
    assert market.memberships["m"].member(sealer_of("a").peer) is not None
