"""A market over hosts, made as its users make it: `vendue init` on the first, `vendue join` on the others."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from peer.bench.hosts import Host
from peer.bench.network.members import Late, Members

MARKET = "bench"
AGENTS = "from peer import worker\n\n@worker('nothing', price=1)\ndef nothing() -> None:\n    pass\n"


def vendue(members: Members, host: Host, *arguments: str) -> Any:
    """Run a command on a host, and read its answer. Raises Late with what it says when it fails."""
    command = host.namespace.command(sys.executable, "-m", "peer", *arguments, "--json")
    done = subprocess.run(command, env=members.environment(host), capture_output=True, text=True, check=False)
    if done.returncode:
        raise Late(f"vendue {arguments[0]} on {host.name}: {done.stdout} {done.stderr}")
    return json.loads(done.stdout)


def found(members: Members, hosts: Sequence[Host]) -> dict[str, str]:
    """Make a market on the first host, and have the others join; each host's name → its member."""
    first, *others = hosts
    vendue(members, first, "init", MARKET)
    governor = _govern(members, first)
    joined = {}
    try:
        for host in others:
            code = vendue(members, first, "invite")["code"]
            joined[host.name] = vendue(members, host, "join", code)["member"]
    finally:
        governor.terminate()
        governor.wait(timeout=10)
    return joined


def _govern(members: Members, host: Host) -> subprocess.Popen[bytes]:
    log = members.home(host).with_suffix(".govern")
    with log.open("wb") as out:
        process = subprocess.Popen(
            host.namespace.command(sys.executable, "-m", "peer", "govern", "--log-level", "error"),
            env=members.environment(host), stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
    members.until(lambda: 1.0 if "Ctrl-C" in Path(log).read_text() else None, "the governor begins")
    return process
