"""Two computers on one: each has a data home of its own, and both know the same runtime folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from peer.home import MarketHome
from tests.peer.cli.processes import ROOT, Running, Vendue
from tests.waiting import PATIENCE_S

DYING = """
import os, signal, sys
place, name, moment = sys.argv.pop(1), sys.argv.pop(1), int(sys.argv.pop(1))
from importlib import import_module
module = import_module(place)
call, calls = getattr(module, name), 0
def counted(*args, **kwargs):
    global calls
    calls += 1
    if calls == moment:
        os.kill(os.getpid(), signal.SIGKILL)
    return call(*args, **kwargs)
setattr(module, name, counted)
from peer.cli import main
main()
"""
"""Runs a command that kills itself when it calls a function for so many times."""


class Computer(Vendue):
    """The command line on one of the computers."""

    def __init__(self, folder: Path, runtime: Path) -> None:
        folder.mkdir()
        super().__init__(folder)
        self.environment["VENDUE_RUNTIME"] = str(runtime)

    def market(self, name: str = "fair") -> MarketHome:
        """Where a market lives here."""
        return MarketHome(self.folder / "home" / "markets" / name)

    @property
    def markets(self) -> list[str]:
        """Whatever is in the directory of all markets, drafts included."""
        path = self.folder / "home" / "markets"
        return sorted(each.name for each in path.iterdir()) if path.exists() else []

    def govern(self) -> Running:
        """Run the governor, and wait until it answers."""
        return self.start("govern").wait_for("Ctrl-C")

    def invite(self, *flags: str) -> str:
        """Make a code."""
        return self("invite", *flags).stdout.strip()

    def dying(self, place: str, name: str, moment: int, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a command that kills itself at its call number `moment` of a function."""
        return subprocess.Popen(
            [sys.executable, "-c", DYING, place, name, str(moment), *arguments], env=self.environment,
            cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def dies(self, place: str, name: str, moment: int, *arguments: str) -> int:
        """Run such a command to its end; how it ended."""
        process = self.dying(place, name, moment, *arguments)
        process.communicate(timeout=PATIENCE_S)
        return process.returncode


def computers(folder: Path) -> tuple[Computer, Computer]:
    """The computer where a market is made, and one that is to join it."""
    runtime = folder / "run"
    runtime.mkdir(mode=0o700)
    assert ROOT.exists()
    return Computer(folder / "a", runtime), Computer(folder / "b", runtime)
