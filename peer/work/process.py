"""The peer's end of a child process that runs agent code: started, spoken with, ended as a group and reaped.

It refuses to know the market, and what the child works on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from peer.work import pipe
from peer.work.skill import Skill

TERM_GRACE_S: Final = 0.5
"""From SIGTERM to SIGKILL: time to close a file, not to finish the work."""
EXIT_GRACE_S: Final = 0.5
"""From the last word to SIGTERM: an interpreter takes some 30 ms to end."""
DRAIN_S: Final = 1.0
"""How long after the end words are still read that were written before it."""
_ROOT: Final = str(Path(__file__).resolve().parent.parent)


class ChildDied(Exception):
    """The process ended, or spoke nonsense, before it gave an outcome."""


async def run_child(
    skill: Skill, begin: pipe.Begin, *, end_reason: Callable[[], str], report: Callable[[int, str], None]
) -> pipe.Output | pipe.Fault:
    """Run one skill once in a process of its own. Raises ChildDied; on every way out the whole group is dead."""
    ours, theirs = socket.socketpair()
    with theirs:
        reader, writer = await asyncio.open_connection(sock=ours)
        try:
            child = Child(skill, theirs, asyncio.get_running_loop())
            theirs.close()
            talk = asyncio.ensure_future(_converse(reader, writer, begin, end_reason, report))
            word = None
            try:
                either: set[asyncio.Future[Any]] = {talk, child.exited}
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                await asyncio.wait({talk}, timeout=DRAIN_S)
                word = talk.result() if talk.done() else None
            finally:
                talk.cancel()
                await child.end(EXIT_GRACE_S if word else 0.0)
        finally:
            writer.close()  # only now: a child that loses its peer kills its group
    if word is None:
        raise ChildDied(_epitaph(child.exited.result(), skill))
    return word


class Child:
    """One process in a session of its own, with everything it starts."""

    def __init__(self, skill: Skill, channel: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        self.exited: asyncio.Future[int] = loop.create_future()
        """The return code, once the process is reaped and its group killed."""
        self._loop = loop
        self._lock = threading.Lock()
        limits = str(skill.memory_limit_bytes or 0), str(skill.cpu_limit_s or 0)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "peer.work.child", skill.file, skill.name, *limits],
            stdin=channel.fileno(),
            stdout=channel.fileno(),
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (_ROOT, os.environ.get("PYTHONPATH"))))},
        )
        threading.Thread(target=self._reap, name="vendue-reaper", daemon=True).start()

    async def end(self, grace_s: float) -> None:
        """Let it exit by itself, then ask it to, then kill it: at the end the whole group is gone."""
        try:
            for pause_s, number in ((grace_s, signal.SIGTERM), (TERM_GRACE_S, signal.SIGKILL)):
                await asyncio.wait({self.exited}, timeout=pause_s)
                self._kill(number)
            await asyncio.wait({self.exited})
        finally:
            self._kill(signal.SIGKILL)

    def _kill(self, number: signal.Signals) -> None:
        with self._lock:
            if self._process.returncode is None:  # not reaped, hence the id is still ours
                _signal_group(self._process.pid, number)

    def _reap(self) -> None:
        """Wait for the end; kill what is left of the group while its id cannot yet belong to others."""
        if hasattr(os, "waitid"):
            os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
            with self._lock:
                _signal_group(self._process.pid, signal.SIGKILL)
                self._process.wait()
        else:  # macOS before Python 3.13: a hair's breadth between the end and the kill
            self._process.wait()
            _signal_group(self._process.pid, signal.SIGKILL)
        with contextlib.suppress(RuntimeError):  # the loop may be closed by now
            self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        if not self.exited.done():
            self.exited.set_result(self._process.returncode)


async def _converse(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    begin: pipe.Begin,
    end_reason: Callable[[], str],
    report: Callable[[int, str], None],
) -> pipe.Output | pipe.Fault | None:
    """Answer what the child asks until its last word; None when it is gone, or speaks nonsense."""
    frame_max = begin.output_max * 4 // 3 + pipe.FRAME_OVERHEAD
    try:
        writer.write(pipe.frame(begin))
        while (size := int.from_bytes(await reader.readexactly(pipe.LENGTH_BYTES), "big")) <= frame_max:
            match pipe.read_from_child(await reader.readexactly(size)):
                case pipe.Ask(number):
                    writer.write(pipe.frame(pipe.Answer(number, end_reason())))
                case pipe.Report(permille, note):
                    report(permille, note)
                case word:
                    return word
    except (asyncio.IncompleteReadError, msgspec.DecodeError, OSError):
        return None
    return None


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _epitaph(code: int, skill: Skill) -> str:
    if code == -signal.SIGXCPU:
        return f"The process passed its CPU limit of {skill.cpu_limit_s} s."
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return f"The process {how} without a result."
