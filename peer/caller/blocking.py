"""The synchronous twin of `peer.caller.market`: the same calls, from code that has no event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from peer.caller.market import Market
from peer.caller.outcome import Done

_Value = TypeVar("_Value")


class BlockingMarket:
    """A market for plain code: `with BlockingMarket.join() as market: market.call("shout", {"text": "hi"}, budget=10)`.

    The peer runs in a thread of its own; calls may come from any thread.
    """

    def __init__(self, market: Market) -> None:
        self._market = market
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="vendue", daemon=True)

    @classmethod
    def join(cls, market: str | None = None, *, name: str = "caller", **settings: object) -> Self:
        """Join a market; as `Market.join`."""
        return cls(Market.join(market, name=name, **settings))

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._await(self._market.__aenter__())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._await(self._market.__aexit__(kind, error, trace))
        finally:
            self._end()

    def call(self, skill: str, input: Any = None, *, budget: int, **how: Any) -> Done:
        """Announce a task and wait for its result; as `Market.call`."""
        return self._await(self._market.call(skill, input, budget=budget, **how))

    def _await(self, work: Coroutine[Any, Any, _Value]) -> _Value:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except KeyboardInterrupt:
            future.cancel()
            raise

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
