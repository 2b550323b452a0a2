"""What a flooding member costs the others: auctions beside a flood, and beside as much CPU time burnt alone.

All auctions count that begin in the first seconds of a flood, from its first frame on: by the end of them whoever
floods was kept out and has come back four times, for each pause is twice as long as the one before. More than a
thousand are done by then, so that more than ten are beyond the 99th percentile. What is burnt alone is burnt when the
flood burnt it, and most of that in its first tenth of a second.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from peer.bench.bidder import PRICE, SKILL
from peer.bench.contest import START_WAIT_S, percentile, processes, until
from peer.bench.network.figures import Figure
from peer.caller.market import Market
from peer.home import market_home
from peer.members.entering.founding import LOCAL, open_market
from peer.net.guard.sources import SourceLimits
from protocol.errors import VendueError

TIMES = 100
"""How many times its limit a member floods at, or tries to: a process sends what it can."""
BIDDERS = 5
IN_FLIGHT = 4
WARM_UP_S = 1.0
MEASURED_S = 16.0
FIRST_S = 1.0
"""What is told apart: most of a flood's harm is done, if any, before it is known for one."""
DEADLINE_S = 10.0
ROUNDS = 3


class Auction(NamedTuple):
    """When one began, and how long it took; None if it was not settled in time."""

    began_s: float
    took_ms: float | None


class Beside(NamedTuple):
    """How the auctions went beside something."""

    auctions: list[Auction]
    said: dict[str, Any]

    @property
    def success(self) -> float:
        return sum(auction.took_ms is not None for auction in self.auctions) / len(self.auctions)

    def p99_ms(self, before_s: float = MEASURED_S) -> float:
        """Of those that began early enough; one that was not settled took as long as it may."""
        early = (auction for auction in self.auctions if auction.began_s < before_s)
        return percentile(sorted(auction.took_ms or DEADLINE_S * 1000 for auction in early), 0.99)


def others(rounds: int = ROUNDS) -> list[Figure]:
    """The success of others, and how much later they are done, in rounds of both kinds."""
    per_second = TIMES * SourceLimits().member_frames.per_second
    flooded, alone = list[Beside](), list[Beside]()
    for _ in range(rounds):
        flooded.append(_run(f"{per_second:g}"))
        alone.append(_run("--alone", burnt=flooded[-1].said["burnt"]))
    with_it, without = (statistics.median(run.p99_ms() for run in runs) for runs in (flooded, alone))
    at_first = [statistics.median(run.p99_ms(FIRST_S) for run in runs) for runs in (flooded, alone)]
    sent = statistics.median(run.said["per_second"] for run in flooded)
    number = statistics.median(len(run.auctions) for run in flooded)
    detail = f"{sent:,.0f} frames/s of {per_second:,.0f} left the process; {number:,.0f} auctions from the first one on"
    times = f"{with_it:.0f} ms over {without:.0f} ms, in its first second {at_first[0]:.0f} over {at_first[1]:.0f}"
    return [
        Figure(what="success of others while a member floods", unit="%", least=99.0,
               value=100 * min(run.success for run in flooded), detail=detail),
        Figure(what="p99 of others beside a flood, over that without one", unit="×", most=1.5,
               value=with_it / without, detail=f"{times}; medians of {rounds}"),
    ]  # fmt: skip


def _run(*beside: str, burnt: Sequence[object] = ()) -> Beside:
    with tempfile.TemporaryDirectory(prefix="vendue-bench-") as home:
        open_market(market_home(LOCAL, Path(home)), LOCAL, governed=False)
        if burnt:
            file = Path(home, "burnt.json")
            file.write_text(json.dumps(burnt))
            beside = (*beside, str(file))
        log = Path(home, "beside.jsonl")
        auctions = asyncio.run(_auctions(home, beside, log))
        return Beside(auctions, json.loads(log.read_text().splitlines()[-1]))


async def _auctions(home: str, beside: tuple[str, ...], log: Path) -> list[Auction]:
    async with Market.join(home=home, mdns=False) as market:
        members = [[str(number), "64"] for number in range(BIDDERS)]
        with processes("peer.bench.bidder", members, {"VENDUE_HOME": home}):
            await until(lambda: len(market.peers()) >= BIDDERS, START_WAIT_S)
            with _process(home, beside, log) as start:
                await until(lambda: "ready" in log.read_text(), START_WAIT_S)
                await _announce(market, WARM_UP_S)
                start()
                return await _announce(market, MEASURED_S)


async def _announce(market: Market, seconds: float) -> list[Auction]:
    """Auctions that begin within so many seconds, some at a time."""
    first = time.perf_counter()
    auctions: list[Auction] = []
    numbers = count()

    async def runner() -> None:
        while (began := time.perf_counter()) < first + seconds:
            took_ms = None
            with suppress(VendueError):
                said = {"n": next(numbers)}
                task = await market.announce(SKILL, said, budget=PRICE, final=False, deadline_s=DEADLINE_S)
                await task.result()
                took_ms = (time.perf_counter() - began) * 1000
            auctions.append(Auction(began - first, took_ms))

    await asyncio.gather(*(runner() for _ in range(IN_FLIGHT)))
    return auctions


@contextmanager
def _process(home: str, arguments: tuple[str, ...], log: Path) -> Iterator[Callable[[], None]]:
    """The process beside the auctions, which waits to be started; what it says is in the log when it has ended."""
    command = [sys.executable, "-m", "peer.bench.network.flooder", *arguments]
    environment = {**os.environ, "VENDUE_HOME": home}
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=out)
    assert process.stdin is not None
    with process.stdin as line:

        def start() -> None:
            line.write(b"\n")
            line.flush()

        try:
            yield start
        finally:
            process.terminate()
            process.wait(timeout=10)
