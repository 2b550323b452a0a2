"""What a peer needs of this computer itself: packages, the libraries below them, the clock, descriptors."""

from __future__ import annotations

import platform
import resource
import sqlite3
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Final

import zmq

from peer.cli.checks.base import Check, guarded
from peer.cli.version import installed
from peer.home import MarketHome
from peer.members.entering.founding import read_charter
from peer.net.locks.descriptors import DESCRIPTORS_MAX

LIBRARIES: Final = (
    "pyzmq",
    "msgpack",
    "msgspec",
    "cryptography",
    "zeroconf",
    "ifaddr",
    "jsonschema-rs",
    "structlog",
    "click",
    "rich",
)
LIBZMQ_MIN: Final = (4, 3)
"""Heartbeats, and what is said of a connection's key, are as we need them from here on."""
DESCRIPTORS_MIN: Final = 256
"""A peer in a market of a hundred holds 200 connections, and a libzmq without descriptors hangs without an error."""
DESCRIPTORS_WANTED: Final = 4_096
YEAR_MIN: Final = 2025
"""No market is older: a clock before that was never set."""
YEAR_MAX: Final = 2100
BEHIND_S: Final = 60
"""A charter from so far ahead says that this clock is behind; less, and the clocks differ as clocks do."""


def checks(market: MarketHome) -> Iterator[Check]:
    """In the order in which they matter: what is wrong above explains what is wrong below."""
    yield Check("python", "ok", f"Python {platform.python_version()} at {sys.executable}, {platform.system()}")
    yield Check("libraries", "ok", ", ".join(f"{name} {installed(name)}" for name in LIBRARIES))
    yield from _below()
    yield from _packages()
    yield from guarded("clock", lambda: _clock(market))
    yield from _descriptors()


def _below() -> Iterator[Check]:
    """The libraries in C that ours stand on, and whether they can do what locks need."""
    from cryptography.hazmat.backends.openssl import backend

    openssl = backend.openssl_version_text().removeprefix("OpenSSL ").split(" ")[0]
    versions = f"libzmq {zmq.zmq_version()}, OpenSSL {openssl}, SQLite {sqlite3.sqlite_version}"
    if zmq.zmq_version_info()[:2] < LIBZMQ_MIN:
        wanted = ".".join(map(str, LIBZMQ_MIN))
        yield Check("versions", "bad", f"{versions}: libzmq is older than {wanted}", "Run: pip install --upgrade pyzmq")
    else:
        yield Check("versions", "ok", versions)
    if zmq.has("curve"):
        yield Check("curve", "ok", "libzmq can encrypt connections")
    else:
        yield Check(
            "curve", "bad", "This libzmq was built without CURVE: nothing that leaves this computer can be encrypted.",
            "Run: pip install --force-reinstall --only-binary :all: pyzmq",
        )  # fmt: skip


def _packages() -> Iterator[Check]:
    """The three names are so common that another package may stand before ours."""
    places = {name: Path(str(import_module(name).__file__)).parent for name in ("protocol", "peer")}
    where = ", ".join(f"{name} from {place}" for name, place in places.items())
    if len({place.parent for place in places.values()}) > 1:
        yield Check("packages", "bad", where, "Another package of that name stands before ours: look at PYTHONPATH.")
    else:
        yield Check("packages", "ok", f"vendue {installed('vendue')}; {where}")


def _clock(market: MarketHome) -> Check:
    """Whether the wall clock can be right: certificates and invitations are judged by it."""
    now_s = time.time()
    shown = datetime.fromtimestamp(now_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    remedy = "Set the clock, and keep it so: timedatectl set-ntp true"
    if not YEAR_MIN <= datetime.fromtimestamp(now_s, UTC).year < YEAR_MAX:
        return Check("clock", "bad", f"It is not {shown}.", remedy)
    if market.charter.exists():
        ahead_s = read_charter(market.charter).made_ms / 1000 - now_s
        if ahead_s > BEHIND_S:
            says = f"It says {shown}, {ahead_s:.0f} s before this market was made."
            return Check("clock", "bad", says, remedy)
    return Check("clock", "ok", f"{shown}, which can be")


def _descriptors() -> Iterator[Check]:
    """A peer raises its soft limit by itself, as far as the hard one lets; so only that can be too low."""
    soft, hard = ("any number" if one == resource.RLIM_INFINITY else str(one) for one in _limits())
    may = min(DESCRIPTORS_MAX if one == resource.RLIM_INFINITY else one for one in (_limits()[1], DESCRIPTORS_MAX))
    says = f"{soft} may be open at once, and {hard} if a process asks for them, as peers do"
    if may < DESCRIPTORS_MIN:
        wanted = f"As root, run: ulimit -n {DESCRIPTORS_WANTED}; for good: in /etc/security/limits.conf"
        yield Check("descriptors", "bad", f"{says}: too few.", f"{wanted}; in a systemd unit: LimitNOFILE=65536")
    else:
        yield Check("descriptors", "ok", f"{says}: room for {(may - 50) // 2} peers")


def _limits() -> tuple[int, int]:
    return resource.getrlimit(resource.RLIMIT_NOFILE)
