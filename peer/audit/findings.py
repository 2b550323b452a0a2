"""What an audit finds in contracts: broken rules, forks, awards that do not recompute, and what is missing to tell.

Every judgement is the protocol's: the fold, the auction, the gate. This file only asks them, for each contract of an
archive, and writes down in sentences what they say. It refuses to know where the statements came from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from peer.audit.archive import Archive
from peer.telemetry import printable
from protocol.auction import decide
from protocol.contract import Contract, fold
from protocol.keys import Digest, short_peer
from protocol.kinds import CHAIN_KINDS
from protocol.statements import (
    Acceptance,
    AnyStatement,
    Award,
    Bid,
    Permit,
    Progress,
    Renewal,
    Result,
    Settlement,
    Statement,
    Veto,
)
from protocol.states import State

FINDINGS_MAX: Final = 1_000
"""A hostile file can have one for every statement; a person reads the first."""
BASIS: Final = "basis"
"""The field of a task's input in which a manager names the settlements that the task rests on: name → id, in hex."""
_HEX_ID = re.compile(r"[0-9a-f]{64}")


class Grounds(StrEnum):
    """Why something is a finding."""

    DAMAGED = "damaged"
    """A signature, path or encoding does not hold."""
    CHARTER = "charter"
    """The charter is not sound, not the expected one, or does not allow the task."""
    ILLEGAL = "illegal"
    """The manager's chain breaks a rule of the contract."""
    FORK = "fork"
    """Two statements of one author that cannot both be honest."""
    RECOMPUTE = "recompute"
    """Winner or price do not follow from the bids."""
    PERMIT = "permit"
    """A task was started without the permits that it needs."""
    MISSING = "missing"
    """What is cited is not here, so that something cannot be told."""
    BASIS = "basis"
    """A task rests on a settlement that is not here, or that does not stand."""
    UNCOUNTED = "uncounted"
    """Said by somebody who has no say: it changed nothing, and does not make the audit fail."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that an audit found."""

    grounds: Grounds
    text: str
    contract: Digest | None = None
    piece: int | None = None
    """The number of the statement in the file, from 1."""


class Findings:
    """A bounded list of findings."""

    def __init__(self) -> None:
        self._listed: list[Finding] = []
        self.left_out = 0
        self.grave = 0
        self._of_contract: set[Digest] = set()

    @property
    def listed(self) -> tuple[Finding, ...]:
        return tuple(self._listed)

    def add(self, grounds: Grounds, text: str, *, contract: Digest | None = None, piece: int | None = None) -> None:
        """Write down one more; what is grave counts even if there is no room to list it."""
        if grounds is not Grounds.UNCOUNTED:
            self.grave += 1
            if contract is not None:
                self._of_contract.add(contract)
        if len(self._listed) < FINDINGS_MAX:
            self._listed.append(Finding(grounds, printable(text), contract, piece))
        else:
            self.left_out += 1

    def against(self, contract: Digest) -> bool:
        """Tell whether anything grave was found in a contract."""
        return contract in self._of_contract


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractResult:
    """What the statements say of one contract."""

    id: Digest
    skill: str
    manager: bytes
    state: State
    epoch: int
    winner: bytes | None
    """Who has the open award, or had the one that the end is about."""
    price: int | None
    statements: int
    steps: int
    basis: Mapping[str, str]
    """Name → id of the settlement that the task rests on, in hexadecimal digits: those that hold."""
    ok: bool
    """Nothing grave was found."""


def examine(contract: Contract, archive: Archive, findings: Findings) -> ContractResult:
    """Fold a contract, and ask everything that can be asked of it."""
    reading = contract.reading
    for grounds, text in (*_chain(contract, archive), *_awards(contract, archive), *_uncounted(contract)):
        findings.add(grounds, text, contract=contract.id)
    basis = dict[str, str]()
    for name, named, fault in _bases(contract, archive):
        if fault is None:
            basis[name] = named
        else:
            findings.add(Grounds.BASIS, f"its basis {name} {fault}", contract=contract.id)
    return ContractResult(
        id=contract.id, skill=contract.announcement.body.skill, manager=contract.manager, state=reading.state,
        epoch=reading.epoch, winner=reading.award.body.winner if reading.award else None,
        price=reading.award.body.price if reading.award else None, statements=len(contract.held),
        steps=len(reading.steps), basis=basis, ok=not findings.against(contract.id),
    )  # fmt: skip


