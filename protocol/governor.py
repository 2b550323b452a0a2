"""The governor's role: hold everything, recompute every award, and vote where the charter or the rules ask for it.

It is never in the data path: pure tasks run on without it, and are ratified afterwards. Its votes are statements like
all others, so what it decided and why can be asked of anybody who holds them. It permits at most one award per epoch
and one settlement per task, and does not vote on its own contracts.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from protocol import limits
from protocol.actions import Action, Fetch, NoVote, Say
from protocol.contract import Contract
from protocol.dues import earliest
from protocol.events import Vote
from protocol.feed import Feed
from protocol.gaps import Gaps
from protocol.holdings import Holdings
from protocol.keys import Digest, PeerId
from protocol.policy import Case, Decision, Policy, Ruled, Stage, decide
from protocol.recent import Recent
from protocol.recompute import fault_of_award, may_have_happened
from protocol.statements import (
    Announcement,
    AnyStatement,
    Award,
    EffectClass,
    Permit,
    Result,
    Settlement,
    Statement,
    Veto,
    VetoScope,
)
from protocol.states import Reading, State
from protocol.topics import peer_topic
from protocol.vigil import Vigil, is_task_veto, to_parties

RECOMPUTE: Final = "recompute"
"""The rule that every governor has: an award must follow from the bids that it lists."""
STANDING: Final = "standing"
"""Another that every governor has: each use of a standing permit is spent once."""

AGAIN: Final = "again"
"""And another: an irreversible task that may be done is tried again only on a person's word."""


