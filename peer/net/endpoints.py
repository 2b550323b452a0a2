"""Where a peer can be reached: its hosts and its three ports, and what an address looks like that may be used.

An address is a stranger's word. What is not one port of one machine is refused here, before libzmq sees it: it would
look names up in its I/O thread, and take `ipc://` and `inproc://` as well.
"""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

from protocol.limits import ADDRESSES_MAX

ADDRESS_LENGTH_MAX = 80
"""`tcp://[`, the longest IPv6 address, a zone of sixteen, `]:` and a port."""
HOSTS_MAX = ADDRESSES_MAX
"""Addresses of one computer: more are noise, and each is one more to try."""

_V4 = re.compile(r"tcp://([0-9.]{7,15}):([1-9][0-9]{0,4})", re.ASCII)
_V6 = re.compile(r"tcp://\[([0-9a-fA-F:.]{2,45}(?:%[0-9A-Za-z_.\-]{1,16})?)\]:([1-9][0-9]{0,4})", re.ASCII)
_PORT_MAX = 65_535


class Endpoints(NamedTuple):
    """The IP addresses of a peer, one or more, and its three ports, which are the same on each of them."""

    hosts: tuple[str, ...]
    publish: int
    fetch: int
    lobby: int


def address(host: str, port: int) -> str:
    """The address of a port of a host, as `tcp://192.0.2.1:80` or `tcp://[2001:db8::1]:80`."""
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"


def fault_of_host(host: object) -> str | None:
    """Say why `host` is not the IP address of one machine, or None."""
    if type(host) is not str or not 2 <= len(host) <= 62:
        return "host is not an IP address"
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return "host is not an IP address"
    if ip.is_multicast or ip.is_unspecified or (ip.version == 4 and ip.is_reserved):
        return "host is not one machine"
    if ip.version == 6 and ip.ipv4_mapped is not None:
        return "host is an IPv4 address in disguise"
    return None


def fault_of_address(address: object) -> str | None:
    """Say why `address` is nothing to connect to, or None when it is `tcp://IPv4:port` or `tcp://[IPv6]:port`."""
    split = split_address(address)
    if split is None:
        return "address is not tcp://IP:port"
    return fault_of_host(split[0]) or (None if split[1] <= _PORT_MAX else "address has no valid port")


def fault_of_endpoints(endpoints: Endpoints) -> str | None:
    """Say why nobody could be reached there, or None."""
    hosts, *ports = endpoints
    if type(hosts) is not tuple or not 1 <= len(hosts) <= HOSTS_MAX or len(set(hosts)) != len(hosts):
        return f"endpoints have not 1 to {HOSTS_MAX} different hosts"
    if any(type(port) is not int or not 1 <= port <= _PORT_MAX for port in ports) or len(set(ports)) != len(ports):
        return "endpoints have not three different ports"
    return next((fault for host in hosts if (fault := fault_of_host(host))), None)


def split_address(address: object) -> tuple[str, int] | None:
    """The host and the port of an address, whatever they are worth; None if it has no such shape."""
    if type(address) is not str or len(address) > ADDRESS_LENGTH_MAX:
        return None
    found = _V4.fullmatch(address) or _V6.fullmatch(address)
    return (found[1], int(found[2])) if found else None


def on_loopback(host: str) -> bool:
    """Tell whether a host names this computer from within: said on a network, such an address is nobody's business."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def zoneless(host: str) -> str:
    """An address without the name of our own interface, which says nothing to others."""
    return host.partition("%")[0]


def is_v6(address: str) -> bool:
    """Tell whether an address that has no fault is of IPv6."""
    return address.startswith("tcp://[")
