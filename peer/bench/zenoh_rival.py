"""The yardstick: the same auctions over eclipse-zenoh's plain pub/sub. Nothing is signed, verified, folded or recorded.

As a process, one bidder: `python -m peer.bench.zenoh_rival K ENDPOINT`. `run` is the manager's side of the contest.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import sys
import time
from typing import Any

import msgpack
import zenoh

from peer.bench.contest import BIDDERS, WARM_UP, Figures, figures_of, processes
from peer.bench.usage import usage_of

TO_BIDDERS, TO_MANAGER = "vendue/bench/down", "vendue/bench/up"
PRICE = 10
_SIZES = {"announcement": 230, "bid": 130, "award": 560, "acceptance": 130, "result": 140, "settlement": 130}
"""Bytes of the statements that Vendue says in their place, so that both carry as much."""
_PADDING = bytes(max(_SIZES.values()))
_PATIENCE_S = 30.0


def _session(role: str, endpoint: str) -> Any:
    settings = zenoh.Config()
    settings.insert_json5("mode", json.dumps("peer"))
    settings.insert_json5("scouting/multicast/enabled", "false")
    settings.insert_json5(f"{role}/endpoints", json.dumps([endpoint]))
    if role == "connect":
        settings.insert_json5("listen/endpoints", "[]")
    return zenoh.open(settings)


class _Ends:
    """A session with what comes in as a queue: callbacks come from zenoh's own threads."""

    def __init__(self, role: str, endpoint: str, hear: str, say: str) -> None:
        self.session = _session(role, endpoint)
        self.heard: queue.SimpleQueue[list[Any]] = queue.SimpleQueue()
        self.subscriber = self.session.declare_subscriber(
            hear, lambda sample: self.heard.put(msgpack.unpackb(sample.payload.to_bytes()))
        )
        self.publisher = self.session.declare_publisher(say)

    def say(self, act: str, *fields: object) -> None:
        self.publisher.put(msgpack.packb((act, *fields, _PADDING[: _SIZES[act] - 24])))


def bid(number: int, endpoint: str) -> None:
    """One bidder: answers announcements with bids, awards with acceptance and result, until it is ended."""
    ends = _Ends("connect", endpoint, TO_BIDDERS, TO_MANAGER)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    while True:
        match ends.heard.get():
            case ["announcement", task, _, _]:
                ends.say("bid", task, number, PRICE)
            case ["award", task, winner, _] if winner == number:
                ends.say("acceptance", task, number)
                ends.say("result", task, number, task)


def run(*, in_flight: int, auctions: int, bidders: int = BIDDERS) -> Figures:
    """Run the contest over zenoh, with this process as the manager."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        endpoint = f"tcp/127.0.0.1:{probe.getsockname()[1]}"
    ends = _Ends("listen", endpoint, TO_MANAGER, TO_BIDDERS)
    try:
        with processes("peer.bench.zenoh_rival", [[str(number), endpoint] for number in range(bidders)], {}) as pids:
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
        ends.session.close()
    return figures_of("zenoh", in_flight, auctions, latencies, took_s, before, after)


class _Manager:
    """Announces, waits for all bids, awards to each bidder in turn, settles."""

    def __init__(self, ends: _Ends, bidders: int) -> None:
        self._ends, self._bidders = ends, bidders
        self._next = 0

    def await_bidders(self) -> None:
        """Announce probes until one has been answered by everybody."""
        until = time.monotonic() + _PATIENCE_S
        bids: dict[int, int] = {}
        while self._bidders not in bids.values():
            if time.monotonic() > until:
                raise TimeoutError("the bidders did not all come")
            self._next += 1
            self._ends.say("announcement", self._next, "")
            time.sleep(0.1)
            while not self._ends.heard.empty():
                task = self._ends.heard.get()[1]
                bids[task] = bids.get(task, 0) + 1

    def auction(self, auctions: int, in_flight: int) -> list[float]:
        """Run auctions, so many at once; seconds from announcement to settlement of each."""
        began: dict[int, float] = {}
        bids: dict[int, int] = {}
        latencies: list[float] = []
        left = auctions

        def announce() -> None:
            self._next += 1
            began[self._next] = time.perf_counter()
            bids[self._next] = 0
            self._ends.say("announcement", self._next, "hello")

        for _ in range(min(in_flight, left)):
            announce()
            left -= 1
        while len(latencies) < auctions:
            match self._ends.heard.get(timeout=_PATIENCE_S):
                case ["bid", task, _, _, _] if task in bids:
                    bids[task] += 1
                    if bids[task] == self._bidders:
                        self._ends.say("award", task, task % self._bidders)
                case ["result", task, winner, _, _] if task in began:
                    self._ends.say("settlement", task, winner)
                    latencies.append(time.perf_counter() - began.pop(task))
                    del bids[task]
                    if left:
                        announce()
                        left -= 1
        return latencies


if __name__ == "__main__":
    bid(int(sys.argv[1]), sys.argv[2])
