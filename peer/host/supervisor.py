"""All peers of a host at once: started together, watched, told to systemd, and stopped together."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from peer.health.place import health_socket
from peer.home import market_home, runtime_home
from peer.host.child import OVER, Child, Listener, State
from peer.host.notify import Notifier
from peer.host.peersfile import Host, PeerPlan

OTHERWISE: Final = 1
"""The exit code for a peer that failed with none of its own: a signal ended it."""


class Supervisor:
    """The processes of one file."""

    def __init__(self, host: Host, listener: Listener, notifier: Notifier) -> None:
        self._host, self._listener, self._notifier = host, listener, notifier
        self._children: list[Child] = []
        self._was_ready = False

    async def run(self, stop: asyncio.Future[int], *, as_json: bool) -> int:
        """Run all until `stop` is done or none is left; the exit code says whether one has failed for good."""
        with _lifeline() as reading:
            self._children = [
                Child(self._host, peer, self._door(peer), self._listener, lifeline=reading) for peer in self._host.peers
            ]
            lives = asyncio.create_task(self._live(as_json=as_json))
            watching = [asyncio.create_task(self._watch(child)) for child in self._children]
            watching.append(asyncio.create_task(self._keep_awake()))
            try:
                either: list[asyncio.Future[Any]] = [lives, stop]
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                self._notifier.tell("STOPPING=1", "STATUS=The peers are told to leave.")
                for child in self._children:
                    child.stop()
                await lives
            finally:
                for task in watching:
                    task.cancel()
                for child in self._children:
                    child.kill()
        failed = [child for child in self._children if child.state is State.FAILED]
        if failed:
            return max(failed[0].code, 0) or OTHERWISE
        return stop.result() if stop.done() else 0

    def hurry(self) -> None:
        """End what is left at once, after `stop`."""
        for child in self._children:
            child.hurry()

    async def _live(self, *, as_json: bool) -> None:
        await asyncio.gather(*(child.live(as_json=as_json) for child in self._children))

    @property
    def failed(self) -> list[str]:
        """Who has failed for good."""
        return [child.label for child in self._children if child.state is State.FAILED]

    def _door(self, peer: PeerPlan) -> Path:
        """The health socket that the peer will have."""
        settings = self._host.settings
        market = market_home(settings.market, settings.home)
        home = market.governor if peer.governor else market.peer(peer.label)
        return health_socket(home.path, runtime_home(settings.home))

    async def _watch(self, child: Child) -> None:
        """Tell how many are ready whenever that changes; we have started when all are, but for those that are over."""
        while True:
            await child.moved.wait()
            child.moved.clear()
            ready = sum(one.state is State.READY for one in self._children)
            settled = all(one.state is State.READY or one.state in OVER for one in self._children)
            words = [f"STATUS={ready} of {len(self._children)} peers are ready."]
            if settled and ready and not self._was_ready:
                self._was_ready = True
                words.append("READY=1")
                self._listener.event(None, "up", f"{ready} of {len(self._children)} peers are ready", ready=ready)
            self._notifier.tell(*words)

    async def _keep_awake(self) -> None:
        """Tell systemd that this loop turns, as often as it wants to hear it."""
        while self._notifier.watchdog_s:
            self._notifier.tell("WATCHDOG=1")
            await asyncio.sleep(self._notifier.watchdog_s)


@contextmanager
def _lifeline() -> Iterator[int]:
    """A pipe whose writing end is ours alone; its reading end is for the peers."""
    reading, writing = os.pipe()
    try:
        yield reading
    finally:
        os.close(writing)
        os.close(reading)
