"""The manager's role: announce, award, renew, settle, recall, cancel, and say it again to who did not hear.

A manager moves a contract only by saying a step of its chain. Which step is next is `tender.next_step`; this module
says it to all who must hear it, and keeps the timers.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection

from msgspec.structs import replace

from protocol import limits
from protocol.actions import Action, Check, Impossible, Report, Say, Show
from protocol.charter import EFFECT_ORDER, has_seat, standing_covers
from protocol.contract import Contract, Phase, Reading, State, cited_by
from protocol.directory import Directory
from protocol.events import Announce, Checked
from protocol.feed import Feed
from protocol.holdings import Holdings
from protocol.keys import Digest
from protocol.statements import (
    Announcement,
    AnyStatement,
    Award,
    Bid,
    Body,
    Cancel,
    CancelReason,
    EffectClass,
    Permit,
    Refusal,
    Settlement,
    StandingUse,
    Statement,
    Veto,
)
from protocol.tender import Step, Tender, next_step
from protocol.topics import peer_topic, skill_topic


class Manager:
    """All the contracts that this peer manages."""

    def __init__(self, feed: Feed, holdings: Holdings, directory: Directory) -> None:
        self.tenders: dict[Digest, Tender] = {}
        self._feed = feed
        self._holdings = holdings
        self._directory = directory
        self._uses: dict[bytes, int] = {}
        """Standing permit → how often we have used it."""
        self._by_key: dict[bytes, Digest] = {}
        self._children: dict[Digest, list[Digest]] = {}
        self._timers: list[tuple[int, int, Digest]] = []
        self._timers_set = 0
        holdings.on_forgotten.append(self._forget)

    # What our user asks

    def announce(self, event: Announce, now_ms: int) -> list[Action]:
        """Say a new task, or report the one that already has this idempotency key.

        What the charter or the parent award does not allow is `Impossible`, and nothing is said.
        """
        known = self._by_key.get(event.task.idempotency_key)
        if known is not None:
            return [Report(known, self.tenders[known].contract.reading)]
        fault = self._fault_of_task(event.task) or (
            self._fault_of_child(event.task, event.parent) if event.parent else None
        )
        if fault is not None:
            return [Impossible(event.task.idempotency_key, fault)]
        statement = self._feed.say(event.task, about=event.parent, contract=None, now_ms=now_ms)
        actions: list[Action] = [Say(skill_topic(event.task.skill), statement, _has_effects(statement))]
        tender = self._adopt(statement, check=event.check, patience_ms=event.patience_ms, now_ms=now_ms)
        return self._pursue(tender, actions, now_ms)

    def _fault_of_task(self, task: Announcement) -> str | None:
        charter = self._holdings.charter_of(task)
        if charter is None:
            return "the charter version that this task names is not known here"
        if task.effect is EffectClass.IRREVERSIBLE and not charter.governors:
            return "an irreversible task needs governors, and this market has none"
        if task.budget > charter.budget_max:
            return f"the budget {task.budget} is above the market's limit of {charter.budget_max}"
        if task.deadline_ms > charter.deadline_max_ms:
            return f"the deadline is longer than the market's limit of {charter.deadline_max_ms} ms"
        return "this feed can begin no more contracts: start the peer with a new journal" if self._feed.full else None

    def _fault_of_child(self, task: Announcement, parent: Digest) -> str | None:
        """A child lies within its parent's budget, deadline and effect class."""
        contract = self._holdings.contract_about(parent)
        award = contract.reading.award if contract is not None else None
        ours = award is not None and award.id == parent and award.body.winner == self._feed.author
        if contract is None or award is None or not ours or contract.reading.state is not State.AWARDED:
            return "the parent award is not one that is open here"
        above = contract.announcement.body
        if EFFECT_ORDER[task.effect] > EFFECT_ORDER[above.effect]:
            return f"a child of a task that is {above.effect} cannot be {task.effect}"
        if task.deadline_ms > above.deadline_ms:
            return "a child's deadline must lie within its parent's"
        siblings = [self.tenders[child].contract for child in self._children.get(parent, ()) if child in self.tenders]
        bound = sum(child.announcement.body.budget for child in siblings if not _ended_unpaid(child.reading))
        if bound + task.budget > award.body.price:
            return (
                f"the children's budgets would sum to {bound + task.budget}, above the award's price {award.body.price}"
            )
        return None

    def _adopt(self, announcement: Statement[Announcement], *, check: bool, patience_ms: int, now_ms: int) -> Tender:
        contract = self._holdings.open(announcement)
        assert contract is not None, "the charter of our own task is held"
        tender = Tender(contract, check=check, patience_ms=patience_ms, now_ms=now_ms)
        self.tenders[contract.id] = tender
        self._by_key[announcement.body.idempotency_key] = contract.id
        if announcement.about is not None:
            self._children.setdefault(Digest(announcement.about), []).append(contract.id)
        return tender

    def withdraw(self, contract_id: Digest, now_ms: int) -> list[Action]:
        """Our user no longer wants the task."""
        tender = self.tenders.get(contract_id)
        if tender is None:
            return []
        tender.withdrawn = True
        return self._pursue(tender, [], now_ms)

    def withdraw_children(self, award_id: Digest, now_ms: int) -> list[Action]:
        """A contract that ends cancels its children."""
        actions: list[Action] = []
        for child in self._children.pop(award_id, ()):
            actions += self.withdraw(child, now_ms)
        return actions

    def checked(self, event: Checked, now_ms: int) -> list[Action]:
        """Our user has looked at a result."""
        tender = self.tenders.get(event.contract)
        if tender is None:
            return []
        tender.checked[event.result] = event.passed
        return self._pursue(tender, [], now_ms)

    # What others say

    def heard(self, contract: Contract, statement: AnyStatement, now_ms: int) -> list[Action]:
        """A statement about one of our contracts was learnt."""
        tender, late = self.tenders[contract.id], list[Action]()
        if type(statement.body) in (Bid, Refusal):
            tender.answered[statement.author] = type(statement.body) is Bid
            if tender.watched[0] is not State.OPEN:
                return self.asked(contract, statement)  # it comes too late
            if now_ms < tender.bid_until and not self._all_answered(tender):
                return []
        elif contract.reading.award is None or statement.about != contract.reading.award.id:
            late = self.asked(contract, statement)  # its epoch is over, and its author does not know yet
        return self._pursue(tender, late, now_ms)

    def asked(self, contract: Contract, question: AnyStatement) -> list[Action]:
        """Somebody says again what we have answered: say the answer again, to the asker."""
        answer = _answer_to(contract.reading, question)
        return [self._say(peer_topic(question.author), answer, contract)] if answer is not None else []

    def seen(self, newcomer: bytes, skills: Collection[str]) -> list[Action]:
        """A peer can hear us now: it gets the open announcements for its skills, and the tip of what it works on."""
        topic, actions = peer_topic(newcomer), list[Action]()
        for tender in self.tenders.values():
            reading, contract = tender.contract.reading, tender.contract
            if reading.state is State.OPEN and contract.announcement.body.skill in skills:
                actions.append(self._say(topic, contract.announcement, contract))
            elif tender.repeat_at is None and reading.state is not State.AWARDED:
                continue
            elif reading.award is not None and reading.award.body.winner == newcomer:
                actions.append(self._say(topic, reading.tip, contract))
        return actions

    # Time

    def deadline_ms(self) -> int | None:
        return self._timers[0][0] if self._timers else None

    def tick(self, now_ms: int) -> list[Action]:
        """Do what is due."""
        actions: list[Action] = []
        while self._timers and self._timers[0][0] <= now_ms:
            due, _, contract_id = heapq.heappop(self._timers)
            tender = self.tenders.get(contract_id)
            if tender is not None and tender.due_ms == due:
                tender.due_ms = None
                actions = self._pursue(tender, actions, now_ms)
        return actions

    def resume(self, contract: Contract, now_ms: int) -> list[Action]:
        """Take up one of our contracts after a restart: all durations are counted anew."""
        tender = self._adopt(contract.announcement, check=False, patience_ms=0, now_ms=now_ms)
        for step in contract.held.values():
            if isinstance(step.body, Award) and (use := step.body.standing) is not None:
                self._uses[use.permit] = max(self._uses.get(use.permit, 0), use.number)
        tender.answered = {bid.author: True for bid in contract.bids}
        actions: list[Action] = []
        if contract.reading.state is State.OPEN:
            actions.append(self._say(skill_topic(contract.announcement.body.skill), contract.announcement, contract))
        return self._pursue(tender, actions, now_ms)

    def disown(self, contract: Contract, now_ms: int) -> list[Action]:
        """Our own contract from a journal that is lost: end it, once, if it has no end yet (law 6)."""
        reading = contract.reading
        if reading.end is not None or reading.fault is not None or self._feed.has_spoken(contract.id):
            return []
        cancel = Cancel(reason=CancelReason.ORPHANED, answer=None)
        statement = self._feed.say(cancel, about=contract.id, contract=contract.id, now_ms=now_ms)
        self._holdings.learn(contract, statement)
        self._holdings.end(contract)
        topics = [skill_topic(contract.announcement.body.skill)]
        if reading.award is not None:
            topics.append(peer_topic(reading.award.body.winner))
        said: list[Action] = [self._say(topic, statement, contract) for topic in topics]
        return [*said, Report(contract.id, contract.reading)]

    def _forget(self, contract: Contract) -> None:
        if self.tenders.pop(contract.id, None) is not None:
            self._by_key.pop(contract.announcement.body.idempotency_key, None)

    # Saying steps

    def _pursue(self, tender: Tender, actions: list[Action], now_ms: int) -> list[Action]:
        """Say steps until there is none to say; then report what moved, and set the timer."""
        contract = tender.contract
        while True:
            reading = contract.reading
            tender.watch(reading, now_ms)
            step = next_step(tender, reading, now_ms, all_answered=self._all_answered(tender))
            if step is None:
                break
            self._take_step(contract, step, actions, now_ms)
        self._ask_for_check(tender, reading, actions)
        mark = (reading.state, reading.phase, reading.epoch)
        if mark != tender.reported:
            tender.reported = mark
            actions.append(Report(contract.id, reading))
        self._repeat(tender, reading, actions, now_ms)
        self._arm(tender, reading, now_ms)
        return actions

    def _all_answered(self, tender: Tender) -> bool:
        """Early close: every member here whose card has the skill has bid or refused."""
        offering = self._directory.offering(tender.contract.announcement.body.skill)
        return 0 < len(offering) <= len(tender.answered) and all(member in tender.answered for member in offering)

    def _take_step(self, contract: Contract, step: Step, actions: list[Action], now_ms: int) -> None:
        """Say a step, to all who must hear it."""
        contractor = contract.reading.award
        body = self._under_standing_permit(contract, step.body) if isinstance(step.body, Award) else step.body
        statement = self._feed.say(body, about=step.about, contract=contract.id, now_ms=now_ms)
        learnt = self._holdings.learn(contract, statement)
        assert learnt, "a contract always has room for its manager's own steps"
        skill = skill_topic(contract.announcement.body.skill)
        effects = _has_effects(contract.announcement)
        if isinstance(step.body, Award):
            topic = peer_topic(step.body.winner)
            later = step.body.epoch > 1
            if later:
                self._catch_up(contract, topic, actions)
            actions.append(Say(topic, statement, effects, unless=None if later else skill))
            actions.append(Say(skill, statement, effects, lazy=True))
            if isinstance(body, Award) and body.standing is not None:
                actions.append(Show(topic, self._holdings.standing[Digest(body.standing.permit)]))
            return
        if contractor is not None:
            nobody_waits = isinstance(step.body, Settlement) and not effects
            actions.append(Say(peer_topic(contractor.body.winner), statement, effects, lazy=nobody_waits))
        if isinstance(step.body, Cancel):
            actions.append(Say(skill, statement, effects, lazy=contractor is not None))
            self._holdings.end(contract)
        elif isinstance(step.body, Settlement):
            self._holdings.end(contract)

    def _under_standing_permit(self, contract: Contract, award: Award) -> Award:
        """Take the next use of a standing permit that covers an award which needs a permit."""
        if not contract.gate.permit or contract.charter.permits_needed > 1:
            return award
        task, me = contract.announcement.body, self._feed.author
        for permit in self._holdings.standing.values():
            standing, number = permit.body.standing, self._uses.get(permit.id, 0) + 1
            seated = has_seat(contract.charter, permit) and permit.author not in (me, award.winner)
            if standing and seated and standing_covers(standing, me, task, award.price, number):
                self._uses[permit.id] = number
                used = replace(award, standing=StandingUse(permit=permit.id, number=number))
                self._holdings.cite_standing(contract, used)
                return used
        return award

    def _catch_up(self, contract: Contract, topic: bytes, actions: list[Action]) -> None:
        """A later winner has freed what it knew: it gets the chain before its award, and what the chain cites.

        Announcement and award come first: to who holds them the rest is part of a contract.
        """
        reading = contract.reading
        assert reading.award is not None, "an award was just said"
        for step in (contract.announcement, reading.award, *reading.steps[1:-1]):
            actions.append(self._say(topic, step, contract))
            cited = cited_by(step)
            if cited is not None and (answer := contract.held.get(cited)) is not None:
                actions.append(Show(topic, answer))

    @staticmethod
    def _ask_for_check(tender: Tender, reading: Reading, actions: list[Action]) -> None:
        result = reading.answer
        if tender.check and reading.phase is Phase.DELIVERED and result is not None and tender.checking != result.id:
            tender.checking = result.id
            actions.append(Check(tender.contract.id, result))

    def _repeat(self, tender: Tender, reading: Reading, actions: list[Action], now_ms: int) -> None:
        """Who waits says its latest statement again, with growing pauses (law 5)."""
        contract = tender.contract
        if reading.state is State.OPEN:
            if now_ms < tender.bid_until:
                return
            actions.append(self._say(skill_topic(contract.announcement.body.skill), contract.announcement, contract))
            tender.bid_until = now_ms + max(contract.announcement.body.bid_window_ms, tender.pause_ms)
        elif tender.repeat_at is None or now_ms < tender.repeat_at or reading.award is None:
            return
        else:
            actions.append(self._say(peer_topic(reading.award.body.winner), reading.tip, contract))
            tender.repeat_at = now_ms + tender.pause_ms
        tender.pause_ms = min(tender.pause_ms * limits.REPEAT_FACTOR, limits.REPEAT_LAST_MS)

    def _arm(self, tender: Tender, reading: Reading, now_ms: int) -> None:
        """Set the one timer of a tender to the next thing that is due."""
        due = tender.next_due_ms(reading, now_ms)
        if due is not None and due != tender.due_ms:
            self._timers_set += 1
            heapq.heappush(self._timers, (due, self._timers_set, tender.contract.id))
        tender.due_ms = due

    @staticmethod
    def _say(topic: bytes, statement: AnyStatement, contract: Contract) -> Say:
        return Say(topic, statement, _has_effects(contract.announcement))


