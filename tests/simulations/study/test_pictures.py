"""Runs, sweeps and contracts can be drawn."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from protocol.errors import UsageError
from protocol.keys import Digest
from simulations import Simulation
from simulations.study import plots
from simulations.study.executors import Serial
from simulations.study.sequence import Scribe, draw_sequence
from simulations.study.sweep import RowFile, points_of, read_rows, sweep

SVG = "{http://www.w3.org/2000/svg}"


def words_in(svg: str) -> list[str]:
    """All texts of a picture; reading it proves that it is XML."""
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_a_contract_is_drawn_from_its_announcement_to_its_end() -> None:
    """Every party has a line, every statement its words; a bidder at work is seen."""
    simulation = Simulation("calm", seed=3)
    simulation.listen(Scribe)
    run = simulation.begin(tasks=5)
    simulation.finish(run)
    scribe = next(checker for checker in run.world.checkers if isinstance(checker, Scribe))
    row = run.ledger.tasks[0]
    drawn = draw_sequence(scribe, Digest(bytes.fromhex(row.contract)), run.cast, "A task")
    words = words_in(drawn)
    assert {"manager 1", "governor 1", row.winner} <= set(words)
    assert words.index("starts") < words.index("delivers") < words.index("settles") < words.index("permits (default)")
    assert sum(word.startswith("bids ") for word in words) == 8
    assert f"{row.winner} works" in drawn


def test_listening_changes_nothing() -> None:
    """A run that is drawn is the run that was."""
    simulation = Simulation("lossy", seed=3)
    plain = simulation.run(tasks=5).digest
    simulation.listen(Scribe)
    assert simulation.run(tasks=5).digest == plain


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_a_sweep_is_drawn(tmp_path: Path, suffix: str) -> None:
    """One panel for each question, with and without a parameter that varies."""
    for number, grid in enumerate(({"network.loss": [0, 0.2], "seconds": [1]}, {"seconds": [1]})):
        rows, place = tmp_path / f"rows {number}", tmp_path / f"picture {number}{suffix}"
        list(sweep(points_of("lossy", [1, 2], {**grid, "tasks.count": [4]}), Serial(), RowFile(rows)))
        plots.save(plots.draw_sweep(*read_rows(rows)), place)
        assert place.stat().st_size > 10_000
        if suffix == ".svg":
            words = words_in(place.read_text("utf-8"))
            assert {panel.title for panel in plots.PANELS} <= set(words)


def test_a_run_is_drawn_the_same_way_every_time(tmp_path: Path) -> None:
    """The SVG has no date and no chance in it; and it names the kinds of statement."""
    simulation = Simulation("partition-and-heal", seed=1)
    result = simulation.run(tasks=10)
    for name in ("one.svg", "two.svg"):
        figure = plots.draw_run("A run", "About it.", result.frames, simulation.scenario)
        plots.save(figure, tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    words = words_in((tmp_path / "one.svg").read_text("utf-8"))
    assert {"Bid", "Permit", "halve: all", "the heal"} <= set(words)


def test_a_picture_is_png_or_svg() -> None:
    """Anything else is refused before the run begins."""
    with pytest.raises(UsageError, match=r"End its name in .png or .svg"):
        plots.check_places([Path("a.pdf")])
