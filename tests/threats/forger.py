"""A forger of mDNS records: plain zeroconf, and whatever anybody may write into a record."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial
from ipaddress import ip_address
from secrets import token_hex

from zeroconf import DNSAddress, DNSOutgoing, DNSPointer, DNSService, DNSText, IPVersion, ServiceInfo
from zeroconf.asyncio import AsyncZeroconf

from peer.net.meet.records import marks_of
from protocol.invitation import market_tag, place_mark

SERVICE = "_vendue._tcp.local."
_ANSWER, _IN, _A, _PTR, _TXT, _SRV, _TTL = 0x8400, 1, 1, 12, 16, 33, 120


class Forger:
    """Speaks mDNS on this computer's loopback."""

    def __init__(self, zeroconf: AsyncZeroconf, market: bytes, *, marks: bool) -> None:
        self._zeroconf, self._market, self._marks, self._number = zeroconf, market, marks, 0

    def _said(self, peer: bytes, host: str, lobby: int) -> dict[str, str]:
        """The text of a record; without a code the marks are guesses."""
        marks = marks_of(partial(place_mark, self._market), peer, [host], lobby) if self._marks else token_hex(6)
        return {"v": "2", "m": market_tag(self._market).hex(), "p": peer.hex(), "a": marks}

    async def announce(self, peer: bytes, lobby: int) -> ServiceInfo:
        """Announce a peer's lobby, as that peer itself would."""
        text, name = self._said(peer, "127.0.0.1", lobby), token_hex(8)
        info = ServiceInfo(
            SERVICE, f"{name}.{SERVICE}", lobby, properties=text, server=f"{name}.local.",
            parsed_addresses=["127.0.0.1"],
        )  # fmt: skip
        await (await self._zeroconf.async_register_service(info, cooperating_responders=True))
        return info

    async def take_back(self, info: ServiceInfo) -> None:
        """Say goodbye for it."""
        await (await self._zeroconf.async_unregister_service(info))

    def flood(self, peers: Iterable[bytes]) -> None:
        """Announce any number of peers, each at an address of its own, without ever being asked."""
        for peer in peers:
            number = self._number = self._number + 1
            out = DNSOutgoing(_ANSWER)
            name, host = f"{peer.hex()[:16]}.{SERVICE}", f"{peer.hex()[:16]}.local."
            address = bytes((127, 1, number >> 8 & 255, number & 255))
            words = [f"{word}={said}".encode() for word, said in self._said(peer, str(ip_address(address)), 9).items()]
            text = b"".join(bytes([len(one)]) + one for one in words)
            for record in (
                DNSPointer(SERVICE, _PTR, _IN, _TTL, name), DNSService(name, _SRV, _IN, _TTL, 0, 0, 9, host),
                DNSText(name, _TXT, _IN, _TTL, text), DNSAddress(host, _A, _IN, _TTL, address),
            ):  # fmt: skip
                out.add_answer_at_time(record, 0)
            self._zeroconf.zeroconf.async_send(out)


@asynccontextmanager
async def forging(market: bytes, *, marks: bool = True) -> AsyncIterator[Forger]:
    """A forger for a while: everybody on the network knows the market's tag, and who makes `marks` has had a code."""
    zeroconf = AsyncZeroconf(interfaces=["127.0.0.1"], ip_version=IPVersion.V4Only)
    try:
        await zeroconf.zeroconf.async_wait_for_start()
        yield Forger(zeroconf, market, marks=marks)
    finally:
        await zeroconf.async_close()
