"""Running a peer until its command is done, or is asked to stop: Ctrl-C and SIGTERM both leave with a goodbye."""

from __future__ import annotations

import asyncio
import resource
import signal
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from peer import interrupt
from peer.cli.ending import INTERRUPTED
from peer.garbage import collect_seldom
from peer.host.lifeline import hold_on

GOODBYE_S: Final = 1.0
"""How long a goodbye may take before another Ctrl-C cuts it short."""
_Value = TypeVar("_Value")


def run_to_end(work: Coroutine[Any, Any, _Value]) -> _Value:
    """Run until the work is done. Ctrl-C and SIGTERM cancel it, and then raise KeyboardInterrupt.

    Where `vendue up` has started this process, its end counts as SIGTERM.
    """
    try:
        interrupt.give_back()  # to asyncio
    except KeyboardInterrupt:
        work.close()
        raise
    hold_on()
    leave_no_dump()

    async def whole() -> _Value:
        own = asyncio.current_task()
        assert own is not None, "a coroutine runs in a task"
        # Ctrl-C is asyncio's own business, until something here takes it.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, own.cancel)
        return await work

    try:
        return asyncio.run(whole())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def leave_no_dump() -> None:
    """Have the system write no memory of this process to a file, should it crash: private keys are in there."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


async def until_asked_to_stop(stopped: asyncio.Future[None]) -> int:
    """Wait for Ctrl-C or SIGTERM; the exit code of each. Raises what `stopped` has if the peer stops by itself.

    From here on the process is a peer that has all it needs, and nothing else.
    A moment later the signals do again what they always do: who presses Ctrl-C again does not want to wait for a
    goodbye, but one that comes twice at once (from a shell, and from what it started) is one.
    """
    loop = asyncio.get_running_loop()
    asked: asyncio.Future[int] = loop.create_future()

    def ask(code: int) -> None:
        if not asked.done():
            asked.set_result(code)

    codes = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: 0}
    for number, code in codes.items():
        loop.add_signal_handler(number, ask, code)
    stopped.add_done_callback(lambda _: ask(0))
    collect_seldom()
    code = await asked
    loop.call_later(GOODBYE_S, lambda: [loop.remove_signal_handler(number) for number in codes])
    if stopped.done():
        stopped.result()
    return code
