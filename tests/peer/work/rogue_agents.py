"""Agent code as bad as it gets, and some that is good: what the tests of the workers run.

Child processes load it as a file, hence functions at the top only. A name that ends in "-coroutine" is the async twin.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from peer.work.context import Context
from peer.work.skill import worker
from protocol.errors import TaskFailed

ERRORS: dict[str, Callable[[str], BaseException]] = {
    "value": ValueError,
    "exit": SystemExit,
    "interrupt": KeyboardInterrupt,
    "cancel": asyncio.CancelledError,
    "task": TaskFailed,
}


@worker("echo", price=1)
def echo(text: str, ctx: Context) -> str:
    """Do what a good agent does."""
    ctx.fence()
    ctx.progress(0.25, "a quarter")
    print("printed to standard output")
    return f"{text} {len(ctx.idempotency_token)} {ctx.epoch} {ctx.award.decode()}"


@worker("echo-coroutine", price=1)
async def echo_coroutine(text: str, ctx: Context) -> str:
    """Do what a good agent does."""
    return echo(text, ctx)


@worker("hang", price=1)
def hang(note: str) -> str:
    """Ignore the fence, until the test frees the thread."""
    Path(note).write_text(str(os.getpid()), encoding="ascii")
    while not Path(f"{note}.free").exists():
        time.sleep(0.01)
    return "too late"


@worker("hang-coroutine", price=1)
async def hang_coroutine(note: str) -> str:
    """Wait for ever."""
    Path(note).write_text("begun", encoding="ascii")
    await asyncio.Event().wait()
    return "never"


def _take_effect(note: str) -> None:
    with Path(note).open("ab") as effects:
        effects.write(b".")


@worker("fenced", price=1)
def fenced(note: str, ctx: Context) -> str:
    """Ask the fence before each of endless effects."""
    while True:
        ctx.fence()
        _take_effect(note)
        time.sleep(0.01)


@worker("fenced-coroutine", price=1)
async def fenced_coroutine(note: str, ctx: Context) -> str:
    """Ask the fence before each of endless effects."""
    while True:
        ctx.fence()
        _take_effect(note)
        await asyncio.sleep(0.01)


@worker("raise", price=1)
def raise_error(kind: str) -> str:
    """Fail as told."""
    raise ERRORS[kind]("as told")


@worker("raise-coroutine", price=1)
async def raise_error_coroutine(kind: str) -> str:
    """Fail as told."""
    raise ERRORS[kind]("as told")


@worker("wrong", price=1)
def wrong() -> dict[str, int]:
    """Break the promise of the return annotation."""
    answer: dict[str, Any] = {"n": "three"}
    return answer


@worker("wrong-coroutine", price=1)
async def wrong_coroutine() -> dict[str, int]:
    """Break the promise of the return annotation."""
    return wrong()


@worker("large", price=1)
def large(size: int) -> str:
    """Return more than a statement holds."""
    return "x" * size


@worker("large-coroutine", price=1)
async def large_coroutine(size: int) -> str:
    """Return more than a statement holds."""
    return "x" * size


@worker("third-time", price=1)
def third_time(note: str) -> int:
    """Succeed at the third try."""
    path = Path(note)
    tries = 1 + (int(path.read_text(encoding="ascii")) if path.exists() else 0)
    path.write_text(str(tries), encoding="ascii")
    if tries < 3:
        raise ConnectionError(f"try {tries}")
    return tries


@worker("third-time-coroutine", price=1)
async def third_time_coroutine(note: str) -> int:
    """Succeed at the third try."""
    return third_time(note)


@worker("resist-coroutine", price=1)
async def resist_coroutine(note: str) -> str:
    """Swallow every cancellation, until the test frees it."""
    Path(note).write_text("begun", encoding="ascii")
    while not Path(f"{note}.free").exists():
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            continue
    Path(f"{note}.late").touch()
    return "too late"


@worker("vanish", price=1)
def vanish(code: int) -> str:
    """End the process without a word."""
    os._exit(code)


@worker("breed", price=1)
def breed(note: str, hang_on: bool) -> str:
    """Leave a program behind that ignores SIGTERM, and a fork that holds the pipe."""
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"
    program = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert program.stdout is not None
    program.stdout.readline()
    fork = os.fork()
    if not fork:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
        os._exit(0)
    Path(f"{note}.part").write_text(f"{program.pid} {fork} {os.getpid()}", encoding="ascii")
    Path(f"{note}.part").rename(note)
    if hang_on:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    return "gone"


@worker("hog", price=1)
def hog(megabytes: int) -> int:
    """Take all the memory there is."""
    return len(bytearray(megabytes * 1024 * 1024))


@worker("spin", price=1)
def spin() -> str:
    """Burn a core."""
    while True:
        pass
