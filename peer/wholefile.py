"""Writing a file whole or not at all: it is made beside its place, under a name that says by whom, then moved there.

    .NAME.PID-8 digits.new

What a killed process has left is removed by whoever next writes, or reads a key, in the same directory.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from protocol.errors import BadConfig

AGE_S: Final = 60
"""Making a file takes milliseconds: one that is older than this is nobody's, whoever has its maker's number now."""
_DRAFT: Final = re.compile(r"\..+\.([1-9][0-9]{0,9})-[0-9a-f]{8}\.new", re.ASCII)


def write_whole(path: Path, content: bytes, *, mode: int = 0o600, durable: bool = True) -> None:
    """Write a file anew: whole, and if it is to be `durable` on the disk, when its name is there. Raises OSError."""
    sweep(path.parent)
    draft = draft_of(path)
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise


def draft_of(path: Path) -> Path:
    """The name under which this process makes the file at `path`."""
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.new")


def sweep(folder: Path) -> None:
    """Remove from a directory what killed processes have left half-made; what cannot be removed stays."""
    with suppress(OSError), os.scandir(folder) as listing:
        for item in listing:
            made = _DRAFT.fullmatch(item.name)
            if made is not None and _is_left(int(made[1]), item):
                with suppress(OSError):
                    os.unlink(item.path)


def sync_folder(folder: Path) -> None:
    """Have the disk know which names are in a folder, so that one that was given away is not back after a crash."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unwritable(path: Path, error: OSError) -> BadConfig:
    """What to tell when the disk does not take a file."""
    return BadConfig(
        f"{path} cannot be written.",
        why=f"The system says: {error.strerror or error}.",
        do="Make room on the disk, or set VENDUE_HOME to a directory that you may write to.",
    )


def runs(pid: int) -> bool:
    """Tell whether there is a process of this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # it is somebody else's
        return True
    return True


def _is_left(maker: int, draft: os.DirEntry[str]) -> bool:
    try:
        return not runs(maker) or time.time() - draft.stat(follow_symlinks=False).st_mtime > AGE_S
    except FileNotFoundError:
        return False
