"""The ledger: one effect per token, whoever tries again, and whatever a killed writer left behind."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec.structs import replace

from peer.returns.ledger import Entry, Ledger
from protocol.errors import TaskFailed

ENTRY = Entry(token="ab" * 32, award="cd" * 32, epoch=1, agent="hazel", order_id="#W1", amount_cents=1200)


def test_second_try_under_one_token_finds_the_first(tmp_path: Path) -> None:
    """Another agent in a later epoch gets the line that stands, and writes none."""
    ledger = Ledger(tmp_path / "ledger.jsonl")
    assert ledger.make(ENTRY) == ENTRY
    assert ledger.make(replace(ENTRY, agent="iris", epoch=2, award="ef" * 32)) == ENTRY
    assert ledger.entries() == [ENTRY]


def test_many_writers_at_once_make_each_effect_once(tmp_path: Path) -> None:
    """Eight writers, each trying the same twenty tokens, leave twenty lines."""
    path = tmp_path / "ledger.jsonl"
    entries = [replace(ENTRY, token=f"{number:064x}") for number in range(20)]

    def write_all(agent: int) -> None:
        for entry in entries:
            Ledger(path).make(replace(entry, agent=f"agent-{agent}"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write_all, range(8)))
    assert sorted(entry.token for entry in Ledger(path).entries()) == [entry.token for entry in entries]


@pytest.mark.parametrize("kept", [1, 40])
def test_line_that_never_was_whole_counts_for_nothing(tmp_path: Path, kept: int) -> None:
    """A writer that was killed in the middle of its line made no refund, and spoils no later line."""
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.make(ENTRY)
    whole = ledger.path.read_bytes()
    later = replace(ENTRY, token="11" * 32)
    ledger.path.write_bytes(whole + whole[:kept])
    assert ledger.make(later) == later
    assert ledger.entries() == [ENTRY, later]


def test_ledger_that_cannot_be_written_fails_the_task(tmp_path: Path) -> None:
    """An agent whose ledger is not there says so, and pays nothing."""
    with pytest.raises(TaskFailed, match="cannot be written"):
        Ledger(tmp_path / "missing" / "ledger.jsonl").make(ENTRY)
