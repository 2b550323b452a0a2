"""The demo's processes: a fork server that starts each peer, starts again what fell over, and clears up at the end.

    the command ── crew ──┬── governor        one session, log and home each
                          ├── argus
                          └── ...

The crew is forked while the command has one thread and no socket, so its children find everything imported and start in
milliseconds. A pipe of which only the command holds the writing end is everybody's lifeline: when the command ends,
however it ends, the crew stops its children, and each of them stops even if the crew is gone. What the processes do is
none of this file's business.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

from msgspec import Struct, json

from protocol.errors import TaskFailed

LOOK_S: Final = 0.05
"""How soon a process that fell over is noticed."""
LIVES: Final = 4
"""How often one process is started before the crew gives it up."""
GOODBYE_S: Final = 5.0
"""How long processes may take to leave before they are killed."""
TAIL_BYTES: Final = 2_000
"""Of a log, what is shown when its process failed."""
WORDS_BYTES_MAX: Final = 65_536

Play = Callable[[int], None]
"""What one process does; it must return when its lifeline, a descriptor, becomes readable."""


class Word(Struct, frozen=True, kw_only=True):
    """What the crew tells the command: a process was started, or has ended."""

    name: str
    pid: int
    life: int
    code: int | None = None
    """How it ended: its exit code, or the signal's number below zero; None: it was started."""


class Crew:
    """The running crew, as the command sees it."""

    def __init__(self, pid: int, lifeline: int, words: int) -> None:
        self.words = words
        """A descriptor: readable when there is news."""
        self._pid, self._lifeline = pid, lifeline
        self._rest = b""

    def news(self) -> list[Word]:
        """What was told since the last call; never waits."""
        with contextlib.suppress(BlockingIOError):
            self._rest += os.read(self.words, WORDS_BYTES_MAX)
        *lines, self._rest = self._rest.split(b"\n")
        return [json.decode(line, type=Word) for line in lines]

    def dismiss(self) -> None:
        """Let go of the lifeline, and wait until no process is left."""
        os.close(self._lifeline)
        os.waitpid(self._pid, 0)
        os.close(self.words)


def hire(plays: Mapping[str, Play], logs: Path, *, remove: Path | None = None) -> Crew:
    """Start the crew, which starts all `plays`; at its end it removes the directory `remove`.

    Must be called before there are threads or sockets: a forked process inherits neither safely.
    """
    if threading.active_count() > 1:
        raise TaskFailed("The processes cannot be started from a program with threads.", do="Run it as a command.")
    line_read, line_write = os.pipe()
    words_read, words_write = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        os.close(line_write)
        os.close(words_read)
        _be(logs / "crew.log", lambda lifeline: _run(plays, logs, remove, lifeline, words_write), line_read)
    os.close(line_read)
    os.close(words_write)
    os.set_blocking(words_read, False)
    return Crew(pid, line_write, words_read)


def tail_of(log: Path) -> str:
    """The end of a log, for whoever asks why its process failed."""
    try:
        return log.read_bytes()[-TAIL_BYTES:].decode(errors="replace").strip()
    except OSError:
        return ""


def _be(log: Path, play: Play, lifeline: int) -> NoReturn:
    """Be a process of one's own: session, log, no input. Nothing of the parent's stack is ever returned to."""
    code = 1
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(written, 1)
        os.dup2(written, 2)
        play(lifeline)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


class _Life(NamedTuple):
    name: str
    number: int


def _run(plays: Mapping[str, Play], logs: Path, remove: Path | None, lifeline: int, words: int) -> None:
    """The crew's own loop: start, bury, start again; until the lifeline is cut."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    running: dict[int, _Life] = {}

    def start(name: str, number: int) -> None:
        pid = os.fork()
        if pid == 0:
            os.close(words)
            _be(logs / f"{name}.log", plays[name], lifeline)
        running[pid] = _Life(name, number)
        _tell(words, Word(name=name, pid=pid, life=number))

    for name in plays:
        start(name, 1)
    while not select.select([lifeline], [], [], LOOK_S)[0]:
        for pid, code in _ended(running):
            name, number = running.pop(pid)
            _tell(words, Word(name=name, pid=pid, life=number, code=code))
            if number < LIVES:
                start(name, number + 1)
    _stop(running)
    if remove is not None:
        shutil.rmtree(remove, ignore_errors=True)


def _ended(running: Mapping[int, _Life]) -> list[tuple[int, int]]:
    """Those of our children that have ended, with how."""
    ended = [os.waitpid(pid, os.WNOHANG) for pid in running]
    return [(pid, os.waitstatus_to_exitcode(status)) for pid, status in ended if pid]


def _tell(words: int, word: Word) -> None:
    with contextlib.suppress(OSError):  # the command is gone: the lifeline says so too
        os.write(words, json.encode(word) + b"\n")


def _stop(running: dict[int, _Life]) -> None:
    """Wait for those who leave by themselves, and kill the sessions of the others."""
    until = time.monotonic() + GOODBYE_S
    while running and time.monotonic() < until:
        for pid, _ in _ended(running):
            del running[pid]
        time.sleep(LOOK_S / 5)
    for pid in running:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
