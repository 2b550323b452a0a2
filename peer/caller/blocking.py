"""The synchronous twin of `peer.caller.market`: the same calls, from code that has no event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from peer.caller.market import Market
from peer.caller.outcome import Done
from peer.caller.task import GIVE_UP_S, Task
from protocol.errors import UsageError
from protocol.keys import Digest
from protocol.notices import Card
from protocol.statements import Statement
from protocol.states import Reading

_Value = TypeVar("_Value")
LEAVE_S: Final = GIVE_UP_S + 0.5
"""How long calls that were interrupted may take to withdraw their tasks, before the market is left."""


class BlockingMarket:
    """A market for plain code: `with BlockingMarket.join() as market: market.call("shout", {"text": "hi"}, budget=10)`.

    The peer runs in a thread of its own; calls may come from any thread.
    """

    def __init__(self, market: Market) -> None:
        self._market = market
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._calls: set[asyncio.Task[Any]] = set()

    @classmethod
    def join(cls, market: str | None = None, *, name: str = "caller", **settings: object) -> Self:
        """Join a market; as `Market.join`."""
        return cls(Market.join(market, name=name, **settings))

    def __enter__(self) -> Self:
        if self._loop is not None:
            raise UsageError("This market has been entered already.", do="Join it again: BlockingMarket.join()")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="vendue", daemon=True)
        self._thread.start()
        try:
            self._await(self._market.__aenter__)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._await(self._leave)
        finally:
            self._end()

    def peers(self) -> list[Statement[Card]]:
        """The cards of the peers that are here."""
        return self._now(self._market.peers)

    def names(self) -> dict[bytes, str]:
        """Peer id → the name on its card."""
        return self._now(self._market.names)

    def call(self, skill: str, input: Any = None, *, budget: int, **how: Any) -> Done:
        """Announce a task and wait for its result; as `Market.call`."""
        return self._await(lambda: self._market.call(skill, input, budget=budget, **how))

    def announce(self, skill: str, input: Any = None, *, budget: int, **how: Any) -> BlockingTask:
        """Announce one task, and do not wait for its result; as `Market.announce`."""
        return BlockingTask(self, self._await(lambda: self._market.announce(skill, input, budget=budget, **how)))

    def _now(self, ask: Callable[[], _Value]) -> _Value:
        async def asked() -> _Value:
            return ask()

        return self._await(asked)

    def _await(self, work: Callable[[], Coroutine[Any, Any, _Value]]) -> _Value:
        """Have something done in the peer's loop, and wait for it. Raises UsageError outside of the `with`."""
        if self._loop is None:
            raise UsageError(
                "This program is not in the market.", do="Write: with BlockingMarket.join() as market; and ask inside."
            )
        if threading.current_thread() is self._thread:
            raise UsageError("A call from the peer's own thread would wait for itself.", do="Use peer.Market there.")
        future = asyncio.run_coroutine_threadsafe(self._kept(work()), self._loop)
        try:
            return future.result()
        except KeyboardInterrupt:
            future.cancel()
            raise

    async def _kept(self, work: Coroutine[Any, Any, _Value]) -> _Value:
        mine = asyncio.current_task()
        assert mine is not None, "it runs in the peer's loop"
        self._calls.add(mine)
        try:
            return await work
        finally:
            self._calls.discard(mine)

    async def _leave(self) -> None:
        calls = self._calls - {asyncio.current_task()}
        for call in calls:
            call.cancel()
        if calls:
            await asyncio.wait(calls, timeout=LEAVE_S)
        await self._market.__aexit__(None, None, None)

    def _end(self) -> None:
        assert self._loop is not None, "it was entered"
        assert self._thread is not None, "it was entered"
        loop, self._loop = self._loop, None
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join()
        loop.close()


class BlockingTask:
    """One announced task: follow it, wait for it, or withdraw it; as `Task`."""

    def __init__(self, market: BlockingMarket, task: Task) -> None:
        self._market, self._task = market, task

    @property
    def id(self) -> Digest:
        """The contract id: the announcement's."""
        return self._task.id

    def stages(self) -> Iterator[Reading]:
        """Yield each reading the contract passes through, the last one when it is over."""
        stages = self._task.stages()
        while (reading := self._market._await(lambda: anext(stages, None))) is not None:
            yield reading

    def result(self, timeout_s: float | None = None) -> Done:
        """Wait for the end. Raises TimeoutError, which withdraws nothing, and what `Task.result` raises."""
        return self._market._await(lambda: asyncio.wait_for(self._task.result(), timeout_s))

    def withdraw(self) -> None:
        """Cancel the task, whatever stage it is in."""
        self._market._now(self._task.withdraw)
