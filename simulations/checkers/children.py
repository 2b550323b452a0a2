"""Promises about sub-contracts: they lie within their parent, and end with it."""

from __future__ import annotations

from collections.abc import Sequence

from protocol.contract import Contract
from protocol.keys import Digest
from protocol.statements import Announcement, AnyStatement, Award, EffectClass
from protocol.states import END_RANK, State
from simulations.checkers.base import Checker, Lives, Roster
from simulations.testimony import Testimony


class ChildrenWithin(Checker):
    """A child of an honest contractor lies within its parent's deadline, budget and effect class."""

    def said(self, who: Testimony, statement: AnyStatement, now_us: int) -> None:
        task = statement.body
        if not isinstance(task, Announcement) or statement.about is None or not who.honest:
            return
        holdings = who.node.holdings
        parent, award = holdings.contract_about(statement.about), holdings.find(Digest(statement.about))
        if parent is None or award is None or not isinstance(award.body, Award) or award.body.winner != who.peer:
            raise self.broken("a child hangs under what is no award to its manager", contract=statement.id, who=who)
        above, order = parent.announcement.body, list(EffectClass)
        if order.index(task.effect) > order.index(above.effect):
            raise self.broken(f"a {above.effect} task has a {task.effect} child", contract=statement.id, who=who)
        if task.deadline_ms > above.deadline_ms:
            raise self.broken("a child's deadline lies behind its parent's", contract=statement.id, who=who)
        children = [one for one in holdings.contracts.values() if one.announcement.about == award.id]
        unpaid = (State.CANCELLED, State.VOID, State.VETOED)
        bound = sum(
            child.announcement.body.budget
            for child in children
            if child.manager == who.peer and child.reading.state not in unpaid
        )
        if bound > award.body.price:
            what = f"children may cost {bound}, and the award pays {award.body.price}"
            raise self.broken(what, contract=statement.id, who=who)


class ChildrenCancelled(Checker):
    """A contractor that learns that its award is over cancels the children under it in the same turn."""

    def __init__(self, roster: Roster) -> None:
        super().__init__(roster)
        self._children = Lives[list[Digest]](by_contract=False)

    def said(self, who: Testimony, statement: AnyStatement, now_us: int) -> None:
        if isinstance(statement.body, Announcement) and statement.about is not None and who.honest:
            self._children.of(who).setdefault(statement.about, []).append(statement.id)

    def turned(self, who: Testimony, touched: Sequence[Contract], now_us: int) -> None:
        children = self._children.of(who)
        if not children:
            return
        for contract in touched:
            for award in [award for award in children if award in contract.held and _is_over(contract, award)]:
                for child in children.pop(award):
                    held = who.node.holdings.contracts.get(child)
                    if held is not None and not END_RANK[held.reading.state]:
                        raise self.broken("its parent has ended, and it goes on", contract=child, who=who)


def _is_over(contract: Contract, award: bytes) -> bool:
    """Tell whether an epoch is past, or its contract has ended for good: a provisional settlement has not."""
    reading = contract.reading
    if reading.state is State.SETTLED:
        return not contract.charter.governors
    open_award = reading.award is not None and reading.award.id == award
    return not (reading.state is State.AWARDED and open_award)
