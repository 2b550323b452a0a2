"""What `vendue doctor` looks at: each check says what it found and, where something is wrong, how to mend it.

    local      this computer: packages, libraries, the clock, descriptors
    homes      what lies in the home of the market, on which disk, and who runs there
    network    interfaces, what can be bound, multicast

Nothing is founded and nothing is left behind: a computer without a market stays without one.
"""

from __future__ import annotations

from collections.abc import Iterator

from peer.cli.checks import homes, local, network
from peer.cli.checks.base import Check, Grade
from peer.config import Settings
from peer.home import MarketHome

__all__ = ["Check", "Grade", "check_all"]


def check_all(settings: Settings, market: MarketHome) -> Iterator[Check]:
    """Everything that can be seen without taking part in the market."""
    yield from local.checks(market)
    yield from homes.checks(settings, market)
    yield from network.checks(settings)
