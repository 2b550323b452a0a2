"""How peers meet: hellos and their answers, records of multicast DNS, and the files that say who is where."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any, Final, cast

import msgspec
from zeroconf import ServiceInfo

from peer.net.meet.introductions import (
    Hello,
    Introduction,
    Neighbour,
    Newer,
    Refused,
    open_item,
    pack,
    sign_here,
)
from peer.net.meet.mdns import Mdns
from peer.net.meet.reception import Reception
from peer.net.meet.records import SERVICE, VERSION, Record, marks_of
from peer.net.meet.remembered import Lobby as Noted
from peer.net.meet.remembered import Remembered
from peer.net.meet.rendezvous import Entry, Rendezvous
from protocol.invitation import market_tag
from protocol.membership import Membership
from simulations.fuzz.market import GOVERNOR, OTHERS, WALL_MS, FuzzMarket, certificate_of
from simulations.fuzz.mutations import mutate_bytes, spoil

_HOSTS: Final = ("10.0.0.1", "fd77::1", "10.0.0.2%eth0", "127.0.0.1", "::", "fe80::1%lo", "nonsense", "224.0.0.251", "")


def _mark(peer_id: bytes, host: str, port: int) -> bytes:
    return bytes(4)


class Meeting:
    """One member that is met in every way there is."""

    def __init__(self, market: FuzzMarket, folder: Path) -> None:
        world = market.world
        self._me, self._other = (world.sealer(name) for name in (GOVERNOR, OTHERS[0]))
        self._tag = market_tag(world.charter.id)
        membership = Membership(world.charter, sealer=self._me, wall_ms=WALL_MS)
        self._certificates = [certificate_of(world, name) for name in (GOVERNOR, OTHERS[0])]
        self._introduction = Introduction(self._me.peer, ("10.0.0.9",), 1, 2, 3, self._certificates[0])
        self._reception = Reception(
            market_tag=self._tag, me=lambda: self._introduction, membership=membership, sealer=self._me,
            neighbours=lambda: [Neighbour(bytes(32), ("10.0.0.3",), 5)] * 300, on_caller=lambda caller: None,
            wall_clock=lambda: WALL_MS, software="fuzz",
        )  # fmt: skip
        folder.mkdir()
        self._folder, self._known = folder, Remembered(folder / "known.json")
        self._rendezvous = Rendezvous(
            folder, self._introduction, on_found=lambda found: None, on_gone=lambda gone: None
        )  # fmt: skip
        self._mdns = Mdns(
            self._tag, Record(self._me.peer, ("10.0.0.9",), 3), mark=_mark, on_found=lambda record: None,
            on_gone=lambda record: None,
        )  # fmt: skip

    def _hosts(self, chance: Random) -> tuple[str, ...]:
        return tuple(chance.choice(_HOSTS) for _ in range(chance.randint(0, 9)))

    def _some_hosts(self, chance: Random) -> tuple[str, ...]:
        return self._hosts(chance) if chance.random() < 0.3 else ("10.0.0.4",)

    def _introduced(self, chance: Random) -> Introduction:
        peer = self._other.peer if chance.random() < 0.8 else chance.randbytes(32)
        certificate = spoil(chance.choice(self._certificates), chance, 0.3)
        return Introduction(peer, self._some_hosts(chance), chance.choice((5, 5, 5, 0, 70_000)), 6, 7, certificate)

    # A hello, and what is said to one

    def hello(self, chance: Random) -> bytes:
        tag = self._tag if chance.random() < 0.9 else chance.randbytes(8)
        hello = Hello(tag, chance.randbytes(16), chance.choice((1, 2, 2**62)), self._introduced(chance))
        return spoil(pack(hello), chance, 0.4)

    def answer_hello(self, raw: bytes) -> str:
        try:
            hello = msgspec.msgpack.decode(raw, type=Hello)
        except (msgspec.DecodeError, ValueError, RecursionError, OverflowError):
            return "malformed"
        items = self._reception.answer(hello, self._other.peer)
        assert sum(map(len, items)) < 2**20, "an answer to a hello is bounded"
        return self.read_item(items[0])

    def item(self, chance: Random) -> bytes:
        hello = Hello(self._tag, chance.randbytes(16), 1, self._introduction)
        here = sign_here(
            self._introduced(chance), hello, chance.randbytes(32), self._me, wall_ms=1, charter_version=1, software="x"
        )  # fmt: skip
        neighbour = Neighbour(chance.randbytes(32), self._some_hosts(chance), chance.choice((1, 1, 0, 65_536)))
        said = chance.choice((here, neighbour, Newer(chance.randbytes(90)), Refused("why", 1)))
        return spoil(pack(said), chance, 0.5)

    def read_item(self, raw: bytes) -> str:
        item = open_item(raw)
        if item is None:
            return "refused"
        return item.why if isinstance(item, Refused) and len(item.why) > 4 else type(item).__name__.lower()

    # A record

    def record(self, chance: Random) -> bytes:
        """The port, and the raw TXT record."""
        peer = self._other.peer if chance.random() < 0.8 else chance.randbytes(32)
        text = {
            b"v": VERSION, b"m": self._tag.hex().encode(), b"p": peer.hex().encode(),
            b"a": marks_of(_mark, peer, ["10.0.0.4"], 7).encode(),
        }  # fmt: skip
        raw = b"".join(bytes([len(key) + len(value) + 1]) + key + b"=" + value for key, value in text.items())
        raw = mutate_bytes(raw, chance) if chance.random() < 0.7 else raw
        return chance.choice((0, 7, 65_535)).to_bytes(2, "big") + raw

    def read_record(self, raw: bytes) -> str:
        port = int.from_bytes(raw[:2], "big")
        info = ServiceInfo(SERVICE, f"x.{SERVICE}", port, properties=raw[2:], parsed_addresses=["10.0.0.4", "fd77::4"])
        return "refused" if self._mdns._read(info) is None else "read"

    # Files

    def file(self, chance: Random) -> bytes:
        """A file of a peer of this computer, or of what is remembered of others."""
        certificate = chance.choice(self._certificates).hex()
        entry = Entry(self._some_hosts(chance), 1, 2, chance.choice((3, 0)), certificate, 4, "boot")
        noted = Noted(self._other.peer.hex(), self._some_hosts(chance), 9, chance.getrandbits(40))
        said: Any = chance.choice((entry, [noted] * chance.choice((1, 3, 600))))
        raw = msgspec.json.encode(said)
        return mutate_bytes(raw, chance) if chance.random() < 0.7 else raw

    def read_file(self, raw: bytes) -> str:
        name = f"{cast(bytes, self._other.peer).hex()}.json"
        for path in (self._folder / name, self._folder / "known.json"):
            path.write_bytes(raw)
        entry, known = self._rendezvous._read(name), self._known.load()
        return "an entry" if entry is not None else f"{'some' if known else 'no'} lobbies"
