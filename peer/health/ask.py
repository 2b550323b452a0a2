"""Asking a peer of this computer how it does: one word, one answer, within a bounded time and size."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any, Final

from protocol.errors import NoPeers

ANSWER_BYTES_MAX: Final = 262_144
"""What `peer.health.door` gives at most."""
WAIT_S: Final = 2.0
"""A loop that is busy for so long is not well; a probe of Kubernetes waits one second unless it is told otherwise."""


class Absent(NoPeers):
    """No process is behind the socket; another NoPeers says that one is, and stays silent."""


def ask(path: Path, question: str, *, wait_s: float = WAIT_S) -> dict[str, Any]:
    """Put `question` to the socket at `path`. Raises Absent when nobody is there, NoPeers when who is stays silent."""
    until_s = time.monotonic() + wait_s
    answer = bytearray()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        try:
            asking.settimeout(wait_s)
            asking.connect(str(path))
            asking.sendall(question.encode() + b"\n")
            while not answer.endswith(b"\n") and len(answer) <= ANSWER_BYTES_MAX:
                asking.settimeout(max(0.001, until_s - time.monotonic()))
                piece = asking.recv(65_536)
                if not piece:
                    break
                answer += piece
        except (FileNotFoundError, ConnectionRefusedError):
            raise Absent("This peer does not run.", why=f"Nobody answers at {path}.", do="Start it.") from None
        except OSError as error:
            raise _silent(path, str(error)) from None
    try:
        told = json.loads(answer)
    except (ValueError, RecursionError):
        raise _silent(path, "its answer is cut short") from None
    if not isinstance(told, dict):
        raise _silent(path, "its answer is no answer")
    return told


def _silent(path: Path, why: str) -> NoPeers:
    return NoPeers(
        "This peer runs, and does not answer.",
        why=f"At {path}: {why}. Its loop is held up: a coroutine of an agent that blocks does that.",
        do="Look at its log; make a blocking coroutine a plain function; kill -CONT goes on with one that was stopped.",
    )
