"""Where things live on this computer, and who may use them: paths, and directories that are private.

    data_home()/markets/NAME/charter.vendue  charter-2.vendue ...  market.toml  known.json  authority.pem
                             member.pem      member.certificate  register.db
                             governor/       key.pem  transport.pem  journal.db  highwater  lock
                             peers/NAME/     key.pem  transport.pem  journal.db  highwater  lock

It refuses to know what the files say: a path is all it gives.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from protocol.errors import BadConfig, UsageError

NAME_PATTERN = r"^[a-z0-9][a-z0-9-]{0,62}\Z"
"""What a market or a peer may be called: also a fit DNS label, and no path can be smuggled in."""


@dataclass(frozen=True, slots=True)
class PeerHome:
    """One peer's directory: its key, what it said and heard, and how far it had counted."""

    path: Path

    @property
    def key(self) -> Path:
        return self.path / "key.pem"

    @property
    def transport(self) -> Path:
        """The key of its connections."""
        return self.path / "transport.pem"

    @property
    def certificate(self) -> Path:
        """What an admitter has signed for this peer alone; most have none, and their computer vouches for them."""
        return self.path / "certificate"

    @property
    def journal(self) -> Path:
        return self.path / "journal.db"

    @property
    def highwater(self) -> Path:
        return self.path / "highwater"

    def make(self) -> PeerHome:
        """Make the directory, for its owner alone, if it is not there."""
        private_directory(self.path)
        return self


@dataclass(frozen=True, slots=True)
class MarketHome:
    """One market's directory on this computer."""

    path: Path

    @property
    def charter(self) -> Path:
        """The charter's first version, which never changes: its digest is the market's id."""
        return self.path / "charter.vendue"

    def charter_version(self, version: int) -> Path:
        """Where a version of the charter is kept."""
        return self.charter if version == 1 else self.path / f"charter-{version}.vendue"

    @property
    def member(self) -> Path:
        """This computer's own member key, which vouches for the peers here."""
        return self.path / "member.pem"

    @property
    def certificate(self) -> Path:
        """What an admitter has signed for that key."""
        return self.path / "member.certificate"

    @property
    def settings(self) -> Path:
        """The settings that hold for this market alone."""
        return self.path / "market.toml"

    @property
    def register(self) -> Path:
        """Whom the admitter on this computer has let in."""
        return self.path / "register.db"

    @property
    def known(self) -> Path:
        """Where other members were met last."""
        return self.path / "known.json"

    @property
    def authority(self) -> Path:
        """The key that signs charters: only on the computer where the market was made."""
        return self.path / "authority.pem"

    @property
    def governor(self) -> PeerHome:
        return PeerHome(self.path / "governor")

    @property
    def peers(self) -> Path:
        return self.path / "peers"

    def peer(self, name: str) -> PeerHome:
        return PeerHome(self.peers / checked_name(name))

    def make(self) -> MarketHome:
        """Make the directory, for its owner alone, if it is not there."""
        private_directory(self.path)
        return self


def data_home(chosen: str | Path | None = None) -> Path:
    """Give the directory that outlives a restart: `chosen`, $VENDUE_HOME, or the place that the XDG rules name."""
    if chosen := chosen or os.environ.get("VENDUE_HOME"):
        return _absolute(chosen)
    return (_xdg("XDG_DATA_HOME") or _user_home() / ".local" / "share") / "vendue"


def market_home(name: str, chosen: str | Path | None = None) -> MarketHome:
    """Give the home of the market called `name`, which need not be there yet; `chosen` is a data home."""
    return MarketHome(data_home(chosen) / "markets" / checked_name(name))


def markets_here(chosen: str | Path | None = None) -> list[str]:
    """List the markets that this computer takes part in: those whose charter is there."""
    try:
        found = sorted((data_home(chosen) / "markets").iterdir())
    except OSError:
        return []
    return [path.name for path in found if re.search(NAME_PATTERN, path.name) and MarketHome(path).charter.exists()]


def runtime_home(chosen: str | Path | None = None) -> Path:
    """Make and give the directory where the peers of this user on this computer find each other.

    $VENDUE_RUNTIME, or `run` in the data home that was chosen by hand (`chosen`, $VENDUE_HOME), or what the system
    gives each user, or a directory in the shared place for temporary files, where anybody could have been first.
    """
    if given := os.environ.get("VENDUE_RUNTIME"):
        return private_directory(_absolute(given), secret=True)
    if chosen := chosen or os.environ.get("VENDUE_HOME"):
        return private_directory(_absolute(chosen) / "run", secret=True)
    if system := _xdg("XDG_RUNTIME_DIR"):
        return private_directory(system / "vendue", secret=True)
    return private_directory(Path(tempfile.gettempdir()) / f"vendue-{os.geteuid()}", secret=True)


def config_home() -> Path:
    """Give the directory of the user's own settings, by the XDG rules."""
    return (_xdg("XDG_CONFIG_HOME") or _user_home() / ".config") / "vendue"


def checked_name(name: str) -> str:
    """Give `name` back if a market or a peer may be called so."""
    if re.search(NAME_PATTERN, name):
        return name
    raise UsageError(
        f"{name[:80]!r} is no name for a market or a peer.",
        why="A name has 1 to 63 of a to z, 0 to 9 and -, and does not begin with -.",
        do="Choose another name.",
    )


def private_directory(path: Path, *, secret: bool = False) -> Path:
    """Make `path` and what is missing above it with mode 0700, and refuse one that others own or can write to.

    A `secret` directory is also refused when others can read it.
    """
    try:
        for missing in reversed([place for place in (path, *path.parents) if not place.exists()]):
            missing.mkdir(mode=0o700, exist_ok=True)
        link, real = path.lstat(), path.stat()
    except OSError as error:
        raise BadConfig(
            f"The directory {path} cannot be made or read.",
            why=f"The system says: {error.strerror}.",
            do="Set VENDUE_HOME to a directory that you may write to.",
        ) from None
    if not stat.S_ISDIR(real.st_mode):
        raise BadConfig(
            f"{path} is no directory.", why="Something else has its name.", do="Move it away, and run this again."
        )
    if {link.st_uid, real.st_uid} != {os.geteuid()}:
        raise BadConfig(
            f"The directory {path} belongs to somebody else.",
            why="Its owner could read or replace what is put there.",
            do="Remove it, or set VENDUE_HOME (or VENDUE_RUNTIME) to a directory of your own.",
        )
    if stat.S_IMODE(real.st_mode) & (0o077 if secret else 0o022):
        raise BadConfig(
            f"The directory {path} is open to others (mode {stat.S_IMODE(real.st_mode):04o}).",
            why="Others could replace what is put there.",
            do=f"Run: chmod 700 {shlex.quote(str(path))}",
        )
    return path


def _absolute(path: str | Path) -> Path:
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError:
        raise _no_user_home() from None


def _user_home() -> Path:
    try:
        return Path.home()
    except RuntimeError:
        raise _no_user_home() from None


def _no_user_home() -> BadConfig:
    return BadConfig(
        "This user has no home directory.",
        why="Neither HOME nor the system's list of users names one.",
        do="Set VENDUE_HOME to a directory of your own.",
    )


def _xdg(variable: str) -> Path | None:
    """Read a variable of the XDG base directory rules, which say that a relative path counts as none."""
    value = os.environ.get(variable, "")
    return Path(value) if os.path.isabs(value) else None
