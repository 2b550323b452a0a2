"""What a running peer can tell about itself: whether it lives, whether it is ready, and how it does.

Each part of a peer that has something to tell is a `Part`, added where the peer is put together; the answers are made
of whatever parts there are. Asking happens on the peer's loop: a part answers at once, from what it holds.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from peer.runtime import Runtime
from peer.telemetry import printable
from protocol.keys import print_peer, short_peer
from protocol.node import Node

OVERDUE_MS_MAX: Final = 5_000
"""A turn that is later than this is late for everybody: the shortest repeats in the protocol are a tenth of it."""
SKILLS_SHOWN: Final = 256
"""More skills than that are counted, not named: an answer has to fit."""

Facts = Mapping[str, Any]


def _nothing_missing() -> list[str]:
    return []


class Part(NamedTuple):
    """One part of a peer: `tell` gives its facts, which JSON can say; `missing` what it waits for to be ready."""

    name: str
    tell: Callable[[], Facts]
    missing: Callable[[], list[str]] = _nothing_missing


def certificate(until_ms: Callable[[], int | None]) -> Part:
    """The part that tells until when a certificate holds, by the wall clock; `until_ms` gives None where there is none.

    A peer whose certificate has expired is not ready: nobody lets it in any more.
    """

    def tell() -> Facts:
        until = until_ms()
        return {"until_ms": until, "seconds_left": None if until is None else round(until / 1000 - time.time())}

    def missing() -> list[str]:
        left_s = tell()["seconds_left"]
        return [f"it expired {-left_s} s ago"] if left_s is not None and left_s <= 0 else []

    return Part("certificate", tell, missing)


class Vitals:
    """The answers of one peer, which has started: it is subscribed, and what was open in its journal is taken up."""

    def __init__(self, runtime: Runtime, *, name: str, market: str, journal: Path) -> None:
        """`name` is that of the peer's home, `market` that of its market, as this computer calls them."""
        self._runtime, self._name, self._market, self._journal = runtime, name, market, journal
        self._began_s = time.monotonic()
        self._parts: list[Part] = [
            Part("work", self._work),
            Part("peers", self._peers),
            Part("backlog", self._backlog),
            Part("verdicts", lambda: dict(runtime.turn.verdicts)),
            Part("journal", self._journal_size),
            Part("descriptors", descriptors),
        ]

    def add(self, part: Part) -> None:
        """Have `part` asked from now on as well."""
        self._parts.append(part)

    def health(self) -> dict[str, Any]:
        """Whether the loop turns. That there is an answer at all is most of it."""
        pulse = self._runtime.pulse()
        healthy = not pulse.stopped and pulse.overdue_ms <= OVERDUE_MS_MAX
        age_ms = None if pulse.turned_s is None else round(1000 * pulse.turned_s)
        return {
            "ok": healthy, "pid": os.getpid(), "stopped": pulse.stopped, "last_turn_ms_ago": age_ms,
            "overdue_ms": pulse.overdue_ms,
        }  # fmt: skip

    def ready(self) -> dict[str, Any]:
        """Whether this peer takes part; that nobody else is there yet is told, and no fault."""
        missing = [f"{part.name}: {what}" for part in self._parts for what in _guarded_missing(part)]
        if not self.health()["ok"]:
            missing.append("loop: its turns are late, or it has stopped")
        seen = bool(self._node.directory.here)
        return {"ok": not missing, "pid": os.getpid(), "missing": missing, "seen_anybody": seen}

    def status(self) -> dict[str, Any]:
        """Everything, each part under its name."""
        card = self._node.card
        skills = [] if card is None else [printable(offered.skill) for offered in card.body.skills]
        told = {
            "ok": True, "name": self._name, "market": self._market, "market_id": self._node.market.hex(),
            "peer": print_peer(self._node.peer), "short": short_peer(self._node.peer), "pid": os.getpid(),
            "governor": self._node.governor is not None, "uptime_s": round(time.monotonic() - self._began_s, 1),
            "capacity": 0 if card is None else card.body.capacity, "skills": skills[:SKILLS_SHOWN],
            "skills_more": max(0, len(skills) - SKILLS_SHOWN), "health": self.health(), "ready": self.ready(),
        }  # fmt: skip
        return told | {part.name: _guarded_facts(part) for part in self._parts}

    @property
    def _node(self) -> Node:
        return self._runtime.node

    def _work(self) -> Facts:
        contractor = self._node.contractor
        return {
            "running": self._runtime.pulse().running,
            "accepted": contractor.at_work,
            "queued": contractor.queued,
            "managed": len(self._node.manager.tenders),
        }

    def _peers(self) -> Facts:
        directory = self._node.directory
        return {
            "found": len(self._runtime.discovery.known),
            "here": len(directory.here),
            "shown_a_card": len(directory.here & directory.cards.keys()),
        }

    def _backlog(self) -> Facts:
        governor = self._node.governor
        return {
            "events": self._runtime.pulse().events,
            "statements_waiting": len(self._node.holdings.waiting),
            "contracts_held": len(self._node.holdings.contracts),
            "referred": len(governor.referred) if governor is not None else 0,
            "frames_dropped": self._runtime.transport.counts.frames_dropped,
        }

    def _journal_size(self) -> Facts:
        return {"bytes": sum(_size(self._journal.with_name(self._journal.name + end)) for end in ("", "-wal"))}


def descriptors() -> Facts:
    """How many files this process has open, and how many it may have; -1: no limit."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with os.scandir("/dev/fd") as listing:
        used = sum(1 for _ in islice(listing, 1_000_000)) - 1
    return {"used": used, "limit": -1 if soft == resource.RLIM_INFINITY else soft}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _guarded_facts(part: Part) -> Facts:
    """What a part tells; one that fails says so, and takes no other with it."""
    try:
        return part.tell()
    except Exception as error:
        return {"error": printable(repr(error))}


def _guarded_missing(part: Part) -> list[str]:
    try:
        return part.missing()
    except Exception as error:
        return [printable(repr(error))]
