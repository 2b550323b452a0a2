"""File descriptors: how many this process may have, and hanging up on one that belongs to libzmq.

libzmq has no call that ends one connection. Its descriptors are known from its monitors and from `SRCFD`, and a
`shutdown` makes libzmq close one by itself, as if the remote had. Between looking and hanging up the I/O thread may
give the number to another connection: then that one is cut, and connects anew.
"""

from __future__ import annotations

import contextlib
import resource
import socket
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

DESCRIPTORS_MAX: Final = 65_536
"""As many as the soft limit is raised to: twice those of a thousand connected peers, and room for a flood."""
_TCP_INFO: Final = getattr(socket, "TCP_INFO", None)
_BYTES_RECEIVED: Final = struct.Struct("=128xQ")
"""`tcpi_bytes_received` in Linux's `struct tcp_info`; since 4.1."""


class Remote(NamedTuple):
    """Who is at the other end of a descriptor."""

    host: str
    port: int


def raise_limit() -> int:
    """Raise the soft limit of open descriptors as far as the hard one lets, within reason; returns what it is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    aim = DESCRIPTORS_MAX if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS_MAX)
    if soft != resource.RLIM_INFINITY and soft < aim:
        with contextlib.suppress(OSError, ValueError):  # some systems allow less than they say
            resource.setrlimit(resource.RLIMIT_NOFILE, (aim, hard))
    return limit()


def limit() -> int:
    """How many descriptors this process may have: no number is as high as this."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return DESCRIPTORS_MAX if soft == resource.RLIM_INFINITY else soft


def remote_of(descriptor: int) -> Remote | None:
    """The other end of a connected descriptor; None if it is not one, or not any more."""
    with contextlib.suppress(OSError), _borrowed(descriptor) as borrowed:
        name = borrowed.getpeername()
        if isinstance(name, tuple):
            return Remote(_plain(name[0]), name[1])
    return None


def cut(descriptor: int, remote: Remote) -> bool:
    """Hang up on `remote`, if it is still what the descriptor is connected to."""
    with contextlib.suppress(OSError), _borrowed(descriptor) as borrowed:
        if remote_of(descriptor) == remote:
            borrowed.shutdown(socket.SHUT_RDWR)
            return True
    return False


def bytes_received(descriptor: int) -> int | None:
    """How many bytes have come in on a descriptor since it was connected, by the kernel; None where it cannot tell."""
    if _TCP_INFO is None:
        return None
    with contextlib.suppress(OSError, struct.error), _borrowed(descriptor) as borrowed:
        return int(_BYTES_RECEIVED.unpack(borrowed.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _BYTES_RECEIVED.size))[0])
    return None


@contextlib.contextmanager
def _borrowed(descriptor: int) -> Iterator[socket.socket]:
    """A socket over somebody else's descriptor, which is not closed."""
    borrowed = socket.socket(fileno=descriptor)
    try:
        yield borrowed
    finally:
        borrowed.detach()


def _plain(host: str) -> str:
    """An IPv4 host as such, also where it came in on a socket of IPv6."""
    return host.removeprefix("::ffff:") if host.startswith("::ffff:") and "." in host else host
