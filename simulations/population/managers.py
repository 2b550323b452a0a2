"""Lying managers: what they award, to whom, and whom they tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import msgspec

from protocol.actions import Action
from protocol.contract import Contract
from protocol.feed import Feed
from protocol.keys import Digest
from protocol.node import Node
from protocol.statements import AnyStatement, Award, Bid, Progress, Recall, Renewal, Statement
from protocol.tender import Step
from protocol.topics import peer_topic
from simulations.population.liar import Liar
from simulations.world.process import Process


class ForkingManager(Liar):
    """Awards one epoch twice: to the winner that all hear of, and to another bidder beside it."""

    def adds(self, topic: bytes, statement: AnyStatement) -> None:
        if not isinstance(statement.body, Award) or topic != peer_topic(statement.body.winner):
            return
        for bid in _other_bids(self, statement)[:1]:
            award = msgspec.structs.replace(statement.body, winner=bid.author, bid=bid.id, price=bid.body.price)
            self.say_past(peer_topic(bid.author), self.lie(award, like=statement))


class TwoFacedManager(Liar):
    """Shows governors, or losers where there are none, an award with another price than the winner's."""

    def adds(self, topic: bytes, statement: AnyStatement) -> None:
        if not isinstance(statement.body, Award) or topic != peer_topic(statement.body.winner):
            return
        award = msgspec.structs.replace(statement.body, price=statement.body.price + 1)
        face = self.lie(award, like=statement)
        for reader in self.governors() or [
            one for bid in _other_bids(self, statement) for one in self.called(bid.author)
        ]:
            self.whisper(reader, face)


class WithholdingManager(Liar):
    """Recalls an award and lets its contractor work on: it alone is told a Renewal, in the Recall's place."""

    def lets_leave(self, topic: bytes, statement: AnyStatement) -> bool:
        return not (isinstance(statement.body, Recall) and self._is_of_the_recalled(topic, statement))

    def _is_of_the_recalled(self, topic: bytes, recall: AnyStatement) -> bool:
        award = self._recalled(recall)
        return award is not None and topic == peer_topic(award.body.winner)

    def _recalled(self, recall: AnyStatement) -> Statement[Award] | None:
        contract = self.node.holdings.contract_about(recall.id)
        award = contract.held.get(Digest(recall.about or b"")) if contract is not None else None
        return cast("Statement[Award]", award) if award is not None and isinstance(award.body, Award) else None

    def adds(self, topic: bytes, statement: AnyStatement) -> None:
        award = self._recalled(statement) if isinstance(statement.body, Recall) else None
        contract = self.node.holdings.contract_about(statement.id)
        if award is None or contract is None or topic != peer_topic(award.body.winner):
            return
        answers = [one for one in contract.answers.get(award.id, ()) if not isinstance(one.body, Progress)]
        for answer in answers[-1:]:
            renewal = Renewal(lease_ms=contract.announcement.body.lease_ms)
            for reader in self.called(award.body.winner):
                self.whisper(reader, self.lie(renewal, like=statement, about=answer.id))


class OmittingManager(Liar):
    """Hears no bids of half of the bidders: its awards list what it likes to know of."""

    def receive(self, link: Any, connection: int, frame: bytes) -> None:
        said = self.read(frame)
        if any(isinstance(one.body, Bid) and self.overlooks(one.author) for one in said):
            self.lies += 1
            link.queued -= 1
            return
        super().receive(link, connection, frame)

    @staticmethod
    def overlooks(bidder: bytes) -> bool:
        """Whether it does not like a bidder."""
        return bool(bidder[0] & 1)


class FavouringManager(Liar):
    """Lists all bids, and awards to the dearest of them: no such award can be recomputed."""

    def make_node(self, feed: Feed) -> Node:
        node = super().make_node(feed)
        take_step = node.manager._take_step

        def favour(contract: Contract, step: Step, actions: list[Action], now_ms: int) -> None:
            take_step(contract, self._favoured(contract, step), actions, now_ms)

        node.manager._take_step = favour  # type: ignore[method-assign]
        return node

    def _favoured(self, contract: Contract, step: Step) -> Step:
        award = step.body
        if not isinstance(award, Award):
            return step
        former = {one.body.winner for one in contract.reading.steps if isinstance(one.body, Award)}
        likely = [bid for bid in contract.bids if bid.author not in former and bid.id in award.considered]
        within = [bid for bid in likely if bid.body.price <= contract.announcement.body.budget]
        dearest = max(within, key=lambda bid: (bid.body.price, bid.id), default=None)
        if dearest is None or dearest.id == award.bid:
            return step
        self.lies += 1
        favour = msgspec.structs.replace(award, winner=dearest.author, bid=dearest.id, price=dearest.body.price)
        return Step(favour, step.about)


def _other_bids(manager: Process, award: AnyStatement) -> Sequence[Statement[Bid]]:
    contract = manager.node.holdings.contract_about(award.id)
    assert isinstance(award.body, Award)
    return [bid for bid in contract.bids if bid.author != award.body.winner] if contract is not None else []
