"""Bidders that are not what they seem, from the merely slow to those that win and are never heard of again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from protocol.bidder import Quote
from protocol.events import Heard
from protocol.keys import Digest
from protocol.statements import Announcement, AnyStatement, Bid, Refusal, Statement
from simulations.population.liar import Busybody, Liar
from simulations.world.process import Process

TURN_US = 20_000


class SlowPeer(Process):
    """Each of its turns takes its time. It keeps every promise."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.turn_us = TURN_US


class SilentWinner(Liar):
    """Bids, and says nothing any more once it has won."""

    def lets_leave(self, topic: bytes, statement: AnyStatement) -> bool:
        if statement.about is None or isinstance(statement.body, Bid | Refusal):
            return True
        self.lies += 1
        return False


class CopyingBidder(Busybody):
    """Waits for what others bid, and bids one less. That is no lie: a bid is no secret."""

    def __init__(self, *given: Any, quotes: Mapping[str, Quote], **named: Any) -> None:
        self._waiting: dict[Digest, Statement[Announcement]] = {}
        self._prices: dict[Digest, int] = {}
        self._bidden: set[Digest] = set()
        super().__init__(*given, quotes=dict.fromkeys(quotes, self._undercut), **named)

    def _undercut(self, announcement: Statement[Announcement]) -> Bid | None:
        price = self._prices.get(announcement.id)
        if price is None:
            self._waiting[announcement.id] = announcement
            return None
        return Bid(price=max(0, price - 1), duration_ms=1)

    def overhears(self, frame: bytes) -> None:
        for statement in self.read(frame):
            if isinstance(statement.body, Bid) and statement.about is not None and statement.author != self.peer:
                contract = Digest(statement.about)
                self._prices[contract] = min(statement.body.price, self._prices.get(contract, statement.body.price))

    def act(self) -> None:
        """Bid on what others have bid on by now."""
        for contract, announcement in list(self._waiting.items()):
            if contract in self._prices:
                del self._waiting[contract]
                self.lies += 1
                self.post(Heard(announcement))
