"""One node among real ones: floods, lies, losses and newcomers, a detail at a time."""

from __future__ import annotations

import pytest

from protocol import limits
from protocol.actions import Fetch
from protocol.keys import Digest
from protocol.policy import Policy, Rule, Ruled, Stage
from protocol.statements import (
    Acceptance,
    AnyStatement,
    Award,
    Bid,
    Cancel,
    CancelReason,
    EffectClass,
    Permit,
    Progress,
    Recall,
    Refusal,
    Result,
    Standing,
    StandingUse,
    Statement,
    Veto,
    VetoScope,
)
from protocol.states import Phase, State
from protocol.topics import peer_topic, skill_topic
from tests.authors import Author, award_of
from tests.market import TestMarket, TestPeer, charter_with, sealer_of

NO_RULES = Policy(version=Digest(bytes(32)))


def stranger(market: TestMarket, name: str = "stranger") -> Author:
    """A member who is no node here, and says what it likes."""
    author = Author(name)
    author.sealer = sealer_of(name)
    author.peer = author.sealer.peer
    return author


def say(market: TestMarket, author: Author, body: object, *, about: Digest | AnyStatement | None) -> AnyStatement:
    """Let somebody say something in this market."""
    return author.say(body, about=about, market=market.charter.id)  # type: ignore[type-var]


def one_of(peer: TestPeer, body: type) -> AnyStatement:
    """The first statement of a kind that a peer has said."""
    return next(statement for statement in peer.said() if isinstance(statement.body, body))


def small_market(*, governors: tuple[str, ...] = (), policy: Policy = NO_RULES) -> TestMarket:
    """A manager, two bidders, and perhaps governors."""
    market = TestMarket(charter_with(governors))
    for name in governors:
        market.join(name, policy=policy)
    market.join("m")
    market.join("a", shout=10)
    market.join("b", shout=20)
    market.run(10)
    return market


def test_flood_of_statements_about_nothing_is_bounded() -> None:
    """Whoever speaks of what nobody knows waits in a room with a limit for each and one for all."""
    market = small_market()
    hearer = market.peers["m"]
    for number in range(12):
        author = stranger(market, f"stranger {number}")
        for about in range(limits.WAITING_PER_AUTHOR_MAX + 5):
            result = Result(output=b"", output_digest=None, usage_ms=0)
            hearer.hear(say(market, author, result, about=Digest(about.to_bytes(32, "big"))))
    waiting = hearer.node.holdings.waiting
    assert len(waiting) == limits.WAITING_MAX
    market.run(2 * limits.WAITING_MS)
    assert len(waiting) == 0


def test_who_found_no_room_is_heard_when_he_says_it_again() -> None:
    """A statement that was turned away counts as unseen, or its repeats would be taken for old news."""
    market = small_market()
    hearer, author = market.peers["m"], stranger(market)
    result = Result(output=b"", output_digest=None, usage_ms=0)
    said = [
        say(market, author, result, about=Digest(n.to_bytes(32, "big")))
        for n in range(limits.WAITING_PER_AUTHOR_MAX + 1)
    ]
    for statement in said:
        hearer.hear(statement)
    assert said[0].id in hearer.node.holdings.seen
    assert said[-1].id not in hearer.node.holdings.seen


@pytest.mark.parametrize("body", [
    Result(output=b"mine", output_digest=None, usage_ms=0),
    Acceptance(permits=()),
    Progress(permille=1, note="", partial=b""),
    Recall(reason="vetoed", answer=None),  # type: ignore[arg-type]
])  # fmt: skip
def test_answers_of_a_wrong_author_are_ignored(body: object) -> None:
    """Only the winner answers an award, and only its manager recalls it: others' words are not even held."""
    market = small_market()
    market.peers["a"].work = lambda execute: None
    contract = market.announce("m")
    market.run(500)
    award = one_of(market.peers["m"], Award)
    lie = say(market, stranger(market), body, about=award)
    for name in ("m", "a"):
        market.peers[name].hear(lie)
        held = market.peers[name].node.holdings.contracts[contract]
        assert lie.id not in held.held
        assert (held.reading.state, held.reading.phase) == (State.AWARDED, Phase.WORKING)


