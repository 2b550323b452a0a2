"""Some peers in one process, which say in JSON lines when they are bound, whom they see, and whom they lose.

    python -m peer.bench.network.member NAME...        settings come from the environment (VENDUE_...)

Times are of the machine's monotonic clock, which all processes and all network namespaces share.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from contextlib import AsyncExitStack

from peer import config
from peer.launch import launch
from peer.runtime import Runtime
from peer.telemetry import configure
from protocol.keys import short_peer

LOOK_S = 0.01


def tell(event: str, who: str, whom: str = "") -> None:
    """One line."""
    print(json.dumps({"at": time.monotonic(), "event": event, "who": who, "whom": whom}), flush=True)


async def watch(name: str, runtime: Runtime) -> None:
    """Say who is here with a card that was heard, and who is not any more."""
    directory, known = runtime.node.directory, set[str]()
    while not runtime.stopped.done():
        here = {card.body.name for card in directory.cards.values() if card.author in directory.here}
        for whom in here - known:
            tell("sees", name, whom)
        for whom in known - here:
            tell("loses", name, whom)
        known = here
        await asyncio.sleep(LOOK_S)


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
        await stop.wait()
        for one in watching:
            one.cancel()


if __name__ == "__main__":
    configure("warning")
    asyncio.run(run(sys.argv[1:]))
