"""After a restart: take back in what the journal says, and then take up every contract that is not over.

A replayed statement is never answered: it is taken in, and what follows from it is said when all are in.
"""

from __future__ import annotations

from protocol.actions import Action, Amended, Report
from protocol.contract import Contract
from protocol.job import is_award_of
from protocol.keys import Digest
from protocol.node import Node
from protocol.notices import Charter
from protocol.statements import Announcement, AnyStatement, Award, Permit, Statement
from protocol.states import State


class Replay:
    """One node's way back."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._recalled: dict[Digest, Statement[Announcement]] = {}
        """The announcements of others, until an award to us needs them."""
        self._wishes: dict[Digest, None] = {}
        """Tasks of ours whose results our user wants to look at."""

    def recall(self, statement: AnyStatement) -> None:
        """Take in, at replay, a statement from our journal: said or heard, in the order of the journal."""
        node = self._node
        own = statement.author == node.feed.author
        node.holdings.forks.look(statement)
        if node.governor is not None and not own:
            node.governor.gaps.note(statement, 0)
        contract = self._recall_contract(statement, own=own)
        if own:
            known = contract.id if contract is not None else Digest(statement.about or statement.id)
            node.feed.remember(statement, known)
            node.bidder.remember_bid(statement)
        if type(statement.body) is Charter:
            node.amendments.recall(statement)  # type: ignore[arg-type]
            self._recall_guests(statement.id)
        elif contract is not None:
            node.holdings.seen.add(statement.id)
            self._recall_into(contract, statement)
        elif type(statement.body) is Permit and statement.body.standing is not None:
            node.holdings.stand(statement)  # type: ignore[arg-type]
        elif type(statement.body) is Announcement:
            self._recalled[statement.id] = statement  # type: ignore[assignment]
            if node.governor is not None:  # under a charter version that is not back yet
                node.holdings.waiting.admit(statement.body.charter, statement, 0)
            self._recall_guests(statement.id)
        elif statement.about is not None and not own:
            node.holdings.waiting.admit(statement.about, statement, 0)

    def recall_wish(self, contract: Digest) -> None:
        """Our user wants to look at the result of this task, in this life too."""
        self._wishes[contract] = None

    def _recall_contract(self, statement: AnyStatement, *, own: bool) -> Contract | None:
        """The contract that a statement of the journal belongs to: ours, one that we won, or any if we govern."""
        node = self._node
        if type(statement.body) is Announcement:
            return node.holdings.open(statement) if own or node.governor is not None else None  # type: ignore[arg-type]
        contract = node.holdings.contract_about(statement.about)
        announcement = self._recalled.get(Digest(statement.about)) if statement.about is not None else None
        if contract is None and announcement is not None and is_award_of(announcement, statement, node.feed.author):
            contract = node.holdings.open(announcement)
        return contract

    def _recall_into(self, contract: Contract, statement: AnyStatement) -> None:
        node = self._node
        if type(statement.body) is Award:
            node.convictions.by_use(statement)
            node.know_bid(contract, statement)  # type: ignore[arg-type]
        node.holdings.learn(contract, statement)
        for known in (statement.id, contract.id):
            self._recall_guests(known)

    def _recall_guests(self, known: Digest) -> None:
        """What waited for this comes in behind it."""
        for guest in self._node.holdings.waiting.release(known):
            self.recall(guest)

    def resume(self, now_ms: int) -> list[Action]:
        """After replay: take up every contract that is not over."""
        node = self._node
        self._recalled.clear()
        charters = node.holdings.charters
        actions: list[Action] = [Amended(charters.newest)] if charters.newest.body.version > 1 else []
        for contract in list(node.holdings.contracts.values()):
            # What was settled in an old feed is said again too, until the votes on it are in.
            settled = contract.reading.state is State.SETTLED
            if contract.manager == node.feed.author and (settled or contract.announcement.feed == node.feed.id):
                actions += node.manager.resume(contract, now_ms, check=contract.id in self._wishes)
            elif contract.manager == node.feed.author:
                actions += node.orphans.disown(contract, now_ms)
                if contract.reading.state is State.SETTLED:
                    actions += node.manager.resume(
                        contract, now_ms, check=False
                    )  # whether it is ratified is still to be asked
            else:
                actions += node.look_for_missing(contract, now_ms)
                actions += node.contractor.resume(contract, now_ms) + node.reminders.heard(contract)
            if node.governor is not None:
                actions += node.governor.pursue(contract, now_ms)
            if contract.reading.end is not None:
                node.holdings.end(contract)
        self._wishes.clear()
        return [action for action in actions if not isinstance(action, Report)]
