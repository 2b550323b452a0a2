"""What `vendue doctor` looks at: each check says what it found and, where something is wrong, how to mend it.

    local      this computer: packages, libraries, the clock, descriptors
    homes      what lies in the home of the market, on which disk, and who runs there
    standing   what lets this computer into the market
    network    interfaces, what can be bound, multicast
    around     our own doors, and everybody who is found, by taking part for a moment
    one        why one peer is met, or not, in the same way; `whom` finds out who is meant

Nothing is founded and nothing is left behind: a computer without a market stays without one.
"""

from __future__ import annotations

from collections.abc import Iterator

from peer.cli.checks import homes, local, network, standing
from peer.cli.checks.base import Check, Grade, exit_code
from peer.home import MarketHome
from peer.settings import Settings

__all__ = ["Check", "Grade", "check_all", "exit_code"]


def check_all(settings: Settings, market: MarketHome, *, running: bool = True) -> Iterator[Check]:
    """Everything that can be seen without taking part in the market; `running`: also how the peers here do."""
    yield from local.checks(market)
    yield from homes.checks(settings, market)
    if running:
        yield from homes.running(settings, market)
    yield from standing.checks(market)
    yield from network.checks(settings)
