"""Peers in processes of their own, on hosts of a network: started, listened to, and ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Self

from peer.bench.hosts import Host

LOOK_S = 0.02
PATIENCE_S = 90.0
"""How long anything is waited for: well beyond what any figure may be."""


class Said(NamedTuple):
    """One line of a member."""

    at: float
    event: str
    who: str
    whom: str


class Late(Exception):
    """What was waited for did not come."""


class Members:
    """All processes of one measurement, and one folder per host for what they keep."""

    def __init__(self, folder: Path, market: str) -> None:
        self._folder, self._market = folder, market
        self._running: list[subprocess.Popen[bytes]] = []
        self._names: dict[str, subprocess.Popen[bytes]] = {}
        self._logs = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for process in self._running:
            process.terminate()
        for process in self._running:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def home(self, host: Host) -> Path:
        """Where a host's peers keep their keys and journals."""
        return self._folder / host.name

    def environment(self, host: Host, **settings: str) -> dict[str, str]:
        """What a command on a host is told."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("VENDUE_")}
        return {
            **kept, "VENDUE_HOME": str(self.home(host)), "VENDUE_MARKET": self._market,
            "XDG_CONFIG_HOME": str(self._folder), "VENDUE_INTERFACE": host.addresses[0], **settings,
        }  # fmt: skip

    def start(self, host: Host, *names: str, **settings: str) -> None:
        """Start one process with these peers in it."""
        command = host.namespace.command(sys.executable, "-m", "peer.bench.network.member", *names)
        with open(self._log(self._logs), "wb") as log:
            process = subprocess.Popen(command, env=self.environment(host, **settings), stdout=log)
        self._running.append(process)
        self._logs += 1
        self._names |= dict.fromkeys(names, process)

    def forget(self) -> None:
        """Take away what all peers remember of others from last time."""
        for file in self._folder.glob("*/markets/*/known.json"):
            file.unlink()

    def stop(self, name: str) -> None:
        """End the process of a peer."""
        self._names[name].terminate()
        self._names[name].wait(timeout=10)

    def _log(self, number: int) -> Path:
        return self._folder / f"{number}.jsonl"

    def said(self) -> Iterator[Said]:
        """Everything that was said so far, process by process."""
        for number in range(self._logs):
            for line in self._log(number).read_text().splitlines():
                yield Said(**json.loads(line))

    def bound(self, *names: str) -> float:
        """Wait until these peers are reachable; when the last of them was. Raises Late."""

        def last() -> float | None:
            at = {said.who: said.at for said in self.said() if said.event == "bound"}
            return max(at[name] for name in names) if at.keys() >= set(names) else None

        return self.until(last, f"{', '.join(names[:3])} begin")

    def seen(self, pairs: Iterable[tuple[str, str]], *, since: float = 0.0) -> float:
        """Wait until each of these (who, whom) is seen, after `since`; when the last of them was. Raises Late."""
        wanted = list(pairs)

        def last() -> float | None:
            missing, at = set(wanted), 0.0
            for said in sorted(self.said()):
                if said.event == "sees" and said.at >= since and (said.who, said.whom) in missing:
                    missing.discard((said.who, said.whom))
                    at = said.at
            return None if missing else at

        return self.until(last, f"{len(wanted)} pairs see each other")

    def heard(self, whom: str) -> dict[str, float]:
        """When each of the others last heard something new of a peer that goes on talking."""
        return {said.who: said.at for said in sorted(self.said()) if said.event == "hears" and said.whom == whom}

    def counted(self, whom: str) -> int:
        """How many new statements of it were heard, over all who listen."""
        return sum(said.event == "hears" and said.whom == whom for said in self.said())

    def until(self, ask: Callable[[], float | None], what: str) -> float:
        """Ask until there is an answer. Raises Late."""
        until = time.monotonic() + PATIENCE_S
        while (answer := ask()) is None:
            if time.monotonic() > until:
                raise Late(f"{what}: not within {PATIENCE_S:g} s")
            if any(process.poll() not in (None, 0, -signal.SIGTERM) for process in self._running):
                raise Late(f"{what}: a peer ended by itself")
            time.sleep(LOOK_S)
        return answer


def everybody(names: Iterable[str]) -> list[tuple[str, str]]:
    """All (who, whom)."""
    names = list(names)
    return [(who, whom) for who in names for whom in names if who != whom]
