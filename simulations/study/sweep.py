"""One scenario over many seeds and parameters, on as many processors as there are.

Each run is a row. The rows are those of a serial run, in its order, whoever computes them; they are kept in a file as
they come, so that a sweep that was interrupted goes on where it was. A row whose promise broke says so, with the line
that replays it; a row whose worker died is marked, and tried again by the next call.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from protocol.errors import BadConfig, UsageError
from simulations.study import scenario as scenarios
from simulations.study import settings
from simulations.study.executors import DIED, Died, Pool
from simulations.study.record import code
from simulations.study.simulation import PromiseBroken, Simulation

VERSION: Final = 1
POINTS_MAX: Final = 100_000
PEERS: Final = "peers"
"""A parameter beside those of the scenario: the same mix in a market of this size."""

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Point:
    """One run of a sweep."""

    index: int
    name: str
    scenario: dict[str, Any]
    seed: int
    peers: int | None
    changes: dict[str, Any]
    """What is swept: parameters by dotted name."""


Work = Callable[[Point], Row]


def run_point(point: Point) -> Row:
    """One row. Whatever goes wrong in the run is in the row."""
    row: Row = {"index": point.index, "seed": point.seed, **point.changes}
    simulation = simulation_of(point)
    try:
        result = simulation.run()
    except PromiseBroken as found:
        return row | {"broken": found.what, "digest": found.digest, "replay": simulation.replay}
    except Exception as error:
        return row | {"error": f"{type(error).__name__}: {error}", "replay": simulation.replay}
    return row | asdict(result.metrics) | {"deliveries": result.deliveries, "digest": result.digest}


def simulation_of(point: Point) -> Simulation:
    """The simulation of one point. Raises UsageError, BadConfig for one that cannot be."""
    changes = dict(point.changes)
    peers = changes.pop(PEERS, point.peers)
    if peers is not None and type(peers) is not int:
        raise UsageError(f"{settings.printed(peers)} peers are no market.", do="Take a whole number.")
    return Simulation(point.scenario, name=point.name, seed=point.seed, peers=peers, changes=changes)


def points_of(
    name: str, seeds: Sequence[int], grid: Mapping[str, Sequence[Any]], *, peers: int | None = None
) -> list[Point]:
    """Every combination of the grid's values, in its order, each with every seed; all are checked before one runs.

    Raises UsageError, BadConfig.
    """
    table = scenarios.table_of(name)
    combinations = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    if not seeds or len(seeds) * len(combinations) > POINTS_MAX:
        raise UsageError(f"{len(seeds) * len(combinations)} runs are no sweep.", do=f"Take 1 to {POINTS_MAX}.")
    pairs = [(changes, seed) for changes in combinations for seed in seeds]
    points = [
        Point(index=index, name=name, scenario=table, seed=seed, peers=peers, changes=changes)
        for index, (changes, seed) in enumerate(pairs)
    ]
    for point in points[:: len(seeds)]:
        simulation_of(point)
    return points


def sweep(points: Sequence[Point], pool: Pool, file: RowFile, *, work: Work = run_point) -> Iterator[Row]:
    """Run what is not in the file yet, and give each row as it comes; at the end the file is in order."""
    known = file.open(points)
    left = [point for point in points if point.index not in known]
    for point, outcome in pool.run(work, left):
        row = _marked(point, outcome) if isinstance(outcome, Died) else outcome
        file.add(row)
        yield row
    file.put_in_order()


def _marked(point: Point, died: Died) -> Row:
    return {"index": point.index, "seed": point.seed, **point.changes, DIED: died.why}


class RowFile:
    """Where a sweep keeps its rows: JSON lines, the first of which says what sweep it is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._head: Row = {}
        self._rows: dict[int, Row] = {}

    def open(self, points: Sequence[Point]) -> Mapping[int, Row]:
        """The rows that are there already, without those whose worker died. Raises BadConfig for another sweep's."""
        one = points[0]
        plan = [[point.seed, point.changes] for point in points]
        self._head = {
            "sweep": VERSION, "name": one.name, "scenario": one.scenario, "peers": one.peers, "code": code(),
            "plan": plan,
        }  # fmt: skip
        self._rows = self._read()
        self._write()
        return self._rows

    def _read(self) -> dict[int, Row]:
        if not self.path.exists():
            return {}
        try:
            lines = [json.loads(line) for line in self.path.read_text("utf-8").splitlines() if line.endswith("}")]
        except (OSError, ValueError) as error:
            raise BadConfig(
                f"The rows in {self.path} cannot be read.", why=f"{error}.", do="Begin anew with --again."
            ) from None
        if not lines:
            return {}
        if lines[0] != json.loads(json.dumps(self._head)):
            raise BadConfig(
                f"{self.path} has the rows of another sweep, or of other code.",
                why="Rows of two experiments would be taken for one.",
                do="Choose another file with --out, or begin anew with --again.",
            )
        return {row["index"]: row for row in lines[1:] if DIED not in row}

    def _write(self) -> None:
        """In one step: a sweep that is interrupted here has the old file or the new one."""
        ordered = [self._rows[index] for index in sorted(self._rows)]
        new = self.path.with_name(self.path.name + ".new")
        try:
            new.write_text("".join(json.dumps(line) + "\n" for line in (self._head, *ordered)), "utf-8")
            os.replace(new, self.path)
        except OSError as error:
            raise BadConfig(
                f"No rows can be kept in {self.path}.", why=f"{error}.", do="Choose another file."
            ) from None

    def add(self, row: Row) -> None:
        """Keep one more row, at once."""
        self._rows[row["index"]] = row
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def put_in_order(self) -> None:
        """The rows stand as a serial run would have written them."""
        self._write()

    @property
    def rows(self) -> list[Row]:
        """All rows, in order."""
        return [self._rows[index] for index in sorted(self._rows)]


def read_rows(path: Path) -> tuple[Row, list[Row]]:
    """What a sweep was, and its rows. Raises BadConfig."""
    try:
        lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        head, rows = lines[0], lines[1:]
        if head["sweep"] != VERSION:
            raise BadConfig(f"{path} is of version {head['sweep']}; this is {VERSION}.", do="Run the sweep again.")
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise BadConfig(f"{path} has no rows of a sweep.", why=f"{error}.", do="Make them: vendue sim sweep") from None
    return head, sorted(rows, key=lambda row: row["index"])


def seeds_of(said: str) -> list[int]:
    """The seeds that `1:100`, `7` or `1,2,5:9` name, both ends included. Raises UsageError."""
    found: list[int] = []
    for part in said.split(","):
        first, _, last = part.partition(":")
        try:
            found += range(int(first), int(last or first) + 1)
        except ValueError:
            found.clear()
            break
        if len(found) > POINTS_MAX:
            raise UsageError(f"--seeds {said} are more than {POINTS_MAX}.", do="Take fewer.")
    if not found or min(found) < 0:
        raise UsageError(f"--seeds {settings.printed(said)} names no seeds.", do="Write --seeds 1:100 or --seeds 1,2,5")
    return list(dict.fromkeys(found))


def values_of(said: str) -> list[Any]:
    """The values that a list names: split at its commas, but for those within brackets, braces or quotes."""
    parts, depth, quoted = [""], 0, ""
    for letter in said:
        if quoted:
            quoted = "" if letter == quoted else quoted
        elif letter in "\"'":
            quoted = letter
        depth += not quoted and letter in "[{"
        depth -= not quoted and letter in "]}"
        if letter == "," and not depth and not quoted:
            parts.append("")
        else:
            parts[-1] += letter
    return [settings.value_of(part.strip()) for part in parts]
