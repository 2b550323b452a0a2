"""One announced task, as its readings come in: every stage is told, also when many come at once."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from peer.caller.task import Task
from protocol.errors import TaskFailed
from protocol.states import State


def reading(state: State) -> Any:
    """A reading, as far as a task cares."""
    return SimpleNamespace(state=state)


def task_of(contract: Any) -> Task:
    """A task whose outcome is its contract's state."""
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    return Task(contract, final=False, over=over, done=lambda end: end.reading.state, withdraw=lambda _: None)  # type: ignore[arg-type, return-value, attr-defined]


async def test_stages_that_come_in_one_turn_are_all_told() -> None:
    """The contract is settled already when the first of its readings is reported: none is left out."""
    contract = SimpleNamespace(reading=reading(State.OPEN))
    task = task_of(contract)
    contract.reading = reading(State.SETTLED)
    for state in (State.AWARDED, State.AWARDED, State.SETTLED):
        assert not task.is_over
        task.moved(reading(state))
    assert task.is_over
    told = [stage.state async for stage in task.stages()]
    assert told == [State.OPEN, State.AWARDED, State.AWARDED, State.SETTLED]
    assert [await task.result(), await task.result()] == [State.SETTLED] * 2


async def test_a_task_that_fails_ends_whoever_follows_it() -> None:
    """Its stages end with the error, and so does its result."""
    task = task_of(SimpleNamespace(reading=reading(State.OPEN)))
    task.fail(TaskFailed("This peer has stopped."))
    stages = task.stages()
    assert (await anext(stages)).state is State.OPEN
    with pytest.raises(TaskFailed, match="has stopped"):
        await anext(stages)
    with pytest.raises(TaskFailed, match="has stopped"):
        await task.result()
