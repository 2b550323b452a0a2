"""A command line with a home of its own for each test, and one small market that a whole file of tests uses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peer.cli.processes import Vendue


@pytest.fixture
def vendue(tmp_path: Path) -> Iterator[Vendue]:
    """The command line, in a home of this test's own."""
    command = Vendue(tmp_path)
    yield command
    command.close()


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendue]:
    """A market of three peers: they shout at three prices, and the dearest has agents that misbehave."""
    command = Vendue(tmp_path_factory.mktemp("market"))
    shout = 'import os\n@worker("shout", price=int(os.environ["PRICE"]))\ndef shout(text: str) -> str:\n' + (
        "    return text.upper()\n"
    )
    command.agents(shout, "shouters.py")
    command.agents(shout + MISBEHAVING, "rogues.py")
    peers = [
        command.start("run", "shouters.py", PRICE="7"),
        command.start("run", "shouters.py", PRICE="5"),
        command.start("run", "rogues.py", PRICE="9"),
    ]
    for running in peers:
        running.wait_for("Ctrl-C")
    yield command
    assert [running.process.poll() for running in peers] == [None] * 3, "a peer has died"
    command.close()


MISBEHAVING = """
import asyncio, time
@worker("raise", price=1)
def throw() -> str:
    raise ValueError("the cat sat on it")
@worker("hang", price=1, time_limit_s=0.2)
def hang() -> str:
    time.sleep(30)
@worker("lie", price=1)
def lie() -> int:
    return "not a number"
@worker("wait", price=1)
async def wait() -> str:
    await asyncio.Event().wait()
from peer import Context
@worker("dig", price=1)
async def dig(ctx: Context) -> str:
    while True:
        ctx.progress(0.4, "a spade deep")
        await asyncio.sleep(0.05)
"""
