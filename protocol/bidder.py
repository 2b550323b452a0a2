"""The bidder's role: bid, refuse, say it again until it is answered, and forget what was lost.

A bidder that loses builds no contract: it frees everything but its Bid's bytes. Open bids may exceed the capacity;
what was refused for want of a place is bid on when there is one.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from protocol import limits
from protocol.actions import Action, Say
from protocol.charter import gate_of
from protocol.feed import Feed
from protocol.holdings import Holdings
from protocol.keys import Digest
from protocol.recent import Recent
from protocol.statements import Announcement, AnyStatement, Bid, EffectClass, Refusal, Statement
from protocol.topics import peer_topic

Quote = Callable[[Statement[Announcement]], Bid | Refusal | None]
"""A bidder's strategy: its price, its reason not to, or nothing to say."""

BUSY: Final = "busy"
ASK_AFTER_MS: Final = 1_000
"""How long after the bid window a bidder that heard nothing asks for the first time."""


class _OpenBid(Struct, frozen=True, gc=False):
    announcement: Statement[Announcement]
    answer: AnyStatement
    until_ms: int


class Bidder:
    """All that this peer has bid on and not won."""

    def __init__(
        self, feed: Feed, holdings: Holdings, *, quotes: Mapping[str, Quote], has_place: Callable[[], bool]
    ) -> None:
        """`quotes` maps the skills offered to their strategies; `has_place` tells whether work would find one."""
        self.quotes = quotes
        self._feed = feed
        self._holdings = holdings
        self._has_place = has_place
        self._bids = Recent[Digest, _OpenBid](limits.REMEMBERED_ANSWERS)
        self._lost = Recent[Digest, AnyStatement](limits.REMEMBERED_ANSWERS)
        self._busy: dict[Digest, tuple[Statement[Announcement], int]] = {}
        self._timers: list[tuple[int, Digest]] = []

    def invited(self, announcement: Statement[Announcement], now_ms: int) -> list[Action]:
        """An announcement was heard: bid, refuse, or say the old bid again."""
        contract_id = announcement.id
        bid = self._bids.get(contract_id)
        said = bid.answer if bid is not None else self._lost.get(contract_id)
        if said is not None and type(said.body) is not Refusal:
            if bid is None:  # the task is open again, and so is the bid
                self._lost.pop(contract_id)
                self._open(contract_id, _OpenBid(announcement, said, now_ms + announcement.body.deadline_ms), now_ms)
            self._holdings.seen.forget(contract_id)
            return [Say(peer_topic(announcement.author), said)]
        quote = self.quotes.get(announcement.body.skill)
        if quote is None or announcement.author == self._feed.author or self._feed.full:
            return []
        if announcement.author in self._holdings.charters.revoked:
            return []
        if said is None and self._feed.has_spoken(contract_id):
            return []
        answer = self._answer_to(announcement, quote, now_ms)
        if answer is None or (said is not None and isinstance(answer, Refusal)):
            return [Say(peer_topic(announcement.author), said)] if said is not None else []
        return self._bid(announcement, answer, now_ms)

    def _answer_to(self, announcement: Statement[Announcement], quote: Quote, now_ms: int) -> Bid | Refusal | None:
        charter = self._holdings.charter_of(announcement.body)
        if charter is None:
            return Refusal(reason="unknown charter version")
        if charter is not self._holdings.charters.newest.body and announcement.body.effect is not EffectClass.PURE:
            return Refusal(reason="a task with effects needs the newest charter")
        if gate_of(announcement.body, charter).refused:
            return Refusal(reason="an irreversible task needs governors")
        if not self._has_place():
            if len(self._busy) < limits.WAITING_MAX:
                self._busy[announcement.id] = (announcement, now_ms + announcement.body.deadline_ms)
            return Refusal(reason=BUSY)
        return quote(announcement)

    def _bid(self, announcement: Statement[Announcement], answer: Bid | Refusal, now_ms: int) -> list[Action]:
        contract_id = announcement.id
        said = self._feed.say(answer, about=contract_id, contract=contract_id, now_ms=now_ms)
        task = announcement.body
        self._open(contract_id, _OpenBid(announcement, said, now_ms + task.deadline_ms), now_ms)
        self._holdings.seen.forget(contract_id)
        if isinstance(answer, Bid):
            self._busy.pop(contract_id, None)
        return [Say(peer_topic(announcement.author), said, task.effect is not EffectClass.PURE)]

    def _open(self, contract_id: Digest, bid: _OpenBid, now_ms: int) -> None:
        self._bids.keep(contract_id, bid)
        if type(bid.answer.body) is Bid:
            self._set_timer(now_ms + bid.announcement.body.bid_window_ms + ASK_AFTER_MS, contract_id)

    def lost(self, contract_id: Digest) -> None:
        """The task went to another, or is over: free everything but the Bid's bytes."""
        self._busy.pop(contract_id, None)
        bid = self._bids.pop(contract_id, None)
        if bid is not None and type(bid.answer.body) is Bid:
            self._lost.keep(contract_id, bid.answer)

    def bid_about(self, contract_id: Digest) -> AnyStatement | None:
        """Our bid or refusal on a task, if it is still remembered."""
        bid = self._bids.get(contract_id)
        return bid.answer if bid is not None else self._lost.get(contract_id)

    def announcement_of(self, contract_id: Digest) -> Statement[Announcement] | None:
        """The announcement behind an open bid of ours."""
        bid = self._bids.get(contract_id)
        return bid.announcement if bid is not None else None

    def find(self, known: Digest) -> AnyStatement | None:
        """The announcement behind an open bid, for a manager that lost its journal."""
        return self.announcement_of(known)

    def won(self, contract_id: Digest) -> AnyStatement | None:
        """The task is ours: the bid goes over to the contract."""
        bid = self.bid_about(contract_id)
        self._bids.pop(contract_id, None)
        self._lost.pop(contract_id, None)
        self._busy.pop(contract_id, None)
        return bid

    def place_is_free(self, now_ms: int) -> list[Action]:
        """Bid on a task that was refused for want of a place."""
        while self._busy and self._has_place():
            contract_id, (announcement, until) = next(iter(self._busy.items()))
            del self._busy[contract_id]
            if now_ms < until and (actions := self.invited(announcement, now_ms)):
                return actions
        return []

    # Time

    def deadline_ms(self) -> int | None:
        """When to ask next; what was answered meanwhile is not waited for any more."""
        while self._timers and self._timers[0][1] not in self._bids:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def _set_timer(self, due_ms: int, contract_id: Digest) -> None:
        heapq.heappush(self._timers, (due_ms, contract_id))

    def tick(self, now_ms: int) -> list[Action]:
        """Ask again for what nobody has answered."""
        actions: list[Action] = []
        while self._timers and self._timers[0][0] <= now_ms:
            _, contract_id = heapq.heappop(self._timers)
            if (bid := self._bids.get(contract_id)) is not None:
                actions += self._repeat_bid(contract_id, bid, now_ms)
        return actions

    def _repeat_bid(self, contract_id: Digest, bid: _OpenBid, now_ms: int) -> list[Action]:
        """A bidder that heard nothing asks; after the deadline the task is over for it."""
        if now_ms >= bid.until_ms:
            self.lost(contract_id)
            return []
        waited = max(now_ms - (bid.until_ms - bid.announcement.body.deadline_ms), limits.REPEAT_FIRST_MS)
        self._set_timer(min(now_ms + waited, now_ms + limits.REPEAT_LAST_MS), contract_id)
        return [Say(peer_topic(bid.announcement.author), bid.answer)]

    def remember_bid(self, bid: AnyStatement) -> None:
        """Take back in, at replay, a bid that we have said."""
        if bid.about is not None and type(bid.body) is Bid:
            self._lost.keep(Digest(bid.about), bid)
