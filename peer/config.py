"""The settings in force: gathered from six layers, each value with the place where it was said.

Flags > environment `VENDUE_*` > project TOML (`vendue.toml`, the nearest upward) > user TOML > the market's own
`market.toml`, which `vendue init` and `vendue join` write > defaults. An unknown name is an error in every layer. It
refuses to know what a setting does: it carries values, and reads no other file.
"""

from __future__ import annotations

import os
import re
from collections import ChainMap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from peer.home import config_home, market_home, markets_here
from peer.settings import OTHER_VARIABLES, PREFIX, Setting, Settings, declared, hints
from peer.tomlfile import did_you_mean, expected, parse, read_text
from protocol.errors import BadConfig

PROJECT_FILE = "vendue.toml"
USER_FILE = "config.toml"
FILE_BYTES_MAX = 65_536
"""A settings file is a screenful; more is some other file."""
ONLY_ONE = "the only market here besides local"
"""The origin of a market that nobody named: whoever has joined one market means that one."""
ABOVE_THE_MARKET = ("market", "home")
"""What a market's own file cannot say: it was found by them."""


class Said(NamedTuple):
    """A value as it was given, and where; only a TOML file says it with its type."""

    value: object
    where: str
    typed: bool


@dataclass(frozen=True, slots=True)
class Config:
    """The settings in force, and where each comes from."""

    settings: Settings
    _said: Mapping[str, Said]

    def origin(self, name: str) -> str:
        """Say where the value of the setting `name` comes from: a flag, a variable, FILE:LINE, or `default`."""
        if name not in declared():
            raise _unknown(name, "the question", list(declared()))
        return self._said[name].where if name in self._said else "default"

    def rows(self) -> Iterator[tuple[Setting, object, str]]:
        """Give each setting with its value in force and its origin, for `vendue config show --origin`."""
        for name, setting in declared().items():
            yield setting, getattr(self.settings, name), self.origin(name)


def load(flags: Mapping[str, object] | None = None, *, directory: Path | None = None) -> Config:
    """Gather the settings; `flags` by setting name, where None means not given; `directory` is where to look upward.

    Raises BadConfig for an unknown name in any layer and for a value in force that does not fit.
    """
    files = (project_file(directory or Path.cwd()), config_home() / USER_FILE)
    layers = [_from_flags(flags or {}), _from_environment(os.environ), *(_from_file(file) for file in files if file)]
    layers += _of_the_market(ChainMap(*layers))
    said = ChainMap(*layers)
    fitting: dict[str, Any] = {name: _fit(name, given, hints()[name]) for name, given in said.items()}
    return Config(Settings(**fitting), said)


def settings_in(file: Path, text: str, table: Mapping[str, Any]) -> dict[str, object]:
    """Check the settings in `table`, which is a part of the TOML in `file`. Raises BadConfig with the line."""
    said = _from_table(file, text, dict(table))
    return {name: _fit(name, given, hints()[name]) for name, given in said.items()}


def project_file(directory: Path) -> Path | None:
    """Find the nearest `vendue.toml` in `directory` and above it.

    One that a stranger put above us, in a directory that many may write to, is refused: its owner must be this user,
    the system, or the owner of `directory`, who could as well have put it there.
    """
    directory = directory.absolute()
    for place in (directory, *directory.parents):
        file = place / PROJECT_FILE
        if file.is_file():
            if file.stat().st_uid not in (os.geteuid(), 0, directory.stat().st_uid):
                raise BadConfig(
                    f"The settings in {file} belong to another user.",
                    why="They could send this peer to any market.",
                    do="Remove the file, or put a vendue.toml of your own nearer.",
                )
            return file
    return None


def _from_flags(flags: Mapping[str, object]) -> dict[str, Said]:
    given = {name: value for name, value in flags.items() if value is not None}
    for name in given:
        if name not in declared():
            raise _unknown(name, "the call", list(declared()))
    return {name: Said(value, f"flag {declared()[name].flag}", False) for name, value in given.items()}


def _from_environment(environment: Mapping[str, str]) -> dict[str, Said]:
    """Read the variables with our prefix; one that is empty counts as not set."""
    names = {setting.variable: name for name, setting in declared().items()}
    ours = {key: value for key, value in environment.items() if key.startswith(PREFIX) and key not in OTHER_VARIABLES}
    for variable in ours:
        if variable not in names:
            raise _unknown(variable, "the environment", [*names, *OTHER_VARIABLES])
    return {names[key]: Said(value, f"environment {key}", False) for key, value in ours.items() if value}


def _from_file(file: Path) -> dict[str, Said]:
    text = _read(file)
    return _from_table(file, text, parse(text, str(file)))


def _from_table(file: Path, text: str, table: dict[str, Any]) -> dict[str, Said]:
    for name in table:
        if name not in declared():
            raise _unknown(name, _place(file, text, name), list(declared()))
    if isinstance(home := table.get("home"), str):
        table["home"] = os.path.join(file.parent, os.path.expanduser(home))
    return {name: Said(value, _place(file, text, name), True) for name, value in table.items()}


def _of_the_market(said: Mapping[str, Said]) -> list[dict[str, Said]]:
    """The two weakest layers: the only market that is joined here if none is named, and what its own file says."""
    above = {name: str(_fit(name, said[name], hints()[name])) for name in ABOVE_THE_MARKET if name in said}
    home, default = above.get("home"), str(declared()["market"].default)
    others = [] if "market" in above else [name for name in markets_here(home) if name != default]
    chosen = {"market": Said(others[0], ONLY_ONE, True)} if len(others) == 1 else {}
    name = above.get("market") or (others[0] if chosen else default)
    return [chosen, _from_market(market_home(name, home).settings)]


def _from_market(file: Path) -> dict[str, Said]:
    said = _from_file(file)
    for name in ABOVE_THE_MARKET:
        if name in said:
            raise BadConfig(
                f"{said[name].where}: a market's own file cannot say its {name}.", do="Take that line out of it."
            )
    return said


def _read(file: Path) -> str:
    """Read a settings file; one that is not there says nothing."""
    try:
        return read_text(file, "The settings in", bytes_max=FILE_BYTES_MAX)
    except FileNotFoundError:
        return ""


def _place(file: Path, text: str, name: str) -> str:
    """Say FILE:LINE of a top-level key; the TOML reader keeps no line numbers, so its first look-alike is taken."""
    found = re.search(rf"^[ \t]*\[?[\"']?{re.escape(name)}[\"']?[ \t]*[\].=]", text, re.MULTILINE)
    return f"{file}:{text.count(chr(10), 0, found.start()) + 1}" if found else str(file)


def _fit(name: str, said: Said, hint: Any) -> object:
    value = said.value
    if isinstance(value, str) and not said.typed and name == "seeds":
        value = [part.strip() for part in value.split(",") if part.strip()]
    try:
        return msgspec.convert(value, hint, strict=said.typed)
    except msgspec.ValidationError as error:
        raise BadConfig(
            f"{said.where}: {name} = {repr(said.value)[:80]} does not fit.",
            why=f"Expected {expected(hint)} ({str(error)[:120]}).",
            do=f"Correct it, or leave it out for the default, {declared()[name].default!r}.",
        ) from None


def _unknown(name: str, where: str, known: list[str]) -> BadConfig:
    return BadConfig(
        f"{where}: there is no setting {name[:80]!r}.",
        why="A misspelt setting that is passed over would be a surprise later.",
        do=did_you_mean(name, known, otherwise="See: vendue config show"),
    )
