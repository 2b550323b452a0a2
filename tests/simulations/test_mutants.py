"""Planted bugs die, the production code lives, and a mutant whose text no longer fits says so."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from protocol import contractor
from protocol.errors import UsageError
from simulations.mutants.base import Edit, text_of
from simulations.mutants.catalogue import MUTANTS, mutant_of
from simulations.mutants.command import main, trial_of
from simulations.mutants.pieces import PIECES

THREE = ("go-skipped", "tie-broken-by-arrival", "publish-before-commit")
LEAST = 24


@pytest.mark.parametrize("name", THREE)
def test_a_planted_bug_is_found(name: str) -> None:
    """Three of the catalogue, each in a process of its own; the others are for scripts/mutants."""
    verdict = trial_of(name, seeds=40)
    assert verdict["killed_by"] is not None, verdict


def test_the_production_code_survives_the_same_suite() -> None:
    """The same worlds, and nothing planted: no promise is broken."""
    verdict = trial_of("", seeds=40)
    assert verdict["killed_by"] is None, verdict
    assert verdict["worlds"] == 40


@pytest.mark.parametrize("piece", PIECES, ids=lambda piece: piece.__name__)
def test_the_production_code_keeps_every_promise_in_a_set_piece(piece: Callable[[], None]) -> None:
    """What is planned goes wrong, and nothing more."""
    piece()


@pytest.mark.parametrize("name", MUTANTS)
def test_every_mutant_fits_the_text_as_it_is(name: str) -> None:
    """Whoever changes the text that a mutant replaces writes the mutant anew."""
    assert len(MUTANTS) >= LEAST
    texts: dict[str, str] = {}
    for edit in MUTANTS[name].edits:
        texts[edit.module] = edit.apply(texts.get(edit.module) or text_of(edit.module))
    for module, text in texts.items():
        compile(text, module, "exec")


def test_a_mutant_that_no_longer_fits_says_so() -> None:
    """It names the module, and what it looked for."""
    with pytest.raises(UsageError, match=r"protocol.tender no longer fits.*no such words"):
        Edit("protocol.tender", "no such words", "").apply(text_of("protocol.tender"))


def test_a_mutant_is_planted_before_its_module_is_imported() -> None:
    """Here everything is imported already."""
    assert contractor.__name__ in sys.modules
    with pytest.raises(UsageError, match="imported already"):
        mutant_of("go-skipped").plant()


def test_an_unknown_mutant_is_refused_with_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and nothing is tried."""
    assert main(["go-skiped"]) == 2
    assert "go-skipped" in capsys.readouterr().err


def test_the_report_is_one_json_object() -> None:
    """`scripts/mutants --json` prints nothing else."""
    words = [sys.executable, "-m", "simulations.mutants.command", "--json", "go-skipped"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert (told["total"], told["killed"]) == (1, 1)
    assert told["mutants"][0]["killed_by"] == "GoFirst"
