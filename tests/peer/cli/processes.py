"""Real commands in real processes: run to their end, or started and watched, with a bound on every wait."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.waiting import PATIENCE_S, wait_until

ROOT = Path(__file__).resolve().parents[3]


class Running:
    """A command that goes on, and what it has said so far."""

    def __init__(self, process: subprocess.Popen[bytes], out: Path, err: Path) -> None:
        self.process, self._out, self._err = process, out, err

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    def wait_for(self, text: str) -> Running:
        """Wait until it has said something."""
        wait_until(lambda: text in self.out or self.process.poll() is not None)
        assert text in self.out, f"{self.out}\n{self.err}"
        return self

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    def stop(self, number: int = signal.SIGINT) -> int:
        """Send a signal, and wait for the end."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


class Vendue:
    """The command line, in one home."""

    def __init__(self, folder: Path, *, place: Callable[..., list[str]] | None = None, **environment: str) -> None:
        """`place` makes of a command one that runs there, and not in the network that we are in."""
        self.folder = folder
        self._place = place or (lambda *command: list(command))
        self._running: list[Running] = []
        kept = {name: value for name, value in os.environ.items() if not name.startswith("VENDUE_")}
        self.environment = {
            **kept, "VENDUE_HOME": str(folder / "home"), "VENDUE_MDNS": "false", "PYTHONPATH": str(ROOT),
            "XDG_CONFIG_HOME": str(folder / "config"), "VENDUE_LOG_FORMAT": "json", **environment,
        }  # fmt: skip

    def __call__(self, *arguments: str, code: int = 0, input: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, which must be with this exit code."""
        done = subprocess.run(
            self._command(arguments), env=self.environment, cwd=self.folder, text=True, input=input,
            capture_output=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"{arguments} left with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *arguments: str, code: int = 0) -> Any:
        """Run a command for programs: standard output is one document and nothing else."""
        return json.loads(self(*arguments, "--json", code=code).stdout)

    def start(self, *arguments: str, **environment: str) -> Running:
        """Start a command that goes on."""
        number = len(self._running)
        out, err = self.folder / f"{number}.out", self.folder / f"{number}.err"
        with out.open("wb") as said, err.open("wb") as complained:
            process = subprocess.Popen(
                self._command(arguments), env={**self.environment, **environment}, cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=said, stderr=complained, start_new_session=True,
            )  # fmt: skip
        self._running.append(Running(process, out, err))
        return self._running[-1]

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        return self._place(sys.executable, "-m", "peer", *arguments)

    def agents(self, text: str, name: str = "agents.py") -> str:
        """Write a file of agents."""
        (self.folder / name).write_text("from peer import worker\n" + text)
        return name

    def close(self) -> None:
        for running in self._running:
            if running.process.poll() is None:
                running.process.kill()
                running.process.wait(PATIENCE_S)
