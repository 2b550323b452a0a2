"""The duties of a governor, shown what a node would say and what none would."""

from __future__ import annotations

import pytest

from protocol.events import Vote
from protocol.policy import Ruled
from protocol.statements import (
    AnyStatement,
    Bid,
    EffectClass,
    Permit,
    RecallReason,
    Result,
    Settlement,
    Veto,
    VetoScope,
)
from protocol.states import State
from tests.authors import Author, award_of, permit, recall, veto
from tests.market import charter_with, task_for
from tests.protocol.overheard import PERMISSIVE, Overheard, policy
from tests.walks import ACCEPT, FAILURE, RENEWAL, RESULT


class Bench:
    """One governor, and a manager by hand that may say what no node would."""

    def __init__(self, rules: Ruled | None = None, effect: EffectClass = EffectClass.IRREVERSIBLE) -> None:
        self.market = Overheard(charter_with(("g",)))
        self.governor = self.market.join("g", policy=policy(rules) if rules else PERMISSIVE)
        self.manager, self.ada, self.bo = Author("manager"), Author("ada"), Author("bo")
        body = task_for(self.market.charter, effect=effect)
        self.announcement = self.say(self.manager, body, None)

    def say(self, author: Author, body: object, about: AnyStatement | None, **place: object) -> AnyStatement:
        """Somebody says something, and the governor hears it."""
        said = author.say(body, about=about, market=self.market.charter.id, **place)  # type: ignore[type-var, arg-type]
        self.governor.hear(said)
        return said

    def bid(self, author: Author, price: int = 10) -> AnyStatement:
        return self.say(author, Bid(price=price, duration_ms=1), self.announcement)

    def award(self, *bids: AnyStatement, **terms: int) -> AnyStatement:
        """The award of the first of these bids."""
        return self.say(self.manager, award_of(*bids, **terms), self.announcement, prev=self.announcement)  # type: ignore[arg-type]

    def vote(self, about: AnyStatement, body: Permit | Veto) -> None:
        """The person at the desk decides."""
        self.governor.run(events=[Vote(about=about.id, body=body)])

    @property
    def votes(self) -> list[tuple[type, bytes | None]]:
        """Its different votes so far, and what each is about."""
        said = {one.statement.id: one.statement for one in self.market.said if one.by == "g"}
        return [(type(one.body), one.about) for one in said.values() if type(one.body) in (Permit, Veto)]


@pytest.mark.spec("M-7.14")
def test_a_governor_permits_one_award_of_an_epoch() -> None:
    """Shown a second one, by a manager that forks its chain, it permits nothing more, whoever asks."""
    bench = Bench()
    bids = bench.bid(bench.ada), bench.bid(bench.bo, 12)
    first = bench.award(*bids)
    second = bench.award(*reversed(bids))
    bench.vote(second, permit())
    bench.vote(first, permit())
    assert bench.votes == [(Permit, first.id)]


@pytest.mark.spec("M-7.14")
def test_a_permitted_settlement_is_the_last_word() -> None:
    """After it there is no veto of that epoch, nor of the task."""
    bench = Bench()
    award = bench.award(bench.bid(bench.ada))
    result = bench.say(bench.ada, RESULT, award)
    settlement = bench.say(bench.manager, Settlement(), result, prev=award)
    assert bench.votes == [(Permit, award.id), (Permit, settlement.id)]
    for scope in VetoScope:
        bench.vote(award, veto(scope))
        bench.vote(settlement, veto(scope))
    assert len(bench.votes) == 2


@pytest.mark.spec("M-7.14")
def test_a_veto_of_an_epoch_is_the_last_word_on_it() -> None:
    """Settled nonetheless, the epoch gets no permit from who vetoed it; the task may still be vetoed."""
    bench = Bench(Ruled.REFER)
    award = bench.award(bench.bid(bench.ada))
    bench.vote(award, veto())
    settlement = bench.say(bench.manager, Settlement(), bench.say(bench.ada, RESULT, award), prev=award)
    bench.vote(settlement, permit())
    assert bench.votes == [(Veto, award.id)]
    bench.vote(bench.announcement, veto(VetoScope.TASK))
    assert bench.votes[1:] == [(Veto, bench.announcement.id)]


