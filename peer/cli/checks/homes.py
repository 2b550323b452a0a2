"""What lies in the home of a market on this computer, on which disk, how it is kept, and who runs there."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from peer import keystore
from peer.audit.records import homes_of
from peer.cli.checks.base import Check, guarded
from peer.cli.checks.disk import disk
from peer.health.roll import ask_all
from peer.home import MarketHome, PeerHome, data_home, private_directory, runtime_home
from peer.homelock import lock
from peer.journal import read_journal
from peer.members.admitting.register import Register
from peer.members.entering.founding import read_charter
from peer.settings import Settings
from protocol.errors import HomeBusy

FILES_MAX: Final = 20_000
"""Files whose modes are looked at."""
SHOWN_MAX: Final = 3
"""Findings of one kind that are listed; the remedy mends them all."""


def checks(settings: Settings, market: MarketHome) -> Iterator[Check]:
    """From the disk up to what was recorded on it."""
    yield from guarded("data home", lambda: _home(settings))
    yield from guarded("disk", lambda: disk(data_home(settings.home)))
    yield from guarded("runtime folder", lambda: _runtime(settings))
    yield from guarded("market", lambda: _market(settings, market))
    yield from guarded("governor", lambda: _governor(market))
    yield from guarded("keys", lambda: _keys(market))
    yield from guarded("files", lambda: _files(market))
    yield from guarded("journals", lambda: _journals(market))
    if market.register.exists():
        yield from guarded("register", lambda: _register(market))


def running(settings: Settings, market: MarketHome) -> Iterator[Check]:
    """Those who run here now; takes two seconds if one of them does not answer."""
    yield from guarded("peers", lambda: _peers(settings, market))


def _home(settings: Settings) -> Check:
    home = data_home(settings.home)
    if not home.exists():
        return Check("data home", "note", f"{home} is not there yet; the first command that needs it makes it.")
    private_directory(home)
    return Check("data home", "ok", f"{home}, mode {stat.S_IMODE(home.stat().st_mode):04o}")


def _runtime(settings: Settings) -> Check:
    folder = runtime_home(settings.home)
    return Check("runtime folder", "ok", f"{folder}, mode {stat.S_IMODE(folder.stat().st_mode):04o}")


def _market(settings: Settings, market: MarketHome) -> Check:
    if not market.charter.exists():
        return Check(
            "market", "note", f"There is no market {settings.market!r} here yet.", "Begin with: vendue run FILE"
        )
    charter = read_charter(market.charter)
    governors = len(charter.body.governors)
    noun = "governor" if governors == 1 else "governors"
    return Check("market", "ok", f"{settings.market}, id {charter.id.hex()}, {governors} {noun}")


def _governor(market: MarketHome) -> Check:
    if not market.governor.key.exists():
        return Check("governor", "note", "No governor of this market lives here.")
    try:
        with lock(market.governor.path):
            return Check(
                "governor", "note", "It lives here, and does not run: tasks with irreversible effects are denied.",
                "To run it: vendue govern",
            )  # fmt: skip
    except HomeBusy:
        return Check("governor", "ok", "It runs on this computer.")


def _keys(market: MarketHome) -> Iterator[Check]:
    """Every key file is one that a peer would use: whole, ours, and for us alone."""
    peers = sorted(market.peers.iterdir()) if market.peers.is_dir() else []
    homes = [market.governor, *map(PeerHome, peers)]
    found = 0
    for path in (market.authority, market.member, *(home.key for home in homes)):
        if path.exists():
            keystore.describe(path)
            found += 1
    for home in homes:
        if home.transport.exists():
            keystore.load_transport(home.transport)
            found += 1
    yield Check("keys", "ok", f"{found} here, each for its owner alone")


def _files(market: MarketHome) -> Iterator[Check]:
    """Modes and owners of everything else in the market's home."""
    readable: list[Path] = []
    changeable: list[Path] = []
    foreign: list[Path] = []
    count = 0
    for path in _walk(market.path):
        status = path.lstat()
        count += 1
        if stat.S_ISLNK(status.st_mode) or path.suffix == ".pem":
            continue  # a link's own mode means nothing, and the keys have been looked at
        if status.st_uid != os.geteuid():
            foreign.append(path)
        elif status.st_mode & 0o022:
            changeable.append(path)
        elif status.st_mode & 0o044 and path.name.partition(".")[0] in ("journal", "register", "highwater"):
            readable.append(path)
    yield from _finding(foreign, "of another user", f"sudo chown -R {os.geteuid()}", market)
    yield from _finding(changeable, "that others can change", "chmod -R go-w", market)
    yield from _finding(readable, "with what was said here, that others can read", "chmod -R go-rwx", market)
    if not foreign and not changeable and not readable:
        more = " (no more were looked at)" if count >= FILES_MAX else ""
        yield Check("files", "ok", f"{count} in {market.path}, none open to others{more}")


def _walk(folder: Path) -> Iterator[Path]:
    """The folder and what is below it, links as they are, a bounded number."""
    waiting, given = [folder] if folder.is_dir() else [], 0
    while waiting and given < FILES_MAX:
        path = waiting.pop()
        yield path
        given += 1
        if path.is_dir() and not path.is_symlink():
            waiting += sorted(path.iterdir(), reverse=True)


def _finding(paths: list[Path], what: str, remedy: str, market: MarketHome) -> Iterator[Check]:
    if paths:
        shown = ", ".join(map(str, paths[:SHOWN_MAX])) + (" and more" if len(paths) > SHOWN_MAX else "")
        noun = "file" if len(paths) == 1 else "files"
        yield Check(
            "files", "bad", f"{len(paths)} {noun} {what}: {shown}", f"Run: {remedy} {shlex.quote(str(market.path))}"
        )


def _journals(market: MarketHome) -> Check:
    rows = 0

    def count(_row: object) -> None:
        nonlocal rows
        rows += 1

    homes = homes_of(market)
    for home in homes:
        read_journal(home.journal, count)
    return Check("journals", "ok", f"{len(homes)} here, {rows} rows, each as it was stored")


def _register(market: MarketHome) -> Check:
    """While it is damaged nobody is let in: a used code could be used again."""
    let_in = {entry.member for entry in Register(market.register).entries()}
    noun = "member was" if len(let_in) == 1 else "members were"
    return Check("register", "ok", f"{len(let_in)} {noun} let in here")


def _peers(settings: Settings, market: MarketHome) -> Iterator[Check]:
    """Those that run here, asked at their own sockets."""
    told = ask_all([market], settings.home, "ready")
    for one in told:
        if one.answer is None:
            yield Check(
                "peers", "bad", f"{one.name} runs and does not answer: its loop is held up.",
                "Look at its log: a coroutine that blocks does that (make it a plain function), or kill -STOP.",
            )  # fmt: skip
        elif one.answer.get("ok") is not True:
            missing = "; ".join(map(str, one.answer.get("missing", [])))[:200]
            yield Check(
                "peers", "note", f"{one.name} runs and is not ready: {missing}", f"See: vendue health {one.name}"
            )
    well = sum(one.answer is not None and one.answer.get("ok") is True for one in told)
    if well == len(told):
        yield Check("peers", "ok", f"{well} of this market run on this computer" + (", each ready" if well else ""))
