"""Waiting for what happens in other threads, in other processes and on disk: for a bounded time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

PATIENCE_S = 20.0
"""How long anything may take on a machine that is busy with other tests."""
LOOK_S = 0.005


async def until(holds: Callable[[], object], *, why: str = "it never came", seconds: float = PATIENCE_S) -> None:
    """Wait until something holds, while the loop runs."""
    end_s = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end_s, why
        await asyncio.sleep(LOOK_S)


def wait_until(holds: Callable[[], object], *, why: str = "it never came", seconds: float = PATIENCE_S) -> None:
    """The same where there is no loop."""
    end_s = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end_s, why
        time.sleep(LOOK_S)


@asynccontextmanager
async def meanwhile(endless: Coroutine[Any, Any, Any]) -> AsyncIterator[None]:
    """Have something go on without an end while the block runs; that it ends by itself is a failure of the test."""
    running = asyncio.create_task(endless)
    try:
        yield
        assert not running.done(), running.exception()
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
