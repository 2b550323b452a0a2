"""A run in a file: what it takes to run it again anywhere, and how to tell where a replay goes another way.

The world is a function of the scenario and the seed, so the recipe in the trace's first line is enough. It has the
digest of every second; a run that is not too long is there with every happening besides.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from protocol.errors import BadConfig, BadEvidence
from simulations.study import scenario as scenarios
from simulations.study.arrivals import Arrival
from simulations.study.scenario import table_of_scenario
from simulations.study.simulation import PromiseBroken, Result, Simulation
from simulations.world.trace import Recording
from simulations.world.world import World

MARKS_MAX: Final = 256
LINES_MAX: Final = 500_000
"""Happenings that a trace has at most; of a longer run it has only the recipe and the marks."""
FILE_BYTES_MAX: Final = 256 * 1024 * 1024
_Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One run that was recorded."""

    made_by: str
    """The version of vendue, the code it was, and the Python under it."""
    code: str
    python: str
    name: str
    scenario: dict[str, Any]
    seed: int
    arrivals: list[tuple[int, int]] | None
    """Where they came from a folder: when (in microseconds) and how large."""
    marks: list[tuple[int, _Digest]]
    """The digest at some times (in microseconds)."""
    digest: _Digest
    broken: str | None
    """What a checker found, if one did."""


class Parted(BadEvidence):
    """A replay went another way than what was recorded."""


@dataclass
class Marks:
    """Notes the digest of a run from time to time (`simulation.Watching`), and compares it with an earlier run's."""

    every: int
    """Seconds of the world between two marks."""
    made: list[tuple[int, str]] = field(default_factory=list)
    expected: Sequence[tuple[int, str]] = ()
    seconds: int = 0

    def __call__(self, part: str, world: World) -> None:
        if part == "start":
            return
        if part == "tasks":
            self.seconds += 1
            if self.seconds % self.every:
                return
        self.made.append((world.now_us, world.digest()))
        number = len(self.made) - 1
        if number < len(self.expected) and tuple(self.expected[number]) != self.made[number]:
            since_us = self.made[number - 1][0] if number else 0
            raise Parted(f"The replay parts from the trace between {since_us / 1e6} s and {world.now_us / 1e6} s.")


def every_of(seconds: int) -> int:
    """How many seconds lie between two marks of a run."""
    return -(-seconds // MARKS_MAX)


def record_of(simulation: Simulation, marks: Marks, ended: Result | PromiseBroken) -> Record:
    """A run that is over, one way or the other."""
    return Record(
        made_by=version(), code=code(), python=platform.python_version(), name=simulation.name,
        scenario=table_of_scenario(simulation.scenario), seed=simulation.seed,
        arrivals=[(at_us, size) for at_us, size in ended.arrivals] if simulation.orders is not None else None,
        marks=list(marks.made), digest=ended.digest,
        broken=str(ended.broken) if isinstance(ended, PromiseBroken) else None,
    )  # fmt: skip


def simulation_of(record: Record) -> Simulation:
    """The same again. Raises BadConfig for a scenario that cannot be."""
    scenario = scenarios.make(record.scenario, record.name)
    arrivals = [Arrival(*one) for one in record.arrivals] if record.arrivals is not None else None
    return Simulation(scenario, name=record.name, seed=record.seed, arrivals=arrivals)


def write(record: Record, lines: Sequence[str] | None, path: Path) -> None:
    """Keep a run. Raises BadConfig where the file cannot be written."""
    kept = list(lines or ()) if len(lines or ()) <= LINES_MAX else []
    try:
        with path.open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in Recording(msgspec.to_builtins(record), kept).write())
    except OSError as error:
        raise BadConfig(f"The trace {path} cannot be written.", why=f"{error}.", do="Choose another place.") from None


def read(path: Path) -> tuple[Record, Recording]:
    """Read a trace. Raises BadEvidence for what is none, and for one of another version, which it names."""
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise ValueError(f"it is longer than {FILE_BYTES_MAX} bytes")
        with path.open(encoding="utf-8") as file:
            recording = Recording.read(file)
        return msgspec.convert(recording.recipe, Record), recording
    except (OSError, ValueError) as error:
        raise BadEvidence(f"The trace {path} cannot be read.", why=f"{error}.", do="Record it again.") from None


def origin(record: Record) -> str:
    """Which version a trace is from, for people."""
    same = "the code that is here" if record.code == code() else f"other code ({record.code}, here {code()})"
    return f"made by vendue {record.made_by} on Python {record.python}, with {same}"


def version() -> str:
    """The version of vendue here."""
    try:
        return metadata.version("vendue")
    except metadata.PackageNotFoundError:
        return "unknown"


@cache
def code() -> str:
    """A digest of all code that a run depends on: two versions of one number are told apart."""
    whole = hashlib.sha256()
    for package in ("protocol", "simulations"):
        _add(whole, Path(str(files(package))))
    return whole.hexdigest()[:12]


def _add(whole: hashlib._Hash, folder: Path) -> None:
    for path in sorted(folder.rglob("*.py")):
        whole.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
