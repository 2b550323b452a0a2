"""Debian's avahi on one host: another implementation of multicast DNS, to hold ours against."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple, Self

from peer.bench.hosts import Host
from tests.waiting import PATIENCE_S, wait_until

NEEDED = ("avahi-daemon", "avahi-browse", "dbus-daemon")
_BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy></busconfig>
"""
_DAEMON = "[server]\nhost-name=foreign\nuse-ipv4=yes\nuse-ipv6=yes\n[publish]\npublish-workstation=no\n"
_RUN = (
    'mount -t tmpfs tmpfs /run && mkdir /run/avahi-daemon && exec avahi-daemon --file "$1" --no-drop-root --no-chroot'
)
"""avahi writes its pid where only one can: it gets a /run of its own."""


class Listed(NamedTuple):
    """A service as avahi shows it, resolved."""

    name: str
    family: str
    address: str
    port: int
    text: str


def missing() -> str | None:
    """Which commands are not here, in words."""
    names = [name for name in NEEDED if shutil.which(name) is None]
    return f"not installed: {', '.join(names)}" if names else None


class Avahi:
    """The daemon with a bus of its own, and a browser that goes on."""

    def __init__(self, host: Host, folder: Path, service: str) -> None:
        self._host, self._folder, self._service = host, folder, service
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self._folder.mkdir()
        bus = self._folder / "bus"
        (self._folder / "bus.conf").write_text(_BUS.format(path=bus))
        (self._folder / "avahi.conf").write_text(_DAEMON)
        self._start("dbus-daemon", f"--config-file={self._folder}/bus.conf", "--nofork", "--nopidfile")
        wait_until(bus.exists)
        self._start("unshare", "--mount", "sh", "-c", _RUN, "sh", f"{self._folder}/avahi.conf")
        wait_until(lambda: "Server startup complete" in self._log("avahi"))
        self._start("avahi-browse", "--resolve", "--parsable", "--no-db-lookup", self._service)
        return self

    def __exit__(self, *error: object) -> None:
        for process in reversed(self._running):
            process.kill()
            process.wait(PATIENCE_S)

    def _start(self, *command: str) -> None:
        bus = {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self._folder}/bus", "LC_ALL": "C"}
        number = len(self._running)
        with (self._folder / f"{number}.log").open("wb") as log:
            inside = self._host.namespace.command(*command)
            self._running.append(subprocess.Popen(inside, env={**os.environ, **bus}, stdout=log, stderr=log))

    def _log(self, which: str) -> str:
        number = {"bus": 0, "avahi": 1, "browser": 2}[which]
        return (self._folder / f"{number}.log").read_text(errors="replace")

    @property
    def listed(self) -> set[Listed]:
        """What is there by now: what came, less what has said goodbye."""
        there: dict[tuple[str, ...], Listed] = {}
        *whole, _ = self._log("browser").split("\n")  # the last line may not be written to its end
        for line in whole:
            event, _, family, name, *rest = line.split(";")
            if event == "=":
                _, _, _, address, port, text = rest
                there[(family, name)] = Listed(name, family, address, int(port), text)
            elif event == "-":
                there.pop((family, name), None)
        return set(there.values())
