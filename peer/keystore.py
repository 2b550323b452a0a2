"""Private keys on disk: made once, whole or not at all, and used only while nobody else can read them.

A key file is PKCS#8 PEM without a password, mode 0600 from its first byte: an Ed25519 key that signs, or the X25519 key
of a peer's connections. What this module refuses to know: what a key is for. What it refuses to say: anything of a key
but its public half.
"""

from __future__ import annotations

import os
import shlex
import stat
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Generic, TypeVar

from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from peer.home import private_directory
from peer.wholefile import draft_of, sweep, sync_folder
from protocol.errors import BadConfig, KeyExposed
from protocol.keys import print_peer

KEY_FILE_BYTES_MAX = 4096
"""A PKCS#8 key of either kind is 119 bytes of PEM; more than this is some other file."""
_Key = TypeVar("_Key", Ed25519PrivateKey, X25519PrivateKey)


@dataclass(frozen=True, slots=True)
class _Kind(Generic[_Key]):
    """What a key file may hold: a type that only the library can make instances of."""

    name: str
    type: type[_Key]


_SIGNING = _Kind("Ed25519", Ed25519PrivateKey)  # type: ignore[type-abstract]
_TRANSPORT = _Kind("X25519", X25519PrivateKey)  # type: ignore[type-abstract]


@dataclass(frozen=True, slots=True)
class KeyDescription:
    """What may be shown of a key file."""

    peer: str
    """The printed peer id."""
    path: Path
    mode: str
    """In octal, as chmod takes it."""
    created: str
    """UTC, by the file's own date: a key file is written once."""


def load_or_create(path: Path) -> Ed25519PrivateKey:
    """Read the key at `path`, or make it: of many processes that try at once one makes it and all read the same."""
    return _load_or_make(path, _SIGNING)


def load_or_create_transport(path: Path) -> X25519PrivateKey:
    """Read the key of a peer's connections at `path`, or make it, by the same rules."""
    return _load_or_make(path, _TRANSPORT)


def create(path: Path) -> Ed25519PrivateKey:
    """Make a new key at `path`, where there must be none: a key that is overwritten is lost for ever."""
    try:
        return _make(path, _SIGNING)
    except FileExistsError:
        raise BadConfig(
            f"There is already a file at {path}.",
            why="A new key would destroy the old one, and with it that peer's identity.",
            do="Use it, or move it away first.",
        ) from None


def load(path: Path) -> Ed25519PrivateKey:
    """Read the key at `path`.

    Raises KeyExposed when group or others can read the file, BadConfig when it is missing, another user's, reached
    by another user's link, or not an Ed25519 private key in PEM.
    """
    sweep(path.parent)
    return _read(path, _SIGNING)[0]


def load_transport(path: Path) -> X25519PrivateKey:
    """Read the key of a peer's connections at `path`; raises what `load` raises."""
    return _read(path, _TRANSPORT)[0]


def describe(path: Path) -> KeyDescription:
    """Say whose key is at `path`, and since when."""
    private, status = _read(path, _SIGNING)
    created = datetime.fromtimestamp(int(status.st_mtime), UTC)
    peer = print_peer(private.public_key().public_bytes_raw())
    return KeyDescription(peer, path, f"{stat.S_IMODE(status.st_mode):04o}", created.isoformat())


def _load_or_make(path: Path, kind: _Kind[_Key]) -> _Key:
    sweep(path.parent)
    if not os.path.lexists(path):
        with suppress(FileExistsError):
            return _make(path, kind)
    return _read(path, kind)[0]


def _make(path: Path, kind: _Kind[_Key]) -> _Key:
    """Write a new key beside `path`, then link it there: the name appears with the whole file, or not at all.

    Raises FileExistsError when `path` is taken. A link, unlike a renaming, never replaces what is there.
    """
    private_directory(path.parent)
    private = kind.type.generate()
    draft = draft_of(path)
    try:
        try:
            _write_private(draft, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            os.link(draft, path)
        finally:
            draft.unlink(missing_ok=True)
        sync_folder(path.parent)
    except FileExistsError:
        raise
    except OSError as error:
        raise BadConfig(
            f"No key can be made at {path}.",
            why=f"The system says: {error.strerror}.",
            do="Check that the disk has room and that it can hold hard links.",
        ) from None
    return private


def _write_private(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path, kind: _Kind[_Key]) -> tuple[_Key, os.stat_result]:
    try:
        _refuse_foreign_link(path)
        # Not blocking: somebody's pipe at this path must not hang the start.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            _refuse_unsafe(path, status)
            content = file.read(KEY_FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        raise BadConfig(
            f"There is no key at {path}.",
            why="It was never made here, or moved.",
            do="Run: vendue init, or vendue join",
        ) from None
    except OSError as error:
        raise BadConfig(
            f"The key file {path} cannot be read.",
            why=f"The system says: {error.strerror}.",
            do="Check its owner and its mode, which should be yours and 0600.",
        ) from None
    return _parse(path, content, kind), status


def _refuse_foreign_link(path: Path) -> None:
    link = path.lstat()
    if stat.S_ISLNK(link.st_mode) and link.st_uid != os.geteuid():
        raise BadConfig(
            f"The key file {path} is another user's link.",
            why="Its owner could put another key there at any time.",
            do="Remove the link and put your own key file there.",
        )


def _refuse_unsafe(path: Path, status: os.stat_result) -> None:
    """Check the file that was opened, not the name: nobody can swap it in between."""
    if not stat.S_ISREG(status.st_mode):
        raise BadConfig(
            f"{path} is no file.", why="A key is read from an ordinary file only.", do="Put the key file there."
        )
    if status.st_uid != os.geteuid():
        raise BadConfig(
            f"The key file {path} belongs to another user.",
            why="Its owner can read it, and could replace it.",
            do=f"If it is yours, run: sudo chown {os.geteuid()} {shlex.quote(str(path))}",
        )
    if status.st_mode & 0o077:
        raise KeyExposed(
            f"The key file {path} is open to others (mode {stat.S_IMODE(status.st_mode):04o}).",
            why="Who reads it can sign in this peer's name.",
            do=f"Run: chmod 600 {shlex.quote(str(path))}, and make a new key if others may have read it.",
        )


def _parse(path: Path, content: bytes, kind: _Kind[_Key]) -> _Key:
    """Read PEM. Nothing of the library's own message is passed on: it may quote what it was given."""
    with suppress(ValueError, TypeError, UnsupportedAlgorithm, InternalError):
        private = load_pem_private_key(content, password=None) if len(content) <= KEY_FILE_BYTES_MAX else None
        if isinstance(private, kind.type):
            return private
    raise BadConfig(
        f"{path} is not a key that a peer can use.",
        why=f"It must be an {kind.name} private key, PKCS#8 in PEM, without a password.",
        do="Put the right file there, or move this one away to have a new key made.",
    )
