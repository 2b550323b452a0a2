"""The lobbies where members were met, kept in the market's home for the next time; shared by its peers.

    known.json    [{"peer": 64 hex digits, "hosts": [...], "lobby": port, "met_ms": wall clock}, ...]

What it says is a place to knock, so a file that is broken or old does no harm.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from peer.net.endpoints import HOSTS_MAX, fault_of_host
from peer.telemetry import logger
from peer.wholefile import write_whole
from protocol.keys import fault_of_key
from protocol.limits import COUNTER_MAX

LOBBIES_MAX: Final = 256
"""Lobbies remembered: one that answers names the others."""
FILE_BYTES_MAX: Final = 256 * 1024
"""So many lobbies, each with eight long addresses."""
WRITE_MS: Final = 5_000
"""A file is written at most so often: what is lost when a peer is killed is found again by other ways."""
AGAIN_MS: Final = 3_600_000
"""... and a lobby that was noted is noted again, with a new date, at most each hour."""


class Lobby(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a member was met, and when."""

    peer: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    hosts: Annotated[tuple[Annotated[str, Meta(max_length=62)], ...], Meta(min_length=1, max_length=HOSTS_MAX)]
    lobby: Annotated[int, Meta(ge=1, le=65_535)]
    met_ms: Annotated[int, Meta(ge=0, le=COUNTER_MAX)]

    @property
    def peer_id(self) -> bytes:
        return bytes.fromhex(self.peer)


_FILE: Final = msgspec.json.Decoder(list[Lobby])


class Remembered:
    """The lobbies known, newest first when written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, Lobby] = {}
        self._out: set[str] = set()
        self._changed = False
        self._written_ms = -WRITE_MS

    def load(self) -> list[Lobby]:
        """Read the file, the lobby met last first; one that is broken counts as none, with a warning."""
        self._known = {lobby.peer: lobby for lobby in self._read()}
        return list(self._known.values())

    def note(self, peer_id: bytes, hosts: tuple[str, ...], lobby: int, wall_ms: int) -> None:
        """A member was met at its lobby."""
        met = Lobby(peer_id.hex(), hosts, lobby, max(0, wall_ms))
        self._out.discard(met.peer)
        known = self._known.get(met.peer)
        same = known is not None and (known.hosts, known.lobby) == (hosts, lobby)
        if not same or known is None or wall_ms - known.met_ms > AGAIN_MS:
            self._known[met.peer] = met
            self._changed = True

    def forget(self, peer_id: bytes) -> None:
        """A member is out: nobody of this computer need knock there."""
        self._out.add(peer_id.hex())
        self._changed = True

    def write(self, now_ms: int, *, at_once: bool = False) -> None:
        """Write the file if something has changed, at most every few seconds; a full disk is no reason to stop."""
        if self._changed and (at_once or now_ms - self._written_ms >= WRITE_MS):
            self._changed, self._written_ms = False, now_ms
            with contextlib.suppress(OSError):
                self._replace()

    def _replace(self) -> None:
        """Join what others of this computer have noted, and put the file there whole."""
        joined = {lobby.peer: lobby for lobby in self._read()}
        for peer, lobby in self._known.items():
            if peer not in joined or joined[peer].met_ms <= lobby.met_ms:
                joined[peer] = lobby
        staying = (lobby for peer, lobby in joined.items() if peer not in self._out)
        newest = sorted(staying, key=lambda lobby: -lobby.met_ms)[:LOBBIES_MAX]
        self._known = {lobby.peer: lobby for lobby in newest}
        write_whole(self._path, msgspec.json.format(msgspec.json.encode(newest)), durable=False)

    def _read(self) -> list[Lobby]:
        try:
            with self._path.open("rb") as file:
                raw = file.read(FILE_BYTES_MAX + 1)
            lobbies = _FILE.decode(raw) if len(raw) <= FILE_BYTES_MAX else None
        except FileNotFoundError:
            return []
        except (OSError, msgspec.DecodeError, ValueError, RecursionError):
            lobbies = None
        if lobbies is None:
            logger().warning("the remembered addresses cannot be read, and are passed over", file=str(self._path))
            return []
        sound = [lobby for lobby in lobbies if not _fault(lobby)]
        return sorted(sound, key=lambda lobby: -lobby.met_ms)[:LOBBIES_MAX]


def _fault(lobby: Lobby) -> bool:
    return fault_of_key(lobby.peer_id) is not None or any(fault_of_host(host) is not None for host in lobby.hosts)
