"""Whole contracts, as random walks: an honest one that follows the rules, and a soup of lies stirred into it.

A walk yields the *set* of statements under one announcement; which order they come in is the test's business.
"""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import strategies as st

from protocol.auction import decide
from protocol.notices import Charter
from protocol.statements import (
    Acceptance,
    Announcement,
    AnyStatement,
    Award,
    AwardRule,
    Bid,
    Body,
    Cancel,
    CancelReason,
    Decline,
    EffectClass,
    Failure,
    FailureClass,
    Progress,
    Recall,
    RecallReason,
    Refusal,
    Renewal,
    Result,
    Settlement,
    Standing,
    StandingUse,
    Statement,
    VetoScope,
)
from tests.authors import Author, award_of, charter_of, permit, recall, task, veto

BIDDERS = ("ada", "bo", "cy", "dee")
ACCEPT, RESULT = Acceptance(permits=()), Result(output=b"42", output_digest=None, usage_ms=1)
FAILURE = Failure(failure_class=FailureClass.RETRYABLE, reason="", done="")
PROGRESS, DECLINE, RENEWAL = Progress(permille=1, note="", partial=b""), Decline(reason=""), Renewal(lease_ms=1_000)
_ABOUT = {
    Award: Announcement, Cancel: Announcement, Recall: Award, Settlement: Result, Renewal: (Acceptance, Progress),
}  # fmt: skip
UNPROMPTED = (RecallReason.LAPSED, RecallReason.EXPIRED, RecallReason.VETOED)
"""Recalls that end on no answer."""


class Case(NamedTuple):
    """One contract: what is known of it, in the order it was said."""

    announcement: Statement[Announcement]
    charter: Charter
    statements: tuple[AnyStatement, ...]
    authors: tuple[Author, ...]


class Walk:
    """The state of one walk: who is there, what was said, and the tip of the chain."""

    def __init__(self, draw: st.DrawFn, governors: int) -> None:
        self.draw = draw
        self.manager = Author("manager")
        self.bidders = [Author(name) for name in BIDDERS]
        self.governors = [Author(f"governor {number}") for number in range(governors)]
        if self.governors and self.pick(False, False, True):  # nobody votes on a contract of its own
            self.governors[0] = self.pick(self.manager, self.manager, self.manager, *self.bidders)
        self.said: list[AnyStatement] = []
        self.announcement = self.manager.say(
            task(
                effect=self.pick(*EffectClass), award_rule=self.pick(*AwardRule), attempts=self.pick(1, 2, 3),
                weights=(self.pick(0, 1, 3), self.pick(0, 1, 2)),
            )
        )  # fmt: skip
        self.tip: AnyStatement = self.announcement
        self.winners: list[bytes] = []

    def pick(self, *choices: object) -> object:
        return self.draw(st.sampled_from(choices))

    def step(self, body: Body, about: AnyStatement) -> AnyStatement:
        """The manager's next step."""
        self.tip = self.manager.say(body, about=about, prev=self.tip)
        self.said.append(self.tip)
        return self.tip

    def add(self, author: Author, body: Body, about: AnyStatement | None) -> AnyStatement:
        """Anybody's statement outside the chain."""
        statement = author.say(body, about=about)
        self.said.append(statement)
        return statement

    def bidding(self) -> list[Statement[Bid]]:
        bids = []
        for bidder in self.bidders:
            price = self.draw(st.integers(1, 110))  # now and then above the budget
            if price == 110:
                self.add(bidder, Refusal(reason=""), self.announcement)
            else:
                bids.append(self.add(bidder, Bid(price=price, duration_ms=self.pick(1, 5, 9)), self.announcement))
        return bids  # type: ignore[return-value]

    def standing_use(self) -> StandingUse | None:
        """Now and then a governor has given a standing permit, which may or may not cover the award."""
        if not self.governors or self.pick(True, False):
            return None
        standing = Standing(manager=self.manager.peer, skill=self.pick("sum", "sum", "add"), price_max=50, uses=2)
        given = self.add(self.pick(*self.governors), permit(standing), None)
        return StandingUse(permit=given.id, number=self.pick(1, 1, 3))

    def epoch(self, bids: list[Statement[Bid]]) -> bool:
        """One award and what becomes of it; True when the task may be tried again."""
        outcome = decide(self.announcement.id, self.announcement.body, bids, self.winners)
        if outcome is None or len(self.winners) == self.announcement.body.attempts:
            self.step(Cancel(reason=CancelReason.NO_BIDS, answer=None), self.announcement)
            return False
        epoch = len(self.winners) + 1
        use = self.standing_use()
        award = self.step(
            award_of(outcome.bid, *bids, epoch=epoch, price=outcome.price, standing=use), self.announcement
        )
        self.winners.append(outcome.bid.author)
        self.vote(award)
        contractor = next(one for one in self.bidders if one.peer == outcome.bid.author)
        return self.end_epoch(award, self.work(contractor, award))

    def work(self, contractor: Author, award: AnyStatement) -> AnyStatement | None:
        """What the contractor says, and the renewals it gets for it; its last word."""
        last = None
        bodies = self.pick((), (ACCEPT,), (DECLINE,), (ACCEPT, RESULT), (ACCEPT, PROGRESS, RESULT), (ACCEPT, FAILURE),
                           (PROGRESS, FAILURE, RESULT))  # fmt: skip
        for body in bodies:
            last = self.add(contractor, body, award)
            if body in (ACCEPT, PROGRESS) and self.pick(True, True, False):
                self.step(RENEWAL, last)
        return last

    def end_epoch(self, award: AnyStatement, last: AnyStatement | None) -> bool:
        """The manager's answer to the contractor's last word, or none."""
        ends = {Result: "settle", Failure: RecallReason.FAILED, Decline: RecallReason.DECLINED}
        end = ends.get(type(last.body) if last else Award)
        match self.pick("answer", "answer", "answer", "recall", "cancel", "nothing"):
            case "answer" if end == "settle":
                self.vote(self.step(Settlement(), last))
                return False
            case "answer" if end is not None:
                self.step(recall(end, last), award)
                return True
            case "answer" | "recall":
                self.step(recall(self.pick(*UNPROMPTED)), award)
                return True
            case "cancel":
                cited = last.id if end is not None and self.pick(True, False) else None
                self.step(Cancel(reason=CancelReason.WITHDRAWN, answer=cited), self.announcement)
        return False

    def vote(self, about: AnyStatement) -> None:
        """Each governor's vote, if it has one."""
        for governor in self.governors:
            match self.pick("permit", "permit", "veto", "nothing"):
                case "permit":
                    self.add(governor, permit(), about)
                case "veto":
                    self.add(governor, veto(self.pick(VetoScope.EPOCH, VetoScope.EPOCH, VetoScope.TASK)), about)

    def case(self) -> Case:
        authors = tuple(dict.fromkeys((self.manager, *self.bidders, *self.governors)))
        return Case(self.announcement, charter_of(*self.governors), tuple(self.said), authors)


