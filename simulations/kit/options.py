"""What there is to choose from in a small market, for the steps of a state machine: always in the same order."""

from __future__ import annotations

from simulations.kit.market import AGENT, CROOK, DESK, GOVERNORS, RIVALS, Market


def alive(market: Market) -> list[str]:
    """Who runs, and is not paused."""
    return market.names(lambda process: process.alive)


def running(market: Market) -> list[str]:
    """Who has a process, paused or not."""
    return market.names(lambda process: process.runs)


def dead(market: Market) -> list[str]:
    """Who has crashed, or stopped by itself."""
    return market.names(lambda process: not process.runs)


def paused(market: Market) -> list[str]:
    """Who is stopped by a signal."""
    return market.names(lambda process: process.paused)


def managers(market: Market) -> list[str]:
    """Who announces: the desk, and whoever lies; only some who do are known as managers."""
    return [name for name in (DESK, CROOK) if name in market.world.processes and market.process(name).alive]


def rivals(market: Market) -> list[str]:
    """Who bids beside the user's agent."""
    return [name for name in RIVALS if name in market.world.processes]


def governors(market: Market) -> list[str]:
    """Who votes, and is here."""
    return [name for name in GOVERNORS if name in market.world.processes and market.process(name).alive]


def clear(market: Market) -> list[tuple[str, str]]:
    """Links that hold nothing up."""
    return market.links(lambda link: link.held is None)


def clogged(market: Market) -> list[tuple[str, str]]:
    """Links in which frames wait, or would."""
    return market.links(lambda link: link.held is not None)


def waiting(market: Market) -> list[tuple[str, str]]:
    """Links in which a frame waits."""
    return market.links(lambda link: link.held)


def agents(market: Market) -> list[str]:
    """The user's agent, if there is one."""
    return [AGENT] if market.candidate is not None else []