def convictions(archive: Archive, findings: Findings) -> None:
    """Find pairs of statements with one seq in a feed, one prev in a contract, or one use of a standing permit."""
    said: dict[tuple[object, ...], AnyStatement] = {}
    convicted: set[tuple[Digest, Digest]] = set()
    for statement in archive.statements.values():
        home = archive.home(statement)
        for what, place in _places(statement, home):
            other = said.setdefault((what, statement.author, *place), statement)
            if other is statement or (other.id, statement.id) in convicted:
                continue
            convicted.add((other.id, statement.id))
            author = short_peer(statement.author)
            text = f"{author} is convicted: {_name(other)} and {_name(statement)} {what}"
            findings.add(Grounds.FORK, text, contract=home)


def _places(statement: AnyStatement, home: Digest | None) -> Iterator[tuple[str, tuple[object, ...]]]:
    """The places that an honest author fills only once."""
    yield "have one seq in one feed", (statement.feed, statement.seq)
    if statement.prev is not None and home is not None:
        yield "have one predecessor", (statement.feed, statement.prev, home)
    if isinstance(statement.body, Award) and statement.body.standing is not None:
        use = statement.body.standing
        yield "spend one use of a standing permit", (use.permit, use.number)


def _chain(contract: Contract, archive: Archive) -> Iterator[tuple[Grounds, str]]:
    reading, task = contract.reading, contract.announcement.body
    if reading.fault is not None:
        yield Grounds.ILLEGAL, f"its chain breaks the rules: {reading.fault}"
    if contract.gate.refused:
        yield Grounds.CHARTER, "an irreversible task was announced in a market without governors"
    if task.budget > contract.charter.budget_max or task.deadline_ms > contract.charter.deadline_max_ms:
        yield Grounds.CHARTER, "its budget or deadline is above the charter's limit"
    if reading.compromised:
        yield Grounds.CHARTER, "a permit and a veto quorum both exist: more governors lied than the charter allows for"
    for missing in sorted(reading.missing):
        yield Grounds.MISSING, f"its chain cites {missing.hex()[:16]}, which is not here"
    for step in contract.held.values():
        if _is_step(step, contract) and step.prev is not None and step.prev not in archive.statements:
            yield Grounds.MISSING, f"{_name(step)} comes behind {step.prev.hex()[:16]}, which is not here"


def _is_step(statement: AnyStatement, contract: Contract) -> bool:
    """Tell whether a statement claims a place in the manager's chain."""
    ours = statement.author == contract.manager and statement.feed == contract.announcement.feed
    return ours and type(statement.body) in CHAIN_KINDS


def _awards(contract: Contract, archive: Archive) -> Iterator[tuple[Grounds, str]]:
    """Recompute every award of the chain, and see whether it was started with the permits that it needs."""
    winners: list[bytes] = []
    for index, step in enumerate(contract.reading.steps):
        if not isinstance(step.body, Award):
            continue
        award: Statement[Award] = step  # type: ignore[assignment]
        yield from _recompute(contract, award, winners, archive.statements)
        winners.append(award.body.winner)
        if contract.gate.permit and _started(contract, award) and not _permitted(contract, index):
            yield Grounds.PERMIT, f"epoch {award.body.epoch} was started, and the permits that it needs are not here"


