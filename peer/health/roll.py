"""Asking all peers of this computer at once: every home that is here has a socket, or nobody runs on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from peer.health.ask import Absent, ask
from peer.health.place import health_socket
from peer.home import MarketHome, runtime_home
from protocol.errors import NoPeers

HOMES_MAX: Final = 4_096
"""Homes that are looked at; a computer runs a few hundred peers at most, and each leaves one."""
AT_ONCE: Final = 16
"""Peers that are asked at once, so that a few silent ones do not hold up the rest."""


class Told(NamedTuple):
    """What one home's peer answered."""

    market: str
    name: str
    answer: dict[str, Any] | None
    """None: it runs, and stays silent."""
    silence: NoPeers | None


def running_in(market: MarketHome, chosen: str | None) -> Iterator[tuple[str, Path]]:
    """The homes of a market that have a socket, with it: the governor's first, then by name."""
    runtime = runtime_home(chosen)
    peers = sorted(market.peers.iterdir()) if market.peers.is_dir() else []
    for home in islice((market.governor.path, *peers), HOMES_MAX):
        path = health_socket(home, runtime)
        if path.is_socket():
            yield home.name, path


def ask_all(markets: Iterable[MarketHome], chosen: str | None, question: str) -> list[Told]:
    """Ask everybody who runs. A socket that a dead process left behind counts as nobody."""
    doors = [(market.path.name, name, path) for market in markets for name, path in running_in(market, chosen)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asking = [pool.submit(_ask_one, market, name, path, question) for market, name, path in doors]
        told = [asked.result() for asked in asking]
    return [one for one in told if one is not None]


def _ask_one(market: str, name: str, path: Path, question: str) -> Told | None:
    try:
        return Told(market, name, ask(path, question), None)
    except Absent:
        return None
    except NoPeers as error:
        return Told(market, name, None, error)
