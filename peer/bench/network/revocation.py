"""How long a revoked member is still heard, counted from when its revocation is written."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from peer.bench.hosts import Host
from peer.bench.network.commands import vendue
from peer.bench.network.figures import Figure
from peer.bench.network.members import Members, everybody

LISTENED_S = 10.0
"""How long the others listen after it: twice what is allowed."""


def last_word(members: Members, hosts: Sequence[Host], joined: Mapping[str, str]) -> Figure:
    """A member talks on and on, is revoked on another host, and is heard on two for as long as it is let in."""
    first, second, third = hosts
    members.start(first, "watch-first")
    members.start(third, "watch-third")
    members.start(second, "chatter")
    members.seen(everybody(["watch-first", "watch-third", "chatter"]))
    members.until(lambda: 1.0 if members.heard("chatter") else None, "the chatter is heard")
    vendue(members, first, "member", "revoke", joined[second.name], "--force")
    out = time.monotonic()
    time.sleep(LISTENED_S)
    last = [at - out for who, at in members.heard("chatter").items() if who != "chatter"]
    return Figure(
        what="a revoked member's last accepted statement", unit="s", most=5.0, value=max(0.0, *last),
        detail=f"of {members.counted('chatter')} heard on {len(last)} hosts; counted from when the list is out",
    )  # fmt: skip
