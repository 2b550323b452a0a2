"""Computers: hosts on a bridge with the command line on each, in a home of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from peer.bench.hosts import Bridge, Host
from tests.peer.cli.processes import Running, Vendue
from tests.waiting import PATIENCE_S, wait_until


class Computer(Vendue):
    """The command line on one host, which is found by mDNS alone."""

    def __init__(self, host: Host, folder: Path) -> None:
        folder.mkdir()
        places = {"HOME": str(folder), "XDG_DATA_HOME": str(folder / "data"), "XDG_RUNTIME_DIR": str(folder / "run")}
        super().__init__(
            folder, place=host.namespace.command, VENDUE_MDNS="true", VENDUE_INTERFACE=host.addresses[0], **places
        )
        self.host = host

    def watch(self) -> Watching:
        """Look who is there, from now on."""
        return Watching(self.start("peers", "--watch", "--json"))


class Watching:
    """A `vendue peers --watch` that goes on."""

    def __init__(self, running: Running) -> None:
        self._running = running

    @property
    def here(self) -> set[str]:
        """The names of those who are there by now."""
        names = set[str]()
        for line in self._lines():
            (names.discard if line["change"] == "gone" else names.add)(line["name"])
        return names

    def ways(self, name: str) -> set[str]:
        """By which paths a peer was found."""
        return {line["found"] for line in self._lines() if line["name"] == name}

    def sees(self, *names: str, patience_s: float = PATIENCE_S) -> None:
        """Wait until these peers are there."""
        wait_until(lambda: self.here >= set(names), seconds=patience_s)

    def misses(self, *names: str) -> None:
        """Wait until these peers are gone."""
        wait_until(lambda: not self.here & set(names))

    def _lines(self) -> list[dict[str, Any]]:
        return [line for line in self._running.lines() if "change" in line]


class Computers:
    """All of a bridge, by the names of the hosts."""

    def __init__(self, bridge: Bridge, hosts: list[Host], *, folder: Path) -> None:
        self.bridge = bridge
        self.joined: dict[str, str] = {}
        """Each computer that has joined a market → its member."""
        self._each = {host.name: Computer(host, folder / host.name) for host in hosts}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for computer in self._each.values():
            computer.close()

    def __getitem__(self, name: str) -> Computer:
        return self._each[name]

    def cut(self, *names: str) -> None:
        """Pull the plugs of computers."""
        self.bridge.cut(*[self[name].host for name in names])

    def heal(self, *names: str) -> None:
        """Plug computers in again."""
        self.bridge.heal(*[self[name].host for name in names])


def join(founder: Computer, *others: Computer, market: str = "fair") -> dict[str, str]:
    """Make a market on one computer, which governs it, and have the others join by its codes: host → its member."""
    founder("init", market)
    for computer in (founder, *others):
        computer.environment["VENDUE_MARKET"] = market
    founder.start("govern").wait_for("Ctrl-C")
    return {
        computer.host.name: computer.json("join", founder.json("invite")["code"])["member"] for computer in others
    }  # fmt: skip