@st.composite
def honest_contracts(draw: st.DrawFn) -> Case:
    """A contract whose manager and bidders follow the rules; governors may disagree."""
    walk = Walk(draw, draw(st.sampled_from((0, 1, 3, 4))))
    bids = walk.bidding()
    while walk.epoch(bids):
        pass
    return walk.case()


@st.composite
def dishonest_contracts(draw: st.DrawFn) -> Case:
    """An honest walk, and lies about it: forks, illegal steps, foreign steps, orphans, liars' and double votes."""
    honest = draw(honest_contracts())
    said: list[AnyStatement] = [honest.announcement, *honest.statements]
    liars = [*honest.authors, Author("stranger"), Author("manager", feed=2), Author("governor 0", feed=2)]
    for _ in range(draw(st.integers(0, 6))):
        said.append(draw(_lies(said, honest.authors[0], liars)))
    if draw(st.booleans()):
        lost = draw(st.sets(st.integers(1, len(said) - 1), max_size=3)) if len(said) > 1 else set()
        said = [one for number, one in enumerate(said) if number not in lost]
    return honest._replace(statements=tuple(said[1:]))


@st.composite
def _lies(draw: st.DrawFn, said: list[AnyStatement], manager: Author, liars: list[Author]) -> AnyStatement:
    """One statement that may contradict any rule: the manager's at any place of the chain, or anybody's."""
    announcement = said[0]
    any_said = st.sampled_from(said)
    bids = [one for one in said if type(one.body) is Bid] or [announcement]
    match draw(st.sampled_from(("step", "step", "step", "orphan", "vote", "answer", "bid"))):
        case "step":
            chain = [one for one in said if one.author == manager.peer and one.feed == manager.feed]
            prev = draw(st.sampled_from(chain) | st.just(chain[-1]))
            seq = draw(st.none() | st.just(prev.seq) | st.just(prev.seq + 1))
            body = draw(_steps(bids, said))
            fitting = [one for one in said if isinstance(one.body, _ABOUT[type(body)])] or said
            about = draw(st.sampled_from(fitting) | any_said)
            return manager.say(body, about=about, prev=prev, seq=seq)
        case "orphan":
            author = draw(st.sampled_from(liars))
            reason = draw(st.sampled_from((CancelReason.ORPHANED, CancelReason.ORPHANED, CancelReason.WITHDRAWN)))
            return author.say(Cancel(reason=reason, answer=None), about=announcement, prev=draw(st.none() | any_said))
        case "vote":
            ballot = draw(st.sampled_from((permit(), veto(), veto(VetoScope.TASK))))
            return draw(st.sampled_from(liars)).say(ballot, about=draw(any_said), prev=draw(st.none() | any_said))
        case "answer":
            answer = draw(st.sampled_from((ACCEPT, PROGRESS, RESULT, FAILURE, DECLINE, Settlement())))
            return draw(st.sampled_from(liars)).say(answer, about=draw(any_said))
        case _:
            return draw(st.sampled_from(liars)).say(Bid(price=draw(st.integers(0, 110)), duration_ms=1),
                                                   about=draw(any_said))  # fmt: skip


@st.composite
def _steps(draw: st.DrawFn, bids: list[AnyStatement], said: list[AnyStatement]) -> Body:
    """The body of a step that may or may not be legal where it is put."""
    some = draw(st.none() | st.sampled_from(said))
    bid = draw(st.sampled_from(bids))
    body = draw(st.sampled_from((RENEWAL, Settlement(), Recall, Cancel, Award)))
    if body is Recall:
        return recall(draw(st.sampled_from(list(RecallReason))), some)
    if body is Cancel:
        return Cancel(reason=draw(st.sampled_from(list(CancelReason))), answer=some.id if some else None)
    if body is Award:
        price = bid.body.price if isinstance(bid.body, Bid) else 1
        return Award(
            epoch=draw(st.integers(1, 3)), winner=bid.author, bid=bid.id, considered=(bid.id,), standing=None,
            price=max(0, price + draw(st.sampled_from((0, 0, 0, 1, -1)))),
        )  # fmt: skip
    return body


def contracts() -> st.SearchStrategy[Case]:
    """Any contract: mostly one with lies in it."""
    return st.one_of(honest_contracts(), dishonest_contracts(), dishonest_contracts())
