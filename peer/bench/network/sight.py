"""How soon peers see each other: by multicast, by the folder of one computer, in a full mesh, behind a partition.

A peer is seen when it hears us, we hear it, and its card has come: the two can trade from then on.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

from peer.bench.hosts import Bridge, Host
from peer.bench.network.figures import Figure
from peer.bench.network.members import Members, everybody

TIMES = 5
MESH = 25
PATIENCE_S = 60.0
CUT_S = 20.0
"""How long a partition lasts: long enough that both sides have given the other up."""

Stage = Callable[[], tuple[Members, Bridge, list[Host]]]


def by_multicast(members: Members, hosts: list[Host]) -> Figure:
    """A newcomer on one host and peers on the two others, none of which has ever heard of it."""
    first, *others = hosts
    names = [f"there-{host.name}" for host in others]
    for host, name in zip(others, names, strict=True):
        members.start(host, name)
    members.wait(lambda: members.seen_at(everybody(names)), PATIENCE_S, "two peers meet")
    took = []
    for number in range(TIMES):
        _forget(members, hosts)
        newcomer = f"newcomer-{number}"
        members.start(first, newcomer)
        bound = members.wait(lambda name=newcomer: members.bound_at(name), PATIENCE_S, "a peer begins")
        pairs = [pair for name in names for pair in ((name, newcomer), (newcomer, name))]
        seen = members.wait(lambda pairs=pairs: members.seen_at(pairs), PATIENCE_S, "a newcomer is seen")
        took.append(seen - bound)
        members.stop(newcomer)
    return Figure(
        what="first sight by multicast, 3 hosts on a bridge", unit="s", value=max(took), most=2.0,
        detail=f"worst of {TIMES}; median {statistics.median(took):.2f}",
    )  # fmt: skip


def by_folder(members: Members, host: Host) -> Figure:
    """A newcomer and a peer of the same computer, with nothing but its folder."""
    members.start(host, "neighbour", VENDUE_MDNS="false")
    members.wait(lambda: members.bound_at("neighbour"), PATIENCE_S, "a peer begins")
    took = []
    for number in range(TIMES):
        newcomer = f"guest-{number}"
        members.start(host, newcomer, VENDUE_MDNS="false")
        bound = members.wait(lambda name=newcomer: members.bound_at(name), PATIENCE_S, "a peer begins")
        pairs = everybody(["neighbour", newcomer])
        seen = members.wait(lambda pairs=pairs: members.seen_at(pairs), PATIENCE_S, "a neighbour is seen")
        took.append(seen - bound)
        members.stop(newcomer)
    return Figure(
        what="first sight on the same host", unit="s", value=max(took), most=0.2,
        detail=f"worst of {TIMES}; median {statistics.median(took):.3f}",
    )  # fmt: skip


def full_mesh(members: Members, hosts: list[Host], *, processes: int) -> Figure:
    """So many peers on three hosts, started together, until each sees each."""
    names = [f"peer-{number}" for number in range(MESH)]
    for number in range(processes):
        members.start(hosts[number % len(hosts)], *names[number::processes])
    bound = [members.wait(lambda name=name: members.bound_at(name), PATIENCE_S, "all begin") for name in names]
    seen = members.wait(lambda: members.seen_at(everybody(names)), PATIENCE_S, "a full mesh")
    return Figure(
        what=f"full mesh of {MESH} peers, after the last has bound", unit="s", value=seen - max(bound), most=3.0,
        detail=f"{processes} processes on {len(hosts)} hosts",
    )  # fmt: skip


def healed(members: Members, bridge: Bridge, hosts: list[Host]) -> list[Figure]:
    """One host is cut off; a peer starts there meanwhile; then until everybody sees everybody again."""
    *others, lonely = hosts
    names = [f"old-{host.name}" for host in hosts]
    for host, name in zip(hosts, names, strict=True):
        members.start(host, name)
    members.wait(lambda: members.seen_at(everybody(names)), PATIENCE_S, "three peers meet")
    bridge.cut(lonely)
    cut = time.monotonic()
    members.start(lonely, "new")
    members.wait(lambda: members.bound_at("new"), PATIENCE_S, "a peer begins")
    time.sleep(max(0.0, cut + CUT_S - time.monotonic()))
    bridge.heal(lonely)
    since = time.monotonic()
    across = [pair for host in others for pair in everybody([f"old-{host.name}", f"old-{lonely.name}"])]
    fresh = [pair for host in others for pair in everybody([f"old-{host.name}", "new"])]
    figures = []
    for what, pairs in (("for those who knew each other", across), ("for a peer that started during it", fresh)):
        seen = members.wait(lambda pairs=pairs: members.seen_at(pairs, since=since), 2 * PATIENCE_S, f"healed {what}")
        figures.append(
            Figure(what=f"after a healed partition, {what}", unit="s", value=seen - since, most=35.0,
                   detail=f"cut for {CUT_S:g} s")
        )  # fmt: skip
    return figures


def _forget(members: Members, hosts: list[Host]) -> None:
    """Take away what peers remember of others from last time: multicast alone is to be measured."""
    for host in hosts:
        for file in Path(members.home(host)).glob("markets/*/known.json"):
            file.unlink()
