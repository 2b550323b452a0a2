"""Finding peers on the local network: mDNS and DNS-SD (`_vendue._tcp.local.`), by python-zeroconf.

What a record says, and what it is worth, is told in `peer.net.meet.records`. zeroconf is imported when it is needed,
for it takes a sixth of a second. A network that is not there, or not yet, is tried again.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from peer.net.endpoints import on_loopback, zoneless
from peer.net.meet.records import SERVICE, Mark, Record, Records, read_record, text_of

if TYPE_CHECKING:
    from zeroconf import ServiceInfo, ServiceStateChange, Zeroconf
    from zeroconf.asyncio import AsyncServiceBrowser, AsyncZeroconf


@dataclass(frozen=True, slots=True, kw_only=True)
class MdnsLimits:
    """Every number of mDNS, and why it is that number."""

    delay_ms: int = 1_000  # peers of this computer have met by then; the import would hold up their first auction
    announce_ms: int = 20_000  # a peer that started during a partition is never found without this
    query_ms: int = 30_000  # the same from the other side
    resolve_ms: int = 3_000  # three questions are asked in that time
    resolving_max: int = 32  # names asked about at the same time; the queries are multicast
    names_max: int = 1_024  # records kept, and names waiting to be looked at; more are let go
    names_per_host_max: int = 256  # records that name one host first: more peers than a computer runs
    retry_ms: int = 10_000  # until a network that was not there is tried again
    part_ms: int = 60_000  # the same where others of our networks work: to try means to leave them for a moment
    close_ms: int = 2_000  # goodbyes are three packets in a quarter of a second


class Mdns:
    """Announces one peer on its networks, and tells which others are announced there for the same market."""

    def __init__(
        self,
        market_tag: bytes,
        me: Record,
        *,
        mark: Mark,
        on_found: Callable[[Record], None],
        on_gone: Callable[[Record], None],
        limits: MdnsLimits | None = None,
    ) -> None:
        """The networks are those that our own hosts are on; `market_tag` has 8 bytes."""
        self._tag, self._me, self._mark = market_tag, me, mark
        self._on_found, self._on_gone = on_found, on_gone
        self._limits = limits or MdnsLimits()
        self._records = Records(
            names_max=self._limits.names_max, names_per_host_max=self._limits.names_per_host_max
        )  # fmt: skip
        self._waiting: dict[str, None] = {}
        self._resolving: set[asyncio.Task[None]] = set()
        self._running: asyncio.Task[None] | None = None
        self._announced: ServiceInfo | None = None
        self._zeroconf: AsyncZeroconf | None = None
        self._browser: AsyncServiceBrowser | None = None
        self.ignored = 0
        self.failure: str | None = None
        """Why mDNS does not work here now, for `vendue doctor`; None while it does."""

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin after the delay; nothing of zeroconf is loaded before."""
        self._running = loop.create_task(self._run(), name="mdns")

    async def close(self) -> None:
        """Say goodbye and stop; bounded in time."""
        running, self._running = self._running, None
        if running is not None:
            await _cancelled(running, *self._resolving)
            # In a task of its own: while one is being cancelled, zeroconf takes whatever it had given up for that.
            await asyncio.wait({asyncio.get_running_loop().create_task(self._leave(), name="mdns goodbye")})

    async def _run(self) -> None:
        """Take part for as long as the network lets us, and then try anew."""
        await asyncio.sleep(self._limits.delay_ms / 1000)
        while True:
            try:
                await self._enter()
                await self._stay()
            except Exception as error:  # whatever the network has against it: the other paths are still there
                self.failure = f"{type(error).__name__}: {error}"[:200]
                await asyncio.sleep(self._limits.retry_ms / 1000)
            await self._leave()

    async def _enter(self) -> None:
        self._records.clear()
        self._zeroconf = open_multicast(self._me.hosts)
        zeroconf = self._zeroconf.zeroconf
        await zeroconf.async_wait_for_start()
        self._browser = self._browse(zeroconf)
        self._announced = self._info()
        # The name is random, so nobody is asked first whether it is taken: a second sooner, and nobody can say yes.
        await (await self._zeroconf.async_register_service(self._announced, cooperating_responders=True))
        works = {zoneless(str(sender.sock_name[0])) for sender in zeroconf.engine.senders}
        silent = [host for host in self._me.hosts if zoneless(host) not in works]
        self.failure = f"no multicast on the network of {', '.join(silent)}" if silent else None

    async def _stay(self) -> None:
        """Announce and ask again and again; until a network that was silent is to be tried once more."""
        loop, limits = asyncio.get_running_loop(), self._limits
        began_s = loop.time()
        announce_s, query_s = began_s + limits.announce_ms / 1000, began_s + limits.query_ms / 1000
        while self.failure is None or loop.time() - began_s < limits.part_ms / 1000:
            await asyncio.sleep(min(announce_s, query_s) - loop.time())
            if loop.time() >= announce_s:
                announce_s += limits.announce_ms / 1000
                await self._announce_again()
            if loop.time() >= query_s:
                query_s += limits.query_ms / 1000
                await self._query_again()

    async def _leave(self) -> None:
        """Say goodbye on the network; whatever is against it, in a bounded time."""
        zeroconf, browser, announced = self._zeroconf, self._browser, self._announced
        self._zeroconf = self._browser = self._announced = None
        if zeroconf is None:
            return
        with contextlib.suppress(Exception):
            async with asyncio.timeout(self._limits.close_ms / 1000):
                if browser is not None:
                    await browser.async_cancel()
                if announced is not None:
                    with contextlib.suppress(KeyError):  # it was never registered
                        await (await zeroconf.async_unregister_service(announced))  # the goodbye is the second
                await zeroconf.async_close()

    def _info(self) -> ServiceInfo:
        from zeroconf import ServiceInfo

        name = secrets.token_hex(8)
        return ServiceInfo(
            SERVICE, f"{name}.{SERVICE}", self._me.lobby, properties=text_of(self._me, self._tag, self._mark),
            server=f"vendue-{name}.local.", parsed_addresses=[zoneless(host) for host in self._me.hosts],
        )  # fmt: skip

    def _browse(self, zeroconf: Zeroconf) -> AsyncServiceBrowser:
        from zeroconf.asyncio import AsyncServiceBrowser

        return AsyncServiceBrowser(zeroconf, SERVICE, handlers=[self._heard])

    async def _announce_again(self) -> None:
        if self._zeroconf is not None and self._announced is not None:
            with contextlib.suppress(OSError):  # the network is away: the next time it may be back
                await (await self._zeroconf.async_update_service(self._announced))

    async def _query_again(self) -> None:
        """Ask again, with a new browser: it also reports once more what the old one could not resolve."""
        if self._zeroconf is not None and self._browser is not None:
            old, self._browser = self._browser, self._browse(self._zeroconf.zeroconf)
            await old.async_cancel()

    def _heard(self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        """Called by zeroconf, in the loop, for each record that comes, changes or goes."""
        from zeroconf import ServiceStateChange

        if self._running is None or (self._announced is not None and name == self._announced.name):
            return
        if state_change is ServiceStateChange.Removed:
            self._waiting.pop(name, None)
            self._drop(name)
        elif self._know_at_once(zeroconf, name):
            return
        elif len(self._waiting) < self._limits.names_max:
            self._waiting[name] = None
            self._resolve_next(zeroconf)
        else:
            self.ignored += 1

    def _know_at_once(self, zeroconf: Zeroconf, name: str) -> bool:
        """Take a record that came whole, as ours do: it waits behind none that a flood left open."""
        from zeroconf import Error
        from zeroconf.asyncio import AsyncServiceInfo

        with contextlib.suppress(Error, ValueError):  # a name that DNS-SD does not allow
            info = AsyncServiceInfo(SERVICE, name)
            if info.load_from_cache(zeroconf):
                self._waiting.pop(name, None)
                self._keep(name, self._read(info))
                return True
        return False

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
        before = self._records.get(name)
        if before is not None and before != record:
            self._drop(name)
        if record is None:
            return
        if self._records.put(name, record):
            self._on_found(record)  # also of one that is known: it was heard again, perhaps after a long silence
        else:
            self.ignored += 1

    def _drop(self, name: str) -> None:
        record = self._records.pop(name)
        if record is not None:
            self._on_gone(record)

    def _read(self, info: ServiceInfo) -> Record | None:
        """Read a record, or None unless it is one of another peer in this market."""
        record = read_record(info, self._tag, self._mark)
        if record is None:
            return None
        hosts = () if isinstance(record, str) else tuple(filter(self._is_ours_to_dial, record.hosts))
        if isinstance(record, str) or not hosts:
            self.ignored += 1
            return None
        return None if record.peer_id == self._me.peer_id else record._replace(hosts=hosts)

    def _is_ours_to_dial(self, host: str) -> bool:
        """A record from the network has no business in naming this computer's own services, nor the reverse."""
        return any(on_loopback(host) is on_loopback(mine) for mine in self._me.hosts)


def open_multicast(hosts: Sequence[str]) -> AsyncZeroconf:
    """Open the multicast sockets, one for each of our hosts."""
    from zeroconf import IPVersion
    from zeroconf.asyncio import AsyncZeroconf

    v6 = {":" in host for host in hosts}
    version = IPVersion.All if len(v6) == 2 else IPVersion.V6Only if True in v6 else IPVersion.V4Only
    return AsyncZeroconf(interfaces=list(hosts), ip_version=version)


async def _cancelled(*running: asyncio.Task[None]) -> None:
    for one in running:
        one.cancel()
    await asyncio.gather(*running, return_exceptions=True)
