"""What a peer needs of the network: addresses of this computer that can be bound, and multicast on them."""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterator
from typing import Final

from peer.cli.checks.base import Check, guarded
from peer.net.endpoints import on_loopback
from peer.net.interfaces import interfaces, resolve
from peer.settings import Settings

MULTICAST_GROUP: Final = "239.255.86.68"
"""An address of the range for one's own use; nothing that is sent there leaves this computer."""
MULTICAST_GROUP_6: Final = "ff01::5644"
"""Of the scope that ends at the interface."""
MULTICAST_WAIT_S: Final = 0.3
LISTED_MAX: Final = 16
_WORD: Final = b"vendue doctor"


def checks(settings: Settings) -> Iterator[Check]:
    """The interfaces there are, those that were chosen, and multicast on each of these."""
    yield from guarded("interfaces", _interfaces)
    yield from guarded("interface", lambda: _chosen(settings))
    if not settings.mdns:
        yield Check("multicast", "note", "Not used: mdns is off.")
    else:
        yield from guarded("multicast", lambda: list(_multicasts(settings)))


def _interfaces() -> Check:
    found = interfaces()
    listed = "; ".join(f"{each.name} {', '.join(each.hosts)}" for each in found[:LISTED_MAX])
    more = f"; and {len(found) - LISTED_MAX} more" if len(found) > LISTED_MAX else ""
    if not found:
        return Check(
            "interfaces", "bad", "This computer has no address, not even of its own.", "Run: ip link set lo up"
        )
    return Check("interfaces", "ok", listed + more)


def _chosen(settings: Settings) -> Iterator[Check]:
    """Each address that was chosen can be bound; one that only this computer reaches is said to be that."""
    for host in resolve(settings.interface):
        family = _family(host)
        with socket.socket(family) as listening:
            try:
                listening.bind(_address(host, 0))
            except OSError as error:
                yield Check(
                    "interface", "bad", f"{host} cannot be bound: {error.strerror or error}.",
                    "Choose another address of this computer with --interface.",
                )  # fmt: skip
                continue
        alone = ": only this computer can reach it" if on_loopback(host) else ""
        yield Check("interface", "ok", host + alone)


def _multicasts(settings: Settings) -> Iterator[Check]:
    for host in resolve(settings.interface):
        if on_loopback(host) and _family(host) == socket.AF_INET6:
            continue  # there is none on ::1, and 127.0.0.1 does for this computer
        why = _multicast_fault(host)
        if why is None:
            yield Check("multicast", "ok", f"sent and heard on {host}")
            continue
        yield Check(
            "multicast", "note", f"does not work on {host}: {why}.",
            "Peers on this computer find each other without it; elsewhere name them with --seeds HOST:PORT.",
        )  # fmt: skip


def _multicast_fault(host: str) -> str | None:
    """Send one datagram to ourselves by multicast, which leaves the computer in no case; why it did not come."""
    family = _family(host)
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as hearing, socket.socket(family, socket.SOCK_DGRAM) as saying:
            hearing.bind(("", 0))
            hearing.settimeout(MULTICAST_WAIT_S)
            port = hearing.getsockname()[1]
            if family == socket.AF_INET6:
                index = _index(host)
                group = socket.inet_pton(family, MULTICAST_GROUP_6)
                hearing.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group + struct.pack("@I", index))
                saying.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
                saying.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 0)
                saying.sendto(_WORD, (MULTICAST_GROUP_6, port, 0, index))
            else:
                own = socket.inet_aton(host)
                hearing.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(MULTICAST_GROUP) + own)
                saying.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, own)
                saying.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 0)
                saying.sendto(_WORD, (MULTICAST_GROUP, port))
            return None if hearing.recv(64) == _WORD else "another's word came"
    except OSError as error:
        return str(error)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET


def _address(host: str, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
    """What the socket module wants of an address; one of a link has its interface in its zone."""
    if _family(host) == socket.AF_INET:
        return host, port
    plain, _, zone = host.partition("%")
    return plain, port, 0, socket.if_nametoindex(zone) if zone else 0


def _index(host: str) -> int:
    """The interface that has an address."""
    for each in interfaces():
        if host in each.hosts:
            return socket.if_nametoindex(each.name)
    return socket.if_nametoindex("lo")
