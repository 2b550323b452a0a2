"""Binding sockets to ports, each to the same one on every host of this computer."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Final

import zmq

from peer.net.endpoints import HOSTS_MAX, address, fault_of_host
from protocol.errors import BadConfig

_TRIES: Final = 20
"""A port that is free on the first host may be taken on another: then the next one is tried."""
_DO: Final = "Set the interface to IP addresses of this machine, as 127.0.0.1, never to all of them at once."


def bind(socket: zmq.Socket[bytes], hosts: Sequence[str]) -> int:
    """Bind to a port that is free on all `hosts`, and return it. Raises BadConfig on a host that is none of ours."""
    _check(hosts)
    for _ in range(_TRIES):
        port = _port_of(_bound(socket, hosts[0], "*"))
        bound = [address(hosts[0], port)]
        try:
            bound.extend(_bound(socket, host, str(port)) for host in hosts[1:])
            return port
        except _Taken:
            for endpoint in bound:
                with contextlib.suppress(zmq.ZMQError):
                    socket.unbind(endpoint)
    raise BadConfig("No port was free on every host.", why=f"{_TRIES} were tried.", do="Try again, or use fewer hosts.")


def bind_at(sockets: Sequence[zmq.Socket[bytes]], hosts: Sequence[str], ports: range) -> list[int]:
    """Bind each socket to a port of its own, the first that are free in a row on every host. Raises BadConfig."""
    _check(hosts)
    for first in range(ports.start, ports.stop - len(sockets) + 1, len(sockets)):
        chosen = list(range(first, first + len(sockets)))
        if _bind_all(sockets, hosts, chosen):
            return chosen
    raise BadConfig(
        f"No {len(sockets)} ports are free from {ports.start} to {ports.stop - 1} on {', '.join(hosts)}.",
        why="Other peers here, or other programs, listen on them.",
        do="Set a wider range with --ports, as 7300-7399, or none: then any that are free are taken.",
    )


def _check(hosts: Sequence[str]) -> None:
    for host in hosts:
        if fault := fault_of_host(host):
            raise BadConfig(f"No socket could be bound to {host[:60]!r}.", why=f"The {fault}.", do=_DO)
    if not 1 <= len(set(hosts)) == len(hosts) <= HOSTS_MAX:
        raise BadConfig(f"{len(hosts)} hosts were given to bind to.", why=f"1 to {HOSTS_MAX} different ones can be.")


def _bind_all(sockets: Sequence[zmq.Socket[bytes]], hosts: Sequence[str], ports: Sequence[int]) -> bool:
    """Bind each socket to its port on every host; if one is taken, nothing stays bound."""
    bound: list[tuple[zmq.Socket[bytes], str]] = []
    try:
        for socket, port in zip(sockets, ports, strict=True):
            for host in hosts:
                endpoint = _bound(socket, host, str(port))
                bound.append((socket, endpoint))
    except _Taken:
        for socket, endpoint in bound:
            with contextlib.suppress(zmq.ZMQError):
                socket.unbind(endpoint)
        return False
    return True


class _Taken(Exception):
    """Somebody else has this port."""


def _bound(socket: zmq.Socket[bytes], host: str, port: str) -> str:
    """Bind to one host; returns the endpoint as libzmq knows it."""
    socket.setsockopt(zmq.IPV6, ":" in host)
    try:
        socket.bind(f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}")
    except zmq.ZMQError as error:
        if error.errno == zmq.EADDRINUSE and port != "*":
            raise _Taken from None
        raise BadConfig(f"No socket could be bound to {host[:60]!r}.", why=f"{error}.", do=_DO) from None
    endpoint = socket.getsockopt(zmq.LAST_ENDPOINT)
    assert isinstance(endpoint, bytes)
    return endpoint.decode().rstrip("\0")


def _port_of(endpoint: str) -> int:
    return int(endpoint.rpartition(":")[2])
