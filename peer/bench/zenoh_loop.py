"""What zenoh can do at most here: the acts of the contest from blocking loops, without callers, without work.

Nobody could use it as it is; it tells how much of the yardstick is zenoh's, and how much is asyncio's.

As a process, one bidder: `python -m peer.bench.zenoh_loop K ENDPOINT`. `run` is the manager's side of the contest.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import time
from typing import Any

from peer.bench.bidder import PRICE
from peer.bench.contest import BIDDERS, WARM_UP, ZENOH_BARE, Figures, figures_of, processes
from peer.bench.usage import usage_of
from peer.bench.zenoh_wire import PATIENCE_S, Wire, free_endpoint, read


class Ends:
    """An end of the wire, with what comes in as a queue."""

    def __init__(self, role: str, endpoint: str) -> None:
        self._heard: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.wire = Wire(role, endpoint, self._heard.put)

    def next(self, timeout: float | None = None) -> list[Any]:
        """The next act, waited for. Raises queue.Empty."""
        return read(self._heard.get(timeout=timeout))


def bid(number: int, endpoint: str) -> None:
    """One bidder: answers announcements with bids, awards with acceptance and result, until it is ended."""
    ends = Ends("connect", endpoint)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    while True:
        match ends.next():
            case ["announcement", task, _]:
                ends.wire.say("bid", task, number, PRICE)
            case ["award", task, winner] if winner == number:
                ends.wire.say("acceptance", task, number)
                ends.wire.say("result", task, number, task)


def run(*, in_flight: int, auctions: int, bidders: int = BIDDERS) -> Figures:
    """Run the contest over zenoh, with this process as the manager."""
    endpoint = free_endpoint()
    ends = Ends("listen", endpoint)
    try:
        with processes("peer.bench.zenoh_loop", [[str(number), endpoint] for number in range(bidders)], {}) as pids:
            manager = _Manager(ends, bidders)
            manager.await_bidders()
            manager.auction(WARM_UP, in_flight)
            everybody = [os.getpid(), *pids]
            before = [usage_of(pid) for pid in everybody]
            began = time.perf_counter()
            latencies = manager.auction(auctions, in_flight)
            took_s = time.perf_counter() - began
            after = [usage_of(pid) for pid in everybody]
    finally:
        ends.wire.close()
    return figures_of(ZENOH_BARE, in_flight, auctions, latencies, took_s, before, after)


class _Manager:
    """Announces, waits for all bids, awards to each bidder in turn, settles."""

    def __init__(self, ends: Ends, bidders: int) -> None:
        self._ends, self._say, self._bidders = ends, ends.wire.say, bidders
        self._last = 0
        self._began: dict[int, float] = {}
        self._bids: dict[int, int] = {}

    def await_bidders(self) -> None:
        """Announce until one has been answered by everybody. Raises TimeoutError."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            self._announce()
            try:
                while True:
                    self._hear(self._ends.next(timeout=0.2))
                    if self._last not in self._began:
                        return
            except queue.Empty:
                continue
        raise TimeoutError("the bidders did not all come")

    def auction(self, auctions: int, in_flight: int) -> list[float]:
        """Run auctions, so many at once; seconds from announcement to settlement of each."""
        self._began.clear()
        latencies: list[float] = []
        for _ in range(min(in_flight, auctions)):
            self._announce()
        while len(latencies) < auctions:
            took_s = self._hear(self._ends.next(timeout=PATIENCE_S))
            if took_s is not None:
                latencies.append(took_s)
                if len(latencies) + len(self._began) < auctions:
                    self._announce()
        return latencies

    def _announce(self) -> None:
        self._last += 1
        self._began[self._last] = time.perf_counter()
        self._bids[self._last] = 0
        self._say("announcement", self._last, "hello")

    def _hear(self, act: list[Any]) -> float | None:
        """What follows from one act; how long its auction took, if it is done."""
        match act:
            case ["bid", task, _, _] if task in self._bids:
                self._bids[task] += 1
                if self._bids[task] == self._bidders:
                    del self._bids[task]
                    self._say("award", task, task % self._bidders)
            case ["result", task, winner, _] if task in self._began:
                self._say("settlement", task, winner)
                return time.perf_counter() - self._began.pop(task)
        return None


if __name__ == "__main__":
    bid(int(sys.argv[1]), sys.argv[2])
