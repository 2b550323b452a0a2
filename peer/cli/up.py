"""`vendue up`: the peers of one file, watched over, with what they say in one place."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from pathlib import Path
from typing import Any, Final

import click

from peer.cli.ending import INTERRUPTED
from peer.cli.invocation import Invocation, asked
from peer.cli.loop import GOODBYE_S, run_to_end
from peer.host.notify import Notifier
from peer.host.peersfile import PEERS_FILE, Host, read_host
from peer.host.supervisor import Supervisor
from peer.settings import Settings
from peer.telemetry import printable

LINE_SHOWN: Final = 2_000
"""Characters of a line on a terminal; in JSON it is whole."""
EXAMPLE: Final = """\b
FILE has settings, as in vendue.toml, and a table for each peer:
    market = "local"
    hung_after_s = 60                 # who answers nothing for so long is started again
    [[peer]]
    name = "poet"
    file = "poet.py"
    restart = "on-failure"            # or always, never
    environment = { PRICE = "7" }
    [[peer]]
    governor = true
    policy = "rules.toml"
"""
COLOURS: Final = ("cyan", "magenta", "blue", "green", "yellow", "bright_red")


@click.command(epilog=EXAMPLE)
@click.argument("file", type=click.Path(path_type=Path), default=PEERS_FILE)
@click.option("--check", is_flag=True, help="Only check the file, and start nothing.")
@asked()
def up(invocation: Invocation, file: Path, check: bool) -> None:
    """Run the peers that FILE names (peers.toml) until Ctrl-C, and start again those that fail.

    What they say comes with their names: as text on a terminal, and as JSON lines otherwise. Leaves with the exit code
    of the first peer that failed for good; else with 0, or with 130 after Ctrl-C.
    """
    host = read_host(file)
    if check:
        names = [peer.label for peer in host.peers]
        text = f"{file} is fine: {', '.join(names)}, in the market {host.settings.market}."
        invocation.answer({"ok": True, "file": str(host.path), "peers": names}, lambda: click.echo(text))
        return
    as_json = _speaks_json(invocation, host.settings)
    code = run_to_end(_run(invocation, host, as_json=as_json))
    raise click.exceptions.Exit(code)


def _speaks_json(invocation: Invocation, settings: Settings) -> bool:
    if settings.log_format == "auto":
        return invocation.as_json or not invocation.output.isatty()
    return invocation.as_json or settings.log_format == "json"


async def _run(invocation: Invocation, host: Host, *, as_json: bool) -> int:
    loop = asyncio.get_running_loop()
    voice = Voice(invocation, [peer.label for peer in host.peers], as_json=as_json)
    supervisor = Supervisor(host, voice, Notifier(os.environ))
    code = await supervisor.run(_listen(loop, supervisor), as_json=as_json)
    failed = supervisor.failed
    voice.event(None, "goodbye", f"{', '.join(failed)} failed" if failed else "all have left", failed=failed)
    return code


def _listen(loop: asyncio.AbstractEventLoop, supervisor: Supervisor) -> asyncio.Future[int]:
    """Ctrl-C and SIGTERM stop all; another one, a moment later, does not wait for goodbyes. Gives the exit code."""
    stop: asyncio.Future[int] = loop.create_future()
    asked_s = 0.0

    def ask(code: int) -> None:
        nonlocal asked_s
        if not stop.done():
            asked_s = loop.time()
            stop.set_result(code)
        elif loop.time() - asked_s > GOODBYE_S:
            supervisor.hurry()

    for number, code in {signal.SIGINT: INTERRUPTED, signal.SIGTERM: 0}.items():
        loop.add_signal_handler(number, ask, code)
    return stop


class Voice:
    """Says what the peers say, and what became of them: one line each, with the peer's name."""

    def __init__(self, invocation: Invocation, labels: list[str], *, as_json: bool) -> None:
        self._output, self._as_json = invocation.output, as_json
        self._width = max(map(len, labels))
        self._colours = {label: COLOURS[number % len(COLOURS)] for number, label in enumerate(labels)}

    def line(self, peer: str, stream: str, text: str) -> None:
        """A line of a peer's process; one that is JSON keeps its fields."""
        if self._as_json:
            self._write(json.dumps({"name": peer, "stream": stream, **_fields(text)}))
        else:
            self._write(self._prefix(peer) + printable(text, LINE_SHOWN))

    def event(self, peer: str | None, event: str, text: str, **facts: Any) -> None:
        """A word of the supervisor's own."""
        if self._as_json:
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            told = {"name": peer, "stream": "up", "event": event, **facts, "says": text, "timestamp": now}
            self._write(json.dumps(told))
        else:
            self._write(self._prefix(peer) + click.style(f"{text}", bold=True))

    def _prefix(self, peer: str | None) -> str:
        return click.style(f"{peer or '':<{self._width}} | ", fg=self._colours.get(peer or ""))

    def _write(self, text: str) -> None:
        try:
            click.echo(text, file=self._output)
        except OSError:  # nobody reads any more; the peers go on
            return


def _fields(text: str) -> dict[str, Any]:
    """A line's own fields; `name` and `stream` are ours to say."""
    if text.startswith("{"):
        try:
            told = json.loads(text)
        except (ValueError, RecursionError):
            told = None
        if isinstance(told, dict):
            return {name: value for name, value in told.items() if name not in ("name", "stream")}
    return {"text": text}
