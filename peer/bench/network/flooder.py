"""One member that floods, or the same process burning as much CPU time without a connection.

    python -m peer.bench.network.flooder FRAMES_PER_SECOND           a member of the market that VENDUE_... says
    python -m peer.bench.network.flooder --alone FILE                what FILE says of such a flood

It begins when it reads a line. What it floods with is the dearest there is: different statements, each under a
signature of its own that holds. Told to stop, it says how many frames it has sent, and when it had burnt how much.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import sys
import threading
import time
from bisect import bisect
from itertools import cycle
from pathlib import Path

from peer import config
from peer.bench.bidder import SKILL
from peer.launch import launch
from peer.runtime import Runtime
from peer.telemetry import configure
from protocol.bundle import seal
from protocol.codec import encode
from protocol.statements import Refusal
from protocol.topics import governance_topic, skill_topic

FRAMES = 20_000
"""Different frames: with more of them in a second than this, some are said again."""
SLICE_S = 0.005
_PAGE = bytes(1 << 16)


def frames_of(runtime: Runtime) -> list[bytes]:
    """What is said, half of it to all bidders, half to all members."""
    feed, sealer = runtime.node.feed, runtime.turn.sealer
    topics = (skill_topic(SKILL), governance_topic(feed.market))
    frames = []
    for number in range(FRAMES):
        said = encode(
            Refusal(reason="no"), market=feed.market, author=sealer.peer, feed=bytes(8), seq=number + 1, prev=None,
            made_ms=0, about=os.urandom(32),
        )  # fmt: skip
        frames.append(topics[number % 2] + seal([said], sealer))
    return frames


async def flood(per_second: float) -> None:
    """Be a member, and when told to a flood, until told to stop."""
    settings = config.load({"mdns": False, "log_level": "error"}).settings
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    async with launch(settings, name="flooder") as runtime:
        frames = cycle(frames_of(runtime))
        await loop.run_in_executor(None, await_the_start)
        began, burnt_before, sent, due = loop.time(), time.process_time(), 0, 0.0
        burnt: list[tuple[float, float]] = []
        while not stop.is_set():
            due = min(due + per_second * SLICE_S, per_second)
            until = loop.time() + SLICE_S
            while due >= 100 and loop.time() < until:
                for _ in range(100):
                    runtime.transport.publish(next(frames))
                sent, due = sent + 100, due - 100
            burnt.append((round(loop.time() - began, 4), round(time.process_time() - burnt_before, 4)))
            await asyncio.sleep(max(0.0, until - loop.time()))
        print(json.dumps({"per_second": round(sent / (loop.time() - began)), "burnt": burnt}), flush=True)


def burn(burnt: list[tuple[float, float]]) -> None:
    """Use as much CPU time as a flood had, when it had, in two threads as it has; with nobody there."""
    moments = [moment for moment, _ in burnt]
    await_the_start()
    began, burnt_before = time.monotonic(), time.process_time()

    def work() -> None:
        while (now := bisect(moments, time.monotonic() - began)) < len(burnt):
            if time.process_time() - burnt_before < burnt[now][1]:
                hashlib.sha256(_PAGE).digest()
            else:
                time.sleep(SLICE_S / 5)

    for _ in range(2):
        threading.Thread(target=work, daemon=True).start()
    signal.pause()


def await_the_start() -> None:
    """Say that all is ready, and read a line."""
    print(json.dumps({"ready": True}), flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    configure("error")
    if sys.argv[1] == "--alone":
        burn(json.loads(Path(sys.argv[2]).read_text()))
    else:
        asyncio.run(flood(float(sys.argv[1])))
