"""SPEC.md and the code say the same: every MUST has a test, every generated part is fresh, every reference leads."""

from __future__ import annotations

import importlib.util
import re
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
SPEC = (ROOT / "protocol" / "SPEC.md").read_text(encoding="utf-8")
NUMBERED = dict(re.findall(r"^- \*\*\[(M-\d+\.\d+)\]\*\* (.*?)(?=^- |^\*Why|^#|^<!--|^\|)", SPEC, re.M | re.S))
"""Number → what it says."""
MARK = re.compile(r"pytest\.mark\.spec\(([^)]*)\)", re.S)


def named() -> dict[str, set[str]]:
    """Number → the files of tests that name it in a marker."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "tests").rglob("*.py"):
        for mark in MARK.findall(path.read_text(encoding="utf-8")):
            for number in re.findall(r'"([^"]*)"', mark):
                found.setdefault(number, set()).add(path.name)
    return found


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """scripts/spec, imported by its path."""
    loader = SourceFileLoader("scripts_spec", str(ROOT / "scripts" / "spec"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_every_number_is_named_by_a_test() -> None:
    """A MUST that nothing proves is a wish."""
    assert not sorted(set(NUMBERED) - set(named()))


def test_no_test_names_a_number_that_is_not_there() -> None:
    """A marker that points nowhere is a slip, or left over from a number that is gone."""
    lost = {number: files for number, files in named().items() if number not in NUMBERED}
    assert not lost


def test_numbers_count_on_within_their_section() -> None:
    """Each number stands once, in its section, without a gap."""
    for section in re.split(r"^## ", SPEC, flags=re.M)[1:]:
        number = section.split(".")[0]
        stand = re.findall(r"^- \*\*\[M-(\d+)\.(\d+)\]\*\*", section, re.M)
        assert stand == [(number, str(at)) for at in range(1, len(stand) + 1)]


@pytest.mark.parametrize("number", NUMBERED)
def test_every_number_says_must(number: str) -> None:
    """What is numbered is normative, in the word that says so."""
    assert "MUST" in NUMBERED[number]


def test_numbers_named_in_the_text_are_there() -> None:
    """SPEC.md itself points to nothing that is not there."""
    assert set(re.findall(r"M-\d+\.\d+", SPEC)) == set(NUMBERED)


def test_generated_parts_are_fresh(script: ModuleType) -> None:
    """The example, the tables and the diagram are what the code says today: run scripts/spec."""
    assert script.render(SPEC) == SPEC
    assert set(re.findall(r"<!-- (\w+): written by scripts/spec -->", SPEC)) == set(script.PARTS)


def test_every_bound_is_in_the_table(script: ModuleType) -> None:
    """No limit is without its line and its reason."""
    names = {name for name in vars(script.limits) if name.isupper()}
    assert {row.split(" | ")[0].strip("| ") for row in script.bounds().splitlines()[2:]} == names


def test_sections_that_docstrings_name_are_there() -> None:
    """`SPEC section N` in the code leads to a section, and a link in the text to a file."""
    sections = set(re.findall(r"^## (\d+)\.", SPEC, re.M))
    for path in (ROOT / "protocol").glob("*.py"):
        assert set(re.findall(r"SPEC section (\d+)", path.read_text(encoding="utf-8"))) <= sections, path.name
    for link in re.findall(r"\]\(([^)]+)\)", SPEC):
        assert (ROOT / "protocol" / link).exists(), link