class Governor:
    """One governor: a policy, and votes."""

    def __init__(self, feed: Feed, holdings: Holdings, policy: Policy) -> None:
        self.policy = policy
        self.gaps = Gaps()
        self._vigil = Vigil(feed.author, holdings, self.gaps)
        self.referred: dict[Digest, Decision] = {}
        """Cases that wait for a person: the id of the award or settlement → what the rules said."""
        self._feed = feed
        self._holdings = holdings
        self._incomplete: dict[Digest, tuple[int, int]] = {}
        """Contracts whose award lists bids that are not held → when to ask for them, and the pause after that."""
        """Contracts with an award that cannot be recomputed yet."""
        self._spent: dict[tuple[bytes, bytes, int], Digest] = {}
        """Uses of standing permits; no more than the permits themselves allow."""
        self._rates = Recent[tuple[bytes, str], deque[int]](limits.FEEDS_MAX)
        holdings.on_forgotten.append(self._forget)

    def _forget(self, contract: Contract) -> None:
        self._incomplete.pop(contract.id, None)
        for vote in self._own(contract):
            self._vigil.leave(vote)

    # Voting

    def heard(self, contract: Contract, statement: AnyStatement, now_ms: int) -> list[Action]:
        """A statement of a contract was learnt: vote where a vote is due."""
        if statement is contract.announcement:
            self._vigil.expect_end(contract, now_ms)
            return self._announced(contract, now_ms)
        reading = contract.reading
        # The end may become readable by what it cites: a result that comes behind its settlement.
        due = type(statement.body) is Award or reading.end is not None or contract.id in self._incomplete
        return self._pursue(contract, now_ms) if due or reading.missing or contract.gate.permit else []

    def pursue(self, contract: Contract, now_ms: int) -> list[Action]:
        """Vote where a vote is due, whatever was learnt: after a restart."""
        self._vigil.expect_end(contract, now_ms)
        own = self._own(contract)
        for vote in own:
            self._vigil.begin_to_repeat(vote, now_ms)
        announced = [] if own else self._announced(contract, now_ms)
        return announced or self._pursue(contract, now_ms)

    def asked(self, contract: Contract, question: AnyStatement, now_ms: int) -> list[Action]:
        """A party says again what we have voted on: say the vote again, to both; or vote, if one is still due."""
        if type(question.body) not in (Announcement, Award, Result, Settlement):
            return []
        actions: list[Action] = []
        for vote in self._own(contract):
            voted = contract.held.get(Digest(vote.about or b""))
            told = voted is not None and question.id in (voted.id, voted.about)
            if told or is_task_veto(vote) or (type(vote.body) is Veto and _same_epoch(contract, vote, question)):
                actions += to_parties(contract, vote, lazy=False)
        return actions + self._pursue(contract, now_ms)

    def _own(self, contract: Contract) -> list[Statement[Permit] | Statement[Veto]]:
        me = (self._feed.author, self._feed.id)
        return [vote for vote in contract.votes if (vote.author, vote.feed) == me and vote.about is not None]

    def _announced(self, contract: Contract, now_ms: int) -> list[Action]:
        if contract.manager == self._feed.author or not self._seated(contract):
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
        times = self._rates.get((manager, skill))
        if times is None:
            times = deque[int](maxlen=limits.FEED_WINDOW)
            self._rates.keep((manager, skill), times)
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
        if not self._seated(contract):
            return []
        own = self._own(contract)
        if any(type(vote.body) is Veto and vote.body.scope is VetoScope.TASK for vote in own):
            return []
        stage, about = (Stage.AWARD, award.id)
        if reading.state in (State.SETTLED, State.FINAL) and reading.end is not None:
            stage, about = (Stage.SETTLEMENT, reading.end.id)
        elif reading.state is not State.AWARDED:
            return []
        spoken = {vote.about for vote in own}
        if about in spoken or any(_is_veto_of(vote, award.id) for vote in own):
            return []
        if stage is Stage.AWARD and contract.announcement.body.effect is EffectClass.PURE:
            return []  # it runs on without us, and is looked at when it is settled
        if _missing_bids(contract, award):
            # They may be on their way behind others; what waits for our permit is asked for sooner.
            patience_ms = limits.LAZY_MS if contract.gate.permit else limits.FETCH_AGAIN_MS
            self._incomplete.setdefault(contract.id, (now_ms + patience_ms, limits.FETCH_AGAIN_MS))
            return []
        self._incomplete.pop(contract.id, None)
        return self._decide(contract, reading, award, stage, about, now_ms)

    def _seated(self, contract: Contract) -> bool:
        """Only a seat's votes count: a governor that lost its journal is a new one, and waits for a new charter."""
        me = (self._feed.author, self._feed.id)
        return any((seat.governor, seat.feed) == me for seat in contract.charter.governors)

    def _decide(
        self, contract: Contract, reading: Reading, award: Statement[Award], stage: Stage, about: Digest, now_ms: int
    ) -> list[Action]:
        wrong = fault_of_award(contract, reading, award)
        if wrong is not None:
            decision = Decision(Ruled.VETO, RECOMPUTE, wrong, VetoScope.EPOCH)
            return self._veto(contract, about, decision, (award.body.bid,), now_ms)
        if stage is Stage.AWARD and self._spent_before(contract, award):
            decision = Decision(Ruled.VETO, STANDING, "this use of a standing permit was spent before", VetoScope.EPOCH)
            return self._veto(contract, about, decision, (), now_ms)
        case = Case(stage, contract.announcement, award.body.winner, award.body.price, 0)
        decision = decide(self.policy, case)
        if stage is Stage.AWARD and decision.ruled is Ruled.PERMIT and may_have_happened(contract, reading):
            decision = Decision(
                Ruled.REFER, AGAIN, "an earlier contractor had its go, and may have done it", decision.scope
            )
        match decision.ruled:
            case Ruled.VETO:
                return self._veto(contract, about, decision, (), now_ms)
            case Ruled.REFER:
                if len(self.referred) < limits.BACKLOG_MAX:
                    self.referred[about] = decision
                return []
            case Ruled.PERMIT if stage is Stage.AWARD and (not contract.gate.permit or _stands(reading, award)):
                return []
        return self._permit(contract, about, award, decision, now_ms)

    def _spent_before(self, contract: Contract, award: Statement[Award]) -> bool:
        """Tell whether another award of this manager, in whatever feed, holds the same use of a standing permit."""
        use = award.body.standing
        if use is None:
            return False
        spent = self._spent.setdefault((award.author, use.permit, use.number), award.id)
        return spent != award.id

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
            if type(vote.body) is not Permit or vote.about is None:
                continue
            voted = contract.held.get(Digest(vote.about))
            if voted is None or voted.id == about:
                return False
            if type(voted.body) is Settlement and about != award.id:
                return False
            if type(voted.body) is Award and about == award.id and voted.body.epoch == award.body.epoch:
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
        vote = self._feed.say(body, about=about, contract=contract.id, now_ms=now_ms)
        self._holdings.learn(contract, vote)
        self.referred.pop(about, None)
        self._vigil.begin_to_repeat(vote, now_ms)
        return to_parties(contract, vote, lazy=lazy)

    # A person's votes

    def vote(self, event: Vote, now_ms: int) -> list[Action]:
        """Say what the person at the desk decided, unless it contradicts what was said before."""
        if event.about is None:
            return self._give_standing(event.body, now_ms)
        contract = self._holdings.contract_about(event.about)
        fault = "this statement is not held here" if contract is None else self._fault_of_vote(contract, event)
        if contract is None or fault is not None:
            return [NoVote(event.about, fault or "")]
        return self._vote(contract, event.body, event.about, now_ms, lazy=False)

    def _give_standing(self, body: Permit | Veto, now_ms: int) -> list[Action]:
        if type(body) is not Permit or body.standing is None:
            return [NoVote(None, "only a standing permit is about nothing")]
        permit = self._feed.say(body, about=None, contract=None, now_ms=now_ms)
        self._holdings.stand(permit)
        return [Say(peer_topic(body.standing.manager), permit, durable=True)]

    def _fault_of_vote(self, contract: Contract, event: Vote) -> str | None:
        """A task veto is the last word on a task, a veto or the permit of a settlement on an epoch."""
        voted, reading = contract.held[event.about or contract.id], contract.reading
        if not self._seated(contract):
            return "this governor has no seat under the task's charter"
        if contract.manager == self._feed.author or (reading.award and reading.award.body.winner == self._feed.author):
            return "a governor does not vote on its own contracts"
        allowed = (Award, Settlement) if type(event.body) is Permit else (Announcement, Award, Settlement)
        if not isinstance(voted.body, allowed):
            return "there is nothing to vote on in that statement"
        epoch = contract.award_of(event.about)
        whole_task = type(event.body) is Veto and event.body.scope is VetoScope.TASK
        if type(voted.body) is Announcement and not whole_task:
            return "an announcement has no epoch to veto: veto the task"
        for vote in self._own(contract):
            settled = isinstance(contract.held[Digest(vote.about or b"")].body, Settlement)
            vetoed = type(vote.body) is Veto
            if (settled and not vetoed) or (type(vote.body) is Veto and vote.body.scope is VetoScope.TASK):
                return "the last word of this governor on the task is said"
            if vetoed and not whole_task and contract.award_of(vote.about) == epoch:
                return "the last word of this governor on this epoch is said"
        award = contract.held.get(epoch) if epoch is not None else None
        if type(event.body) is Permit and not (
            award is not None and self._may_permit(contract, event.about or contract.id, award)  # type: ignore[arg-type]
        ):
            return "this governor has permitted the epoch, or a settlement of the task, already"
        return None

    # Time

    def deadline_ms(self) -> int | None:
        bids_ms = min([due_ms for due_ms, _ in self._incomplete.values()], default=None)
        return earliest(self.gaps.deadline_ms(), self._vigil.deadline_ms(), bids_ms)

    def tick(self, now_ms: int) -> list[Action]:
        """Ask for what is missing, and say again what nobody has answered."""
        return self.gaps.tick(now_ms) + self._vigil.tick(now_ms) + self._ask_for_bids(now_ms)

    def _ask_for_bids(self, now_ms: int) -> list[Action]:
        """Ask managers for the bids that their awards list and nobody has shown: one question a manager at a time."""
        asked: dict[bytes, list[Digest]] = {}
        for contract_id, (due_ms, pause_ms) in list(self._incomplete.items()):
            if due_ms > now_ms:
                continue
            contract = self._holdings.contracts.get(contract_id)
            award = contract.reading.award if contract is not None else None
            missing = _missing_bids(contract, award) if contract is not None and award is not None else []
            if contract is None or not missing:
                del self._incomplete[contract_id]
                continue
            ids = asked.setdefault(contract.manager, [])
            if len(ids) + len(missing) > limits.FETCH_IDS_MAX and ids:
                self._incomplete[contract_id] = (now_ms + limits.LAZY_MS, pause_ms)
                continue
            ids += missing[: limits.FETCH_IDS_MAX]
            longer_ms = min(pause_ms * limits.REPEAT_FACTOR, limits.REPEAT_LAST_MS)
            self._incomplete[contract_id] = (now_ms + pause_ms, longer_ms)
        return [Fetch(PeerId(manager), tuple(ids)) for manager, ids in asked.items()]


def _stands(reading: Reading, award: Statement[Award]) -> bool:
    """Tell whether a standing permit lets this award start, so that no other vote is needed."""
    return award.body.standing is not None and reading.permitted


def _missing_bids(contract: Contract, award: Statement[Award]) -> list[Digest]:
    """The bids that an award lists and that are not held."""
    return [Digest(bid) for bid in award.body.considered if Digest(bid) not in contract.held]


def _same_epoch(contract: Contract, vote: AnyStatement, question: AnyStatement) -> bool:
    """Tell whether a vote is about the award that a party speaks of: an award, its result, or its settlement."""
    spoken_of = question.about if type(question.body) is Result else contract.award_of(question.id)
    return spoken_of is not None and contract.award_of(vote.about) == spoken_of


def _is_veto_of(vote: AnyStatement, award_id: Digest) -> bool:
    return type(vote.body) is Veto and vote.about == award_id
