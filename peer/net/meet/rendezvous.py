"""How peers of one user on one computer find each other: a private folder per market with one small file per peer.

    <folder>/<peer id, 64 hex digits>.json     {"hosts": [...], "publish": ..., "fetch": ..., "lobby": ...,
                                                "certificate": hex, "pid": ..., "boot": ...}

The folder is nobody else's, so its files are believed about addresses, and nobody need knock first; they prove nothing
about keys, for which there is the certificate. It is watched by looking at its time of change, which costs a
microsecond; it refuses to know any other way of being found.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated

import msgspec

from peer.home import private_directory
from peer.net.endpoints import Endpoints, fault_of_endpoints
from peer.net.meet.introductions import Hosts, Introduction, Port
from peer.wholefile import runs, write_whole
from protocol.keys import fault_of_key
from protocol.limits import CERTIFICATE_MAX

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_NAME_CHARACTERS = 64 + len(".json")


@dataclass(frozen=True, slots=True, kw_only=True)
class RendezvousLimits:
    """Every number of the folder, and why it is that number."""

    file_bytes_max: int = 4 * 1024  # an entry has some 1,500
    files_max: int = 1024  # more peers than one computer runs
    eager_ms: int = 3_000  # a market that starts together is complete by then
    eager_pause_ms: int = 50  # first sight within 0.1 s
    pause_ms: int = 100  # first sight of a latecomer within 0.2 s
    settle_ms: int = 100  # two changes within one tick of the file system's clock look like one
    alive_pause_ms: int = 2_000  # a killed process leaves its file: ask so often whether it lives


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a peer's file says: where it listens, its certificate, and which process of which boot wrote it."""

    hosts: Hosts
    publish: Port
    fetch: Port
    lobby: Port
    certificate: Annotated[str, msgspec.Meta(max_length=2 * CERTIFICATE_MAX, pattern=r"^([0-9a-f]{2})*\Z")]
    pid: Annotated[int, msgspec.Meta(gt=0, lt=2**31)]
    boot: Annotated[str, msgspec.Meta(max_length=64)]

    @property
    def endpoints(self) -> Endpoints:
        return Endpoints(self.hosts, self.publish, self.fetch, self.lobby)

    def introduction(self, peer_id: bytes) -> Introduction:
        """What the peer would say in its lobby."""
        certificate = bytes.fromhex(self.certificate)
        return Introduction(peer_id, self.hosts, self.publish, self.fetch, self.lobby, certificate)


_ENTRIES = msgspec.json.Decoder(Entry)


