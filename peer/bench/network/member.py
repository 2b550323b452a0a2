"""Some peers in one process, which say in JSON lines when they are bound, whom they see, and whom they lose.

    python -m peer.bench.network.member NAME...        settings come from the environment (VENDUE_...)

A peer called `chatter` says something new twenty times a second, and the others say when they hear it.

Times are of the machine's monotonic clock, which all processes and all network namespaces share.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from contextlib import AsyncExitStack
from itertools import count

from msgspec.structs import replace

from peer import config
from peer.launch import launch
from peer.runtime import Runtime
from peer.telemetry import configure
from protocol.events import Present
from protocol.keys import short_peer

LOOK_S = 0.01
CHATTER = "chatter"
CHATTER_S = 0.05


def tell(event: str, who: str, whom: str = "") -> None:
    """One line."""
    print(json.dumps({"at": time.monotonic(), "event": event, "who": who, "whom": whom}), flush=True)


async def watch(name: str, runtime: Runtime) -> None:
    """Say who is here with a card that was heard, and who is not any more."""
    directory, known, heard = runtime.node.directory, set[str](), 0
    while not runtime.stopped.done():
        here = {card.body.name for card in directory.cards.values() if card.author in directory.here}
        for whom in here - known:
            tell("sees", name, whom)
        latest = {card.body.name: card.seq for card in directory.cards.values()}.get(CHATTER, 0)
        if latest != heard:
            tell("hears", name, CHATTER)
            heard = latest
        for whom in known - here:
            tell("loses", name, whom)
        known = here
        await asyncio.sleep(LOOK_S)


async def chatter(runtime: Runtime) -> None:
    """Show one card after the other, and each is another one."""
    for number in count(1):
        await asyncio.sleep(CHATTER_S)
        if runtime.node.card is not None:
            runtime.post(Present(replace(runtime.node.card.body, capacity=number % 1000)))


async def run(names: list[str]) -> None:
    """Take part under each name until told to stop."""
    settings = config.load({"log_level": "warning"}).settings
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with AsyncExitStack() as stack:
        watching = []
        for name in names:
            runtime = await stack.enter_async_context(launch(settings, name=name))
            tell("bound", name, short_peer(runtime.node.peer))
            watching.append(asyncio.ensure_future(watch(name, runtime)))
            if name == CHATTER:
                watching.append(asyncio.ensure_future(chatter(runtime)))
        await stop.wait()
        for one in watching:
            one.cancel()


if __name__ == "__main__":
    configure("warning")
    asyncio.run(run(sys.argv[1:]))
