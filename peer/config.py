"""Settings: declared once, gathered from six layers, each value with the place where it was said.

Flags > environment `VENDUE_*` > project TOML (`vendue.toml`, the nearest upward) > user TOML > the market's own
`market.toml`, which `vendue init` and `vendue join` write > defaults. An unknown name is an error in every layer. It
refuses to know what a setting does: it carries values, and reads no other file.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections import ChainMap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from peer.home import NAME_PATTERN, config_home, market_home, markets_here
from protocol.errors import BadConfig

PREFIX = "VENDUE_"
PROJECT_FILE = "vendue.toml"
USER_FILE = "config.toml"
FILE_BYTES_MAX = 65_536
"""A settings file is a screenful; more is some other file."""
ONLY_ONE = "the only market here besides local"
"""The origin of a market that nobody named: whoever has joined one market means that one."""
ABOVE_THE_MARKET = ("market", "home")
"""What a market's own file cannot say: it was found by them."""
OTHER_VARIABLES = {
    "VENDUE_RUNTIME": "The directory where the peers of this user on this computer find each other.",
    "VENDUE_LIFELINE": "A pipe, and seconds for a goodbye: when its other end closes, whoever started us has ended.",
    "VENDUE_INSTALLER": "What `scripts/environment` installs with: uv or pip.",
    "VENDUE_NEWEST": "Whether it takes the newest versions instead of those in constraints.txt.",
    "VENDUE_PROFILE": "The hypothesis profile of the tests.",
    "VENDUE_EXAMPLES": "How many times the usual number of examples the tests try.",
    "VENDUE_WORLDS": "How many simulated markets the tests play.",
    "VENDUE_REWRITE": "Whether the tests write transcripts anew instead of comparing them.",
}
"""Variables with our prefix that are no settings: they are read where they are used."""

