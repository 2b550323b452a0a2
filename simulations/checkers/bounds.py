"""The promise that nothing grows without a bound, whatever strangers do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from protocol import limits
from protocol.contract import Contract
from protocol.node import Node
from simulations.checkers.base import Checker, Roster
from simulations.testimony import Testimony

LOOK_EVERY: Final = 64
"""Turns of one peer between two looks at all it holds."""


class Bounded(Checker):
    """No queue and no memory of an honest node outgrows the bounds of `protocol.limits`."""

    def __init__(self, roster: Roster) -> None:
        super().__init__(roster)
        self._turns: dict[str, int] = {}

    def turned(self, who: Testimony, touched: Sequence[Contract], now_us: int) -> None:
        for contract in touched:
            if len(contract.held) > limits.CONTRACT_STATEMENTS_MAX + limits.BIDS_MAX:
                raise self.broken(f"{len(contract.held)} statements are held", contract=contract.id, who=who)
        turns = self._turns[who.name] = self._turns.get(who.name, 0) + 1
        if turns % LOOK_EVERY == 0:
            self._look(who)

    def at_rest(self, everybody: Sequence[Testimony], now_us: int) -> None:
        for who in everybody:
            if who.alive:
                self._look(who)

    def _look(self, who: Testimony) -> None:
        if not who.honest:
            return
        for what, count, bound in _sizes(who.node):
            if count > bound:
                raise self.broken(f"{count} {what} are held, and {bound} are allowed", who=who)


def _sizes(node: Node) -> Iterator[tuple[str, int, int]]:
    """What a node holds of everything, and its bound."""
    holdings = node.holdings
    yield "waiting statements", len(holdings.waiting), limits.WAITING_MAX
    yield (
        "waiting statements of one author",
        max(holdings.waiting._of_author.values(), default=0),
        (limits.WAITING_PER_AUTHOR_MAX),
    )
    yield "standing permits", len(holdings.standing), limits.STANDING_MAX
    yield "bytes of feeds", holdings.forks.bytes, limits.FORK_BYTES_MAX
    yield "cards", len(node.directory.cards), limits.CARDS_MAX
    yield "open bids", len(node.bidder._bids), limits.REMEMBERED_ANSWERS
    yield "lost bids", len(node.bidder._lost), limits.REMEMBERED_ANSWERS
    ours, open_of = 0, dict[bytes, int]()
    for contract in holdings.contracts.values():
        if contract.manager == node.peer or contract.id in node.manager.tenders:
            ours += 1
        elif contract.reading.end is None:
            open_of[contract.manager] = open_of.get(contract.manager, 0) + 1
    others = len(holdings.contracts) - ours - sum(open_of.values())
    yield "ended contracts", others, limits.ENDED_KEPT + limits.OPEN_PER_MANAGER_MAX
    if node.governor is not None:
        yield "open contracts of one manager", max(open_of.values(), default=0), limits.OPEN_PER_MANAGER_MAX
        yield "cases for a person", len(node.governor.referred), limits.BACKLOG_MAX
