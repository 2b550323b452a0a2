"""Contracts whose chain cannot be read to its end: what it names is asked for, ever more rarely (law 2)."""

from __future__ import annotations

from protocol import limits
from protocol.actions import Action, Fetch
from protocol.contract import Contract
from protocol.holdings import Holdings
from protocol.keys import Digest, PeerId


class Incomplete:
    """When to ask for the rest of which contract."""

    def __init__(self, holdings: Holdings) -> None:
        self._holdings = holdings
        self._due: dict[Digest, tuple[int, int]] = {}
        """Contract → when to ask, and the pause after that."""

    def look(self, contract: Contract, now_ms: int) -> tuple[Digest, ...]:
        """What a chain names and nobody here holds; it may be on its way, so it is asked for a little later."""
        missing = self._holdings.want(contract)
        if missing:
            self._due.setdefault(contract.id, (now_ms + limits.LAZY_MS, limits.FETCH_AGAIN_MS))
        else:
            self._due.pop(contract.id, None)
        return missing

    def deadline_ms(self) -> int | None:
        return min([due for due, _ in self._due.values()]) if self._due else None

    def tick(self, now_ms: int) -> list[Action]:
        """Ask the managers of unreadable contracts for what is missing, ever more rarely."""
        actions: list[Action] = []
        for contract_id, (due_ms, pause_ms) in list(self._due.items()) if self._due else ():
            if due_ms > now_ms:
                continue
            contract = self._holdings.contracts.get(contract_id)
            missing = self._holdings.want(contract) if contract is not None else ()
            if contract is None or not missing:
                del self._due[contract_id]
                continue
            actions.append(Fetch(PeerId(contract.manager), missing))
            longer_ms = min(pause_ms * limits.REPEAT_FACTOR, limits.REPEAT_LAST_MS)
            self._due[contract_id] = (now_ms + pause_ms, longer_ms)
        return actions
