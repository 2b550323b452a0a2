"""One peer of a host as a process: started, watched until it is ready, started again when it fails, stopped.

It is started in a process group of its own, so that Ctrl-C on a terminal reaches only the supervisor, and so that all
of it can be ended; and with a lifeline, so that it does not outlive the supervisor.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Protocol

from peer.health.ask import Absent, ask
from peer.host.commands import peer_command, peer_variables
from peer.host.lifeline import lifeline_variable
from peer.host.lines import Outlet, lines, outlet
from peer.host.peersfile import Host, PeerPlan
from protocol.errors import BadConfig, NoPeers

PAUSE_FIRST_S: Final = 0.5
"""Before the first restart; doubled for each further one."""
PAUSE_LAST_S: Final = 30.0
STEADY_S: Final = 60.0
"""A peer that ran so long has not failed in a row with what was before."""
LAST_WORDS_S: Final = 1.0
"""How long a process's output is read behind its end: what it started itself may hold the pipe open."""
LOOK_FIRST_S: Final = 0.1
LOOK_LAST_S: Final = 5.0
"""Between two questions how a peer does: often while it starts, rarely when it is ready."""
SILENT_MAX: Final = 3
"""Questions in a row without an answer before a peer that was ready counts as not ready."""
CANNOT_START: Final = 127
"""The exit code of a command that is not there, as shells give it."""
ENDED_WELL: Final = frozenset({0, 130})


class State(StrEnum):
    """Where a peer is in its life here."""

    STARTING = "starting"
    READY = "ready"
    PAUSING = "pausing"
    """It has ended, and will be started again."""
    ENDED = "ended"
    """It ended well, or we stopped it."""
    FAILED = "failed"
    """For good: it is not started again."""


class Word(StrEnum):
    """What a peer answers when it is asked whether it is ready."""

    READY = "ready"
    OTHER = "other"
    """That it is not, or nobody is behind its socket yet, or any more."""
    NONE = "none"
    """It is there, and stays silent: its loop is held up."""


OVER: Final = frozenset({State.ENDED, State.FAILED})


class Listener(Protocol):
    """Who is told what the peers say, and what becomes of them."""

    def line(self, peer: str, stream: str, text: str) -> None:
        """A line that the process of `peer` wrote to its `stream`, out or err."""

    def event(self, peer: str | None, event: str, text: str, **facts: Any) -> None:
        """Something that the supervisor did or noticed."""


