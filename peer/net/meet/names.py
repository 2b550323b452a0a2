"""The addresses of a seed, which may be written as a name: looked up where nobody has to wait for it.

A resolver that is silent takes half a minute. libzmq would wait for it where all frames wait, and asyncio, which asks
in threads of its own, when a loop is to end: so this asks in a thread that nobody waits for.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from contextlib import suppress

from peer.net.endpoints import address, fault_of_address


async def addresses_of(seed: str) -> tuple[str, ...]:
    """The addresses of `host:port`, each once, that can be dialled; none where the name is not known."""
    host, _, port = seed.rpartition(":")
    host = host.strip("[]")
    hosts = [host] if _is_address(host) else await _hosts_of(host)
    found = dict.fromkeys(address(one, int(port)) for one in hosts)
    return tuple(one for one in found if fault_of_address(one) is None)


def _is_address(host: str) -> bool:
    with suppress(ValueError):
        ipaddress.ip_address(host)
        return True
    return False


async def _hosts_of(name: str) -> list[str]:
    loop = asyncio.get_running_loop()
    come: asyncio.Future[list[str]] = loop.create_future()

    def tell(hosts: list[str]) -> None:
        if not come.done():
            come.set_result(hosts)

    def ask() -> None:
        hosts: list[str] = []
        with suppress(OSError, UnicodeError):  # not known, or nothing that a name can be
            hosts = [str(found[4][0]) for found in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)]
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(tell, hosts)

    threading.Thread(target=ask, name="names", daemon=True).start()
    return await come
