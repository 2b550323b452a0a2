"""Settings: what a peer can be told from outside, each declared once, with its type, its default and its meaning.

Where a value comes from is told in `peer.config`; what it does, where it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Final, Literal, NamedTuple, get_type_hints

import msgspec
from msgspec import Meta

from peer.home import NAME_PATTERN
from peer.tomlfile import expected

PREFIX = "VENDUE_"
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

CAPACITY_MAX: Final = 1024
"""Tasks that one peer works on at once: each may hold a thread or a process."""


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
    capacity: Annotated[int, Meta(ge=1, le=CAPACITY_MAX, description="How many tasks this peer works on at once.")] = 8
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


@cache
def declared() -> dict[str, Setting]:
    """List every setting by name, in the order of its declaration."""
    return {
        field.name: Setting(
            name=field.name,
            expected=expected(hints()[field.name]),
            default=field.default,
            meaning=hints()[field.name].__metadata__[0].description,
            flag=f"--{field.name.replace('_', '-')}",
            variable=PREFIX + field.name.upper(),
        )
        for field in msgspec.structs.fields(Settings)
    }


@cache
def hints() -> Mapping[str, Any]:
    """The type of each setting, with its bounds."""
    return get_type_hints(Settings, include_extras=True)


def as_variables(settings: Mapping[str, object]) -> dict[str, str]:
    """Write settings as environment variables, for a process that is to have them."""
    return {declared()[name].variable: _in_words(value) for name, value in settings.items()}


def _in_words(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else str(value)
