"""The child process that runs one skill once: ``python -m peer.work.child FILE SKILL MEMORY_BYTES CPU_S``; 0: no limit.

It talks to its peer over standard input and output; agent code that prints, prints to standard error. When the peer
is gone, so is the child with its whole group. It refuses to know the market: no key, no socket, no journal.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import queue
import resource
import signal
import sys
import threading
import traceback
from itertools import count
from pathlib import Path
from types import ModuleType

from peer.work import pipe
from peer.work.call import run_here
from peer.work.context import Context, clean, failure_of
from peer.work.skill import Skill, skills_of
from protocol.errors import BadConfig
from protocol.statements import FailureClass

_MODULE = "vendue_agents"


class Line:
    """The child's end of the pipe: a thread reads it, any thread may ask or report."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading, self._writing = reading, writing
        self._asking, self._speaking = threading.Lock(), threading.Lock()
        self._answers: queue.SimpleQueue[pipe.Answer] = queue.SimpleQueue()
        self._begin: queue.SimpleQueue[pipe.Begin] = queue.SimpleQueue()
        self._numbers = count()
        threading.Thread(target=self._listen, name="vendue-pipe", daemon=True).start()

    def begin(self) -> pipe.Begin:
        """Wait for the work."""
        return self._begin.get()

    def ask(self) -> str:
        """Ask whether there may be an effect; empty means yes."""
        with self._asking:
            number = next(self._numbers)
            self.say(pipe.Ask(number))
            return self._answers.get().end_reason

    def report(self, permille: int, note: str) -> None:
        self.say(pipe.Report(permille, note))

    def say(self, message: pipe.FromChild) -> None:
        """Write one message whole. A peer that is gone is the listener's business."""
        rest = pipe.frame(message)
        with self._speaking, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while rest:
                rest = rest[os.write(self._writing, rest) :]

    def _listen(self) -> None:
        try:
            while body := self._read(int.from_bytes(self._read(pipe.LENGTH_BYTES), "big")):
                message = pipe.read_to_child(body)
                if isinstance(message, pipe.Begin):
                    self._begin.put(message)
                else:
                    self._answers.put(message)
        finally:
            _end_group()

    def _read(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size and (part := os.read(self._reading, size - len(parts))):
            parts += part
        return bytes(parts) if len(parts) == size else b""


def main(arguments: list[str]) -> None:
    """Run one skill of one file, once."""
    file, name, memory_bytes, cpu_s = arguments
    line = _take_pipe()
    begin = line.begin()
    line.say(_outcome(line, begin, Path(file), name, int(memory_bytes), int(cpu_s)))
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()


def _outcome(
    line: Line, begin: pipe.Begin, file: Path, name: str, memory_bytes: int, cpu_s: int
) -> pipe.Output | pipe.Fault:
    try:
        _limit(memory_bytes, cpu_s)
        skill = _find(file, name)
    except BaseException as error:
        traceback.print_exc()
        reason = f"The child process cannot load the skill. {type(error).__name__}: {error}"
        return pipe.Fault(FailureClass.FATAL, clean(reason))
    context = Context(
        award=begin.award,
        idempotency_token=begin.idempotency_token,
        epoch=begin.epoch,
        end_reason=line.ask,
        report=line.report,
    )
    try:
        return pipe.Output(run_here(skill, begin.raw_input, context, begin.output_max))
    except BaseException as error:
        traceback.print_exc()
        failed = failure_of(error)
        return pipe.Fault(failed.failure_class, failed.reason)


def _take_pipe() -> Line:
    """Keep the pipe for ourselves: agent code reads nothing, and prints to standard error."""
    reading, writing = os.dup(0), os.dup(1)  # not inherited by programs that the agent starts
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return Line(reading, writing)


def _limit(memory_bytes: int, cpu_s: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_bytes:
        most = _address_space_bytes() + memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    if cpu_s:
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))  # SIGXCPU first, SIGKILL a second later


def _address_space_bytes() -> int:
    """What the bare interpreter already takes; a limit below that would leave no room to say so."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except OSError:
        return 0  # no Linux: the limit then holds for everything together
    return pages * resource.getpagesize()


def _find(file: Path, name: str) -> Skill:
    for skill in skills_of(_load(file)):
        if skill.name == name:
            return skill
    raise BadConfig(f"{file.name} declares no skill {name!r}.", do="Declare it at the top of that file.")


def _load(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(_MODULE, file)
    if spec is None or spec.loader is None:
        raise BadConfig(f"{file.name} is no Python file.")
    sys.path.insert(0, str(file.parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[_MODULE] = module
    spec.loader.exec_module(module)
    return module


def _end_group() -> None:
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
