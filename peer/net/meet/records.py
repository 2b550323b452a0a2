"""What a peer says of itself by multicast DNS, how it is read, and which of it is kept; this file opens no socket.

    TXT  v=2  m=<market tag, 16 hex digits>  p=<peer id, 64 hex digits>  a=<a mark of each host, 12 hex digits each>
    SRV port = lobby port     A, AAAA = hosts

A record is a hint: what it names is a place to knock, no more. Hosts without their mark are passed over, for strangers
cannot make one (`protocol.invitation.place_mark`): they can flood a network, and be told apart. The name of a record is
chance and says nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from peer.net.endpoints import HOSTS_MAX, fault_of_host, zoneless
from protocol.invitation import MARK_LENGTH
from protocol.keys import fault_of_key

if TYPE_CHECKING:
    from zeroconf import ServiceInfo

SERVICE: Final = "_vendue._tcp.local."
VERSION: Final = b"2"
TEXT_BYTES_MAX: Final = 512
"""An honest TXT record has 110, and 12 more for each further host."""
ADDRESSES_MAX: Final = HOSTS_MAX
"""Addresses of one record that are looked at."""

Mark = Callable[[bytes, str, int], bytes]
"""The mark of a place: of a peer id, a host and a port."""


class Record(NamedTuple):
    """What a record of this market says."""

    peer_id: bytes
    hosts: tuple[str, ...]
    lobby: int


def text_of(record: Record, market_tag: bytes, mark: Mark) -> dict[str, str | bytes]:
    """The TXT record that announces a peer."""
    marks = marks_of(mark, record.peer_id, record.hosts, record.lobby)
    return {"v": VERSION, "m": market_tag.hex(), "p": record.peer_id.hex(), "a": marks}


def read_record(info: ServiceInfo, market_tag: bytes, mark: Mark) -> Record | str | None:
    """Read a record: its hosts are those that have a mark; None if it is of another market, or why it is rubbish."""
    if len(info.text) > TEXT_BYTES_MAX:
        return "its text is too long"
    text = info.properties
    if text.get(b"v") != VERSION or text.get(b"m") != market_tag.hex().encode():
        return None  # another version or another market: no rubbish, but not for us
    peer_id, port = peer_id_in(text.get(b"p")), info.port or 0
    if peer_id is None or not 0 < port < 65_536:
        return "it names no peer or no port"
    heard = info.parsed_scoped_addresses()[:ADDRESSES_MAX]
    marked = only_marked(mark, peer_id, heard, port, text.get(b"a"))
    hosts = tuple(host for host in marked if fault_of_host(host) is None)
    return Record(peer_id, hosts, port) if hosts else "none of its hosts has a mark"


def marks_of(mark: Mark, peer_id: bytes, hosts: Iterable[str], port: int) -> str:
    """What a record says in `a`."""
    return "".join(mark(peer_id, zoneless(host), port).hex() for host in hosts)


def only_marked(mark: Mark, peer_id: bytes, hosts: Iterable[str], port: int, said: bytes | None) -> list[str]:
    """The hosts whose mark a record says; an address may come later than the rest, so each is marked by itself."""
    digits = 2 * MARK_LENGTH
    marks = {(said or b"")[at : at + digits] for at in range(0, len(said or b""), digits)}
    return [host for host in hosts if mark(peer_id, zoneless(host), port).hex().encode() in marks]


def peer_id_in(said: bytes | None) -> bytes | None:
    """The peer id of a record, or None if it is none."""
    try:
        peer_id = bytes.fromhex((said or b"").decode("ascii"))
    except ValueError:
        return None
    return None if fault_of_key(peer_id) else peer_id


class Records:
    """The records that hold now, by their names; bounded in all, and for the host that each names first."""

    def __init__(self, *, names_max: int, names_per_host_max: int) -> None:
        self._names_max, self._names_per_host_max = names_max, names_per_host_max
        self._by_name: dict[str, Record] = {}
        self._hosts: Counter[str] = Counter()

    def get(self, name: str) -> Record | None:
        """The record of this name."""
        return self._by_name.get(name)

    def put(self, name: str, record: Record) -> bool:
        """Keep a record under a name that has no other; False where there is no room for it."""
        if name not in self._by_name:
            crowded = self._hosts[record.hosts[0]] >= self._names_per_host_max
            if crowded or len(self._by_name) >= self._names_max:
                return False
            self._hosts[record.hosts[0]] += 1
            self._by_name[name] = record
        return True

    def pop(self, name: str) -> Record | None:
        """Forget the record of this name, and give it."""
        record = self._by_name.pop(name, None)
        if record is not None:
            self._hosts[record.hosts[0]] -= 1
        return record

    def clear(self) -> None:
        """Forget all."""
        self._by_name.clear()
        self._hosts.clear()
