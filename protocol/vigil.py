"""What a governor waits for: the ends of open tasks, and the answers to its vetoes. It asks, and decides nothing."""

from __future__ import annotations

import heapq

from protocol import limits
from protocol.actions import Action, Say, Show
from protocol.contract import Contract
from protocol.gaps import Gaps
from protocol.holdings import Holdings
from protocol.keys import Digest, PeerId
from protocol.statements import AnyStatement, Award, Veto, VetoScope
from protocol.states import State
from protocol.topics import peer_topic


class _Repeat:
    """A veto that waits for its manager's answer."""

    __slots__ = ("at_ms", "contract", "pause_ms", "veto")

    def __init__(self, veto: AnyStatement, contract: Contract, now_ms: int) -> None:
        self.veto = veto
        self.contract = contract
        self.pause_ms = limits.REPEAT_FIRST_MS
        self.at_ms = now_ms + self.pause_ms


class Vigil:
    """The open tasks and the unanswered vetoes of one governor."""

    def __init__(self, me: PeerId, holdings: Holdings, gaps: Gaps) -> None:
        self._me = me
        self._holdings = holdings
        self._gaps = gaps
        self._repeats: dict[Digest, _Repeat] = {}
        """Vetoes that no step of their manager has answered yet."""
        self._open: list[tuple[int, int, Digest]] = []
        """When each open contract is overdue, and how long to wait then: a heap."""

    def leave(self, vote: AnyStatement) -> None:
        """Forget a vote: its contract is no longer held."""
        self._repeats.pop(vote.id, None)

    def expect_end(self, contract: Contract, now_ms: int) -> None:
        """By its deadline a task has ended, and is voted on: if we do not know how, we ask."""
        if len(self._open) < limits.BACKLOG_MAX:
            due_ms = now_ms + contract.announcement.body.deadline_ms + limits.FETCH_AGAIN_MS
            heapq.heappush(self._open, (due_ms, limits.FETCH_AGAIN_MS, contract.id))

    def _ask(self, contract: Contract) -> list[Action]:
        """What to ask about a contract past its deadline: its manager for the end, the other seats for their votes,
        and both parties for those of seats that are gone.
        """
        reading = contract.reading
        if reading.fault is not None:
            return []
        if reading.end is None:
            # A manager that lost its journal does not know of it any more: shown the task, it ends it (law 6).
            shown = Show(peer_topic(contract.manager), contract.announcement)
            return [self._gaps.tail(contract.manager, contract.announcement.feed), shown]
        if reading.state is not State.SETTLED:
            return []
        voted = {vote.author for vote in contract.votes if vote.about == reading.end.id}
        silent = [seat for seat in contract.charter.governors if seat.governor not in {self._me, *voted}]
        asked = [self._gaps.tail(seat.governor, seat.feed) for seat in silent]
        if not asked or reading.award is None:
            return []
        parties = (contract.manager, reading.award.body.winner)
        return [*asked, *[Show(peer_topic(party), reading.end) for party in parties]]

    def begin_to_repeat(self, vote: AnyStatement, now_ms: int) -> None:
        """A governor repeats a veto until it holds the manager's end of that epoch (law 5)."""
        contract = self._holdings.contract_about(vote.about)
        if type(vote.body) is Veto and contract is not None and len(self._repeats) < limits.BACKLOG_MAX:
            self._repeats[vote.id] = _Repeat(vote, contract, now_ms)

    def deadline_ms(self) -> int | None:
        dues = [self._open[0][0]] if self._open else []
        return min([*dues, *[repeat.at_ms for repeat in self._repeats.values()]], default=None)

    def tick(self, now_ms: int) -> list[Action]:
        """Ask for the ends and votes that are overdue, and say again the vetoes that nobody has answered."""
        actions: list[Action] = []
        while self._open and self._open[0][0] <= now_ms:
            _, pause_ms, contract_id = heapq.heappop(self._open)
            contract = self._holdings.contracts.get(contract_id)
            asked = self._ask(contract) if contract is not None else []
            if asked:
                actions += [one for one in asked if one not in actions]
                longer_ms = min(pause_ms * limits.REPEAT_FACTOR, limits.REPEAT_LAST_MS)
                heapq.heappush(self._open, (now_ms + pause_ms, longer_ms, contract_id))
        for repeat in [repeat for repeat in self._repeats.values() if repeat.at_ms <= now_ms]:
            if _is_answered(repeat.veto, repeat.contract):
                del self._repeats[repeat.veto.id]
                continue
            actions += to_parties(repeat.contract, repeat.veto, lazy=False)
            repeat.pause_ms = min(repeat.pause_ms * limits.REPEAT_FACTOR, limits.REPEAT_LAST_MS)
            repeat.at_ms = now_ms + repeat.pause_ms
        return actions


def to_parties(contract: Contract, vote: AnyStatement, *, lazy: bool) -> list[Action]:
    """Votes go to the manager, and to the contractor of the epoch that they are about, if there is one.

    A veto of the whole task concerns whoever has it now, too.
    """
    held = contract.held.get(contract.award_of(vote.about) or contract.id)
    open_award = contract.reading.award
    winners = [held.body.winner] if held is not None and type(held.body) is Award else []
    if open_award is not None and (not winners or is_task_veto(vote)):
        winners.append(open_award.body.winner)
    parties = dict.fromkeys([contract.manager, *winners])
    return [Say(peer_topic(party), vote, durable=True, lazy=lazy) for party in parties]


def is_task_veto(vote: AnyStatement) -> bool:
    """Tell whether a vote is against the whole task, whatever it is about."""
    return type(vote.body) is Veto and vote.body.scope is VetoScope.TASK


def _is_answered(veto: AnyStatement, contract: Contract) -> bool:
    """Tell whether the manager's end of the vetoed epoch, or of the task, is held."""
    reading = contract.reading
    if reading.end is not None or reading.fault is not None:
        return True
    assert type(veto.body) is Veto
    if veto.body.scope is VetoScope.TASK or reading.award is None:
        return veto.body.scope is VetoScope.EPOCH
    return reading.award.id != veto.about
