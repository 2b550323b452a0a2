"""Tasks that rest on the settlements of others: what an audit says when the ground is not there."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from peer.audit.evidence import (
    AuditReport,
    Grounds,
    verify,
)
from protocol.statements import (
    AnyStatement,
)
from tests.authors import Author, task, veto
from tests.peer.audit.stories import (
    Script,
    honest_script,
)

HONEST, _, _ = honest_script()


def grounds(report: AuditReport) -> set[Grounds]:
    """What kinds of finding there are; a failed audit always has some."""
    found = {finding.grounds for finding in report.findings}
    assert report.ok == (not found - {Grounds.UNCOUNTED})
    return found


def linked(name_of: str = "", **changes: object) -> tuple[Script, AnyStatement]:
    """One settled task, and another that names its settlement as its basis."""
    script, _, settlement = honest_script()
    basis = changes.get("basis", {"check": name_of or settlement.id.hex()})
    second = script.announce(json.dumps({"basis": basis}).encode())
    script.settle(script.award(second, script.bid(script.ada, second, 5)), script.ada)
    return script, settlement


def test_task_that_rests_on_a_settlement_in_the_file_holds() -> None:
    """The basis is shown with its name."""
    script, settlement = linked()
    report = verify(script.file())
    assert report.ok
    assert {"check": settlement.id.hex()} in [result.basis for result in report.contracts]


@pytest.mark.parametrize(
    "basis", [{"check": "ab" * 32}, {"check": "nonsense"}, {"check": 7}, {"check": HONEST.charter.id.hex()}]
)
def test_basis_that_is_not_here_is_found(basis: dict[str, object]) -> None:
    """Digits that lead nowhere prove nothing."""
    script, _ = linked(basis=basis)
    assert grounds(verify(script.file())) == {Grounds.BASIS}


@pytest.mark.parametrize("basis", ["a word", None, ["a"], 7])
def test_input_that_happens_to_have_a_basis_is_let_be(basis: object) -> None:
    """Only a table of names is a linked set."""
    assert verify(linked(basis=basis)[0].file()).ok


def test_basis_must_be_a_settlement_by_the_same_manager_that_stands() -> None:
    """Another statement, another manager's settlement, or one in a void contract is no ground to stand on."""
    script, announcement, settlement = honest_script()
    other = Author("other manager")
    for author, named in ((script.manager, announcement), (other, settlement)):
        raw = json.dumps({"basis": {"check": named.id.hex()}}).encode()
        script.say(author, replace(task(), charter=script.charter.id, input=raw))
    report = verify(script.file())
    texts = [finding.text for finding in report.findings]
    assert grounds(report) == {Grounds.BASIS}
    assert any("is not a settlement" in text for text in texts)
    assert any("another manager" in text for text in texts)


def test_basis_that_was_vetoed_later_no_longer_holds() -> None:
    """Whatever consumed a result that is vetoed later is told."""
    gov = Author("gov")
    script = Script(gov)
    first = script.announce()
    settlement = script.settle(script.award(first, script.bid(script.ada, first, 10)), script.ada)
    script.announce(json.dumps({"basis": {"check": settlement.id.hex()}}).encode())
    assert verify(script.file()).ok
    script.say(gov, veto(), settlement)
    report = verify(script.file())
    assert grounds(report) == {Grounds.BASIS}
    assert "vetoed" in report.findings[0].text


def test_hostile_words_are_made_printable() -> None:
    """No finding carries codes that rewrite a terminal."""
    script, _ = linked(basis={"\x1b[2J": 7})
    assert all(finding.text.isprintable() for finding in verify(script.file()).findings)
