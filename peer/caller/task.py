"""One announced task: follow it, wait for it, or withdraw it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Final

from peer.caller.outcome import Done, is_over, unratified
from protocol.contract import Contract
from protocol.errors import VendueError
from protocol.keys import Digest
from protocol.states import Reading

RATIFY_S: Final = 2.0
"""How long after a task's deadline the governors' votes on what was settled in time are waited for."""
GIVE_UP_S: Final = 1.0
"""How long a cancelled call may take to withdraw its task."""


class Task:
    """One announced task: follow it, wait for it, or withdraw it."""

    def __init__(
        self,
        contract: Contract,
        *,
        final: bool,
        over: asyncio.Future[None],
        done: Callable[[Contract], Done],
        withdraw: Callable[[Digest], None],
    ) -> None:
        """`final` waits for the governors' permit; `over` is an open future; `done` makes an outcome of the end."""
        self._contract, self._final, self._over = contract, final, over
        self._done, self._withdraw = done, withdraw
        self._moved = asyncio.Event()
        self._stages: list[Reading] = []
        if final:
            self._unratified_in(contract.announcement.body.deadline_ms / 1000 + RATIFY_S)
        self.moved(contract.reading)

    @property
    def id(self) -> Digest:
        """The contract id: the announcement's."""
        return self._contract.id

    @property
    def contract(self) -> Contract:
        """Everything that is held about the task."""
        return self._contract

    @property
    def is_over(self) -> bool:
        """Tell whether nobody needs to wait any longer."""
        return self._over.done()

    def moved(self, reading: Reading) -> None:
        """Take note of a reading: the next one, though the contract may be further by now."""
        self._stages.append(reading)
        self._moved.set()
        if not self._over.done() and is_over(reading.state, final=self._final):
            self._over.set_result(None)

    def fail(self, error: VendueError) -> None:
        """Give the task up: the peer has stopped."""
        if not self._over.done():
            self._over.set_exception(error)
            self._over.exception()  # nobody may be waiting
        self._moved.set()

    def _unratified_in(self, seconds: float) -> None:
        """What is settled and never ratified would be waited for without end: no timer of the market's ends it."""
        alarm = self._over.get_loop().call_later(seconds, lambda: self.fail(unratified(self._contract)))
        self._over.add_done_callback(lambda _: alarm.cancel())

    async def stages(self) -> AsyncIterator[Reading]:
        """Yield each reading the contract passes through, the last one when it is over."""
        told = 0
        while True:
            while told < len(self._stages):
                told += 1
                yield self._stages[told - 1]
            if self._over.done():
                self._over.result()
                return
            self._moved.clear()
            await self._moved.wait()

    async def result(self) -> Done:
        """Wait for the end. Raises Vetoed, NoBids, DeadlinePassed or TaskFailed when it did not end well."""
        await asyncio.shield(self._over)
        return self._done(self._contract)

    def withdraw(self) -> None:
        """Cancel the task, whatever stage it is in."""
        self._withdraw(self.id)

    async def give_up(self) -> None:
        """Withdraw, and wait a moment for that to be said: who leaves at once would leave without a word."""
        self.withdraw()
        with suppress(VendueError, TimeoutError):
            await asyncio.wait_for(self.result(), GIVE_UP_S)
