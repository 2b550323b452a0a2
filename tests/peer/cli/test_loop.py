"""How a command runs and is stopped: no Ctrl-C is lost, however early it comes."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from peer import interrupt
from peer.cli.loop import run_to_end


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


class Dying:
    """Whatever is raised while it is finalized is lost."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1_000):  # somewhere here Python calls the handler
            pass


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_early_ctrl_c_that_python_loses_stops_the_command() -> None:
    """It comes while modules are loaded, in the finalizer of an object: the work does not even begin."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupt.note()
    begun: list[bool] = []

    async def work() -> None:
        begun.append(True)

    Dying()
    with pytest.raises(KeyboardInterrupt):
        run_to_end(work())
    assert not begun
    run_to_end(work())
    assert begun, "it was meant for one command, and no other"


def test_a_ctrl_c_while_the_work_goes_on_cancels_it() -> None:
    """From then on it is asyncio's business."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupt.note()
    ended: list[str] = []

    async def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    with pytest.raises(KeyboardInterrupt):
        run_to_end(work())
    assert ended == ["cancelled"]


def test_it_is_given_back_as_asyncio_wants_it() -> None:
    """Whoever runs a loop of its own, as the demo does, gives it back first: else asyncio leaves it alone."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupt.note()
    interrupt.give_back()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_where_ctrl_c_is_ignored_it_stays_so() -> None:
    """A shell that starts a command in the background says so."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    interrupt.note()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
