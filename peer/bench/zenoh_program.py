"""The yardstick: the contest as a program over zenoh, of the same shape as one over Vendue.

Callers are coroutines, each waits for its own task, and agents do the work in coroutines. zenoh calls back in threads
of its own, so each message is handed to the loop by `call_soon_threadsafe`, as asyncio asks for.

As a process, one bidder: `python -m peer.bench.zenoh_program K ENDPOINT`. `run` is the manager's side of the contest.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from peer.bench.bidder import PRICE
from peer.bench.contest import BIDDERS, WARM_UP, ZENOH, Figures, figures_of, latencies_of, processes
from peer.bench.usage import usage_of
from peer.bench.zenoh_wire import PATIENCE_S, Wire, free_endpoint, read


class Program:
    """An end of the wire whose messages come in the loop."""

    def __init__(self, role: str, endpoint: str, hear: Callable[[list[Any]], None]) -> None:
        loop = asyncio.get_running_loop()
        self._hear = hear
        self.wire = Wire(role, endpoint, lambda message: loop.call_soon_threadsafe(self._take, message))

    def _take(self, message: bytes) -> None:
        self._hear(read(message))


class Bidder:
    """Answers announcements with bids, awards with acceptance and result."""

    def __init__(self, number: int, endpoint: str) -> None:
        self._number = number
        self._inputs: dict[int, str] = {}
        self._working = set[asyncio.Task[None]]()
        self.wire = Program("connect", endpoint, self._hear).wire

    def _hear(self, act: list[Any]) -> None:
        match act:
            case ["announcement", task, text]:
                self._inputs[task] = text
                self.wire.say("bid", task, self._number, PRICE)
            case ["award", task, winner]:
                text = self._inputs.pop(task)
                if winner == self._number:
                    self.wire.say("acceptance", task, winner)
                    work = asyncio.ensure_future(self._work(task, text))
                    self._working.add(work)
                    work.add_done_callback(self._working.discard)

    async def _work(self, task: int, text: str) -> None:
        self.wire.say("result", task, self._number, json.dumps(await _echo(**json.loads(text))))


async def _echo(n: int) -> int:
    return n


class Manager:
    """Announces, waits for all bids, awards to each bidder in turn, settles."""

    def __init__(self, endpoint: str, bidders: int) -> None:
        self._bidders, self._last = bidders, 0
        self._bids: dict[int, int] = {}
        self._results: dict[int, asyncio.Future[object]] = {}
        self.wire = Program("listen", endpoint, self._hear).wire

    def announce(self, n: int) -> asyncio.Future[object]:
        """Announce a task; its result comes."""
        self._last += 1
        self._bids[self._last] = 0
        result = self._results[self._last] = asyncio.get_running_loop().create_future()
        self.wire.say("announcement", self._last, json.dumps({"n": n}))
        return result

    async def await_bidders(self) -> None:
        """Announce until one task has gone its whole way. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE_S):
            while not (await asyncio.wait([self.announce(0)], timeout=0.2))[0]:
                pass

    def _hear(self, act: list[Any]) -> None:
        match act:
            case ["bid", task, _, _] if task in self._bids:
                self._bids[task] += 1
                if self._bids[task] == self._bidders:
                    del self._bids[task]
                    self.wire.say("award", task, task % self._bidders)
            case ["result", task, winner, text] if task in self._results:
                self.wire.say("settlement", task, winner)
                self._results.pop(task).set_result(json.loads(text))


def run(*, in_flight: int, auctions: int, bidders: int = BIDDERS) -> Figures:
    """Run the contest over zenoh, with this process as the manager."""
    endpoint = free_endpoint()
    with processes("peer.bench.zenoh_program", [[str(number), endpoint] for number in range(bidders)], {}) as pids:
        return asyncio.run(_run(endpoint, pids, in_flight, auctions, bidders))


async def _run(endpoint: str, pids: list[int], in_flight: int, auctions: int, bidders: int) -> Figures:
    manager = Manager(endpoint, bidders)
    try:
        await manager.await_bidders()
        await latencies_of(manager.announce, WARM_UP, in_flight)
        everybody = [os.getpid(), *pids]
        before = [usage_of(pid) for pid in everybody]
        began = time.perf_counter()
        latencies = await latencies_of(manager.announce, auctions, in_flight)
        took_s = time.perf_counter() - began
        after = [usage_of(pid) for pid in everybody]
    finally:
        manager.wire.close()
    return figures_of(ZENOH, in_flight, auctions, latencies, took_s, before, after)


async def bid(number: int, endpoint: str) -> None:
    """Be one bidder until told to stop."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    bidder = Bidder(number, endpoint)
    await stop.wait()
    bidder.wire.close()


if __name__ == "__main__":
    asyncio.run(bid(int(sys.argv[1]), sys.argv[2]))
