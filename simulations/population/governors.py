"""Lying governors: one of them stops nothing and permits nothing where the charter reckons with it."""

from __future__ import annotations

from protocol.events import Vote
from protocol.feed import Feed
from protocol.keys import Digest
from protocol.node import Node
from protocol.policy import Policy, Rule, Ruled
from protocol.statements import AnyStatement, Permit, Veto, VetoScope
from protocol.topics import peer_topic
from simulations.population.liar import Liar

VETO_ALL = Policy(
    version=Digest(b"\2" * 32), rules=(Rule(id="all", decision=Ruled.VETO, scope=VetoScope.TASK, reason="No."),)
)
LATE_MS = 5_000


def _against(permit: Permit) -> Veto:
    return Veto(scope=VetoScope.EPOCH, rule="whim", policy=permit.policy, reason="No.", grounds=(), reviewer=None)


class DoubleVotingGovernor(Liar):
    """Permits, and vetoes the same in its next statement: both count, and neither convicts it."""

    def make_node(self, feed: Feed) -> Node:
        node = super().make_node(feed)
        if node.governor is not None:
            node.governor._fault_of_vote = lambda contract, event: None  # type: ignore[method-assign]
        return node

    def adds(self, topic: bytes, statement: AnyStatement) -> None:
        if not isinstance(statement.body, Permit) or statement.about is None:
            return
        contract = self.node.holdings.contract_about(statement.about)
        own = contract.votes if contract is not None else ()
        vetoed = any(
            isinstance(one.body, Veto) and one.about == statement.about for one in own if one.author == self.peer
        )
        if contract is not None and not vetoed:
            self.lies += 1
            veto = Vote(about=Digest(statement.about), body=_against(statement.body))
            self.world.at(self.world.now_us, self.post, veto)


class ForkingGovernor(Liar):
    """Permits before all, and shows the manager alone a veto in the permit's place."""

    def adds(self, topic: bytes, statement: AnyStatement) -> None:
        contract = self.node.holdings.contract_about(statement.about)
        if not isinstance(statement.body, Permit) or contract is None or topic != peer_topic(contract.manager):
            return
        for reader in self.called(contract.manager):
            self.whisper(reader, self.lie(_against(statement.body), like=statement))


class VetoingGovernor(Liar):
    """Vetoes every task."""

    def adds(self, topic: bytes, statement: AnyStatement) -> None:
        self.lies += isinstance(statement.body, Veto)


class LateGovernor(Liar):
    """Says everything late: what it votes comes when nobody waits for it any more."""

    def publish(self, frame: bytes) -> None:
        self.lies += 1
        self.world.at(self.world.now_us + LATE_MS * 1000, self._say_late, self.node, frame)

    def _say_late(self, life: Node, frame: bytes) -> None:
        if self.alive and self.node is life:
            super().publish(frame)
