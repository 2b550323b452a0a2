"""Looking for the lobbies of a market that one is not a member of yet: seeds, this computer's folder, and mDNS.

What is found is a place to knock and proves nothing. Nothing is announced: whoever only looks has nothing to say.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from peer.net.endpoints import address, fault_of_address
from peer.net.meet.mdns import open_multicast
from peer.net.meet.names import addresses_of
from peer.net.meet.records import SERVICE, Record, read_record
from peer.net.meet.rendezvous import Entry
from protocol.invitation import market_tag, place_mark

if TYPE_CHECKING:
    from zeroconf import ServiceStateChange, Zeroconf

LOBBIES_MAX: Final = 256
"""Places to knock at in one search: anybody can name some."""
FILES_MAX: Final = 64
"""Peers of this computer that are looked at: one that answers is enough."""
FILE_BYTES_MAX: Final = 4 * 1024
"""As long as the file of a peer may be."""
NAMES_MAX: Final = 64
"""Multicast names asked about at once."""
RESOLVE_MS: Final = 2_000
"""How long the owner of a name may take to say where it is."""
LOOK_S: Final = 0.25
"""How often the folder is looked at."""


class Lobbies:
    """Places to knock at, each told once."""

    def __init__(self) -> None:
        self._known: dict[str, None] = {}
        self._queue = asyncio.Queue[str]()
        self.multicast_failure: str | None = None
        """Why nothing can be found by multicast here."""
        self.unknown: list[str] = []
        """Seeds whose name nobody knows."""

    def add(self, where: str) -> None:
        """Take note of an address; one that is known, or nothing to connect to, changes nothing."""
        if where not in self._known and len(self._known) < LOBBIES_MAX and fault_of_address(where) is None:
            self._known[where] = None
            self._queue.put_nowait(where)

    def again(self, where: str) -> None:
        """Tell a place once more: nobody has opened there yet."""
        self._queue.put_nowait(where)

    async def next(self) -> str:
        """Wait for a place to knock at."""
        return await self._queue.get()

    @property
    def places(self) -> list[str]:
        """All that were told, in this order."""
        return list(self._known)


@asynccontextmanager
async def searching(
    market_prefix: bytes, *, hosts: Sequence[str], seeds: Sequence[str], folder: Path | None, mdns: bool
) -> AsyncIterator[Lobbies]:
    """Search for the time of the context. `hosts` are our own addresses, on whose networks is asked by multicast."""
    lobbies, tag = Lobbies(), market_tag(market_prefix)
    paths = [_look_up(seed, lobbies) for seed in seeds]
    if folder is not None:
        paths.append(_watch(folder / tag.hex(), lobbies))
    if mdns:
        paths.append(_browse(market_prefix, hosts, lobbies))
    tasks = [asyncio.ensure_future(path) for path in paths]
    try:
        yield lobbies
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _look_up(seed: str, lobbies: Lobbies) -> None:
    """Find the addresses of a seed, which may be a name."""
    found = await addresses_of(seed)
    for where in found:
        lobbies.add(where)
    if not found:
        lobbies.unknown.append(seed)


async def _watch(folder: Path, lobbies: Lobbies) -> None:
    """Read the files of the peers on this computer, again and again."""
    while True:
        _look(folder, lobbies)
        await asyncio.sleep(LOOK_S)


def _look(folder: Path, lobbies: Lobbies) -> None:
    with contextlib.suppress(OSError):
        for path in islice(folder.glob("*.json"), FILES_MAX):
            _read(path, lobbies)


def _read(path: Path, lobbies: Lobbies) -> None:
    for where in lobby_in(path):
        lobbies.add(where)


def lobby_in(path: Path) -> list[str]:
    """The addresses of the lobby of the peer whose file this is; none if it is no such file."""
    with contextlib.suppress(OSError, msgspec.MsgspecError, ValueError):
        with path.open("rb") as file:
            entry = msgspec.json.decode(file.read(FILE_BYTES_MAX), type=Entry)
        return [address(host, entry.lobby) for host in entry.hosts]
    return []


async def _browse(market_prefix: bytes, hosts: Sequence[str], lobbies: Lobbies) -> None:
    """Ask by multicast on our networks."""
    try:
        from zeroconf.asyncio import AsyncServiceBrowser

        multicast = open_multicast(hosts)
    except Exception as error:  # whatever the network has against it: the other paths are still there
        lobbies.multicast_failure = f"{type(error).__name__}: {error}"[:200]
        return
    resolving = set[asyncio.Task[None]]()

    def heard(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        if state_change.name != "Removed" and len(resolving) < NAMES_MAX:
            task = asyncio.ensure_future(_resolve(zeroconf, name, market_prefix, lobbies))
            resolving.add(task)
            task.add_done_callback(resolving.discard)

    try:
        await multicast.zeroconf.async_wait_for_start()
        if not multicast.zeroconf.engine.senders:
            lobbies.multicast_failure = f"no multicast on the networks of {', '.join(hosts)}"
        browser = AsyncServiceBrowser(multicast.zeroconf, SERVICE, handlers=[heard])
        try:
            await asyncio.Event().wait()
        finally:
            await browser.async_cancel()
    finally:
        for task in [*resolving]:
            task.cancel()
        await multicast.async_close()


async def _resolve(zeroconf: Zeroconf, name: str, market_prefix: bytes, lobbies: Lobbies) -> None:
    """Ask who a name is, and note where its lobby is if it is of this market."""
    from zeroconf.asyncio import AsyncServiceInfo

    info = AsyncServiceInfo(SERVICE, name)
    if await info.async_request(zeroconf, RESOLVE_MS):
        record = read_record(info, market_tag(market_prefix), partial(place_mark, market_prefix))
        if isinstance(record, Record):
            for host in record.hosts:
                lobbies.add(address(host, record.lobby))
