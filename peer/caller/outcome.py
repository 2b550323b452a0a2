"""What a caller gets back: the value, who won it at what price, and the proof; or the error that says why not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from peer.audit.evidence import AuditReport, EvidenceFile, verify, write_evidence
from protocol.bundle import evidence_of
from protocol.charters import Charters
from protocol.contract import Contract
from protocol.errors import DeadlinePassed, NoBids, TaskFailed, VendueError, Vetoed
from protocol.keys import Digest, Sealer, print_peer
from protocol.statements import (
    Cancel,
    CancelReason,
    Decline,
    Failure,
    Recall,
    RecallReason,
    Result,
    Statement,
    Veto,
)
from protocol.states import Reading, State


class Proof:
    """Every statement of a contract with its seal: anybody can check it offline, with nothing else."""

    def __init__(self, contract: Contract, charters: Charters, sealer: Sealer) -> None:
        """`charters` has the first version, which is the market's identity, and the one that the contract names."""
        named = charters.get(contract.announcement.body.charter, charters.first)
        self._first, self._later = charters.first, [named] if named is not charters.first else []
        self._contract, self._sealer = contract, sealer

    @property
    def governed(self) -> bool:
        """Tell whether the task had governors, so that a settlement may still become final or vetoed."""
        return bool(self._contract.charter.governors)

    @property
    def charter(self) -> bytes:
        """The charter's first version, as evidence."""
        return evidence_of(self._first, self._sealer)

    @property
    def pieces(self) -> list[bytes]:
        """All that is held of the contract by now, as evidence: late votes are in it too."""
        return [evidence_of(statement, self._sealer) for statement in (*self._later, *self._contract.held.values())]

    def audit(self) -> AuditReport:
        """Check every signature, fold the contract, recompute the winner and the price."""
        return verify(EvidenceFile(self.charter, tuple(self.pieces)))

    def verify(self) -> bool:
        """Tell whether the proof holds; `audit` says what does not."""
        return self.audit().ok

    def save(self, path: str | Path) -> None:
        """Write the evidence file that `vendue audit verify` reads."""
        write_evidence(Path(path), self.charter, self.pieces)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A task that was done, and paid for."""

    value: Any
    """The result, read from JSON."""
    winner: str
    """The contractor's printed peer id."""
    winner_name: str
    price: int
    """Minor units."""
    state: State
    """`SETTLED`, which in a governed market is provisional, or `FINAL`."""
    epoch: int
    contract_id: Digest
    settlement_id: Digest
    proof: Proof = field(repr=False)


def is_over(state: State, *, final: bool) -> bool:
    """Tell whether a caller needs to wait no longer; with `final`, a settlement alone is not enough."""
    if state is State.SETTLED:
        return not final
    return state in (State.FINAL, State.CANCELLED, State.VETOED, State.VOID)


def done_of(contract: Contract, charters: Charters, sealer: Sealer, name_of: Callable[[bytes], str]) -> Done:
    """The outcome of a contract that is over. Raises the error that its end is, if it did not end well."""
    reading = contract.reading
    if reading.state not in (State.SETTLED, State.FINAL) or reading.end is None or reading.award is None:
        raise error_of(contract)
    result = contract.held[Digest(reading.end.about or b"")]
    assert isinstance(result.body, Result), "a settlement is about a result"
    winner = reading.award.body.winner
    return Done(
        value=json.loads(result.body.output) if result.body.output else None,
        winner=print_peer(winner),
        winner_name=name_of(winner),
        price=reading.award.body.price,
        state=reading.state,
        epoch=reading.epoch,
        contract_id=contract.id,
        settlement_id=reading.end.id,
        proof=Proof(contract, charters, sealer),
    )


def error_of(contract: Contract) -> VendueError:
    """The error that a contract's end means for its caller."""
    reading = contract.reading
    skill = contract.announcement.body.skill
    name = f"The task {contract.id.hex()[:16]} ({skill})"
    if reading.state is State.VETOED or (isinstance(reading.end, Statement) and _vetoed(reading)):
        return Vetoed(f"{name} was vetoed.", why=_why_vetoed(contract), do="Ask whoever governs this market.")
    if reading.state is State.VOID:
        return TaskFailed(f"{name} is void.", why=str(reading.fault))
    assert reading.end is not None, "only a contract that is over has an error"
    reason = reading.end.body.reason if isinstance(reading.end.body, Cancel) else ""
    match reason:
        case CancelReason.NO_BIDS:
            return NoBids(f"Nobody took {name[4:]}.", why=_why_no_bids(contract))
        case CancelReason.DEADLINE:
            return DeadlinePassed(f"{name} was not done by its deadline.", do="Allow more time with --deadline.")
        case CancelReason.DENIED:
            return Vetoed(
                f"{name} got no permit in time.", why="Such a task needs a governor.", do="Start one: vendue govern"
            )
        case _:
            why, do = _last_end(contract)
            return TaskFailed(f"{name} was not done: {reason}.", why=why, do=do)


def unratified(contract: Contract) -> DeadlinePassed:
    """What a caller is told who waited for the governors until long after the deadline."""
    short = contract.id.hex()[:16]
    return DeadlinePassed(
        f"The task {short} ({contract.announcement.body.skill}) was settled, but not ratified by its deadline.",
        why="No governor has said yes or no to the settlement; one still may.",
        do=f"See that one runs: vendue govern. Then look: vendue auctions {short}",
    )


def only_declined(contract: Contract) -> bool:
    """Tell whether a task ended without a result because all who won it had no place, and nobody failed."""
    ends = [step.body.reason for step in contract.reading.steps if isinstance(step.body, Recall)]
    end = contract.reading.end
    exhausted = isinstance(end, Statement) and getattr(end.body, "reason", None) is CancelReason.EXHAUSTED
    return exhausted and bool(_declines(contract)) and set(ends) <= {RecallReason.DECLINED} and not _failures(contract)


def _vetoed(reading: Reading) -> bool:
    return isinstance(reading.end, Statement) and getattr(reading.end.body, "reason", None) is CancelReason.VETOED


def _why_vetoed(contract: Contract) -> str:
    vetoes = [vote.body for vote in contract.votes if isinstance(vote.body, Veto)]
    return "; ".join(f"{veto.reason} (rule {veto.rule})" for veto in vetoes)


def _why_no_bids(contract: Contract) -> str:
    if contract.bids:
        cheapest = min(bid.body.price for bid in contract.bids)
        budget = contract.announcement.body.budget
        return f"The lowest of {len(contract.bids)} bids is {cheapest}, above the budget of {budget}."
    refusals = [said for said in contract.held.values() if type(said.body).__name__ == "Refusal"]
    reasons = sorted({said.body.reason for said in refusals})  # type: ignore[attr-defined]
    if not refusals:
        return "No bid came in time."
    return f"{len(refusals)} peer{'s' * (len(refusals) > 1)} refused: {', '.join(reasons)}."


def _last_end(contract: Contract) -> tuple[str, str]:
    """Why the last who won a task did not do it, and what helps."""
    if failures := _failures(contract):
        return failures[-1].reason, ""
    if any(isinstance(said.body, Result) for said in contract.held.values()):
        return "Its result did not pass the caller's own check.", ""
    if declines := _declines(contract):
        return f"Who won it declined: {declines[-1].reason}.", "Ask again when there are places, or run more agents."
    return "", ""


def _failures(contract: Contract) -> list[Failure]:
    return [said.body for said in contract.held.values() if isinstance(said.body, Failure)]


def _declines(contract: Contract) -> list[Decline]:
    return [said.body for said in contract.held.values() if isinstance(said.body, Decline)]