class Child:
    """One peer, for as long as its host is up."""

    def __init__(self, host: Host, peer: PeerPlan, door: Path, listener: Listener, *, lifeline: int) -> None:
        """`door` is the peer's health socket, `lifeline` the reading end of the supervisor's pipe."""
        self.label, self.state, self.code = peer.label, State.STARTING, 0
        """`code` is the exit code of its last process; of one that a signal ended, the negative number of that."""
        self.moved = asyncio.Event()
        """Set whenever `state` has changed; the supervisor clears it."""
        self._host, self._peer, self._door, self._listener = host, peer, door, listener
        self._lifeline = lifeline
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._hurried = False

    async def live(self, *, as_json: bool) -> None:
        """Run it, again and again as its restart policy says, until it is over or stopped."""
        loop = asyncio.get_running_loop()
        in_a_row = 0
        while not self._stopping.is_set():
            began_s = loop.time()
            self._move(State.STARTING)
            self.code = await self._run_once(as_json=as_json)
            if self._stopping.is_set():
                break
            in_a_row = 0 if loop.time() - began_s >= STEADY_S else in_a_row
            if end := self._end(in_a_row):
                self._move(end)
                return
            pause_s = min(PAUSE_FIRST_S * 2**in_a_row, PAUSE_LAST_S)
            in_a_row += 1
            self._tell("restart", f"ended with {self.code}; it is started again in {pause_s:g} s", in_s=pause_s)
            self._move(State.PAUSING)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_s)
        self._move(State.FAILED if self.code == -signal.SIGKILL and not self._hurried else State.ENDED)

    def stop(self) -> None:
        """Ask it to leave, which ends its life; kill all of it if it takes longer than the file allows."""
        self._stopping.set()

    def hurry(self) -> None:
        """End it now, while it is saying goodbye: somebody does not want to wait for that."""
        self._hurried = True
        self.kill()

    def kill(self) -> None:
        """End its whole process group at once, if any of it is left."""
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _end(self, in_a_row: int) -> State | None:
        """Whether that was its last life, and how it ended; says so."""
        well, restart = self.code in ENDED_WELL, self._peer.restart
        if well and restart != "always":
            self._tell("ended", "has ended", code=self.code)
            return State.ENDED
        why = None
        if restart == "never":
            why = "it is not to be started again"
        elif self.code == BadConfig.exit_code:
            why = "what it was told is wrong, and does not mend itself"
        elif in_a_row >= self._host.plan.restarts_max:
            why = f"it ended {in_a_row + 1} times in a row"
        if why is None:
            return None
        self._tell("failed", f"ended with {self.code}, for good: {why}", code=self.code, why=why)
        return State.FAILED

    async def _run_once(self, *, as_json: bool) -> int:
        """One life of its process, from its start to its last words; the exit code."""
        outlets = {"out": await outlet(), "err": await outlet()}
        try:
            process = self._process = await self._start(outlets, as_json=as_json)
            self._tell("started", f"starts, process {process.pid}", pid=process.pid)
            readers = [asyncio.create_task(self._read(each.stream, name)) for name, each in outlets.items()]
            watching = asyncio.create_task(self._watch(process.pid))
            try:
                code = await self._until_it_ends(process)
                self.kill()  # what it has left behind in its group
                await asyncio.wait(readers, timeout=LAST_WORDS_S)
                return code
            finally:
                for task in (watching, *readers):
                    task.cancel()
        except OSError as error:
            self._tell("failed-to-start", f"cannot be started: {error}")
            return CANNOT_START
        finally:
            self._process = None  # its number may soon be somebody else's
            for each in outlets.values():
                each.transport.close()

    async def _start(self, outlets: Mapping[str, Outlet], *, as_json: bool) -> asyncio.subprocess.Process:
        try:
            return await asyncio.create_subprocess_exec(
                *peer_command(self._host, self._peer), *(["--json"] if as_json else []),
                env=self._environment(as_json=as_json), cwd=self._host.folder, process_group=0,
                pass_fds=(self._lifeline,), stdin=asyncio.subprocess.DEVNULL, stdout=outlets["out"].writing,
                stderr=outlets["err"].writing,
            )  # fmt: skip
        finally:
            for each in outlets.values():
                os.close(each.writing)

    async def _until_it_ends(self, process: asyncio.subprocess.Process) -> int:
        """Wait for its end, which we bring about when we are to stop."""
        ending = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({ending, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not ending.done():
                with suppress(ProcessLookupError):
                    process.terminate()
                timeout_s = self._host.plan.stop_timeout_s
                await asyncio.wait({ending}, timeout=timeout_s)
                if not ending.done():
                    self._tell("killed", f"did not leave within {timeout_s} s, and is killed")
                    self.kill()
            return await ending
        finally:
            stopping.cancel()

    def _environment(self, *, as_json: bool) -> dict[str, str]:
        lifeline = lifeline_variable(self._lifeline, self._host.plan.stop_timeout_s)
        ours = {"VENDUE_LOG_FORMAT": "json" if as_json else "pretty", "PYTHONUNBUFFERED": "1"}
        return {**os.environ, **peer_variables(self._host, self._peer), **ours, **lifeline}

    async def _read(self, stream: asyncio.StreamReader, name: str) -> None:
        async for line in lines(stream):
            self._listener.line(self.label, name, line)

    async def _watch(self, pid: int) -> None:
        """Ask it how it does: until it is ready, whether it still is, and whether it answers at all."""
        loop = asyncio.get_running_loop()
        pause_s, silent, was_ready, heard_s = LOOK_FIRST_S, 0, False, loop.time()
        while True:
            await asyncio.sleep(pause_s)
            word = await asyncio.to_thread(self._ask, pid)
            silent = 0 if word is Word.READY else silent + 1
            heard_s = heard_s if word is Word.NONE else loop.time()
            if word is Word.READY and self.state is not State.READY:
                was_ready = True
                self._tell("ready", "is ready", pid=pid)
                self._move(State.READY)
            elif self.state is State.READY and silent >= SILENT_MAX:
                self._tell("not-ready", "does not answer any more, or is not ready")
                self._move(State.STARTING)
            hung_after_s = self._host.plan.hung_after_s
            if was_ready and hung_after_s and loop.time() - heard_s > hung_after_s:
                self._tell("hung", f"has answered nothing for {hung_after_s} s, and is killed", pid=pid)
                self.kill()
                return
            pause_s = LOOK_LAST_S if self.state is State.READY else min(pause_s * 1.2, LOOK_LAST_S)

    def _ask(self, pid: int) -> Word:
        """What this very process says of itself, and not one that had the home before."""
        try:
            answer = ask(self._door, "ready")
        except Absent:
            return Word.OTHER
        except NoPeers:
            return Word.NONE
        return Word.READY if answer.get("ok") is True and answer.get("pid") == pid else Word.OTHER

    def _move(self, state: State) -> None:
        self.state = state
        self.moved.set()

    def _tell(self, event: str, text: str, **facts: Any) -> None:
        self._listener.event(self.label, event, text, **facts)
