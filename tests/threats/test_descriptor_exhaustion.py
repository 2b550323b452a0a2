"""File descriptors used up: a stranger opens as many connections as it can, until the peer can open nothing any more.

The peer keeps some in reserve, hangs up on who says nothing, and goes on. The attacker is at another address than the
honest peers, and the peer has few descriptors, so that a flood of some hundreds is enough.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import ExitStack
from pathlib import Path

from tests.peer.cli.processes import Running, Vendue
from tests.threats.attacker import is_closed, tcp
from tests.threats.stage import Stage
from tests.waiting import meanwhile, until

SHOUT = '@worker("shout", price=1)\ndef shout(text: str) -> str:\n    return text.upper()\n'
DESCRIPTORS = 160
PACE_S = 0.02
"""Between two looks at which connections of the flood were cut."""
FEW = ("sh", "-c", f'ulimit -n {DESCRIPTORS}; exec "$0" "$@"')


async def test_a_peer_whose_descriptors_are_asked_for_goes_on(stage: Stage, tmp_path: Path) -> None:
    """Three times as many connections as it may have descriptors, at all doors, opened anew as they are cut."""
    poor = Vendue(tmp_path, place=lambda *command: [*FEW, *command])
    running = poor.start("run", poor.agents(SHOUT), "--market", stage.settings.market).wait_for("Ctrl-C")
    directory = stage.caller.runtime.node.directory
    try:
        await until(lambda: len(directory.offering("shout")) == 2, why="it was not met")
        async with meanwhile(_flood(_doors(stage, directory.offering("shout")))):
            for _ in range(5):
                await until(lambda: _open(running) > DESCRIPTORS // 2, why="the flood did not arrive")
                done = await stage.caller.call("shout", {"text": "still here"}, budget=10, deadline_s=60, patience_s=15)
                assert (done.value, done.price) == ("STILL HERE", 1)
            assert running.process.poll() is None
            newcomer = await stage.run("newcomer")
            worker = next(iter(directory.offering("shout") - {stage.worker.node.peer}))
            await stage.know(newcomer, worker)
    finally:
        poor.close()


def _open(running: Running) -> int:
    """How many descriptors a process has."""
    return len(os.listdir(f"/proc/{running.process.pid}/fd"))


def _doors(stage: Stage, offering: set[bytes]) -> list[str]:
    """Where the poor peer is: a stranger has it from its mDNS record, and by trying ports."""
    (poor,) = offering - {stage.worker.node.peer}
    found = stage.caller.runtime.discovery.find(poor)
    assert found is not None
    return [found.publish, found.fetch, found.lobby]


async def _flood(doors: list[str]) -> None:
    with ExitStack() as stack:
        held: list[socket.socket] = []
        while True:
            held = [connection for connection in held if not is_closed(connection)]
            for door in doors * 20:
                if len(held) < 3 * DESCRIPTORS:
                    held.append(stack.enter_context(tcp(door, source="127.0.0.2")))
            await asyncio.sleep(PACE_S)
