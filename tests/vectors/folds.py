"""Sets of statements and their readings, as data: the stories are told in `chains` and `endings`."""

from __future__ import annotations

from typing import Any

from protocol.contract import fold
from protocol.statements import AnyStatement
from protocol.states import Reading
from tests.vectors import chains, endings  # noqa: F401  they put their stories among the cases
from tests.vectors.telling import CASES


def reading_of(reading: Reading) -> dict[str, Any]:
    """A reading in the words of the vectors: ids in hex, nil as null."""
    return {
        "state": reading.state.value, "phase": reading.phase.value, "epoch": reading.epoch,
        "award": _hex(reading.award), "go": reading.go, "answer": _hex(reading.answer),
        "steps": [step.id.hex() for step in reading.steps], "end": _hex(reading.end), "orphaned": reading.orphaned,
        "fault": reading.fault, "missing": sorted(missing.hex() for missing in reading.missing),
        "permitted": reading.permitted, "epoch_vetoed": reading.epoch_vetoed, "task_vetoed": reading.task_vetoed,
        "compromised": reading.compromised, "rank": list(reading.rank),
    }  # fmt: skip


def _hex(statement: AnyStatement | None) -> str | None:
    return statement.id.hex() if statement is not None else None


def document() -> dict[str, Any]:
    """The whole file: evidence by id, told once, and the cases that name it."""
    evidence: dict[str, str] = {}
    cases = []
    for tell in CASES:
        told = tell()
        for statement in (told.charter, told.announcement, *told.statements):
            evidence[statement.id.hex()] = told.evidence(statement).hex()
        reading = fold(told.announcement, told.statements, told.charter.body)
        cases.append({
            "name": tell.__name__, "says": tell.__doc__, "charter": told.charter.id.hex(),
            "announcement": told.announcement.id.hex(), "statements": [one.id.hex() for one in told.statements],
            "reading": reading_of(reading),
        })  # fmt: skip
    return {
        "says": "Section 6: a set of statements, in any order and with any repeats, has this reading.",
        "evidence": evidence,
        "cases": cases,
    }
