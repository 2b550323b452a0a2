"""The public test kit: your own agent in a small market, under everything that can befall it, by hypothesis.

    from simulations.kit import market_machine
    from myagents import agent                      # a peer.Agent, a function with @worker, or skills and strategies

    TestMyAgent = market_machine(agent).TestCase    # pytest and unittest run it

Your strategies are asked for real, your functions are called for real, in virtual time; around them peers crash, frames
are lost, and one of `simulations.population` lies. Every promise of the market is watched, and those of your agent:
`OF_THE_AGENT`. A failing run shrinks to a few steps and is told as a transcript. Needs `hypothesis`: `pip install
vendue[kit]`.
"""

from __future__ import annotations

from simulations.extras import need

need("hypothesis", "kit")

from simulations.kit.calls import Context, Stopped, effect  # noqa: E402
from simulations.kit.candidate import OF_THE_AGENT, FencedEffects, Skilled, SoundBids, SoundWork, Wanted  # noqa: E402
from simulations.kit.machine import Failing, MarketMachine  # noqa: E402
from simulations.kit.run import check_agent, check_strategy, failing_run, market_machine  # noqa: E402

__all__ = [
    "OF_THE_AGENT", "Context", "Failing", "FencedEffects", "MarketMachine", "Skilled", "SoundBids", "SoundWork",
    "Stopped", "Wanted", "check_agent", "check_strategy", "effect", "failing_run", "market_machine",
]  # fmt: skip