_PORT = "(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})"
_PLACE = r"[][0-9A-Za-z.:%_-]{1,64}"
_Seed = Annotated[str, Meta(pattern=rf"^(\[[0-9A-Fa-f:.%]{{2,64}}\]|[0-9A-Za-z._-]{{1,253}}):{_PORT}\Z")]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a peer can be told from outside: name, type, default and meaning, each said here and nowhere else."""

    market: Annotated[
        str, Meta(pattern=NAME_PATTERN, title="a name of a-z, 0-9 and -", description="The market to take part in.")
    ] = "local"
    home: Annotated[
        str | None,
        Meta(title="a directory", description="Where keys and journals live; by default $XDG_DATA_HOME/vendue."),
    ] = None
    interface: Annotated[
        str,
        Meta(
            pattern=rf"^{_PLACE}( *, *{_PLACE}){{0,15}}\Z",
            title="a list of addresses and names of network interfaces",
            description="Where others reach peers here: addresses or interfaces of this computer, as eth0.",
        ),
    ] = "127.0.0.1"
    ports: Annotated[
        str,
        Meta(
            pattern=r"^([0-9]{1,5}-[0-9]{1,5})?\Z",
            title="a range of ports, as 7300-7399",
            description="Where peers here listen, three ports each, the lobby's first; any that are free by default.",
        ),
    ] = ""
    seeds: Annotated[
        tuple[_Seed, ...],
        Meta(
            max_length=64,
            title="a list of host:port",
            description="Lobbies of members to ask, where mDNS does not reach.",
        ),
    ] = ()
    mdns: Annotated[bool, Meta(description="Whether to look for peers, and be found, by multicast DNS.")] = True
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="The least grave message that is shown.")
    ] = "info"
    log_format: Annotated[
        Literal["auto", "pretty", "json"],
        Meta(description="How messages look; auto is pretty on a terminal and JSON lines elsewhere."),
    ] = "auto"
    capacity: Annotated[int, Meta(ge=1, le=1024, description="How many tasks this peer works on at once.")] = 8
    bid_window_ms: Annotated[
        int, Meta(ge=1, le=600_000, description="How long an announcement waits for bids, in milliseconds.")
    ] = 500
    lease_ms: Annotated[
        int,
        Meta(ge=100, le=86_400_000, description="How long a contractor may work until it is renewed, in milliseconds."),
    ] = 10_000
    default_deadline_s: Annotated[
        int, Meta(ge=1, le=2_592_000, description="When a task is given up that names no deadline, in seconds.")
    ] = 60


class Setting(NamedTuple):
    """One declaration, as documentation and `vendue config show` print it."""

    name: str
    expected: str
    default: object
    meaning: str
    flag: str
    variable: str


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


@cache
def declared() -> dict[str, Setting]:
    """List every setting by name, in the order of its declaration."""
    hints = get_type_hints(Settings, include_extras=True)
    return {
        field.name: Setting(
            name=field.name,
            expected=_expected(hints[field.name]),
            default=field.default,
            meaning=hints[field.name].__metadata__[0].description,
            flag=f"--{field.name.replace('_', '-')}",
            variable=PREFIX + field.name.upper(),
        )
        for field in msgspec.structs.fields(Settings)
    }


def load(flags: Mapping[str, object] | None = None, *, directory: Path | None = None) -> Config:
    """Gather the settings; `flags` by setting name, where None means not given; `directory` is where to look upward.

    Raises BadConfig for an unknown name in any layer and for a value in force that does not fit.
    """
    files = (project_file(directory or Path.cwd()), config_home() / USER_FILE)
    layers = [_from_flags(flags or {}), _from_environment(os.environ), *(_from_file(file) for file in files if file)]
    layers += _of_the_market(ChainMap(*layers))
    said = ChainMap(*layers)
    hints = get_type_hints(Settings, include_extras=True)
    fitting: dict[str, Any] = {name: _fit(name, given, hints[name]) for name, given in said.items()}
    return Config(Settings(**fitting), said)


def settings_in(file: Path, text: str, table: Mapping[str, Any]) -> dict[str, object]:
    """Check the settings in `table`, which is a part of the TOML in `file`. Raises BadConfig with the line."""
    hints = get_type_hints(Settings, include_extras=True)
    said = _from_table(file, text, dict(table))
    return {name: _fit(name, given, hints[name]) for name, given in said.items()}


def as_variables(settings: Mapping[str, object]) -> dict[str, str]:
    """Write settings as environment variables, for a process that is to have them."""
    return {declared()[name].variable: _in_words(value) for name, value in settings.items()}


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
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadConfig(f"{file} is not TOML.", why=f"{error}.", do="Correct that line.") from None
    return _from_table(file, text, table)


def _from_table(file: Path, text: str, table: dict[str, Any]) -> dict[str, Said]:
    for name in table:
        if name not in declared():
            raise _unknown(name, _place(file, text, name), list(declared()))
    if isinstance(home := table.get("home"), str):
        table["home"] = os.path.join(file.parent, os.path.expanduser(home))
    return {name: Said(value, _place(file, text, name), True) for name, value in table.items()}


def _of_the_market(said: Mapping[str, Said]) -> list[dict[str, Said]]:
    """The two weakest layers: the only market that is joined here if none is named, and what its own file says."""
    hints = get_type_hints(Settings, include_extras=True)
    above = {name: str(_fit(name, said[name], hints[name])) for name in ABOVE_THE_MARKET if name in said}
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
        with file.open("rb") as stream:
            content = stream.read(FILE_BYTES_MAX + 1)
        if len(content) > FILE_BYTES_MAX:
            raise ValueError(f"it is longer than {FILE_BYTES_MAX} bytes")
        return content.decode()
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise BadConfig(f"The settings in {file} cannot be read.", why=f"{error}.", do="Correct the file.") from None


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
            why=f"Expected {_expected(hint)} ({str(error)[:120]}).",
            do=f"Correct it, or leave it out for the default, {declared()[name].default!r}.",
        ) from None


def _in_words(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _expected(hint: Any) -> str:
    """Say for people what fits: the title, or what the type and its bounds tell."""
    plain, meta = hint.__origin__, hint.__metadata__[0]
    if meta.title:
        return str(meta.title)
    if get_origin(plain) is Literal:
        return "one of " + ", ".join(get_args(plain))
    return "true or false" if plain is bool else f"a whole number from {meta.ge} to {meta.le}"


def _unknown(name: str, where: str, known: list[str]) -> BadConfig:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return BadConfig(
        f"{where}: there is no setting {name[:80]!r}.",
        why="A misspelt setting that is passed over would be a surprise later.",
        do=f"Did you mean {near[0]}?" if near else "See: vendue config show",
    )