@pytest.mark.spec("M-7.15")
@pytest.mark.parametrize("role", ["manager", "contractor"])
def test_a_governor_does_not_vote_on_its_own_contract(role: str) -> None:
    """Neither on the one that it manages nor on the one that it has won."""
    market = Overheard(charter_with(("g",)))
    offers = {"shout": 10} if role == "contractor" else {}
    market.join("g", policy=PERMISSIVE, **offers)
    market.join("m")
    if role == "manager":
        market.join("a", shout=10)
    market.announce("g" if role == "manager" else "m", bid_window_ms=50)
    market.until(Settlement)
    market.run(5_000)
    assert not market.of(Permit)
    assert not market.of(Veto)


@pytest.mark.spec("M-7.16", "M-5.6")
def test_a_governor_vetoes_what_does_not_recompute() -> None:
    """The dearer of two listed bids was awarded: the epoch is vetoed, by the rule that every governor has."""
    bench = Bench()
    cheap, dear = bench.bid(bench.bo, 5), bench.bid(bench.ada)
    award = bench.award(dear, cheap)
    assert bench.votes == [(Veto, award.id)]
    (body,) = bench.market.bodies(Veto)
    assert (body.rule, body.scope) == ("recompute", VetoScope.EPOCH)


@pytest.mark.spec("M-7.16")
def test_a_governor_waits_for_the_bids_it_is_to_judge_by() -> None:
    """It asks for a listed bid that it does not hold, and votes when it has it."""
    bench = Bench()
    dear = bench.bid(bench.bo, 12)
    cheap = bench.ada.say(Bid(price=10, duration_ms=1), about=bench.announcement, market=bench.market.charter.id)
    award = bench.award(cheap, dear)  # type: ignore[arg-type]
    bench.market.run(2_000)
    assert not bench.votes
    assert bench.market.fetched_at
    bench.governor.hear(cheap)
    assert bench.votes == [(Permit, award.id)]


@pytest.mark.spec("M-7.17")
@pytest.mark.parametrize("ballot", [permit(), veto()], ids=["permit", "veto"])
def test_what_is_referred_gets_no_vote_until_a_person_has_decided(ballot: Permit | Veto) -> None:
    """The rules refer it; the person decides, either way."""
    bench = Bench(Ruled.REFER)
    award = bench.award(bench.bid(bench.ada))
    bench.market.run(60_000)
    assert not bench.votes
    bench.vote(award, ballot)
    assert bench.votes == [(type(ballot), award.id)]
    assert not bench.governor.node.governor.referred


@pytest.mark.spec("M-7.18")
@pytest.mark.parametrize("own_end", [True, False])
def test_what_may_be_done_is_tried_again_only_on_a_persons_word(own_end: bool) -> None:
    """An irreversible epoch is recalled after its go: unless its contractor has said that it failed, a person looks."""
    bench = Bench()
    bids = [bench.bid(bench.ada, 10), bench.bid(bench.bo, 20)]
    first = bench.award(*bids)
    accepted = bench.say(bench.ada, ACCEPT, first)
    go = bench.say(bench.manager, RENEWAL, accepted, prev=first)
    failure = bench.say(bench.ada, FAILURE, first, prev=accepted) if own_end else None
    reason = RecallReason.FAILED if own_end else RecallReason.EXPIRED
    over = bench.say(bench.manager, recall(reason, failure), first, prev=go)
    second = bench.say(bench.manager, award_of(bids[1], *bids, epoch=2), bench.announcement, prev=over)
    assert ((Permit, second.id) in bench.votes) is own_end
    assert bench.governor.node.governor is not None
    assert (second.id in bench.governor.node.governor.referred) is not own_end
    if not own_end:
        bench.vote(second, permit())
        assert (Permit, second.id) in bench.votes


@pytest.mark.spec("M-8.33")
def test_a_manager_that_is_shown_its_task_says_the_end_again() -> None:
    """A governor that lacks the last step, and cannot fetch it, still learns it: it shows what it has, and is told."""
    market = Overheard(charter_with(("g", "h", "i")))
    governor, *_ = [market.join(name, policy=PERMISSIVE) for name in "ghi"]
    market.join("m")
    market.join("a", shout=10)
    market.fetch = lambda asker, holder, find: None  # type: ignore[method-assign]
    task = market.announce("m", effect=EffectClass.IRREVERSIBLE, deadline_ms=5_000)
    market.until(Result)
    market.deafen("m", "g")
    market.until(Settlement)
    market.run(1_000)
    assert market.peers["m"].contract(task).state is State.FINAL, "two votes are enough, so nobody repeats anything"
    market.cut.clear()
    assert governor.contract(task).end is None
    market.run(20_000)
    assert governor.contract(task).state is State.FINAL
