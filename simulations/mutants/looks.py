"""A promise that only the user of a manager can tell of: who wants to look at a result, and what it says of it."""

from __future__ import annotations

from protocol.statements import AnyStatement, Settlement
from simulations.checkers.base import Checker, Roster
from simulations.testimony import Testimony


class LookedAtFirst(Checker):
    """No result of a task that its manager's user wants to look at is settled before that user has accepted it."""

    def __init__(self, roster: Roster) -> None:
        super().__init__(roster)
        self.wanted: set[bytes] = set()
        self.passed: set[bytes] = set()

    def said(self, who: Testimony, statement: AnyStatement, now_us: int) -> None:
        if isinstance(statement.body, Settlement) and who.honest and statement.about not in self.passed:
            contract = who.node.holdings.contract_about(statement.about)
            if contract is not None and contract.id in self.wanted:
                raise self.broken("a result is settled that its user has not accepted", contract=contract.id, who=who)
