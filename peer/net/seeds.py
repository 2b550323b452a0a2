"""Finding peers by asking one that is known: hello to each seed, then to each peer that an answer names.

The asked peer learns of the asker by the same hello, so a market whose peers know nothing but one seed becomes whole.
What an answer says is a hint like any other. This file refuses to know what is done with the hints.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from peer.net.fetch import Fetch
from peer.net.requests import Hello, Neighbour, open_neighbour
from peer.net.transport import Addresses, fault_of_address
from protocol.errors import BadConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedLimits:
    """Every number of saying hello, and why it is that number."""

    pause_first_ms: int = 250  # a seed that starts with us is there a moment later
    pause_max_ms: int = 30_000  # also between hellos to a seed that answers: heals partitions
    attempts_max: int = 4  # hellos to a peer that somebody named; a seed is asked for ever
    contacts_max: int = 1_024  # addresses ever greeted
    outstanding_max: int = 8  # hellos under way: each has a socket
    wait_ms: int = 50  # until one of those comes back


@dataclass(slots=True)
class _Contact:
    """Whom to greet: a seed as it was configured (`host:port`), or the fetch address of a named peer."""

    where: str
    seed: bool
    pause_ms: int
    attempts: int = 0


class Seeds:
    """Says hello until it is answered, and hands on every neighbour it is told of."""

    def __init__(
        self,
        fetch: Fetch,
        market_tag: bytes,
        me: Neighbour,
        seeds: Iterable[str],
        *,
        on_found: Callable[[bytes, Addresses], None],
        limits: SeedLimits | None = None,
    ) -> None:
        """`seeds` are `host:port` of fetch sockets, as names or addresses. Raises BadConfig if one is neither."""
        self._fetch, self._me = fetch, me
        self._hello = Hello(market_tag, me)
        self._on_found = on_found
        self._limits = limits or SeedLimits()
        self._seeds = [_checked(seed) for seed in seeds]
        self._contacts: dict[str, _Contact] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._lookups: set[asyncio.Task[None]] = set()
        self._outstanding = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to greet, as soon as the loop runs."""
        self._loop = loop
        for seed in self._seeds:
            self._add(seed, seed=True)

    async def close(self) -> None:
        """Greet nobody any more."""
        self._loop = None
        for timer in self._timers.values():
            timer.cancel()
        for lookup in self._lookups:
            lookup.cancel()
        await asyncio.gather(*self._lookups, return_exceptions=True)

    def _add(self, where: str, *, seed: bool) -> None:
        if where not in self._contacts and len(self._contacts) < self._limits.contacts_max:
            contact = self._contacts[where] = _Contact(where, seed, self._limits.pause_first_ms)
            self._later(contact, 0)

    def _later(self, contact: _Contact, pause_ms: int) -> None:
        if self._loop is not None:
            self._timers[contact.where] = self._loop.call_later(pause_ms / 1000, self._greet, contact)

    def _greet(self, contact: _Contact) -> None:
        assert self._loop is not None, "a timer outlived close"
        if self._outstanding >= self._limits.outstanding_max:
            self._later(contact, self._limits.wait_ms)
            return
        self._outstanding += 1
        if contact.seed:
            lookup = self._loop.create_task(self._look_up(contact), name="seed lookup")
            self._lookups.add(lookup)
            lookup.add_done_callback(self._lookups.discard)
        else:
            self._ask(contact, contact.where)

    async def _look_up(self, contact: _Contact) -> None:
        """Find the address of a seed: here, in a thread, for libzmq would do it where all frames wait."""
        host, _, port = contact.where.rpartition(":")
        try:
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(host, int(port), family=socket.AF_INET, type=socket.SOCK_STREAM)
        except OSError:
            self._answered(contact, [])
            return
        self._ask(contact, f"tcp://{found[0][4][0]}:{port}")

    def _ask(self, contact: _Contact, address: str) -> None:
        usable = fault_of_address(address) is None and address != self._me.fetch
        key = b"hello " + contact.where.encode()
        if not usable or not self._fetch.ask(key, address, self._hello, lambda items: self._answered(contact, items)):
            self._answered(contact, [])

    def _answered(self, contact: _Contact, items: list[bytes]) -> None:
        self._outstanding -= 1
        contact.attempts += 1
        if contact.seed or (not items and contact.attempts < self._limits.attempts_max):
            self._later(contact, self._limits.pause_max_ms if items else contact.pause_ms)
            contact.pause_ms = min(2 * contact.pause_ms, self._limits.pause_max_ms)
        else:
            self._timers.pop(contact.where, None)
        if self._loop is None:
            return
        for item in items:
            neighbour = open_neighbour(item)
            if neighbour is not None and neighbour.peer_id != self._me.peer_id:
                self._on_found(neighbour.peer_id, neighbour.addresses)
                self._add(neighbour.fetch, seed=False)


def _checked(seed: str) -> str:
    host, _, port = seed.rpartition(":")
    if host and len(seed) <= 260 and port.isascii() and port.isdigit() and 0 < int(port) < 65_536:
        return seed
    raise BadConfig(
        f"{seed[:80]!r} is no seed.",
        why="A seed is host:port, where the port is the one that the seed answers on.",
        do="Take the address that `vendue peers` shows on the seed's computer.",
    )
