"""One process per home: two would say two different things under one key."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from peer.home import PeerHome, checked_name
from protocol.errors import BadConfig, HomeBusy

SIBLINGS_MAX = 64
"""How many homes of one stem `first_free` tries: more short-lived peers than that at once are a runaway script."""
_PID_BYTES_MAX = 20


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold the home at `path` for this process alone; the system lets go of it however the process ends.

    Raises HomeBusy, with the holder's process number, while another holds it. The file stays when the lock is given
    back: to remove it would let two processes each lock a file that the other cannot see.
    """
    descriptor = _open_lock(path / "lock")
    try:
        _take(descriptor, path)
        _sign(descriptor, str(os.getpid()))
        try:
            yield
        finally:
            _sign(descriptor, "")
            # A forked child may still have this descriptor open: closing alone would not give the lock back.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


@contextmanager
def first_free(parent: Path, stem: str) -> Iterator[PeerHome]:
    """Take, and hold locked, the first home in `parent` that nobody runs on: `stem`, `stem-2`, `stem-3` and so on.

    For the short-lived peers of the command line, which want an identity that lasts but must not wait for each other.
    """
    with ExitStack() as held:
        yield _enter_first_free(held, parent, stem)


def _enter_first_free(held: ExitStack, parent: Path, stem: str) -> PeerHome:
    for number in range(1, SIBLINGS_MAX + 1):
        home = PeerHome(parent / checked_name(stem if number == 1 else f"{stem}-{number}")).make()
        try:
            held.enter_context(lock(home.path))
        except HomeBusy:
            continue
        return home
    raise HomeBusy(
        f"All {SIBLINGS_MAX} homes called {stem} in {parent} are in use.",
        why="Each running peer holds one.",
        do="Wait for some of them to end.",
    )


def _open_lock(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise BadConfig(
            f"The lock {path} cannot be opened.",
            why=f"The system says: {error.strerror}.",
            do="Check that the directory is there and yours, and that its disk has room and is not read-only.",
        ) from None


def _sign(descriptor: int, holder: str) -> None:
    """Note who holds a lock, for people; on a full disk it is held without."""
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, holder.encode(), 0)


def _take(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise BadConfig(
                f"The home {path} cannot be locked.",
                why=f"The system says: {error.strerror}.",
                do="Set VENDUE_HOME to a directory on a local disk.",
            ) from None
        # The holder writes its number just after it has the lock, so for an instant there is none.
        holder = os.pread(descriptor, _PID_BYTES_MAX, 0)
        raise HomeBusy(
            f"Another process{f' (pid {int(holder)})' if holder.isdigit() else ''} runs on the home {path}.",
            why="Two processes on one home would say two different things under one key.",
            do="Stop that process, or give this peer another name.",
        ) from None
