"""The governor's role: hold everything, recompute every award, and vote where the charter or the rules ask for it.

It is never in the data path: pure tasks run on without it, and are ratified afterwards. Its votes are statements like
all others, so what it decided and why can be asked of anybody who holds them. It permits at most one award per epoch
and one settlement per task, and does not vote on its own contracts.
"""

from __future__ import annotations

from collections import deque
from typing import cast

from protocol import limits
from protocol.actions import Action, Fetch, FetchFeed, Say
from protocol.auction import decide as decide_auction
from protocol.contract import Contract, Reading, State
from protocol.feed import Feed
from protocol.holdings import Holdings
from protocol.keys import Digest, PeerId
from protocol.policy import Case, Decision, Policy, Ruled, Stage, decide
from protocol.statements import (
    AnyStatement,
    Award,
    Bid,
    EffectClass,
    Permit,
    Settlement,
    Statement,
    Veto,
    VetoScope,
)
from protocol.topics import peer_topic

RECOMPUTE = "recompute"
"""The rule that every governor has: an award must follow from the bids that it lists."""


class FeedWatch:
    """How far one author's feed is held, and since when something is missing in it."""

    __slots__ = ("ahead", "asked_ms", "held", "missing_since")

    def __init__(self) -> None:
        self.held = 0
        self.ahead: set[int] = set()
        self.missing_since: int | None = None
        self.asked_ms = 0

    def note(self, seq: int, now_ms: int) -> None:
        """A statement of the feed came in."""
        if seq == self.held + 1:
            self.held = seq
            while self.ahead and self.held + 1 in self.ahead:
                self.held += 1
                self.ahead.discard(self.held)
            self.missing_since = now_ms if self.ahead else None
        elif seq > self.held and len(self.ahead) < limits.FEED_WINDOW:
            self.ahead.add(seq)
            if self.missing_since is None:
                self.missing_since = now_ms

    def gap(self, now_ms: int) -> tuple[int, int] | None:
        """The first range that is missing for long enough to be called a gap, both ends included."""
        if self.missing_since is None or not self.ahead:
            return None
        if now_ms < self.missing_since + limits.GAP_MS or now_ms < self.asked_ms + limits.FETCH_AGAIN_MS:
            return None
        self.asked_ms = now_ms
        return self.held + 1, min(self.ahead) - 1


