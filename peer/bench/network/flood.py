"""What a flooding member costs the others: auctions beside a flood, and beside as much CPU time burnt alone."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from peer.bench.bidder import PRICE, SKILL
from peer.bench.contest import START_WAIT_S, percentile, processes, until
from peer.bench.network.figures import Figure
from peer.bench.usage import usage_of
from peer.caller.market import Market
from peer.home import market_home
from peer.members.entering.founding import LOCAL, open_market
from peer.net.guard.sources import SourceLimits
from protocol.errors import VendueError

TIMES = 100
"""How many times its limit a member floods at, or tries to: a process sends what it can."""
BIDDERS = 5
AUCTIONS = 400
IN_FLIGHT = 4
WARM_UP = 100
DEADLINE_S = 10.0
ROUNDS = 3
BEGUN_S = 20.0
"""What is measured is a flood that goes on: by then whoever floods was kept out a few times, each time for longer."""


class Beside(NamedTuple):
    """How the auctions went beside something."""

    success: float
    p99_ms: float
    cpu_share: float
    """CPU seconds a second of the process beside them."""
    sent_per_second: float


def others(rounds: int = ROUNDS) -> list[Figure]:
    """The success of others, and how much later they are done, in rounds of both kinds."""
    per_second = TIMES * SourceLimits().member_frames.per_second
    flooded, alone = list[Beside](), list[Beside]()
    for _ in range(rounds):
        flooded.append(_run(f"{per_second:g}"))
        alone.append(_run("--alone", f"{flooded[-1].cpu_share:.3f}"))
    with_it, without = (statistics.median(run.p99_ms for run in runs) for runs in (flooded, alone))
    sent = statistics.median(run.sent_per_second for run in flooded)
    detail = f"{sent:,.0f} frames/s of {per_second:,.0f} left the process; from the {BEGUN_S:.0f}th second of it on"
    return [
        Figure(what="success of others while a member floods", unit="%", least=99.0,
               value=100 * min(run.success for run in flooded), detail=detail),
        Figure(what="p99 of others beside a flood, over that without one", unit="×", most=1.5,
               value=with_it / without, detail=f"{with_it:.0f} ms over {without:.0f} ms; medians of {rounds}"),
    ]  # fmt: skip


def _run(*beside: str) -> Beside:
    with tempfile.TemporaryDirectory(prefix="vendue-bench-") as home:
        open_market(market_home(LOCAL, Path(home)), LOCAL, governed=False)
        return asyncio.run(_auctions(home, beside))


async def _auctions(home: str, beside: tuple[str, ...]) -> Beside:
    async with Market.join(home=home, mdns=False) as market:
        members = [[str(number), "64"] for number in range(BIDDERS)]
        with processes("peer.bench.bidder", members, {"VENDUE_HOME": home}):
            await until(lambda: len(market.peers()) >= BIDDERS, START_WAIT_S)
            await _announce(market, WARM_UP)
            with _process(home, beside) as (pid, log):
                await until(lambda: "ready" in log.read_text(), START_WAIT_S)
                await asyncio.sleep(BEGUN_S)
                began, before = time.perf_counter(), usage_of(pid)
                took_ms = await _announce(market, AUCTIONS)
                seconds = time.perf_counter() - began
                cpu_s = usage_of(pid).cpu_s - before.cpu_s
                lines = [json.loads(line) for line in log.read_text().splitlines()]
    sent = [line["per_second"] for line in lines if "per_second" in line]
    done = sorted(ms for ms in took_ms if ms is not None)
    return Beside(
        len(done) / len(took_ms), percentile(done, 0.99), cpu_s / seconds, statistics.mean(sent) if sent else 0.0
    )


async def _announce(market: Market, auctions: int) -> list[float | None]:
    """Milliseconds of each auction, None for one that was not settled in time."""
    numbers = iter(range(auctions))
    took_ms: list[float | None] = []

    async def runner() -> None:
        for n in numbers:
            began = time.perf_counter()
            try:
                task = await market.announce(SKILL, {"n": n}, budget=PRICE, final=False, deadline_s=DEADLINE_S)
                await task.result()
                took_ms.append((time.perf_counter() - began) * 1000)
            except VendueError:
                took_ms.append(None)

    await asyncio.gather(*(runner() for _ in range(IN_FLIGHT)))
    return took_ms


@contextmanager
def _process(home: str, arguments: tuple[str, ...]) -> Iterator[tuple[int, Path]]:
    """The process beside the auctions, and what it says."""
    log = Path(home, "beside.jsonl")
    command = [sys.executable, "-m", "peer.bench.network.flooder", *arguments]
    environment = {**os.environ, "VENDUE_HOME": home}
    with log.open("wb") as out:  # in a session of its own: it may have a child
        process = subprocess.Popen(command, env=environment, stdout=out, start_new_session=True)
    try:
        yield process.pid, log
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=10)
