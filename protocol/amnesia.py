"""Contracts whose manager lost its journal: how it ends them, and how others show it what it had ended before (law 6).

It hears only of what somebody still waits for or shows. What it calls orphaned it says again to all who may hold
another end, and who holds one shows it: the two agree as soon as one of them has heard the other.
"""

from __future__ import annotations

from collections.abc import Collection

from protocol import limits
from protocol.actions import Action, Report, Say, Show
from protocol.chain import cited_by
from protocol.contract import Contract
from protocol.feed import Feed
from protocol.holdings import Holdings
from protocol.keys import Digest
from protocol.statements import AnyStatement, Award, Cancel, CancelReason
from protocol.tender import has_effects
from protocol.topics import peer_topic, skill_topic


class Orphans:
    """The manager's side: our own contracts of a journal that is lost."""

    def __init__(self, feed: Feed, holdings: Holdings) -> None:
        self._feed = feed
        self._holdings = holdings
        self._held: dict[Digest, Contract] = {}
        """What we have called orphaned: somebody may hold another end of it."""
        self._again: dict[Digest, tuple[int, int]] = {}
        """When to say so again, and the pause after that; after the longest pause only to who is seen."""
        self._bowed: set[Digest] = set()
        """What of it had another end, as others have shown."""
        holdings.on_forgotten.append(self._forget)

    def disown(self, contract: Contract, now_ms: int) -> list[Action]:
        """Our own contract from a journal that is lost: end it, once, if it has no end yet (law 6)."""
        reading = contract.reading
        if self._feed.has_spoken(contract.id):
            self._remember(contract)
            if not reading.orphaned and contract.id not in self._bowed:
                # Who has heard us call it orphaned is to hear how it ended: perhaps nobody else is left to say so.
                self._bowed.add(contract.id)
                self._again[contract.id] = (now_ms, limits.REPEAT_FIRST_MS)
        if reading.end is not None or reading.fault is not None or self._feed.has_spoken(contract.id):
            return []
        cancel = Cancel(reason=CancelReason.ORPHANED, answer=None)
        statement = self._feed.say(cancel, about=contract.id, contract=contract.id, now_ms=now_ms)
        self._holdings.learn(contract, statement)
        self._holdings.end(contract)
        self._remember(contract)
        self._again[contract.id] = (now_ms + limits.REPEAT_FIRST_MS, limits.REPEAT_FIRST_MS)
        return [*self._say(contract, statement), Report(contract.id, contract.reading)]

    @staticmethod
    def _say(contract: Contract, cancel: AnyStatement) -> list[Action]:
        """To all bidders, and to the contractor, who may not listen to its skill any more."""
        topics = [skill_topic(contract.announcement.body.skill)]
        winners = [step.body.winner for step in contract.reading.steps if type(step.body) is Award]
        topics += [peer_topic(winner) for winner in winners[-1:]]
        return [Say(topic, cancel, has_effects(contract.announcement)) for topic in topics]

    def deadline_ms(self) -> int | None:
        return min([due for due, _ in self._again.values()]) if self._again else None

    def tick(self, now_ms: int) -> list[Action]:
        """Say again how they ended: nobody answers who holds no other end, and who does may not hear."""
        said: list[Action] = []
        for contract_id, (due_ms, pause_ms) in list(self._again.items()) if self._again else ():
            if due_ms > now_ms:
                continue
            del self._again[contract_id]
            contract = self._held.get(contract_id)
            if contract is None or contract.reading.end is None:
                continue
            said += self._say(contract, contract.reading.end)
            if pause_ms < limits.REPEAT_LAST_MS:
                longer_ms = min(pause_ms * limits.REPEAT_FACTOR, limits.REPEAT_LAST_MS)
                self._again[contract_id] = (now_ms + longer_ms, longer_ms)
        return said

    def _remember(self, contract: Contract) -> None:
        if len(self._held) < limits.REMEMBERED_ANSWERS:
            self._held[contract.id] = contract

    def _forget(self, contract: Contract) -> None:
        self._held.pop(contract.id, None)
        self._again.pop(contract.id, None)
        self._bowed.discard(contract.id)

    def seen(self, newcomer: bytes, skills: Collection[str]) -> list[Action]:
        """A peer can hear us now: say again what we have called orphaned, if it may know better."""
        said: list[Action] = []
        for contract in self._held.values():
            governs = any(seat.governor == newcomer for seat in contract.charter.governors)
            concerned = governs or contract.announcement.body.skill in skills
            if concerned and contract.reading.orphaned and contract.reading.end is not None:
                said.append(Say(peer_topic(newcomer), contract.reading.end, has_effects(contract.announcement)))
        return said


class Reminders:
    """Everybody else's side: ends that their manager forgot."""

    def __init__(self, holdings: Holdings) -> None:
        self._held: dict[Digest, Contract] = {}
        """By contract: shown to its manager whenever that is there again."""
        holdings.on_forgotten.append(self._forget)

    def heard(self, contract: Contract) -> list[Action]:
        """Something was learnt: if a manager has ended its contract a second time, show it how it had ended."""
        if not contract.disowned:
            return []
        if len(self._held) < limits.REMEMBERED_ANSWERS:
            self._held[contract.id] = contract
        return _exhibits(contract)

    def seen(self, manager: bytes) -> list[Action]:
        """A manager is there again."""
        forgotten = [contract for contract in self._held.values() if contract.manager == manager]
        return [shown for contract in forgotten for shown in _exhibits(contract)]

    def _forget(self, contract: Contract) -> None:
        self._held.pop(contract.id, None)


def _exhibits(contract: Contract) -> list[Action]:
    """The chain with all that it cites, and the votes."""
    shown: list[AnyStatement] = []
    for step in contract.reading.steps:
        cited = cited_by(step)
        shown += [step] if cited is None else [contract.held[cited], step]
    return [Show(peer_topic(contract.manager), statement) for statement in (*shown, *contract.votes)]
