"""The socket at which a peer is asked how it does: a word a line in, one JSON document a line out.

    health                      {"ok": true, "last_turn_ms_ago": 120, ...}

Only this user reaches it: mode 0600, in a private folder. Whoever opens it holds the lock of the home, so a socket that
is already there is a dead process's. Length and number of requests, connections and time are bounded, for a program
that asks wrongly must not hurt the peer that it watches.
"""

from __future__ import annotations

import asyncio
import json
import socket
import stat
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protocol.errors import BadConfig

Answers = Mapping[str, Callable[[], Mapping[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorLimits:
    """Every number of the socket, and why it is that number."""

    request_bytes_max: int = 64  # the longest word has six
    answer_bytes_max: int = 262_144  # all verdicts and skills are some 40 kB
    requests_max: int = 1_000  # one connection of a watcher that looks once a second: a quarter of an hour
    connections_max: int = 8  # a supervisor, a probe, a person, and room
    backlog_connections: int = 8  # who comes while all are busy is told at once
    quiet_s: float = 10.0  # who says nothing for so long has forgotten the connection


@asynccontextmanager
async def answering(path: Path, answers: Answers, limits: DoorLimits | None = None) -> AsyncIterator[None]:
    """Answer at `path` for the time of the context. Raises BadConfig if something else is there, or nothing can be."""
    limits = limits or DoorLimits()
    listening, inode = _bind(path, limits)
    door = _Door(answers, limits)
    server = await asyncio.start_unix_server(door.serve, sock=listening, limit=limits.request_bytes_max)
    try:
        yield
    finally:
        server.close()
        await door.close()
        _remove(path, inode)


class _Door:
    """The connections of one socket."""

    def __init__(self, answers: Answers, limits: DoorLimits) -> None:
        self._answers, self._limits = answers, limits
        self._serving: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer line by line, until the other side has had enough, or too much."""
        task = asyncio.current_task()
        assert task is not None, "a connection is served in a task"
        if len(self._serving) >= self._limits.connections_max:
            writer.transport.abort()
            return
        self._serving.add(task)
        try:
            for _ in range(self._limits.requests_max):
                async with asyncio.timeout(self._limits.quiet_s):
                    line = await reader.readline()
                    if not line:
                        break
                    writer.write(self._answer(line))
                    await writer.drain()
        except (TimeoutError, ValueError, OSError):  # silent, too long, gone
            writer.transport.abort()
        except asyncio.CancelledError:  # this peer ends, and asyncio of Python 3.11 would log that as an error
            writer.transport.abort()
        finally:
            self._serving.discard(task)
            writer.close()

    def _answer(self, line: bytes) -> bytes:
        answer = self._answers.get(line.strip().decode("ascii", "replace"))
        told = answer() if answer is not None else {"ok": False, "error": f"ask one of: {', '.join(self._answers)}"}
        raw = json.dumps(told, default=repr).encode() + b"\n"
        if len(raw) > self._limits.answer_bytes_max:
            return b'{"ok": false, "error": "the answer is too long"}\n'
        return raw

    async def close(self) -> None:
        serving = list(self._serving)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


def _remove(path: Path, inode: int) -> None:
    """Remove our socket, unless it has been replaced by another's."""
    with suppress(OSError):
        if path.stat().st_ino == inode:
            path.unlink()


def _bind(path: Path, limits: DoorLimits) -> tuple[socket.socket, int]:
    """Bind, in place of what a dead process has left; the socket, and which file it is."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with suppress(FileNotFoundError):
            if not stat.S_ISSOCK(path.lstat().st_mode):
                raise BadConfig(f"{path} is in the way.", why="It is no socket.", do="Remove it.")
            path.unlink()
        listening.bind(str(path))
        path.chmod(0o600)
        listening.listen(limits.backlog_connections)
        listening.setblocking(False)
        inode = path.stat().st_ino
    except OSError as error:
        listening.close()
        raise BadConfig(
            f"The health socket {path} cannot be made.",
            why=f"The system says: {error.strerror or error}.",
            do="Set VENDUE_RUNTIME to a directory on a local disk that you may write to.",
        ) from None
    except BadConfig:
        listening.close()
        raise
    return listening, inode