class Governor:
    """One governor: a policy, and votes."""

    def __init__(self, feed: Feed, holdings: Holdings, policy: Policy) -> None:
        self.policy = policy
        self.feeds: dict[tuple[bytes, bytes], FeedWatch] = {}
        self.referred: dict[Digest, Decision] = {}
        """Cases that wait for a person: the id of the award or settlement → what the rules said."""
        self._feed = feed
        self._holdings = holdings
        self._gaps: set[tuple[bytes, bytes]] = set()
        self._rates: dict[tuple[bytes, str], deque[int]] = {}

    # Watching feeds

    def note(self, statement: AnyStatement, now_ms: int) -> None:
        """Every statement heard counts in its feed, whatever it says."""
        key = (statement.author, statement.feed)
        watch = self.feeds.get(key)
        if watch is None:
            if len(self.feeds) >= limits.FEEDS_MAX:
                return
            watch = self.feeds[key] = FeedWatch()
        watch.note(statement.seq, now_ms)
        if watch.missing_since is not None:
            self._gaps.add(key)
        elif self._gaps:
            self._gaps.discard(key)

    def gaps(self, now_ms: int) -> list[Action]:
        """Ask the authors for what is missing in their feeds."""
        actions: list[Action] = []
        for author, feed in self._gaps:
            gap = self.feeds[(author, feed)].gap(now_ms)
            if gap is not None:
                actions.append(FetchFeed(author=PeerId(author), feed=feed, first=gap[0], last=gap[1]))
        return actions

    def deadline_ms(self) -> int | None:
        dues = [
            max((watch.missing_since or 0) + limits.GAP_MS, watch.asked_ms + limits.FETCH_AGAIN_MS)
            for watch in (self.feeds[key] for key in self._gaps)
        ]
        return min(dues, default=None)

    # Voting

    def heard(self, contract: Contract, statement: AnyStatement, now_ms: int) -> list[Action]:
        """A statement of a contract was learnt: vote where a vote is due."""
        if statement is contract.announcement:
            return self._announced(contract, now_ms)
        if isinstance(statement.body, Award | Settlement) or contract.reading.missing or contract.gate.permit:
            return self._pursue(contract, now_ms)
        return []

    def pursue(self, contract: Contract, now_ms: int) -> list[Action]:
        """Vote where a vote is due, whatever was learnt: after a restart, or when an award's bids have come."""
        announced = [] if self._own(contract) else self._announced(contract, now_ms)
        return announced or self._pursue(contract, now_ms)

    def asked(self, contract: Contract) -> list[Action]:
        """A party says again what we have voted on: say the votes again, to both."""
        return [
            say
            for vote in self._own(contract)
            for say in self._to_parties(contract, vote, contract.reading, lazy=False)
        ]

    def _own(self, contract: Contract) -> list[Statement[Permit] | Statement[Veto]]:
        return [vote for vote in contract.votes if vote.author == self._feed.author and vote.feed == self._feed.id]

    def _announced(self, contract: Contract, now_ms: int) -> list[Action]:
        if contract.manager == self._feed.author:
            return []
        announcement = contract.announcement
        rate = self._rate(announcement.author, announcement.body.skill, now_ms)
        case = Case(Stage.ANNOUNCEMENT, announcement, None, None, rate)
        decision = decide(self.policy, case)
        if decision.ruled is not Ruled.VETO:
            return []
        return self._veto(contract, contract.id, decision._replace(scope=VetoScope.TASK), (), now_ms)

    def _rate(self, manager: bytes, skill: str, now_ms: int) -> int:
        """Announcements of this manager for this skill in the last minute, this one included."""
        if not any(rule.rate_above is not None for rule in self.policy.rules):
            return 0
        if len(self._rates) >= limits.FEEDS_MAX:
            self._rates.pop(next(iter(self._rates)))
        times = self._rates.setdefault((manager, skill), deque(maxlen=limits.FEED_WINDOW))
        times.append(now_ms)
        while times[0] <= now_ms - 60_000:
            times.popleft()
        return len(times)

    def _pursue(self, contract: Contract, now_ms: int) -> list[Action]:
        """One vote per stage: the award where the gate asks for it, and every settlement."""
        reading = contract.reading
        award = reading.award
        if award is None or reading.fault is not None or self._feed.author in (contract.manager, award.body.winner):
            return []
        own = self._own(contract)
        if any(isinstance(vote.body, Veto) and vote.body.scope is VetoScope.TASK for vote in own):
            return []
        stage, about = (Stage.AWARD, award.id)
        if reading.state in (State.SETTLED, State.FINAL) and reading.end is not None:
            stage, about = (Stage.SETTLEMENT, reading.end.id)
        elif reading.state is not State.AWARDED:
            return []
        spoken = {vote.about for vote in own}
        if about in spoken or any(_is_veto_of(vote, award.id) for vote in own):
            return []
        missing = [Digest(bid) for bid in award.body.considered if Digest(bid) not in contract.held]
        if missing and (stage is Stage.SETTLEMENT or contract.gate.permit):
            return [Fetch(PeerId(contract.manager), tuple(missing[: limits.FETCH_IDS_MAX]))]
        return self._decide(contract, reading, award, stage, about, now_ms)

    def _decide(
        self, contract: Contract, reading: Reading, award: Statement[Award], stage: Stage, about: Digest, now_ms: int
    ) -> list[Action]:
        if stage is Stage.AWARD and not contract.gate.permit and contract.announcement.body.effect is EffectClass.PURE:
            return []
        wrong = _fault_of_award(contract, reading, award)
        if wrong is not None:
            decision = Decision(Ruled.VETO, RECOMPUTE, wrong, VetoScope.EPOCH)
            return self._veto(contract, about, decision, (award.body.bid,), now_ms)
        case = Case(stage, contract.announcement, award.body.winner, award.body.price, 0)
        decision = decide(self.policy, case)
        match decision.ruled:
            case Ruled.VETO:
                return self._veto(contract, about, decision, (), now_ms)
            case Ruled.REFER:
                if len(self.referred) < limits.BACKLOG_MAX:
                    self.referred[about] = decision
                return []
            case Ruled.PERMIT if stage is Stage.AWARD and not contract.gate.permit:
                return []
        return self._permit(contract, about, award, decision, now_ms)

    def _permit(
        self, contract: Contract, about: Digest, award: Statement[Award], decision: Decision, now_ms: int
    ) -> list[Action]:
        if not self._may_permit(contract, about, award):
            return []
        permit = Permit(
            rule=decision.rule,
            policy=self.policy.version,
            reason=decision.reason,
            grounds=(),
            reviewer=None,
            standing=None,
        )
        pure = contract.announcement.body.effect is EffectClass.PURE
        return self._vote(contract, permit, about, now_ms, lazy=pure)

    def _may_permit(self, contract: Contract, about: Digest, award: Statement[Award]) -> bool:
        """At most one award per epoch and one settlement per task, whatever the ids."""
        for vote in self._own(contract):
            if not isinstance(vote.body, Permit) or vote.about is None:
                continue
            voted = contract.held.get(Digest(vote.about))
            if voted is None or voted.id == about:
                return False
            if isinstance(voted.body, Settlement) and about != award.id:
                return False
            if isinstance(voted.body, Award) and about == award.id and voted.body.epoch == award.body.epoch:
                return False
        return True

    def _veto(
        self, contract: Contract, about: Digest, decision: Decision, grounds: tuple[bytes, ...], now_ms: int
    ) -> list[Action]:
        veto = Veto(
            scope=decision.scope,
            rule=decision.rule,
            policy=self.policy.version,
            reason=decision.reason[: limits.NOTE_MAX],
            grounds=grounds,
            reviewer=None,
        )
        return self._vote(contract, veto, about, now_ms, lazy=False)

    def _vote(self, contract: Contract, body: Permit | Veto, about: Digest, now_ms: int, *, lazy: bool) -> list[Action]:
        parties = contract.reading
        vote = self._feed.say(body, about=about, contract=contract.id, now_ms=now_ms)
        self._holdings.learn(contract, vote)
        return self._to_parties(contract, vote, parties, lazy=lazy)

    @staticmethod
    def _to_parties(contract: Contract, vote: AnyStatement, reading: Reading, *, lazy: bool) -> list[Action]:
        """Votes go to the manager and to the contractor, if there is one."""
        actions: list[Action] = [Say(peer_topic(contract.manager), vote, durable=True, lazy=lazy)]
        if reading.award is not None and reading.award.body.winner != contract.manager:
            actions.append(Say(peer_topic(reading.award.body.winner), vote, durable=True, lazy=lazy))
        return actions


def _is_veto_of(vote: AnyStatement, award_id: Digest) -> bool:
    return isinstance(vote.body, Veto) and vote.about == award_id


def _fault_of_award(contract: Contract, reading: Reading, award: Statement[Award]) -> str | None:
    """Recompute an award from the bids that it lists (SPEC section 5)."""
    considered: list[Statement[Bid]] = []
    for bid_id in award.body.considered:
        bid = contract.held.get(Digest(bid_id))
        if bid is None or not isinstance(bid.body, Bid) or bid.about != contract.id:
            return "the award lists a bid that is none for this task"
        considered.append(cast(Statement[Bid], bid))
    before = [
        step.body.winner
        for step in reading.steps
        if isinstance(step.body, Award) and step.body.epoch < award.body.epoch
    ]
    outcome = decide_auction(contract.id, contract.announcement.body, considered, before)
    if outcome is None or outcome.bid.id != award.body.bid:
        return "another of the listed bids wins"
    if outcome.price != award.body.price:
        return f"the price should be {outcome.price}"
    return None
