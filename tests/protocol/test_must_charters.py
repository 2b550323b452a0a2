"""Versions of the charter in a market of nodes: the newest wins everywhere, and contracts live under their own."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import limits
from protocol.actions import Convict, Say
from protocol.charter import fault_of_version, next_version
from protocol.charters import Charters
from protocol.codec import encode
from protocol.events import Announce, Heard, Present
from protocol.feed import Feed
from protocol.node import Node
from protocol.notices import Admission, Card, Charter, Seat
from protocol.statements import Bid, EffectClass, Permit, Refusal, Settlement, Statement
from protocol.states import State
from protocol.topics import governance_topic, peer_topic
from tests.market import AUTHORITY, TestMarket, charter_with, feed_id_of, sealer_of, task_for
from tests.protocol.locked import Locked, after, revoking, sealed
from tests.protocol.overheard import PERMISSIVE, Overheard, two

FIRST = sealed(charter_with())
CARD = Card(name="m", skills=(), capacity=0, addresses=(), transport_key=None, certificate=None)
SECOND, THIRD = after(FIRST, name="second"), after(after(FIRST, name="second"), name="third")


def fork_of(charter: Statement[Charter]) -> Statement[Charter]:
    """Another version with the same number."""
    return after(FIRST if charter.body.version == 2 else SECOND, name="fork")


def holding(market: TestMarket, name: str) -> Charters:
    """The versions that a peer holds."""
    return market.peers[name].node.holdings.charters


@pytest.mark.spec("M-10.12")
@given(st.permutations([FIRST, SECOND, THIRD, FIRST, THIRD]))
def test_the_newest_charter_counts_in_whatever_order(order: list[Statement[Charter]]) -> None:
    """Older ones after newer ones, and repeats, change nothing."""
    charters = Charters(FIRST)
    for at, charter in enumerate(order):
        charters.learn(charter)
        assert charters.newest.body.version == max(one.body.version for one in (*order[: at + 1], FIRST))
    assert set(charters) == {FIRST.id, SECOND.id, THIRD.id}


def badly(**envelope: object) -> Statement[Charter]:
    """The second version in a wrong envelope."""
    fields: dict[str, object] = {
        "market": FIRST.id, "author": AUTHORITY.peer, "feed": FIRST.feed, "seq": 2, "prev": None, "made_ms": 0,
        "about": FIRST.id,
    }  # fmt: skip
    return encode(SECOND.body, **(fields | envelope))  # type: ignore[arg-type]


@pytest.mark.spec("M-10.12")
@pytest.mark.parametrize(
    ("envelope", "fault"),
    [
        ({"author": sealer_of("thief").peer}, "only the authority says charters"),
        ({"market": SECOND.id}, "another market's"),
        ({"market": bytes(32)}, "another market's"),
        ({"feed": bytes(8)}, "its place in the authority's one feed"),
        ({"seq": 3}, "its place in the authority's one feed"),
        ({"about": None}, "about the version before"),
    ],
)
def test_what_is_no_version_of_the_charter_is_not_taken(envelope: dict[str, object], fault: str) -> None:
    """Whoever knows one version can tell, whichever it is."""
    for known in (FIRST, THIRD):
        assert fault in str(fault_of_version(badly(**envelope), known))
    charters = Charters(FIRST)
    assert not charters.learn(badly(**envelope))
    assert charters.newest is FIRST
    assert fault_of_version(badly(), THIRD) is None


@pytest.mark.spec("M-10.12")
def test_an_unsound_charter_is_not_taken() -> None:
    """Each version must satisfy the quorum inequalities, and is not made otherwise."""
    unsound = encode(
        msgspec.structs.replace(SECOND.body, permits_needed=1), market=FIRST.id, author=AUTHORITY.peer,
        feed=FIRST.feed, seq=2, prev=None, made_ms=0, about=FIRST.id,
    )  # fmt: skip
    assert not Charters(FIRST).learn(unsound)
    with pytest.raises(ValueError, match="without governors has no quorum"):
        next_version(FIRST, unsound.body, made_ms=0)
    with pytest.raises(ValueError, match="version 3 does not come after version 1"):
        next_version(FIRST, THIRD.body, made_ms=0)


@pytest.mark.spec("M-10.12")
def test_versions_kept_are_bounded() -> None:
    """The first and the newest stay."""
    charters, latest = Charters(FIRST), FIRST
    for _ in range(limits.CHARTERS_KEPT + 3):
        latest = after(latest)
        assert charters.learn(latest)
    assert len(charters) == limits.CHARTERS_KEPT
    assert charters.newest is latest
    assert FIRST.id in charters
    assert not charters.learn(SECOND), "it would be the oldest"


@pytest.mark.spec("M-10.13")
def test_two_charters_with_one_number_convict_the_authority() -> None:
    """The first one stays; the proof is both of them."""
    market = Overheard(FIRST)
    alice = market.join("m")
    for charter in (SECOND, THIRD, fork_of(SECOND), fork_of(THIRD)):
        alice.hear(charter)
    assert alice.convictions == [Convict(first=SECOND, second=fork_of(SECOND), reason="two statements with one seq")]
    assert holding(market, "m").newest == THIRD
    assert fork_of(SECOND).id not in holding(market, "m")


@pytest.mark.spec("M-10.15")
def test_a_newer_charter_reaches_everybody_from_one() -> None:
    """It is shown on once by each who learns it, and no more."""
    market = Locked()
    for name in ("a", "b", "c"):
        market.join(name)
    second = after(market.charter)
    frames: list[bytes] = []
    market.on_published = lambda sender, frame: frames.append(frame)
    market.tell(second, "a")
    market.run(100)
    market.tell(second, "a")
    market.run(100)
    assert sorted(market.amended) == [("a", 2), ("b", 2), ("c", 2)]
    assert [frame[:9] for frame in frames] == [governance_topic(market.charter.id)] * 3


@pytest.mark.spec("M-10.15")
def test_a_peer_that_was_away_is_shown_the_newest_charter() -> None:
    """By whoever sees it again."""
    market = Overheard(FIRST)
    market.join("a").hear(SECOND)
    frames: list[bytes] = []
    market.on_published = lambda sender, frame: frames.append(frame)
    late = market.join("late")
    market.run(100)
    assert peer_topic(late.sealer.peer) in [frame[:9] for frame in frames]
    assert holding(market, "late").newest == SECOND


@pytest.mark.spec("M-10.15")
def test_a_replayed_journal_gives_the_newest_charter_back() -> None:
    """And says so to the shell, whose file may be lost."""
    market = Locked()
    market.join("a")
    market.tell(after(market.charter), "a")
    market.tell(after(after(market.charter)), "a")
    market.amended.clear()
    market.restart("a")
    assert holding(market, "a").newest.body.version == 3
    assert market.amended == [("a", 3)]


@pytest.mark.spec("M-10.17")
def test_a_new_journal_begins_under_the_newest_charter_that_files_have() -> None:
    """Who loses its journal does not fall back behind a revocation."""
    feed = Feed(market=FIRST.id, author=sealer_of("m").peer, feed_id=bytes(8))
    node = Node(FIRST, feed, later=[THIRD, FIRST, SECOND])
    assert node.holdings.charters.newest is THIRD
    (_, announced, *_) = [*node.step(Present(CARD), 1), *node.step(Announce(task=task_for(FIRST)), 1)]
    assert isinstance(announced, Say)
    assert announced.statement.body.charter == THIRD.id


@pytest.mark.spec("M-10.16")
@pytest.mark.parametrize("governed", [False, True])
def test_an_announcement_waits_for_its_charter_which_is_fetched(governed: bool) -> None:
    """The announcer has it; meanwhile nothing is answered, and then the task takes its course."""
    market = two()
    if governed:
        market.join("g", policy=PERMISSIVE)
    second = after(market.charter)
    market.peers["m"].node.step(Heard(second), market.now_ms)
    task = market.announce("m")
    market.run(10_000)
    assert market.fetched_at
    for name in market.peers:
        assert holding(market, name).newest == second, name
    assert market.peers["m"].contract(task).state is State.SETTLED
    if governed:
        assert market.peers["g"].contract(task).state is State.SETTLED


@pytest.mark.spec("M-10.16")
def test_what_waits_for_a_charter_that_does_not_exist_is_bounded() -> None:
    """It is let go after a while, and nothing was said to it."""
    market = two()
    worker, stranger = market.peers["a"], market.join("s")
    for number in range(3):
        lie = msgspec.structs.replace(market.task(), charter=bytes([number]) * 32)
        stranger.slander(peer_topic(worker.sealer.peer), lie, like=stranger.node.card, seq=50 + number)
    market.run(100)
    assert len(worker.node.holdings.waiting) == 3
    market.run(limits.WAITING_MS + limits.FETCH_AGAIN_MS)
    assert len(worker.node.holdings.waiting) == 0
    assert not market.of(Refusal, by="a")
    assert not market.of(Bid, by="a")


@pytest.mark.spec("M-10.16")
def test_a_governor_takes_up_at_replay_what_waited_for_a_charter() -> None:
    """The announcement stands in its journal before the charter."""
    market = two()
    market.join("g", policy=PERMISSIVE)
    second = after(market.charter)
    market.peers["m"].node.step(Heard(second), market.now_ms)
    task = market.announce("m")
    market.run(10_000)
    market.restart("g")
    assert market.peers["g"].contract(task).state is State.SETTLED


@pytest.mark.spec("M-10.17")
def test_a_manager_announces_under_the_newest_charter() -> None:
    """Whichever version its user had in mind."""
    market = two(Overheard(FIRST))
    market.peers["m"].hear(SECOND)
    task = market.announce("m")
    announced = market.peers["m"].node.holdings.contracts[task].announcement
    assert announced.body.charter == SECOND.id
    assert task_for(market.charter).charter == FIRST.id


@pytest.mark.spec("M-10.17")
@pytest.mark.parametrize("effect", [EffectClass.PURE, EffectClass.REVERSIBLE])
def test_a_task_with_effects_is_bid_on_under_the_newest_charter_only(effect: EffectClass) -> None:
    """Or a manager could choose a version with less oversight; a pure task has none to escape."""
    market = two(Overheard(FIRST))
    market.peers["a"].node.step(Heard(SECOND), market.now_ms)
    market.announce("m", effect=effect)
    market.run(2_000)
    assert bool(market.of(Bid, by="a")) == (effect is EffectClass.PURE)
    assert bool(market.of(Refusal, by="a")) == (effect is not EffectClass.PURE)


def seats(*names: str) -> tuple[Seat, ...]:
    """Seats for governors of these names."""
    return tuple(Seat(governor=sealer_of(name).peer, feed=feed_id_of(name)) for name in names)


@pytest.mark.spec("M-7.1", "M-10.17")
def test_governors_vote_under_the_charter_that_a_contract_names() -> None:
    """A new government votes on what begins under it, and the old one on what began before."""
    market = Overheard(sealed(charter_with(("old",))))
    for name in ("old", "new"):
        market.join(name, policy=PERMISSIVE)
    two(market)
    market.peers["a"].work_ms = 3_000
    before = market.announce("m", idempotency_key=b"before")
    market.run(1_000)
    second = after(market.charter, governors=seats("new"))
    market.peers["old"].hear(second)
    market.run(100)
    later = market.announce("m", idempotency_key=b"later")
    market.run(20_000)
    votes = {said.statement.about: said.by for said in market.of(Permit)}
    for task, voter in ((before, "old"), (later, "new")):
        contract = market.peers["m"].node.holdings.contracts[task]
        assert contract.reading.state is State.FINAL, task
        assert votes[contract.reading.end.id] == voter  # type: ignore[union-attr]


@pytest.mark.spec("M-10.17")
def test_a_governor_asks_for_all_that_a_new_seat_has_said() -> None:
    """As soon as it is seen: its votes count from the first on."""
    market = Overheard(FIRST)
    governor = market.join("g", policy=PERMISSIVE)
    governor.hear(after(FIRST, governors=seats("new"), permits_needed=1, vetoes_needed=1))
    assert (sealer_of("new").peer, feed_id_of("new")) in governor.node.governor.gaps.feeds  # type: ignore[union-attr]


@pytest.mark.spec("M-10.18")
def test_a_revoked_bidder_wins_nothing() -> None:
    """Its bid came before; nobody considers it any more."""
    market = two(Overheard(FIRST))
    market.join("b", shout=5)
    market.join("silent", shout=50)
    market.deafen("silent", "m")
    task = market.announce("m", bid_window_ms=1_000)
    market.run(500)
    assert len(market.of(Bid)) >= 2
    market.peers["m"].hear(revoking(FIRST, market.peers["b"], 100))
    market.run(5_000)
    reading = market.peers["m"].contract(task)
    assert reading.state is State.SETTLED
    assert reading.award is not None
    assert reading.award.body.winner == sealer_of("a").peer
    assert len(reading.award.body.considered) == 1


@pytest.mark.spec("M-10.18")
def test_a_revoked_manager_gets_no_bids() -> None:
    """Whoever knows of it does not answer."""
    market = two(Overheard(FIRST))
    market.peers["a"].node.step(Heard(revoking(FIRST, market.peers["m"], 100)), market.now_ms)
    market.announce("m")
    market.run(5_000)
    assert not market.of(Bid)
    assert not market.of(Settlement)


def test_a_charter_goes_from_open_to_invited_and_back() -> None:
    """Whatever a version says, the next one may say otherwise."""
    charter = FIRST
    for admission in itertools.islice(itertools.cycle(reversed(Admission)), 4):
        charter = after(charter, admission=admission)
        assert charter.body.admission is admission
    assert charter.body.version == 5
