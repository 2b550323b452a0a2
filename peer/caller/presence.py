"""Waiting for the others: until everybody who was found has shown a card, or patience ends."""

from __future__ import annotations

import asyncio
from typing import Final

from peer.runtime import Runtime

LOOK_S: Final = 0.02
FIRST_LOOK_S: Final = 0.12
"""By then this computer's own folder has been looked through twice."""


async def wait_for_cards(runtime: Runtime, *, least_s: float = FIRST_LOOK_S, most_s: float = 1.5) -> None:
    """Wait `least_s` for others to be found, and then for the cards of those who were; never longer than `most_s`."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    while (waited_s := loop.time() - began_s) < most_s:
        if waited_s >= least_s and not _still_silent(runtime):
            return
        await asyncio.sleep(LOOK_S)


def _still_silent(runtime: Runtime) -> bool:
    directory = runtime.node.directory
    shown = directory.here & directory.cards.keys()
    return any(found.peer_id not in shown for found in runtime.discovery.known)