def test_award_of_a_wrong_author_wins_nothing() -> None:
    """A stranger's award neither gives a task nor takes a bid away."""
    market = small_market()
    market.cut = {("a", "m"), ("b", "m")}
    contract = market.announce("m")
    market.run(100)
    bid = one_of(market.peers["a"], Bid)
    award = say(market, stranger(market), award_of(bid), about=contract)  # type: ignore[arg-type]
    for name in ("a", "b"):
        market.peers[name].hear(award)
    market.cut.clear()
    market.run(3_000)
    assert market.peers["m"].contract(contract).state is State.SETTLED
    assert [execute.award.author for execute in market.peers["a"].executed] == [market.peers["m"].sealer.peer]


def test_strangers_cannot_fill_a_contract() -> None:
    """Refusals count once for each author, bids once for each bidder, and there is always room for the chain."""
    market = small_market()
    contract = market.announce("m")
    author, manager = stranger(market), market.peers["m"]
    for number in range(50):
        manager.hear(say(market, author, Refusal(reason=str(number)), about=contract))
        manager.hear(say(market, author, Bid(price=50 + number, duration_ms=1), about=contract))
    held = manager.node.holdings.contracts[contract].held.values()
    assert sum(statement.author == author.peer for statement in held) == 2


def test_two_statements_with_one_seq_convict() -> None:
    """Whoever hears both has the proof, and says it once."""
    market = small_market()
    one, other = stranger(market), stranger(market)
    first = say(market, one, Refusal(reason="one"), about=Digest(bytes(32)))
    second = say(market, other, Refusal(reason="two"), about=Digest(bytes(32)))
    assert first.seq == second.seq
    hearer = market.peers["a"]
    for statement in (first, second, first):
        hearer.hear(statement)
    assert [(each.first, each.second) for each in hearer.convictions] == [(first, second)]


def test_one_use_of_a_standing_permit_spent_twice_convicts() -> None:
    """Two awards in one feed with the same numbered use cannot both be honest."""
    market = small_market(governors=("g",))
    cheat, uses = stranger(market), StandingUse(permit=bytes(32), number=1)
    governor = market.peers["g"]
    for key in (b"1", b"2"):
        task = market.task(effect=EffectClass.REVERSIBLE, idempotency_key=key)
        announcement = say(market, cheat, task, about=None)
        bid = say(market, stranger(market, f"bidder {key!r}"), Bid(price=1, duration_ms=1), about=announcement)
        award = say(market, cheat, award_of(bid, standing=uses), about=announcement)  # type: ignore[arg-type]
        for statement in (announcement, bid, award):
            governor.hear(statement)
    assert [each.reason for each in governor.convictions] == ["one use of a standing permit spent twice"]


def test_ended_contracts_are_forgotten_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bounded number of ended contracts is kept for those who ask again; with the rest goes all that hung on them."""
    monkeypatch.setattr(limits, "ENDED_KEPT", 3)
    market = small_market()
    known = []
    for number in range(6):
        known.append(market.announce("m", idempotency_key=b"%d" % number))
        market.run(200)
    for name in ("m", "a"):
        node = market.peers[name].node
        assert list(node.holdings.contracts) == known[3:]
        assert not node.contractor.jobs
    assert list(market.peers["m"].node.manager.tenders) == known[3:]


def test_early_close_awards_when_all_have_answered() -> None:
    """With every eligible member's answer in hand the bid window need not run out; with one missing it must."""
    market = small_market()
    contract = market.announce("m")
    market.run(10)
    assert market.peers["m"].contract(contract).epoch == 1
    market.cut.add(("b", "m"))
    contract = market.announce("m", idempotency_key=b"2")
    market.run(490)
    assert market.peers["m"].contract(contract).epoch == 0
    market.run(20)
    assert market.peers["m"].contract(contract).epoch == 1


