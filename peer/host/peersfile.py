"""The file that names a host's peers: settings as in `vendue.toml`, and a table for each peer.

    market = "shop"

    [[peer]]
    name = "poet"
    file = "poet.py"                  # beside this file
    environment = { PRICE = "7" }

    [[peer]]
    governor = true
    policy = "rules.toml"

What is not understood to the last word is refused. Reading it starts nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, get_type_hints

import msgspec
from msgspec import Meta

from peer.config import load, settings_in
from peer.home import NAME_PATTERN
from peer.settings import PREFIX, Settings, declared
from peer.tomlfile import fitting, parse, read_text, refuse_twins, refuse_unknown
from protocol.errors import BadConfig

PEERS_FILE: Final = "peers.toml"
FILE_BYTES_MAX: Final = 262_144
"""Written by people: a thousand bytes for each of the most peers that it may name."""
PEERS_MAX: Final = 64
"""More processes than that want more than one computer, or one process with several skills."""
GOVERNOR: Final = "governor"
_MISSPELT: Final = "A misspelt word that is passed over would be a surprise later."

_Name = Annotated[str, Meta(pattern=NAME_PATTERN, title="a name of a-z, 0-9 and -")]
_File = Annotated[str, Meta(min_length=1, max_length=4096, title="the path of a file")]
_Variable = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}\Z")]
_Value = Annotated[str, Meta(max_length=4096, pattern=r"^[^\x00\r\n]*\Z")]


class PeerPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What may stand in `[[peer]]`."""

    name: _Name | None = None
    file: Annotated[_File | None, Meta(title="the path of a Python file with agents")] = None
    governor: Annotated[bool, Meta()] = False
    policy: Annotated[_File | None, Meta(title="the path of a file with rules")] = None
    capacity: Annotated[int, Meta(ge=1, le=1024)] | None = None
    restart: Annotated[Literal["always", "on-failure", "never"], Meta()] = "on-failure"
    environment: Annotated[
        dict[_Variable, _Value], Meta(max_length=64, title='a table of texts: { NAME = "value" }')
    ] = {}

    @property
    def label(self) -> str:
        """What the peer is called here; a governor's home has a name of its own."""
        return self.name or GOVERNOR


class HostPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What may stand before the first `[[peer]]`, besides settings."""

    stop_timeout_s: Annotated[int, Meta(ge=1, le=600)] = 10
    """How long a peer may take to say goodbye before it is killed."""
    restarts_max: Annotated[int, Meta(ge=0, le=1000)] = 8
    """How often in a row a peer that fails is started again; with growing pauses, some two minutes."""
    hung_after_s: Annotated[int, Meta(ge=0, le=86_400)] = 60
    """How long a peer that was ready may answer nothing at all before it counts as failed; 0: for ever."""


class Host(NamedTuple):
    """A file that was understood."""

    path: Path
    said: dict[str, object]
    """The settings that stand in the file: its peers are told them, whatever this process's environment says."""
    settings: Settings
    """Those in force for its peers."""
    plan: HostPlan
    peers: tuple[PeerPlan, ...]

    @property
    def folder(self) -> Path:
        """Where its peers run, and where the paths in it begin."""
        return self.path.parent


def read_host(path: Path) -> Host:
    """Read and check the file. Raises BadConfig, which names the place and, for an unknown word, the nearest one."""
    path = path.absolute()
    text = _read(path)
    table = parse(text, str(path))
    own = get_type_hints(HostPlan, include_extras=True)
    refuse_unknown(table, [*own, "peer", *declared()], str(path), why=_MISSPELT)
    plan = HostPlan(**fitting({name: table[name] for name in own if name in table}, own, str(path)))
    peers = _peers(table.get("peer"), path)
    said = settings_in(path, text, {name: table[name] for name in declared() if name in table})
    return Host(path, said, load(said, directory=path.parent).settings, plan, peers)


def _read(path: Path) -> str:
    try:
        return read_text(path, "The file", bytes_max=FILE_BYTES_MAX)
    except FileNotFoundError:
        raise BadConfig(
            f"There is no file {path}.", why="It names the peers of this host.", do="Write it; see: vendue up --help"
        ) from None


def _peers(tables: object, path: Path) -> tuple[PeerPlan, ...]:
    if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables) or not tables:
        raise BadConfig(f"{path} names no peers.", why="Each is a table.", do="Begin each with [[peer]].")
    if len(tables) > PEERS_MAX:
        raise BadConfig(f"{path} names {len(tables)} peers.", why=f"At most {PEERS_MAX} fit.", do="Take two files.")
    peers = tuple(_peer(one, f"{path}: peer {number}", path.parent) for number, one in enumerate(tables, start=1))
    why = "Two processes on one home would say two things under one key."
    refuse_twins((one.label for one in peers), str(path), each="peers", called="name", why=why)
    if sum(one.governor for one in peers) > 1:
        raise BadConfig(f"{path} has more than one governor.", why="A host has one seat.", do="Remove one of them.")
    return peers


def _peer(table: dict[str, Any], where: str, folder: Path) -> PeerPlan:
    if isinstance(table.get("name"), str):
        where = f"{where} ({table['name'][:63]})"
    hints = get_type_hints(PeerPlan, include_extras=True)
    refuse_unknown(table, hints, where, why=_MISSPELT)
    one = PeerPlan(**fitting(table, hints, where))
    if one.governor == (one.file is not None):
        raise BadConfig(
            f"{where} is {'two things' if one.governor else 'nothing'}.",
            why="A peer runs the agents of a file, or is the governor.",
            do='Write one of: file = "agents.py", governor = true',
        )
    if one.name is None and not one.governor:
        raise BadConfig(f"{where} has no name.", why="Its home is called by it.", do='Add: name = "..."')
    misplaced = "capacity" if one.governor and one.capacity is not None else None
    misplaced = "policy" if one.policy is not None and not one.governor else misplaced
    if misplaced is not None:
        owner = "a governor" if misplaced == "policy" else "a peer with agents"
        raise BadConfig(f"{where}: {misplaced} says nothing here.", why=f"Only {owner} has it.", do="Remove it.")
    for variable in one.environment:
        if variable.startswith(PREFIX):
            raise BadConfig(
                f"{where}: {variable} is a setting.",
                why="Peers of one host share their settings, and this would hide that they do not.",
                do=f"Write it at the top of the file, without {PREFIX} and in small letters.",
            )
    for name, file in (("file", one.file), ("policy", one.policy)):
        if file is not None and not _is_file(folder / file):
            raise BadConfig(f"{where}: there is no {name} {folder / file}.", do="Correct the path.")
    return one


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # nothing that a path can be, such as one that is too long
        return False
