"""How the process of each peer is started: the same command and environment, whoever starts it."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from peer.host.peersfile import Host, PeerPlan
from peer.settings import as_variables


def vendue_command() -> list[str]:
    """`vendue` of the same installation as this process, wherever it is called from."""
    script = Path(sys.executable).parent / "vendue"
    if os.access(script, os.X_OK) and script.is_file():
        return [str(script)]
    return [
        sys.executable,
        "-P",
        "-m",
        "peer",
    ]  # -P: a folder called peer, where it is called, must not be taken for ours


def peer_command(host: Host, peer: PeerPlan) -> list[str]:
    """The command that runs one peer of a host, in any folder."""
    if peer.governor:
        rules = ["--policy", str(host.folder / peer.policy)] if peer.policy is not None else []
        return [*vendue_command(), "govern", *rules]
    capacity = ["--capacity", str(peer.capacity)] if peer.capacity is not None else []
    assert peer.file is not None, "a peer that does not govern has a file"
    return [*vendue_command(), "run", str(host.folder / peer.file), "--name", peer.label, "--exactly", *capacity]


def peer_variables(host: Host, peer: PeerPlan) -> dict[str, str]:
    """What the environment of one peer has besides that of whoever starts it."""
    return {**as_variables(host.said), **peer.environment}


def shell_line(host: Host, peer: PeerPlan) -> str:
    """One peer as a line for a shell, which becomes that peer, so that signals reach it."""
    variables = [f"{name}={value}" for name, value in peer_variables(host, peer).items()]
    return "exec " + shlex.join([*(["env", *variables] if variables else []), *peer_command(host, peer)])
