"""How soon peers see each other: by multicast, by the folder of one computer, in a full mesh, behind a partition.

A peer is seen when it hears us, we hear it, and its card has come: the two can trade from then on.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

from peer.bench.hosts import Bridge, Host
from peer.bench.network.figures import Figure
from peer.bench.network.members import Members, everybody

TIMES = 5
MESH = 25
CUT_S = 20.0
"""How long a partition lasts: long enough that both sides have given the other up."""


def by_multicast(members: Members, hosts: Sequence[Host]) -> Figure:
    """A newcomer on one host and peers on the two others, none of which has ever heard of it."""
    first, *others = hosts
    there = [f"there-{host.name}" for host in others]
    for host, name in zip(others, there, strict=True):
        members.start(host, name)
    members.seen(everybody(there))
    took = [_newcomer(members, first, f"newcomer-{number}", there) for number in range(TIMES)]
    return _worst("first sight by multicast, 3 hosts on a bridge", took, most=2.0)


def by_folder(members: Members, host: Host) -> Figure:
    """A newcomer and a peer of the same computer, with nothing but its folder."""
    members.start(host, "neighbour", VENDUE_MDNS="false")
    members.bound("neighbour")
    took = [_newcomer(members, host, f"guest-{number}", ["neighbour"], VENDUE_MDNS="false") for number in range(TIMES)]
    return _worst("first sight on the same host", took, most=0.2)


def _newcomer(members: Members, host: Host, name: str, others: Sequence[str], **settings: str) -> float:
    """Seconds from a newcomer's being reachable until it sees all, and all see it; nobody remembers anybody."""
    members.forget()
    members.start(host, name, **settings)
    pairs = [pair for other in others for pair in everybody([name, other])]
    took = members.seen(pairs) - members.bound(name)
    members.stop(name)
    return took


def _worst(what: str, took: Sequence[float], *, most: float) -> Figure:
    detail = f"worst of {len(took)}; median {statistics.median(took):.3f}"
    return Figure(what=what, unit="s", value=max(took), most=most, detail=detail)


def full_mesh(members: Members, hosts: Sequence[Host], *, processes: int = MESH) -> Figure:
    """So many peers on three hosts, started together, until each sees each."""
    names = [f"peer-{number}" for number in range(MESH)]
    for number in range(processes):
        members.start(hosts[number % len(hosts)], *names[number::processes])
    return Figure(
        what=f"full mesh of {MESH} peers, after the last has bound", unit="s",
        value=members.seen(everybody(names)) - members.bound(*names), most=3.0,
        detail=f"{processes} processes on {len(hosts)} hosts",
    )  # fmt: skip


def healed(members: Members, bridge: Bridge, hosts: Sequence[Host]) -> list[Figure]:
    """One host is cut off; a peer starts there meanwhile; then until everybody sees everybody again."""
    *others, lonely = hosts
    names = [f"old-{host.name}" for host in hosts]
    for host, name in zip(hosts, names, strict=True):
        members.start(host, name)
    members.seen(everybody(names))
    bridge.cut(lonely)
    cut = time.monotonic()
    members.start(lonely, "new")
    members.bound("new")
    time.sleep(max(0.0, cut + CUT_S - time.monotonic()))
    bridge.heal(lonely)
    since = time.monotonic()
    return [
        Figure(
            what=f"after a healed partition, {what}", unit="s", most=35.0, detail=f"cut for {CUT_S:g} s",
            value=members.seen(_across(others, who), since=since) - since,
        )
        for what, who in (
            ("those who knew each other", f"old-{lonely.name}"), ("a peer that started during it", "new"),
        )
    ]  # fmt: skip


def _across(hosts: Sequence[Host], who: str) -> list[tuple[str, str]]:
    return [pair for host in hosts for pair in everybody([f"old-{host.name}", who])]