def _has_effects(announcement: Statement[Announcement]) -> bool:
    return announcement.body.effect is not EffectClass.PURE


def _ended_unpaid(reading: Reading) -> bool:
    return reading.state in (State.CANCELLED, State.VOID, State.VETOED)


def _answer_to(reading: Reading, question: AnyStatement) -> AnyStatement | None:
    """The step that answers a question: to a bidder the award, to a contractor what became of its epoch."""
    steps = reading.steps
    if reading.orphaned:
        return reading.end
    match question.body:
        case Bid() | Refusal():
            if isinstance(reading.tip.body, Cancel):
                return reading.tip
            return next((step for step in reversed(steps) if isinstance(step.body, Award)), None)
        case Veto():
            if question.about == steps[0].id or reading.end is None or question.about == reading.end.id:
                answers: tuple[type[Body], ...] = (Settlement, Cancel)
                return reading.tip if isinstance(reading.tip.body, answers) else _last_of_epoch(steps, question.about)
            return _last_of_epoch(steps, question.about)
        case Permit():
            return None
        case _:
            return _last_of_epoch(steps, question.about)


def _last_of_epoch(steps: tuple[AnyStatement, ...], award: bytes | None) -> AnyStatement | None:
    """The last step after an award and before the next one, if any."""
    last = None
    for step in steps:
        if isinstance(step.body, Award) and last is not None:
            break
        if step.id == award or last is not None:
            last = step
    return None if last is None or isinstance(last.body, Award | Announcement) else last