class Rendezvous:
    """One peer's place in the folder, and its view of the others there."""

    def __init__(
        self,
        folder: Path,
        me: Introduction,
        *,
        on_found: Callable[[Introduction], None],
        on_gone: Callable[[bytes], None],
        limits: RendezvousLimits | None = None,
    ) -> None:
        """`on_found` is also called when the file of a peer that was found says something else."""
        self._folder, self._limits = folder, limits or RendezvousLimits()
        self._own = folder / f"{me.peer_id.hex()}.json"
        self._boot = _boot_id()
        self._entry = Entry(
            me.hosts, me.publish, me.fetch, me.lobby, me.certificate.hex(), pid=os.getpid(), boot=self._boot
        )
        self._on_found, self._on_gone = on_found, on_gone
        self._seen: dict[bytes, Entry] = {}
        self._seen_change_ns = 0
        self._eager_until = self._alive_due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.malformed = 0

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Put our file there, and look for others from now on. Raises BadConfig if the folder is open to others."""
        private_directory(self._folder, secret=True)
        with contextlib.suppress(OSError):  # a full disk: every look tries again
            self._write()
        self._eager_until = loop.time() + self._limits.eager_ms / 1000
        self._timer = loop.call_later(0, self._poll, loop)

    def look(self) -> None:
        """Look at once, if anything has changed: somebody is at the door whom nobody knows yet."""
        if self._timer is not None:
            with contextlib.suppress(OSError):
                self._look(asyncio.get_running_loop().time())

    def renew(self, me: Introduction) -> None:
        """Say something else from now on: our certificate was renewed."""
        self._entry = msgspec.structs.replace(self._entry, certificate=me.certificate.hex())
        if self._timer is not None:
            with contextlib.suppress(OSError):
                self._write()

    def close(self) -> None:
        """Take our file away and look no more; the file of a later process under our key stays."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            if self._read(self._own.name) == self._entry:
                self._own.unlink(missing_ok=True)

    def _write(self) -> None:
        write_whole(self._own, msgspec.json.encode(self._entry), durable=False)

    def _poll(self, loop: asyncio.AbstractEventLoop) -> None:
        eager = loop.time() < self._eager_until
        pause_ms = self._limits.eager_pause_ms if eager else self._limits.pause_ms
        self._timer = loop.call_later(pause_ms / 1000, self._poll, loop)
        with contextlib.suppress(OSError):  # the folder was cleared away: our file comes back with the next look
            self._look(loop.time())

    def _look(self, now: float) -> None:
        change_ns = self._change_ns()
        changed = change_ns != self._seen_change_ns
        if not changed and now < self._alive_due:
            return
        if changed:
            settled = time.time_ns() - change_ns > self._limits.settle_ms * 1_000_000
            self._seen_change_ns = change_ns if settled else 0
        self._alive_due = now + self._limits.alive_pause_ms / 1000
        self._compare(self._scan())

    def _change_ns(self) -> int:
        try:
            return self._folder.stat().st_mtime_ns
        except FileNotFoundError:
            private_directory(self._folder, secret=True)
            return 0

    def _scan(self) -> dict[bytes, Entry]:
        """Read all files, remove those of dead processes, and put our own back if it is gone."""
        found: dict[bytes, Entry] = {}
        with os.scandir(self._folder) as listing:
            names = [item.name for item in islice(listing, 2 * self._limits.files_max)]
        if self._own.name not in names:
            self._write()
        for name in names:
            peer_id = _peer_id(name)
            if peer_id is None or name == self._own.name or len(found) >= self._limits.files_max:
                continue
            entry = self._read(name)
            if entry is None:
                self.malformed += 1
            elif self._dead(entry):
                self._remove(name, entry)
            else:
                found[peer_id] = entry
        return found

    def _compare(self, found: dict[bytes, Entry]) -> None:
        before, self._seen = self._seen, found
        for peer_id in before.keys() - found.keys():
            self._on_gone(peer_id)
        for peer_id, entry in found.items():
            if before.get(peer_id) != entry:
                self._on_found(entry.introduction(peer_id))

    def _read(self, name: str) -> Entry | None:
        """Read one file, or None unless it is a small file of ours that says what an entry says."""
        try:
            descriptor = os.open(self._folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
                return None
            raw = os.read(descriptor, self._limits.file_bytes_max + 1)
        finally:
            os.close(descriptor)
        try:
            entry = _ENTRIES.decode(raw) if len(raw) <= self._limits.file_bytes_max else None
        except (msgspec.DecodeError, ValueError, RecursionError):
            return None
        return None if entry is None or fault_of_endpoints(entry.endpoints) else entry

    def _dead(self, entry: Entry) -> bool:
        return entry.boot != self._boot or not runs(entry.pid)

    def _remove(self, name: str, entry: Entry) -> None:
        """Remove a stale file, unless its peer has come back in between."""
        if self._read(name) == entry:
            (self._folder / name).unlink(missing_ok=True)


def _peer_id(name: str) -> bytes | None:
    """The peer id that a file name says, or None for any other file."""
    if len(name) != _NAME_CHARACTERS or not name.endswith(".json"):
        return None
    try:
        peer_id = bytes.fromhex(name[:64])
    except ValueError:
        return None
    return None if len(peer_id) != 32 or fault_of_key(peer_id) else peer_id


def _boot_id() -> str:
    """Which boot this is; the same word for all boots where the system does not say (pids alone decide there)."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()[:64]
    except OSError:
        return "unknown"
