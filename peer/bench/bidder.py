"""One bidder of the contest, as a process of its own: `python -m peer.bench.bidder K CAPACITY [unlocked]`."""

from __future__ import annotations

import asyncio
import signal
import sys

from peer import config
from peer.agent import Agent
from peer.bench.unlocked import unlocked
from peer.garbage import collect_seldom
from peer.launch import launch
from peer.policyfile import load_policy
from peer.telemetry import configure

SKILL = "echo"
PRICE = 10
UNLOCKED = "unlocked"
"""The third argument of a bidder that does without CURVE."""


def bidder_of(number: int, capacity: int) -> Agent:
    """An agent that asks what all others ask, so that ties are broken by hash and every bidder wins its share."""
    agent = Agent(f"bidder-{number}", capacity=capacity)

    @agent.worker(SKILL, price=PRICE)
    async def echo(n: int) -> int:
        return n

    return agent


async def run(number: int, capacity: int) -> None:
    """Bid until told to stop. Number -1 is the governor."""
    settings = config.load({"mdns": False, "log_level": "warning"}).settings
    policy = load_policy(None) if number < 0 else None
    agent = bidder_of(number, capacity) if number >= 0 else None
    async with launch(
        settings, name=f"bidder-{number}" if number >= 0 else "governor", agent=agent, policy=policy
    ) as peer:
        collect_seldom()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, peer.stopped.set_result, None)
        await peer.stopped


if __name__ == "__main__":
    configure("warning")
    with unlocked(UNLOCKED in sys.argv[3:]):
        asyncio.run(run(int(sys.argv[1]), int(sys.argv[2])))
