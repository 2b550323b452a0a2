"""A market's home in the making: a directory beside it that becomes the home at once and whole, or not at all.

    data_home()/markets/.MARK.draft     → renamed to →     data_home()/markets/NAME

Whoever drafts holds its lock. What a killed process has left is wiped by the next one that drafts under the same mark,
or gone on with by one that asks for it. It refuses to know what a market's home holds.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from peer.home import MarketHome, private_directory
from peer.homelock import lock
from peer.wholefile import sync_folder, unwritable
from protocol.errors import BadConfig, HomeBusy, UsageError

LEFTOVER_AGE_S: Final = 7 * 24 * 3600
"""A draft that nobody has gone on with for a week is swept: whoever was joining has a code that is long over."""


@dataclass(slots=True)
class Draft:
    """A draft, and what becomes of it when the making fails."""

    home: MarketHome
    target: MarketHome | None = None
    """What it becomes; without one it stays a draft."""
    kept: bool = False
    """It stays for the next attempt: something in it cannot be made a second time."""


@contextmanager
def drafting(markets: Path, mark: str, *, resume: bool = False) -> Iterator[Draft]:
    """Give a draft in the directory of all `markets`; when the context ends well it has become its target.

    The `mark` names the draft; with `resume` what an earlier attempt has left under it is still there.
    Raises HomeBusy while another process drafts under this mark, and BadConfig when the disk does not take it.
    """
    _sweep(private_directory(markets))
    draft = Draft(MarketHome(private_directory(markets / f".{mark}.draft", secret=True)))
    with _locked(draft.home.path):
        try:
            if not resume:
                _empty(draft.home.path)
            yield draft
            if draft.target is not None:
                _publish(draft.home.path, draft.target.path)
        except OSError as error:
            raise unwritable((draft.target or draft.home).path, error) from None
        finally:
            if not draft.kept:
                shutil.rmtree(draft.home.path, ignore_errors=True)


@contextmanager
def _locked(draft: Path) -> Iterator[None]:
    try:
        held = lock(draft)
        held.__enter__()
    except HomeBusy as busy:
        raise HomeBusy(
            "Another command makes the same market's home just now.", why=busy.what, do="Wait for its end."
        ) from None
    try:
        yield
    finally:
        with suppress(OSError):
            held.__exit__(None, None, None)


def _publish(draft: Path, home: Path) -> None:
    """Let the draft be the home, when all of it is on the disk."""
    (draft / "lock").unlink(missing_ok=True)
    for folder in [draft, *(path for path in draft.rglob("*") if path.is_dir() and not path.is_symlink())]:
        sync_folder(folder)
    try:
        os.rename(draft, home)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        raise UsageError(f"There is already something at {home}.", do="Take another name.") from None
    sync_folder(home.parent)


def _empty(draft: Path) -> None:
    for path in draft.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != "lock":
            path.unlink()


def _sweep(markets: Path) -> None:
    """Remove drafts that nobody came back to, so that no forgotten private key lies about.

    A request to be admitted by hand is none of them: people may take their time.
    """
    for draft in markets.glob(".*-*.draft"):
        with suppress(OSError, HomeBusy, BadConfig):
            if time.time() - draft.lstat().st_mtime > LEFTOVER_AGE_S:
                with lock(draft):
                    shutil.rmtree(draft, ignore_errors=True)