def _recompute(
    contract: Contract, award: Statement[Award], winners: list[bytes], held: Mapping[Digest, AnyStatement]
) -> Iterator[tuple[Grounds, str]]:
    epoch = f"epoch {award.body.epoch}"
    considered: list[Statement[Bid]] = []
    for bid_id in dict.fromkeys(award.body.considered):
        bid = held.get(Digest(bid_id))
        if bid is None:
            yield Grounds.MISSING, f"{epoch} cannot be recomputed: bid {bid_id.hex()[:16]} is not here"
            return
        if not isinstance(bid.body, Bid) or bid.about != contract.id:
            yield Grounds.RECOMPUTE, f"{epoch} lists {_name(bid)}, which is no bid for this task"
            return
        considered.append(bid)  # type: ignore[arg-type]
    outcome = decide(contract.id, contract.announcement.body, considered, winners)
    if outcome is None or outcome.bid.author != award.body.winner or outcome.bid.id != award.body.bid:
        who = "nobody" if outcome is None else short_peer(outcome.bid.author)
        yield Grounds.RECOMPUTE, f"{epoch} went to {short_peer(award.body.winner)}, but of the listed bids {who} wins"
    elif outcome.price != award.body.price:
        yield Grounds.RECOMPUTE, f"{epoch} has the price {award.body.price}, but the listed bids make {outcome.price}"


def _started(contract: Contract, award: Statement[Award]) -> bool:
    """Tell whether contractor or manager let the work on an award begin."""
    answers = contract.answers.get(award.id, ())
    began = {
        one.id for one in answers if isinstance(one.body, Acceptance | Progress) and one.author == award.body.winner
    }
    delivered = any(isinstance(one.body, Result) and one.author == award.body.winner for one in answers)
    go = any(isinstance(step.body, Renewal) and step.about in began for step in contract.reading.steps)
    return bool(began) or delivered or go


def _permitted(contract: Contract, index: int) -> bool:
    """Tell whether the award at this place of the chain has its permit quorum: by a fold that ends there."""
    upto = contract.reading.steps[: index + 1]
    others = [one for one in contract.held.values() if not isinstance(one.body, tuple(CHAIN_KINDS))]
    return fold(contract.announcement, [*others, *upto], contract.charter).permitted


def _uncounted(contract: Contract) -> Iterator[tuple[Grounds, str]]:
    """What was said by those who have no say."""
    counted = {vote.id for vote in contract.votes}
    for one in contract.held.values():
        if isinstance(one.body, Permit | Veto) and one.id not in counted:
            yield Grounds.UNCOUNTED, f"{_name(one)} by {short_peer(one.author)} is not from a governor's seat"
        elif type(one.body) in CHAIN_KINDS and one.author != contract.manager:
            yield Grounds.UNCOUNTED, f"{_name(one)} by {short_peer(one.author)} is not from the manager"


def _bases(contract: Contract, archive: Archive) -> Iterator[tuple[str, str, str | None]]:
    """The settlements that a task names as its basis: name, id, and what is wrong with it."""
    try:
        document = json.loads(contract.announcement.body.input)
    except (ValueError, RecursionError):
        return
    basis = document.get(BASIS) if isinstance(document, dict) else None
    if not isinstance(basis, dict):
        return
    for name, named in basis.items():
        if not isinstance(named, str) or not _HEX_ID.fullmatch(named):
            yield name, "", "is not the id of a settlement"
        else:
            yield name, named, _fault_of_basis(contract, Digest(bytes.fromhex(named)), archive)


def _fault_of_basis(contract: Contract, named: Digest, archive: Archive) -> str | None:
    settlement = archive.statements.get(named)
    if settlement is None:
        return "is not here"
    if not isinstance(settlement.body, Settlement):
        return "is not a settlement"
    if settlement.author != contract.manager:
        return "is a settlement of another manager"
    home = archive.home(settlement)
    reading = archive.contracts[home].reading if home is not None else None
    if reading is None or reading.end != settlement:
        return "does not end its own contract"
    if reading.state not in (State.SETTLED, State.FINAL):
        return f"is of a contract that is {reading.state}"
    return None


def _name(statement: AnyStatement) -> str:
    return f"{type(statement.body).__name__} {statement.id.hex()[:16]}"
