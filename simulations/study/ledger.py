"""What happened in a run, in rows: one for each task, one for each peer, and counts of what was said.

It listens at the hooks where checkers listen, and breaks nothing; what the rows amount to is said in `metrics`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from protocol.actions import Execute
from protocol.contract import Contract
from protocol.keys import Digest
from protocol.statements import AnyStatement, Bid, Cancel
from protocol.states import Reading, State
from simulations.checkers.base import Checker, Roster
from simulations.testimony import Testimony

if TYPE_CHECKING:
    from simulations.world.process import Process

PLACED = (State.SETTLED, State.FINAL)
UNASKED = "unasked"
"""The state of a task whose manager was never there to announce it."""


@dataclass(kw_only=True)
class TaskRow:
    """What became of one task, as its manager reads it. Times in milliseconds since the scenario began."""

    number: int
    manager: str
    skill: str
    effect: str
    size: int
    contract: str = ""
    announced_ms: float | None = None
    awarded_ms: float | None = None
    """When it was awarded for the first time."""
    ended_ms: float | None = None
    state: str = UNASKED
    reason: str = ""
    """Why it was cancelled."""
    epochs: int = 0
    winner: str = ""
    price: int | None = None
    """What its winner gets; of a task without a settlement, None."""
    bids: int = 0
    """How many bids its last award considered."""


@dataclass(kw_only=True)
class PeerRow:
    """What one peer did."""

    name: str
    kind: str
    honest: bool
    governs: bool
    bids: int = 0
    won: int = 0
    """Tasks settled with it."""
    earned: int = 0
    worked_ms: float = 0.0
    capacity: int = 0
    said: int = 0


class Ledger(Checker):
    """It keeps the books, and finds nothing wrong."""

    def __init__(self, roster: Roster) -> None:
        super().__init__(roster)
        self.began_us = 0
        self.tasks: list[TaskRow] = []
        self.peers: dict[str, PeerRow] = {}
        self.statements: Counter[str] = Counter()
        """What was said, each statement once, by the name of its kind."""
        self.frames = 0
        """What left, repeats included: each frame once, however many hear it."""
        self._rows: dict[Digest, TaskRow] = {}
        self._names: dict[bytes, str] = {}
        self._working: dict[tuple[str, Digest], int] = {}
        self._healed_us: int | None = None
        self._states: dict[tuple[str, Digest], tuple[State, int]] = {}

    def meet(self, process: Process, kind: str) -> None:
        """A peer is there from the beginning."""
        row = PeerRow(
            name=process.name,
            kind=kind,
            honest=process.honest,
            governs=process.policy is not None,
            capacity=process.capacity,
        )
        self.peers[process.name] = row
        self._names[process.peer] = process.name

    def announced(self, row: TaskRow, contract: Digest, now_us: int) -> None:
        """A manager has announced a task."""
        row.contract, row.announced_ms = contract.hex(), self._ms(now_us)
        if row.state == UNASKED:
            row.state = str(State.OPEN)
        self._rows[contract] = row

    def report(self, process: Process, contract: Digest, reading: Reading) -> None:
        """`World.on_report`: a manager reads something new of a task of its own."""
        row = self._rows.get(contract)
        if row is None:
            return
        now_us = process.world.now_us
        row.state, row.epochs = str(reading.state), reading.epoch
        if reading.award is not None:
            award = reading.award.body
            row.winner, row.bids = self._names.get(award.winner, ""), len(award.considered)
            if row.awarded_ms is None:
                row.awarded_ms = self._ms(now_us)
        if reading.end is not None and row.ended_ms is None:
            row.ended_ms = self._ms(now_us)
        if reading.end is not None and isinstance(reading.end.body, Cancel):
            row.reason = str(reading.end.body.reason)
        placed = reading.state in PLACED and reading.award is not None
        row.price = reading.award.body.price if placed and reading.award is not None else None

    def _ms(self, now_us: int) -> float:
        return (now_us - self.began_us) / 1000

    def said(self, who: Testimony, statement: AnyStatement, now_us: int) -> None:
        self.statements[type(statement.body).__name__] += 1
        row = self.peers.get(who.name)
        if row is not None:
            row.said += 1
            row.bids += isinstance(statement.body, Bid)

    def published(self, who: Testimony, frame: bytes, now_us: int) -> None:
        self.frames += 1

    def began(self, who: Testimony, execute: Execute, now_us: int) -> None:
        self._working[who.name, execute.award.id] = now_us

    def ended(self, who: Testimony, award_id: Digest, now_us: int) -> None:
        since_us = self._working.pop((who.name, award_id), now_us)
        row = self.peers.get(who.name)
        if row is not None:
            row.worked_ms += (now_us - since_us) / 1000

    def healed(self, everybody: Mapping[str, Process], now_us: int) -> None:
        """From now on it counts when somebody reads a new state of a contract."""
        self._healed_us = now_us
        for process in everybody.values():
            for contract in process.node.holdings.contracts.values():
                self._states[process.name, contract.id] = (contract.reading.state, now_us)

    def turned(self, who: Testimony, touched: Sequence[Contract], now_us: int) -> None:
        if self._healed_us is None:
            return
        for contract in touched:
            state, known = contract.reading.state, (who.name, contract.id)
            if self._states.get(known, (None, 0))[0] is not state:
                self._states[known] = (state, now_us)

    @property
    def converged_ms(self) -> float:
        """How long after the heal a manager, a contractor or a governor still read a new state of a task."""
        healed_us = last_us = self._healed_us or 0
        for (name, contract), (_, at_us) in self._states.items():
            row, peer = self._rows.get(contract), self.peers.get(name)
            if row is not None and (name in (row.manager, row.winner) or (peer is not None and peer.governs)):
                last_us = max(last_us, at_us)
        return (last_us - healed_us) / 1000

    def close(self, everybody: Iterable[Process]) -> None:
        """The run is over: what became of a liar's tasks is read by others, and what each peer has got is known."""
        honest = [process for process in everybody if process.honest and process.runs]
        for row in self.tasks:
            if row.contract and not self.peers[row.manager].honest:
                self._read_by_others(row, honest)
            peer = self.peers.get(row.winner)
            if peer is not None and row.price is not None:
                peer.won += 1
                peer.earned += row.price

    @staticmethod
    def _read_by_others(row: TaskRow, honest: Sequence[Process]) -> None:
        """The state that ranks highest among those that honest peers read."""
        contract = Digest(bytes.fromhex(row.contract))
        readings = [reading for process in honest if (reading := process.reading(contract)) is not None]
        if readings:
            furthest = max(readings, key=lambda reading: reading.rank)
            row.state = str(furthest.state)
            if furthest.state not in PLACED:
                row.price = None
