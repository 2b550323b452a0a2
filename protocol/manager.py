"""The manager's role: announce, award, renew, settle, recall, cancel, and say it again to who did not hear.

A manager moves a contract only by saying a step of its chain. Which step is next is `tender.next_step`; this module
says it to all who must hear it, and keeps the timers.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection

import msgspec

from protocol import limits
from protocol.actions import Action, Check, Impossible, Report, Say, Show, Wish
from protocol.admissible import fault_of_child, fault_of_task
from protocol.allowance import Allowance
from protocol.chain import cited_by
from protocol.contract import Contract
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
    Cancel,
    Refusal,
    Result,
    Settlement,
    Statement,
)
from protocol.states import Phase, Reading, State
from protocol.tender import Step, Tender, answer_to, has_effects, next_step
from protocol.topics import peer_topic, skill_topic


class Manager:
    """All the contracts that this peer manages."""

    def __init__(self, feed: Feed, holdings: Holdings, directory: Directory) -> None:
        self.tenders: dict[Digest, Tender] = {}
        self._feed = feed
        self._holdings = holdings
        self._directory = directory
        self._allowance = Allowance(feed.author, holdings)
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
            return self._announced_again(self.tenders[known], check=event.check)
        task = self._under_newest(event.task)
        fault = fault_of_task(task, self._holdings, self._feed)
        if fault is None and event.parent:
            children = [self.tenders[child] for child in self._children.get(event.parent, ()) if child in self.tenders]
            siblings = [child.contract for child in children]
            fault = fault_of_child(task, event.parent, siblings, self._holdings, self._feed)
        if fault is not None:
            return [Impossible(event.task.idempotency_key, fault)]
        statement = self._feed.say(task, about=event.parent, contract=None, now_ms=now_ms)
        actions: list[Action] = [Say(skill_topic(task.skill), statement, has_effects(statement))]
        tender = self._adopt(statement, check=event.check, patience_ms=event.patience_ms, now_ms=now_ms)
        if event.check:
            actions.append(Wish(tender.contract.id))
        return self._pursue(tender, actions, now_ms)

    def _under_newest(self, task: Announcement) -> Announcement:
        """What begins now lives under the newest charter, whichever of its versions our user had in mind."""
        charters = self._holdings.charters
        outdated = task.charter in charters and task.charter != charters.newest.id
        return msgspec.structs.replace(task, charter=charters.newest.id) if outdated else task

    def _announced_again(self, tender: Tender, *, check: bool) -> list[Action]:
        """Report the task as it stands; who wants to look at its result, perhaps after a restart, is asked now."""
        contract = tender.contract
        actions: list[Action] = [Report(contract.id, contract.reading)]
        if check:
            if not tender.check:
                actions.append(Wish(contract.id))
            tender.check, tender.checking = True, None
            self._ask_for_check(tender, contract.reading, actions)
        return actions

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

    def hears(self, contract: Contract, answer: AnyStatement) -> bool:
        """Tell whether a bid or a refusal is the one that counts; we hold all others for whoever manages the task."""
        tender = self.tenders.get(contract.id)
        return tender is None or tender.hears(answer)

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
        answer = answer_to(contract.reading, question)
        said: list[Action] = []
        if answer is not None:
            said.append(self._say(peer_topic(self._asker(contract, question)), answer, contract))
        return said + self._show_votes(contract, question)

    def _asker(self, contract: Contract, question: AnyStatement) -> bytes:
        """Who says something again asks; of our own words that we are shown, a governor does, who hears all topics."""
        award = contract.reading.award
        if question.author == self._feed.author and award is not None:
            return award.body.winner
        return question.author

    @staticmethod
    def _show_votes(contract: Contract, question: AnyStatement) -> list[Action]:
        """Who still asks about a settled task has not heard the votes, and may have nobody else to hear them from.

        A contractor says its Result again, a governor shows us our Settlement, and hears what the contractor hears.
        """
        settled = question.about if type(question.body) is Settlement else question.id
        result = contract.held.get(Digest(settled or b""))
        if (
            contract.reading.state not in (State.FINAL, State.VETOED)
            or result is None
            or type(result.body) is not Result
        ):
            return []
        return [Show(peer_topic(result.author), vote) for vote in contract.votes]

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
                self._say_tip(contract, topic, actions)
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

    def resume(self, contract: Contract, now_ms: int, *, check: bool) -> list[Action]:
        """Take up one of our contracts after a restart: all durations are counted anew."""
        tender = self._adopt(contract.announcement, check=check, patience_ms=0, now_ms=now_ms)
        for step in contract.held.values():
            if type(step.body) is Award and step.body.standing is not None:
                self._allowance.used(step.body.standing)
        tender.answered = {bid.author: True for bid in contract.bids}
        actions: list[Action] = []
        if contract.reading.state is State.OPEN:
            actions.append(self._say(skill_topic(contract.announcement.body.skill), contract.announcement, contract))
        return self._pursue(tender, actions, now_ms)

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
            all_answered = reading.state is State.OPEN and self._all_answered(tender)
            barred = self._holdings.charters.revoked
            step = next_step(tender, reading, now_ms, all_answered=all_answered, barred=barred)
            if step is None:
                break
            self._take_step(contract, step, actions, now_ms)
        self._ask_for_check(tender, reading, actions)
        permitted = reading.permitted and contract.gate.permit
        mark = (reading.state, reading.phase, len(reading.steps), permitted)
        if mark != tender.reported:
            tender.reported = mark
            actions.append(Report(contract.id, reading))
        self._repeat(tender, reading, actions, now_ms)
        self._arm(tender, reading, now_ms)
        return actions

    def _all_answered(self, tender: Tender) -> bool:
        """Early close: every member here whose card has the skill has bid or refused."""
        offering = self._directory.offering(tender.contract.announcement.body.skill)
        return 0 < len(offering) <= len(tender.answered) and offering <= tender.answered.keys()

    def _take_step(self, contract: Contract, step: Step, actions: list[Action], now_ms: int) -> None:
        """Say a step, to all who must hear it."""
        contractor = contract.reading.award
        body = self._allowance.spend(contract, step.body) if type(step.body) is Award else step.body
        statement = self._feed.say(body, about=step.about, contract=contract.id, now_ms=now_ms)
        learnt = self._holdings.learn(contract, statement)
        assert learnt, "a contract always has room for its manager's own steps"
        skill = skill_topic(contract.announcement.body.skill)
        effects = has_effects(contract.announcement)
        if type(step.body) is Award:
            topic = peer_topic(step.body.winner)
            later = step.body.epoch > 1
            if later:
                self._catch_up(contract, topic, actions)
            actions.append(Say(topic, statement, effects, unless=None if later else skill))
            actions.append(Say(skill, statement, effects, lazy=True))
            if type(body) is Award and body.standing is not None:
                actions.append(Show(topic, self._holdings.standing[Digest(body.standing.permit)]))
            return
        if contractor is not None:
            nobody_waits = type(step.body) is Settlement and not effects
            actions.append(Say(peer_topic(contractor.body.winner), statement, effects, lazy=nobody_waits))
        if type(step.body) is Cancel:
            actions.append(Say(skill, statement, effects, lazy=contractor is not None))
            self._holdings.end(contract)
        elif type(step.body) is Settlement:
            self._holdings.end(contract)

    def _say_tip(self, contract: Contract, topic: bytes, actions: list[Action]) -> None:
        """Say our latest step again; a later winner who has not answered its award may lack all that was before it."""
        tip = contract.reading.tip
        if type(tip.body) is Award and tip.body.epoch > 1:
            self._catch_up(contract, topic, actions)
        actions.append(self._say(topic, tip, contract))

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
            self._say_tip(contract, peer_topic(reading.award.body.winner), actions)
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
        return Say(topic, statement, has_effects(contract.announcement))