def test_impatience_before_the_window_ends_stops_nothing() -> None:
    """A task whose patience is shorter than its bid window is cancelled for want of bids, and else awarded in time."""
    market = TestMarket()
    market.join("m")
    contract = market.announce("m", patience_ms=100)
    market.run(1_000)
    assert market.peers["m"].contract(contract).state is State.CANCELLED


def test_late_joiner_hears_open_announcements() -> None:
    """Who joins while a task is open gets its announcement at once."""
    market = TestMarket()
    market.join("m")
    contract = market.announce("m", bid_window_ms=30_000)
    market.run(1_000)
    market.join("late", shout=1)
    market.run(20)
    assert market.peers["m"].contract(contract).award is not None


def test_governor_notices_a_gap_and_fetches() -> None:
    """A bid that the governor missed shows as a gap in its author's feed, and is fetched from there."""
    market = small_market(governors=("g",))
    market.cut.add(("b", "g"))
    contract = market.announce("m")
    market.run(10)
    market.cut.clear()
    missed = one_of(market.peers["b"], Bid)
    held = market.peers["g"].node.holdings.contracts[contract].held
    assert missed.id not in held
    market.announce("m", idempotency_key=b"2")
    market.run(2_000)
    assert missed.id in held
    assert market.peers["m"].contract(contract).state is State.FINAL


def test_settlement_heard_before_its_result_is_ratified_all_the_same() -> None:
    """Under load a governor reads one peer's frames long before another's: what comes last must wake it."""
    market = small_market(governors=("g",))
    market.cut |= {("a", "g"), ("b", "g")}
    contract = market.announce("m")
    market.run(100)
    governor = market.peers["g"]
    assert market.peers["m"].contract(contract).state is State.SETTLED
    for each in ("a", "b"):
        for statement in reversed(market.peers[each].said()):
            governor.hear(statement)
    market.run(100)
    assert market.peers["m"].contract(contract).state is State.FINAL


def test_governor_that_missed_many_bids_asks_for_them_together() -> None:
    """One question a manager at a time, full of ids: a question a contract would be dropped by the holder."""
    market = small_market(governors=("g",))
    market.peers["a"].node.contractor.capacity = 200  # so that the bids that are missed are those that lose
    market.cut.add(("b", "g"))
    asked: list[tuple[int, Fetch]] = []
    market.on_action = lambda actor, action: (
        asked.append((market.now_ms, action)) if actor.name == "g" and isinstance(action, Fetch) else None
    )
    contracts = [market.announce("m", idempotency_key=b"%d" % number) for number in range(100)]
    market.run(10_000)
    assert len(asked) <= 4, "100 bids, of which one question holds 64"
    assert all(market.peers["m"].contract(contract).state is State.FINAL for contract in contracts)


