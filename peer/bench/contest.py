"""The contest: so many bidders in processes of their own, one manager in this one, auctions until the count is full."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from peer.bench.bidder import PRICE, SKILL, UNLOCKED
from peer.bench.unlocked import unlocked
from peer.bench.usage import Usage, usage_of
from peer.caller.market import Market
from peer.garbage import collected_seldom
from peer.home import market_home
from peer.members.entering.founding import LOCAL, open_market
from protocol.states import State

VENDUE, ZENOH, ZENOH_BARE = "vendue", "zenoh", "zenoh bare"
"""Engines: ours; a program over zenoh of the same shape, the yardstick; loops over zenoh that do nothing else."""
BIDDERS = 10
WARM_UP = 100
START_WAIT_S = 30.0
BACKLOG_WAIT_S = 10.0


class Figures(Struct, frozen=True, kw_only=True):
    """What one run of the contest measured. Times in milliseconds, memory in MiB."""

    engine: str
    in_flight: int
    governed: bool
    auctions: int
    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_ms_per_auction: float
    cpu_ms_manager: float
    cpu_ms_bidders: float
    """... of which the manager's and all the bidders' together."""
    peak_mib_manager: float
    peak_mib_bidder: float
    final_per_second: float | None = None
    backlog: int | None = None
    peak_mib_governor: float | None = None
    statements_per_auction: float | None = None


@contextmanager
def processes(module: str, arguments: list[list[str]], environment: dict[str, str]) -> Iterator[list[int]]:
    """Run a module's processes for the time of the context; they end with it."""
    running = [
        subprocess.Popen([sys.executable, "-m", module, *each], env={**os.environ, **environment}) for each in arguments
    ]
    try:
        yield [process.pid for process in running]
    finally:
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def percentile(sorted_values: list[float], share: float) -> float:
    """The value below which this share of the values lies."""
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))]


def run(*, in_flight: int, governed: bool, auctions: int, bidders: int = BIDDERS, locked: bool = True) -> Figures:
    """Run the contest over Vendue, in a market made for it, whose charter has a governor or has none.

    One that is not `locked` does without CURVE, to tell what that costs.
    """
    with tempfile.TemporaryDirectory(prefix="vendue-bench-") as home:
        open_market(market_home(LOCAL, Path(home)), LOCAL, governed=governed)
        with unlocked(not locked):
            figures = asyncio.run(_run(home, in_flight, governed, auctions, bidders, locked))
        return figures if locked else msgspec.structs.replace(figures, engine=UNLOCKED)


async def _run(home: str, in_flight: int, governed: bool, auctions: int, bidders: int, locked: bool) -> Figures:
    async with Market.join(home=home, mdns=False) as market:
        capacity = str(max(64, in_flight))
        members = [[str(number), capacity] for number in range(bidders)] + ([["-1", capacity]] if governed else [])
        members = [[*member, *([] if locked else [UNLOCKED])] for member in members]
        with processes("peer.bench.bidder", members, {"VENDUE_HOME": home}) as pids:
            await until(lambda: len(market.peers()) >= len(members), START_WAIT_S)
            with collected_seldom():
                await _auction(market, WARM_UP, in_flight, 0)
                return await _measure(market, pids, in_flight, governed, auctions)


async def _measure(market: Market, pids: list[int], in_flight: int, governed: bool, auctions: int) -> Figures:
    everybody = [os.getpid(), *pids]
    before = [usage_of(pid) for pid in everybody]
    heard_before, said_before = market.runtime.turn.verdicts["accept"], market.runtime.node.feed.seq
    began = time.perf_counter()
    latencies = await _auction(market, auctions, in_flight, WARM_UP)
    took_s = time.perf_counter() - began
    after = [usage_of(pid) for pid in everybody]
    statements = market.runtime.turn.verdicts["accept"] - heard_before + market.runtime.node.feed.seq - said_before
    backlog = _unratified(market) if governed else None
    ratified_s = await _ratified(market, began) if governed else None
    ours = figures_of(VENDUE, in_flight, auctions, latencies, took_s, before, after, governed=governed)
    return msgspec.structs.replace(
        ours,
        final_per_second=auctions / ratified_s if ratified_s else None,
        backlog=backlog,
        statements_per_auction=statements / auctions,
    )


def figures_of(
    engine: str,
    in_flight: int,
    auctions: int,
    latencies: list[float],
    took_s: float,
    before: list[Usage],
    after: list[Usage],
    *,
    governed: bool = False,
) -> Figures:
    """What every engine is measured by. Usages are the manager's, the bidders', and the governor's if there is one."""
    ordered = sorted(latencies)
    cpu_ms = [(late.cpu_s - early.cpu_s) / auctions * 1000 for early, late in zip(before, after, strict=True)]
    mib = [usage.peak_bytes / 2**20 for usage in after]
    bidders = slice(1, len(after) - governed)
    return Figures(
        engine=engine,
        in_flight=in_flight,
        governed=governed,
        auctions=auctions,
        per_second=auctions / took_s,
        p50_ms=percentile(ordered, 0.5) * 1000,
        p99_ms=percentile(ordered, 0.99) * 1000,
        cpu_ms_per_auction=sum(cpu_ms),
        cpu_ms_manager=cpu_ms[0],
        cpu_ms_bidders=sum(cpu_ms[bidders]),
        peak_mib_manager=mib[0],
        peak_mib_bidder=max(mib[bidders]),
        peak_mib_governor=mib[-1] if governed else None,
    )


async def _auction(market: Market, auctions: int, in_flight: int, first: int) -> list[float]:
    async def one(n: int) -> None:
        task = await market.announce(SKILL, {"n": first + n}, budget=PRICE, final=False)
        await task.result()

    return await latencies_of(one, auctions, in_flight)


async def latencies_of(one: Callable[[int], Awaitable[object]], auctions: int, in_flight: int) -> list[float]:
    """Run auctions, so many at once; seconds that each took, from announcement to settlement."""
    latencies: list[float] = []
    numbers = iter(range(auctions))

    async def runner() -> None:
        for n in numbers:
            began = time.perf_counter()
            await one(n)
            latencies.append(time.perf_counter() - began)

    await asyncio.gather(*(runner() for _ in range(in_flight)))
    return latencies


def _unratified(market: Market) -> int:
    """Settled contracts that no governor has ratified yet."""
    contracts = market.runtime.node.holdings.contracts.values()
    return sum(1 for contract in contracts if contract.reading.state is State.SETTLED)


async def _ratified(market: Market, began: float) -> float:
    """Wait until the governor has ratified everything; seconds since the beginning."""
    await until(lambda: not _unratified(market), BACKLOG_WAIT_S)
    return time.perf_counter() - began


async def until(holds: Callable[[], bool], patience_s: float) -> None:
    """Look now and then until something holds, or the patience is at its end."""
    until = time.perf_counter() + patience_s
    while not holds():
        if time.perf_counter() > until:
            return
        await asyncio.sleep(0.02)
