"""What `vendue doctor` looks at: each check says what it found and, where something is wrong, how to mend it.

Everything is only read, and nothing is founded: a computer without a market stays without one.
"""

from __future__ import annotations

import platform
import resource
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Final, Literal, NamedTuple

from peer import keystore
from peer.cli.records import homes_of
from peer.cli.version import installed
from peer.config import Settings
from peer.founding import read_charter
from peer.home import MarketHome, data_home, lock, private_directory, runtime_home
from peer.journal import read_journal
from protocol.errors import HomeBusy, VendueError

LIBRARIES: Final = (
    "pyzmq",
    "msgpack",
    "msgspec",
    "cryptography",
    "zeroconf",
    "jsonschema-rs",
    "structlog",
    "click",
    "rich",
)
DESCRIPTORS_MIN: Final = 256
"""A peer in a market of a hundred holds 200 connections, and a libzmq without descriptors hangs without an error."""
MULTICAST_GROUP: Final = "239.255.86.68"
"""An address of the range for one's own use; nothing that is sent there leaves this computer."""
MULTICAST_WAIT_S: Final = 0.3

Grade = Literal["ok", "note", "bad"]


class Check(NamedTuple):
    """One thing that was looked at."""

    about: str
    grade: Grade
    says: str
    do: str = ""


def check_all(settings: Settings, market: MarketHome) -> Iterator[Check]:
    """Everything that can be seen without taking part in the market."""
    yield _python()
    yield Check("libraries", "ok", ", ".join(f"{name} {installed(name)}" for name in LIBRARIES))
    yield from _packages()
    yield from _guarded("data home", lambda: _home(settings))
    yield from _guarded("runtime folder", lambda: _runtime(settings))
    yield from _guarded("market", lambda: _market(settings, market))
    yield from _guarded("governor", lambda: _governor(market))
    yield from _guarded("keys", lambda: _keys(market))
    yield from _guarded("journals", lambda: _journals(market))
    yield _descriptors()
    yield from _guarded("interface", lambda: _interface(settings))
    yield from _guarded("multicast", lambda: _multicast(settings))


def _guarded(about: str, look: Callable[[], Check]) -> Iterator[Check]:
    """A check that raises has found something."""
    try:
        yield look()
    except VendueError as error:
        yield Check(about, "bad", f"{error.what} {error.why}".strip(), error.do)
    except OSError as error:
        yield Check(about, "bad", f"The system says: {error}.", "Check the place that it names.")


def _python() -> Check:
    return Check("python", "ok", f"Python {platform.python_version()} at {sys.executable}, {platform.system()}")


def _packages() -> Iterator[Check]:
    """The three names are so common that another package may stand before ours."""
    places = {name: Path(str(import_module(name).__file__)).parent for name in ("protocol", "peer")}
    where = ", ".join(f"{name} from {place}" for name, place in places.items())
    if len({place.parent for place in places.values()}) > 1:
        yield Check("packages", "bad", where, "Another package of that name stands before ours: look at PYTHONPATH.")
    else:
        yield Check("packages", "ok", f"vendue {installed('vendue')}; {where}")


def _home(settings: Settings) -> Check:
    home = data_home(settings.home)
    if not home.exists():
        return Check("data home", "note", f"{home} is not there yet; the first command that needs it makes it.")
    private_directory(home)
    return Check("data home", "ok", f"{home}, mode {stat.S_IMODE(home.stat().st_mode):04o}")


def _runtime(settings: Settings) -> Check:
    folder = runtime_home(settings.home)
    return Check("runtime folder", "ok", f"{folder}, mode {stat.S_IMODE(folder.stat().st_mode):04o}")


def _market(settings: Settings, market: MarketHome) -> Check:
    if not market.charter.exists():
        return Check(
            "market", "note", f"There is no market {settings.market!r} here yet.", "Begin with: vendue run FILE"
        )
    charter = read_charter(market.charter)
    governors = len(charter.body.governors)
    noun = "governor" if governors == 1 else "governors"
    return Check("market", "ok", f"{settings.market}, id {charter.id.hex()}, {governors} {noun}")


def _governor(market: MarketHome) -> Check:
    if not market.governor.key.exists():
        return Check("governor", "note", "No governor of this market lives here.")
    try:
        with lock(market.governor.path):
            return Check(
                "governor", "note", "It lives here, and does not run: tasks with irreversible effects are denied.",
                "To run it: vendue govern",
            )  # fmt: skip
    except HomeBusy:
        return Check("governor", "ok", "It runs on this computer.")


def _keys(market: MarketHome) -> Check:
    peers = sorted(market.peers.iterdir()) if market.peers.is_dir() else []
    files = [market.authority, market.governor.key, *(path / "key.pem" for path in peers)]
    there = [file for file in files if file.exists()]
    for file in there:
        keystore.describe(file)
    return Check("keys", "ok", f"{len(there)} here, each for its owner alone")


def _journals(market: MarketHome) -> Check:
    rows = 0

    def count(_row: object) -> None:
        nonlocal rows
        rows += 1

    homes = homes_of(market)
    for home in homes:
        read_journal(home.journal, count)
    return Check("journals", "ok", f"{len(homes)} here, {rows} rows, each as it was stored")


def _descriptors() -> Check:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < DESCRIPTORS_MIN:
        more = f"ulimit -n {min(4096, hard) if hard != resource.RLIM_INFINITY else 4096}"
        return Check("descriptors", "bad", f"Only {soft} files may be open at once.", f"Run: {more}")
    peers = "any number of" if soft == resource.RLIM_INFINITY else str((soft - 50) // 2)
    return Check("descriptors", "ok", f"{soft} may be open at once: room for {peers} peers")


def _interface(settings: Settings) -> Check:
    with socket.socket() as listening:
        try:
            listening.bind((settings.interface, 0))
        except OSError as error:
            return Check(
                "interface", "bad", f"{settings.interface} cannot be bound: {error.strerror or error}.",
                "Choose an address of this computer with --interface.",
            )  # fmt: skip
    alone = settings.interface.startswith("127.")
    return Check("interface", "ok", settings.interface + (": only this computer can reach it" if alone else ""))


def _multicast(settings: Settings) -> Check:
    """Send one datagram to ourselves by multicast; it leaves the computer in no case."""
    if not settings.mdns:
        return Check("multicast", "note", "Not used: mdns is off.")
    word = b"vendue doctor"
    own = socket.inet_aton(socket.gethostbyname(settings.interface))
    try:
        with socket.socket(type=socket.SOCK_DGRAM) as hearing, socket.socket(type=socket.SOCK_DGRAM) as saying:
            hearing.bind(("", 0))
            hearing.settimeout(MULTICAST_WAIT_S)
            hearing.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(MULTICAST_GROUP) + own)
            saying.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, own)
            saying.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 0)
            saying.sendto(word, (MULTICAST_GROUP, hearing.getsockname()[1]))
            heard = hearing.recv(64) == word
    except OSError as error:
        heard, why = False, str(error)
    else:
        why = "another's answer came"
    if heard:
        return Check("multicast", "ok", f"works on {settings.interface}")
    return Check(
        "multicast", "note", f"does not work on {settings.interface}: {why}.",
        "Peers on this computer find each other without it; elsewhere name them with --seeds HOST:PORT.",
    )  # fmt: skip
