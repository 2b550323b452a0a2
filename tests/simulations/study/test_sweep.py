"""A sweep's rows are those of a serial run, whoever computes them and however often it is interrupted."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from protocol.errors import BadConfig, UsageError
from simulations.study.executors import DIED, Pool, Processes, Serial, pool_of
from simulations.study.sweep import Point, Row, RowFile, points_of, read_rows, run_point, seeds_of, sweep, values_of

GRID = {"network.loss": [0, 0.2], "tasks.count": [4], "seconds": [1]}


def points() -> list[Point]:
    """Four short runs."""
    return points_of("lossy", [1, 2], GRID)


def swept(path: Path, pool: Pool | None = None) -> bytes:
    """The file of a whole sweep."""
    assert len(list(sweep(points(), pool or Serial(), RowFile(path)))) == 4
    return path.read_bytes()


def test_processes_find_what_a_serial_run_finds(tmp_path: Path) -> None:
    """The same rows in the same order, to the last byte."""
    assert swept(tmp_path / "two", Processes(2)) == swept(tmp_path / "one")


def test_every_combination_has_every_seed() -> None:
    """In the order in which they are asked for."""
    assert [(one.changes["network.loss"], one.seed) for one in points()] == [(0, 1), (0, 2), (0.2, 1), (0.2, 2)]


def test_an_interrupted_sweep_goes_on_and_loses_no_row(tmp_path: Path) -> None:
    """What is there is not run again, not even a row that was being written when the light went out is in the way."""
    whole = swept(tmp_path / "whole")
    path = tmp_path / "cut"
    running = sweep(points(), Serial(), RowFile(path))
    next(running), next(running)
    running.close()
    path.write_bytes(path.read_bytes() + b'{"index": 2, "se')
    left = [row["index"] for row in sweep(points(), Serial(), RowFile(path))]
    assert left == [2, 3]
    assert path.read_bytes() == whole


def test_rows_of_another_sweep_are_not_mixed_in(tmp_path: Path) -> None:
    """Whoever changes the experiment takes another file."""
    swept(tmp_path / "rows")
    with pytest.raises(BadConfig, match="another sweep"):
        list(sweep(points_of("lossy", [1], GRID), Serial(), RowFile(tmp_path / "rows")))


def deadly(point: Point) -> Row:
    """The process that runs the second of these dies, as if killed."""
    if point.index == 1 and "VENDUE_TEST_SPARED" not in os.environ:
        os._exit(9)
    return run_point(point)


def test_a_worker_that_dies_marks_its_row_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweep goes on; the next call tries that row again, and then all is as if nothing had happened."""
    whole = swept(tmp_path / "whole")
    file = RowFile(tmp_path / "rows")
    list(sweep(points(), Processes(2), file, work=deadly))
    assert [DIED in row for row in file.rows] == [False, True, False, False]
    monkeypatch.setenv("VENDUE_TEST_SPARED", "yes")
    assert [row["index"] for row in sweep(points(), Processes(2), RowFile(tmp_path / "rows"), work=deadly)] == [1]
    assert (tmp_path / "rows").read_bytes() == whole


def test_what_goes_wrong_in_a_run_is_in_its_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the line that replays it."""

    def fail(self: object) -> None:
        raise RuntimeError("the cat sat on it")

    monkeypatch.setattr("simulations.study.sweep.Simulation.run", fail)
    row = run_point(points()[3])
    assert row["error"] == "RuntimeError: the cat sat on it"
    assert row["replay"] == (
        "vendue sim replay lossy --seed 2 --set network.loss=0.2 --set tasks.count=4 --set seconds=1"
    )


def test_points_are_checked_before_the_first_one_runs() -> None:
    """A sweep of a night does not fail in the morning."""
    with pytest.raises(BadConfig, match=r"network.loss = 7 does not fit"):
        points_of("lossy", [1], {"network.loss": [0, 7]})
    with pytest.raises(UsageError, match="0 peers"):
        points_of("lossy", [1], {"peers": [20, 0]})


def test_seeds_and_values_are_read() -> None:
    """Ranges with both ends; lists in which commas within brackets separate nothing."""
    assert seeds_of("1:3,7") == [1, 2, 3, 7]
    assert values_of("0,0.1,[1, 2],{ pure = 1, reversible = 2 },lan") == [
        0, 0.1, [1, 2], {"pure": 1, "reversible": 2}, "lan",
    ]  # fmt: skip
    for wrong in ("", "a", "3:1", "-2", "1:9999999"):
        with pytest.raises(UsageError):
            seeds_of(wrong)


@pytest.mark.parametrize("said", ["dask", "dask:", "proces", "serial:x", "threads"])
def test_an_unknown_executor_is_refused(said: str) -> None:
    """With the nearest name, or all there are."""
    with pytest.raises(UsageError, match=r"Did you mean|Take process"):
        pool_of(said, None)


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    """And one of another version says which."""
    path = tmp_path / "rows"
    for text in ("", "hello", "[]", "{}"):
        path.write_text(text)
        with pytest.raises(BadConfig, match="no rows of a sweep"):
            read_rows(path)
    path.write_text(json.dumps({"sweep": 9}))
    with pytest.raises(BadConfig, match="version 9"):
        read_rows(path)