def test_one_manager_cannot_fill_a_governors_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Announcements beyond the bound are not held; said again when there is room, they are audited like all others."""
    monkeypatch.setattr(limits, "OPEN_PER_MANAGER_MAX", 2)
    market = small_market(governors=("g",))
    for number in range(5):
        market.announce("m", idempotency_key=b"%d" % number)
    market.run(5)
    held = market.peers["g"].node.holdings.contracts
    assert len(held) == 2
    market.run(60_000)
    assert [contract.reading.state for contract in held.values()] == [State.FINAL] * 5


def test_honest_award_is_not_vetoed_for_bids_that_were_not_heard() -> None:
    """A governor that lacks a considered bid asks for it before it judges the award."""
    market = small_market(governors=("g",))
    market.cut.add(("b", "g"))
    contract = market.announce("m", effect=EffectClass.REVERSIBLE)
    market.run(5_000)
    assert not [statement for statement in market.peers["g"].said() if isinstance(statement.body, Veto)]
    assert market.peers["m"].contract(contract).state is State.FINAL


def test_award_that_does_not_follow_from_its_bids_is_vetoed() -> None:
    """The governor computes the winner again, and vetoes another one, citing the bid."""
    market = small_market(governors=("g",))
    cheat, governor = stranger(market), market.peers["g"]
    effects = say(market, cheat, market.task(effect=EffectClass.IRREVERSIBLE, idempotency_key=b"2"), about=None)
    bids: list[Statement[Bid]] = [
        say(market, stranger(market, f"other {price}"), Bid(price=price, duration_ms=1), about=effects)  # type: ignore[misc]
        for price in (5, 7)
    ]
    award = cheat.say(award_of(bids[1], bids[0]), about=effects, prev=effects, market=market.charter.id)
    for statement in (effects, *bids, award):
        governor.hear(statement)
    veto = one_of(governor, Veto).body
    assert isinstance(veto, Veto)
    assert (veto.rule, veto.grounds) == ("recompute", (bids[1].id,))


def test_governor_without_a_seat_says_nothing() -> None:
    """A governor that lost its journal is a new one: until a charter seats it, its votes would count for nobody."""
    market = small_market(governors=("g",))
    market.peers["g"].crash()
    market.restart("g", lose_journal=True)
    contract = market.announce("m", effect=EffectClass.IRREVERSIBLE)
    market.run(15_000)
    assert not [each for each in market.peers["g"].said() if isinstance(each.body, Permit | Veto)]
    assert market.peers["m"].contract(contract).end.body == Cancel(reason=CancelReason.DENIED, answer=None)  # type: ignore[union-attr]


def test_rule_on_announcements_vetoes_the_task() -> None:
    """A rule that fits the announcement stops the task before anybody has won it."""
    rule = Rule(id="dear", decision=Ruled.VETO, stages=(Stage.ANNOUNCEMENT,), budget_above=99, scope=VetoScope.TASK)
    market = small_market(governors=("g",), policy=Policy(version=Digest(bytes(32)), rules=(rule,)))
    contract = market.announce("m")
    market.run(1_000)
    assert market.peers["m"].contract(contract).state is State.VETOED
    assert not market.peers["a"].node.contractor.jobs


def test_standing_permit_of_nobody_is_not_held() -> None:
    """Only a seat gives standing permits, and only their manager and governors keep them."""
    market = small_market(governors=("g",))
    standing = Standing(manager=market.peers["m"].sealer.peer, skill="shout", price_max=10, uses=1)
    permit = Permit(rule="r", policy=bytes(32), reason="", grounds=(), reviewer=None, standing=standing)
    market.peers["m"].hear(say(market, stranger(market), permit, about=None))
    assert not market.peers["m"].node.holdings.standing


def test_orphan_is_ended_only_once() -> None:
    """A manager that lost its journal says Cancel(orphaned) once for each old contract, and then says it again."""
    market = small_market()
    market.peers["a"].work = lambda execute: None
    market.announce("m", lease_ms=1_000)
    market.run(100)
    market.peers["m"].crash()
    restarted = market.restart("m", lose_journal=True)
    market.run(20_000)
    ends = [statement.body for statement in restarted.said() if isinstance(statement.body, Cancel)]
    assert ends == [Cancel(reason=CancelReason.ORPHANED, answer=None)]
    market.restart("m")
    market.run(20_000)
    assert len([each for each in restarted.said() if isinstance(each.body, Cancel)]) == 1


def test_topics_are_not_shared() -> None:
    """A peer's topic is its own, and a skill's is another."""
    keys = [sealer_of(name).peer for name in "ab"]
    assert len({peer_topic(keys[0]), peer_topic(keys[1]), skill_topic("a")}) == 3
