"""One member that floods, or the same process burning as much CPU time without a connection.

    python -m peer.bench.network.flooder FRAMES_PER_SECOND           a member of the market that VENDUE_... says
    python -m peer.bench.network.flooder --alone CPU_SECONDS_PER_SECOND

What it floods with is the dearest there is: different statements, each under a signature of its own that holds. Each
second it says how many frames it has sent.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import sys
import time
from itertools import cycle

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
_PAGE = bytes(1 << 20)


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
    """Be a member, and then a flood, until told to stop."""
    settings = config.load({"mdns": False, "log_level": "error"}).settings
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    async with launch(settings, name="flooder") as runtime:
        frames = cycle(frames_of(runtime))
        print(json.dumps({"ready": True}), flush=True)
        sent, told, due = 0, loop.time(), 0.0
        while not stop.is_set():
            due = min(due + per_second * SLICE_S, per_second)
            until = loop.time() + SLICE_S
            while due >= 1 and loop.time() < until:
                for _ in range(min(100, int(due))):
                    runtime.transport.publish(next(frames))
                sent, due = sent + 100, due - 100
            if loop.time() - told >= 1:
                print(json.dumps({"per_second": round(sent / (loop.time() - told))}), flush=True)
                sent, told = 0, loop.time()
            await asyncio.sleep(max(0.0, until - loop.time()))


def burn(share: float) -> None:
    """Use this share of a core, or of two, with nobody there."""
    if share > 1 and os.fork():
        share -= 1
    elif share > 1:
        share = 1.0
    print(json.dumps({"ready": True}), flush=True)
    while True:
        began = time.thread_time()
        until = time.monotonic() + 20 * SLICE_S
        while time.thread_time() - began < 20 * SLICE_S * share and time.monotonic() < until:
            hashlib.sha256(_PAGE[: 1 << 16]).digest()
        time.sleep(max(0.0, until - time.monotonic()))


if __name__ == "__main__":
    configure("error")
    if sys.argv[1] == "--alone":
        burn(float(sys.argv[2]))
    else:
        asyncio.run(flood(float(sys.argv[1])))
