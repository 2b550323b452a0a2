"""Verifying an evidence file, offline: what it shows of each contract, and what does not hold.

Nothing in the file is trusted but what is signed, and nothing that a stranger could have put there raises: what does
not hold becomes a finding. This file has no rule of its own; see `findings`, and `evidencefile` for the format.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO

import msgpack
import msgspec

from peer.audit.archive import Archive, Reader, sort_out
from peer.audit.evidencefile import EvidenceFile, cut, pack_evidence, parse_evidence, read_evidence, write_evidence
from peer.audit.findings import ContractResult, Finding, Findings, Grounds, convictions, examine
from protocol.bundle import open_evidence
from protocol.charter import fault_of_charter, fault_of_place
from protocol.keys import Digest
from protocol.notices import Charter
from protocol.statements import NO_MARKET, Announcement, AnyStatement, Statement

__all__ = [
    "AuditReport", "ContractResult", "EvidenceFile", "Finding", "Grounds", "as_plain", "cut", "pack_evidence",
    "parse_evidence", "read_evidence", "verify", "write_evidence",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What an evidence file shows. `ok`: nothing in it is damaged, broken, contradicted or missing."""

    ok: bool
    market: Digest | None
    """The id of the market, by which the charter is known; None when no charter holds."""
    market_name: str
    pieces: int
    statements: int
    """Different ones that hold."""
    contracts: tuple[ContractResult, ...]
    findings: tuple[Finding, ...]
    findings_left_out: int
    """Findings beyond the bound; they count for `ok`."""


def verify(file: EvidenceFile, *, charter_id: bytes | None = None) -> AuditReport:
    """Check all that an evidence file shows, with nothing else at hand; never raises, whatever is in it.

    `charter_id` is the id of the market or of a version of its charter, known from elsewhere. Without it the report
    holds for the market that it names.
    """
    findings = Findings()
    head = _charter(file.charter, findings)
    if head is None:
        return AuditReport(
            ok=False, market=None, market_name="", pieces=len(file.pieces), statements=0, contracts=(),
            findings=findings.listed, findings_left_out=0,
        )  # fmt: skip
    market = head.id if head.market == NO_MARKET else Digest(head.market)
    said = _open_all(file.pieces, market, findings)
    charters = _charters(head, said, charter_id, findings)
    archive = sort_out(said, {known: charter.body for known, charter in charters.items()})
    results = _examine_all(archive, findings)
    return AuditReport(
        ok=not findings.grave, market=market, market_name=head.body.name, pieces=len(file.pieces),
        statements=len(archive.statements), contracts=results, findings=findings.listed,
        findings_left_out=findings.left_out,
    )  # fmt: skip


def _charter(evidence: bytes, findings: Findings) -> Statement[Charter] | None:
    """Open the charter in any market: of a later version the market is the one that it names."""
    reader = Reader()
    opened = open_evidence(evidence, market=_market_claimed(evidence), sealer=reader)
    if not opened.statements:
        findings.add(Grounds.DAMAGED, f"the charter does not hold: {opened.rulings[0].reason}")
        return None
    (charter,) = opened.statements
    if not isinstance(charter.body, Charter):
        findings.add(Grounds.CHARTER, "in the charter's place is another statement")
        return None
    return charter  # type: ignore[return-value]


def _market_claimed(evidence: bytes) -> bytes:
    """The second field of evidence, unchecked; `open_evidence` checks everything again."""
    reader = msgpack.Unpacker(BytesIO(evidence), max_array_len=0, max_map_len=0, max_ext_len=0)
    try:
        reader.read_array_header()
        reader.skip()
        market = reader.unpack()
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException):
        return NO_MARKET
    return market if isinstance(market, bytes) else NO_MARKET


def _open_all(pieces: Iterable[bytes], market: bytes, findings: Findings) -> list[AnyStatement]:
    """Open each piece by itself, and say by number which do not hold."""
    reader = Reader()
    held: dict[Digest, AnyStatement] = {}
    for number, piece in enumerate(pieces, start=1):
        opened = open_evidence(piece, market=market, sealer=reader, seen=held)
        for ruling in opened.rulings:
            findings.add(
                Grounds.DAMAGED, f"statement {number} of the file does not hold: {ruling.reason}", piece=number
            )
        for statement in opened.statements:
            held[statement.id] = statement
    return list(held.values())


def _charters(
    head: Statement[Charter], said: Iterable[AnyStatement], trusted: bytes | None, findings: Findings
) -> dict[Digest, Statement[Charter]]:
    """The versions of one charter: all in one feed of one authority; `trusted` must be among them."""
    charters: dict[Digest, Statement[Charter]] = {head.id: head}
    for one in said:
        if isinstance(one.body, Charter) and fault_of_place(one, head) is None:  # type: ignore[arg-type]
            charters[one.id] = one  # type: ignore[assignment]
    market = head.id if head.market == NO_MARKET else Digest(head.market)
    for charter in charters.values():
        if fault := fault_of_charter(charter.body):
            findings.add(Grounds.CHARTER, f"version {charter.body.version} of the charter is not sound: {fault}")
    if trusted is not None and trusted not in charters:
        findings.add(Grounds.CHARTER, "the charter is not that of the market that was asked for")
    elif trusted is None and market not in charters:
        findings.add(Grounds.CHARTER, "the charter's first version is not here, which says whose market it is")
    return charters


def _examine_all(archive: Archive, findings: Findings) -> tuple[ContractResult, ...]:
    """Examine every contract in the order of their announcements, and what stands beside them."""
    for stray in archive.strays:
        lacking = "names a charter" if isinstance(stray.body, Announcement) else "is about something"
        findings.add(Grounds.MISSING, f"{_name(stray)} {lacking} that is not here")
    convictions(archive, findings)
    contracts = sorted(archive.contracts.values(), key=lambda one: (one.announcement.made_ms, one.id))
    return tuple(examine(contract, archive, findings) for contract in contracts)


def _name(statement: AnyStatement) -> str:
    return f"{type(statement.body).__name__} {statement.id.hex()[:16]}"


def as_plain(report: AuditReport) -> dict[str, object]:
    """The report as what JSON can say: ids and peers in hexadecimal digits."""
    plain: dict[str, object] = msgspec.to_builtins(report, builtin_types=(bytes,))
    hexed = _hexed(plain)
    assert isinstance(hexed, dict)
    return hexed


def _hexed(value: object) -> object:
    match value:
        case bytes():
            return value.hex()
        case dict():
            return {key: _hexed(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_hexed(inner) for inner in value]
        case _:
            return value
