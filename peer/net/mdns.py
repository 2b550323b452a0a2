"""Finding peers on the local network: mDNS and DNS-SD (`_vendue._tcp.local.`), by python-zeroconf.

    TXT  v=1  m=<market tag, 16 hex digits>  p=<peer id, 64 hex digits>  f=<fetch port>     SRV port = publish port

A record is a hint: anybody on the network can say anything, so what is found here is a place to knock, no more. The
name of a record is chance and says nothing. zeroconf is imported when it is needed, for it takes a sixth of a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from peer.net.requests import Neighbour, fault_of_neighbour
from peer.net.transport import Addresses

if TYPE_CHECKING:
    from zeroconf import ServiceInfo, ServiceStateChange, Zeroconf
    from zeroconf.asyncio import AsyncServiceBrowser, AsyncZeroconf

SERVICE = "_vendue._tcp.local."
VERSION = b"1"


@dataclass(frozen=True, slots=True, kw_only=True)
class MdnsLimits:
    """Every number of mDNS, and why it is that number."""

    delay_ms: int = 1_000  # peers of this computer have met by then; the import would hold up their first auction
    announce_ms: int = 20_000  # a peer that started during a partition is never found without this
    query_ms: int = 30_000  # the same from the other side
    resolve_ms: int = 3_000  # three questions are asked in that time
    resolving_max: int = 32  # names asked about at the same time; the queries are multicast
    names_max: int = 1_024  # records kept, and names waiting to be looked at; more are let go
    text_bytes_max: int = 512  # an honest TXT record has 110
    addresses_max: int = 4  # addresses of one record that are looked at
    close_ms: int = 2_000  # goodbyes are three packets in a quarter of a second


class Record(NamedTuple):
    """What a record of this market says."""

    peer_id: bytes
    addresses: Addresses


class Mdns:
    """Announces one peer on one interface, and tells which others are announced there for the same market."""

    def __init__(
        self,
        market_tag: bytes,
        me: bytes,
        addresses: Addresses,
        *,
        on_found: Callable[[bytes, Addresses], None],
        on_gone: Callable[[bytes, Addresses], None],
        limits: MdnsLimits | None = None,
    ) -> None:
        """The interface is the one that `addresses` are on; `market_tag` has 8 bytes."""
        self._tag, self._me, self._addresses = market_tag, me, addresses
        self._on_found, self._on_gone = on_found, on_gone
        self._limits = limits or MdnsLimits()
        self._records: dict[str, Record] = {}
        self._waiting: dict[str, None] = {}
        self._resolving: set[asyncio.Task[None]] = set()
        self._running: asyncio.Task[None] | None = None
        self._announced: ServiceInfo | None = None
        self._zeroconf: AsyncZeroconf | None = None
        self._browser: AsyncServiceBrowser | None = None
        self.ignored = 0
        self.failure: str | None = None
        """Why mDNS does not work here, for `vendue doctor`; None while it does."""

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin after the delay; nothing of zeroconf is loaded before."""
        self._running = loop.create_task(self._run(), name="mdns")

    async def close(self) -> None:
        """Say goodbye and stop; bounded in time."""
        running, self._running = self._running, None
        if running is not None:
            await _cancelled(running, *self._resolving)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._limits.close_ms / 1000):
                    await self._leave()

    async def _run(self) -> None:
        await asyncio.sleep(self._limits.delay_ms / 1000)
        try:
            await self._enter()
            await asyncio.gather(self._announce_again(), self._query_again())
        except Exception as error:  # whatever the network has against it: the other paths are still there
            self.failure = f"{type(error).__name__}: {error}"[:200]

    async def _enter(self) -> None:
        from zeroconf import IPVersion
        from zeroconf.asyncio import AsyncZeroconf

        host = _split(self._addresses.publish)[0]
        self._zeroconf = AsyncZeroconf(interfaces=[host], ip_version=IPVersion.V4Only)
        zeroconf = self._zeroconf.zeroconf
        await zeroconf.async_wait_for_start()
        self._browser = self._browse(zeroconf)
        self._announced = self._info()
        # The name is random, so nobody is asked first whether it is taken: a second sooner, and nobody can say yes.
        await (await self._zeroconf.async_register_service(self._announced, cooperating_responders=True))

    async def _leave(self) -> None:
        if self._zeroconf is None:
            return
        if self._browser is not None:
            await self._browser.async_cancel()
        if self._announced is not None:
            with contextlib.suppress(KeyError):  # it was never registered
                await (await self._zeroconf.async_unregister_service(self._announced))  # the goodbye is the second
        await self._zeroconf.async_close()

    def _info(self) -> ServiceInfo:
        from zeroconf import ServiceInfo

        name = secrets.token_hex(8)
        host, port = _split(self._addresses.publish)
        text = {"v": VERSION, "m": self._tag.hex(), "p": self._me.hex(), "f": str(_split(self._addresses.fetch)[1])}
        server = f"vendue-{name}.local."
        return ServiceInfo(SERVICE, f"{name}.{SERVICE}", port, properties=text, server=server, parsed_addresses=[host])

    def _browse(self, zeroconf: Zeroconf) -> AsyncServiceBrowser:
        from zeroconf.asyncio import AsyncServiceBrowser

        return AsyncServiceBrowser(zeroconf, SERVICE, handlers=[self._heard])

    async def _announce_again(self) -> None:
        while self._zeroconf is not None and self._announced is not None:
            await asyncio.sleep(self._limits.announce_ms / 1000)
            with contextlib.suppress(OSError):  # the network is away: the next time it may be back
                await (await self._zeroconf.async_update_service(self._announced))

    async def _query_again(self) -> None:
        """Ask again, with a new browser: it also reports once more what the old one could not resolve."""
        while self._zeroconf is not None and self._browser is not None:
            await asyncio.sleep(self._limits.query_ms / 1000)
            old, self._browser = self._browser, self._browse(self._zeroconf.zeroconf)
            await old.async_cancel()

    def _heard(self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        """Called by zeroconf, in the loop, for each record that comes, changes or goes."""
        from zeroconf import ServiceStateChange

        if self._running is None or (self._announced is not None and name == self._announced.name):
            return
        if state_change is ServiceStateChange.Removed:
            self._waiting.pop(name, None)
            record = self._records.pop(name, None)
            if record is not None:
                self._on_gone(*record)
        elif len(self._waiting) < self._limits.names_max:
            self._waiting[name] = None
            self._resolve_next(zeroconf)
        else:
            self.ignored += 1

    def _resolve_next(self, zeroconf: Zeroconf) -> None:
        while self._running is not None and self._waiting and len(self._resolving) < self._limits.resolving_max:
            name = next(iter(self._waiting))
            del self._waiting[name]
            work = asyncio.get_running_loop().create_task(self._resolve(zeroconf, name), name="mdns resolve")
            self._resolving.add(work)
            work.add_done_callback(self._resolving.discard)
            work.add_done_callback(lambda _: self._resolve_next(zeroconf))

    async def _resolve(self, zeroconf: Zeroconf, name: str) -> None:
        from zeroconf import Error
        from zeroconf.asyncio import AsyncServiceInfo

        try:
            info = AsyncServiceInfo(SERVICE, name)
            complete = info.load_from_cache(zeroconf) or await info.async_request(zeroconf, self._limits.resolve_ms)
        except (Error, ValueError):  # a name that DNS-SD does not allow
            self.ignored += 1
            return
        if complete:
            self._keep(name, self._read(info))
        else:
            self.ignored += 1

    def _keep(self, name: str, record: Record | None) -> None:
        before = self._records.pop(name, None)
        if record is not None and len(self._records) < self._limits.names_max:
            self._records[name] = record
        if before is not None and before != record:
            self._on_gone(*before)
        if record is not None and before != record:
            self._on_found(*record)

    def _read(self, info: ServiceInfo) -> Record | None:
        """Read a record, or None unless it is one of another peer in this market."""
        if len(info.text) > self._limits.text_bytes_max:
            self.ignored += 1
            return None
        text = info.properties
        if text.get(b"v") != VERSION or text.get(b"m") != self._tag.hex().encode():
            return None  # another version or another market: no rubbish, but not for us
        for host in info.parsed_addresses()[: self._limits.addresses_max]:
            neighbour = _neighbour(text.get(b"p"), host, info.port, text.get(b"f"))
            if neighbour is not None and _on_loopback(neighbour.publish) is _on_loopback(self._addresses.publish):
                return None if neighbour.peer_id == self._me else Record(neighbour.peer_id, neighbour.addresses)
        self.ignored += 1
        return None


def _neighbour(
    peer_hex: bytes | None, host: str, publish_port: int | None, fetch_port: bytes | None
) -> Neighbour | None:
    try:
        peer_id = bytes.fromhex((peer_hex or b"").decode("ascii"))
        fetch = (fetch_port or b"").decode("ascii")
    except ValueError:
        return None
    neighbour = Neighbour(peer_id, f"tcp://{host}:{publish_port}", f"tcp://{host}:{fetch}")
    return None if fault_of_neighbour(neighbour) else neighbour


def _on_loopback(address: str) -> bool:
    """A record from the network has no business in naming this computer's own services, nor the reverse."""
    return address.startswith("tcp://127.")


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    return host, int(port)


async def _cancelled(*running: asyncio.Task[None]) -> None:
    for one in running:
        one.cancel()
    await asyncio.gather(*running, return_exceptions=True)
