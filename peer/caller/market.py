"""What a caller writes: join a market, announce tasks, follow them, get results with their proofs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Final, Self

from peer import config
from peer.caller.line import Line
from peer.caller.outcome import Done, done_of, only_declined
from peer.caller.presence import check_input, nobody, wait_for_cards
from peer.caller.task import Task
from peer.caller.wording import PATIENCE_S, encode_input, milliseconds, word
from peer.launch import launch
from peer.runtime import Runtime
from peer.settings import Settings
from protocol.actions import Impossible
from protocol.contract import Contract
from protocol.errors import TaskFailed, UsageError, VendueError
from protocol.events import Announce, Checked, Withdraw
from protocol.keys import Digest
from protocol.notices import Card
from protocol.statements import AnyStatement, AwardRule, EffectClass, Statement
from protocol.states import Reading, State

ACQUAINTED_S: Final = 1.0
"""How long the first announcement may wait for those who were found and have not yet said what they offer."""
AGAIN_S, AGAIN_MAX_S = 0.1, 2.0
"""How long a call waits, at first and at most, before it asks again those who had no place."""
Check = Callable[[Any], bool]
"""Looks at a result's value: true to settle, false to have another contractor try."""


class Market:
    """A market that this program is a peer of. Use it as an async context manager."""

    def __init__(self, settings: Settings, name: str) -> None:
        self.settings, self._name = settings, name
        self._stack = AsyncExitStack()
        self._tasks: dict[Digest, list[Task]] = {}
        self._line = Line(self._places)
        self._under_way: dict[Digest, str] = {}
        """Contract → skill, of what still needs work."""
        self._checks: dict[bytes, Check] = {}
        """By idempotency key: a result that waits since an earlier run is asked about in the turn that announces."""
        self._begun: dict[bytes, asyncio.Future[Contract]] = {}
        self._acquainted: asyncio.Future[None] | None = None
        self._runtime: Runtime | None = None

    @classmethod
    def join(cls, market: str | None = None, *, name: str = "caller", **settings: object) -> Self:
        """Join a market, `local` unless told otherwise; other settings by their names in `vendue config show`."""
        return cls(config.load({"market": market, **settings}).settings, name)

    @property
    def runtime(self) -> Runtime:
        """The peer that this program is in the market. Raises UsageError before it is joined, and after it is left."""
        if self._runtime is None:
            raise UsageError(
                "This program is not in the market.", do="Write: async with Market.join() as market; and ask inside."
            )
        return self._runtime

    async def __aenter__(self) -> Self:
        self._acquainted = None
        self._runtime = await self._stack.enter_async_context(launch(self.settings, name=self._name, passing=True))
        self.runtime.on_report = self._reported
        self.runtime.on_impossible = self._refused
        self.runtime.on_check = self._check
        self.runtime.stopped.add_done_callback(self._peer_stopped)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        left = UsageError("The market was left before this task was over.", do="Wait for it inside the async with.")
        self._give_up(left)
        try:
            await self._stack.aclose()
        finally:
            self._runtime = None
            self._give_up(left)

    # Who is there

    def peers(self) -> list[Statement[Card]]:
        """The cards of the peers that are here."""
        directory = self.runtime.node.directory
        return [directory.cards[member] for member in directory.here if member in directory.cards]

    def names(self) -> dict[bytes, str]:
        """Peer id → the name on its card."""
        return {member: card.body.name for member, card in self.runtime.node.directory.cards.items()}

    async def find(self, skill: str, *, patience_s: float = 2.0) -> None:
        """Wait until somebody offers a skill. Raises NoPeers or NoBids, saying who is there instead."""
        directory, loop = self.runtime.node.directory, asyncio.get_running_loop()
        until = loop.time() + patience_s
        while not directory.offering(skill):
            if loop.time() >= until:
                raise nobody(self.runtime, skill, self.settings.market)
            await asyncio.sleep(0.02)

    async def _get_acquainted(self) -> None:
        """Wait, before the first announcement, for the cards of all who are found: one of them may bid best."""
        if self._acquainted is None:
            self._acquainted = asyncio.ensure_future(wait_for_cards(self.runtime, most_s=ACQUAINTED_S))
        await asyncio.shield(self._acquainted)

    # Tasks

    async def call(
        self, skill: str, input: Any = None, *, budget: int, deadline_s: float | None = None, **how: Any
    ) -> Done:
        """Announce a task and wait for its result; `announce` says what else can be given.

        A task that everybody declines for want of a place is announced again until its deadline, unless it has a key.
        """
        until_s: float | None = None
        left_s, pause_s = deadline_s, AGAIN_S
        while True:
            task = await self.announce(skill, input, budget=budget, deadline_s=left_s, **how)
            now_s = asyncio.get_running_loop().time()
            until_s = until_s or now_s + task.contract.announcement.body.deadline_ms / 1000
            try:
                return await task.result()
            except asyncio.CancelledError:
                await task.give_up()
                raise
            except TaskFailed:
                left_s = until_s - asyncio.get_running_loop().time() - pause_s
                if how.get("idempotency_key") or left_s <= 0 or not only_declined(task.contract):
                    raise
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, AGAIN_MAX_S)

    async def announce(
        self,
        skill: str,
        input: Any = None,
        *,
        budget: int,
        deadline_s: float | None = None,
        effect: EffectClass | str = EffectClass.PURE,
        award_rule: AwardRule | str = AwardRule.LOWEST_PRICE,
        price_weight: int = 1,
        duration_weight: int = 0,
        attempts: int = 3,
        idempotency_key: bytes | None = None,
        patience_s: float | None = None,
        check: Check | None = None,
        final: bool | None = None,
        parent: Digest | None = None,
        traceparent: str = "",
    ) -> Task:
        """Announce one task; `budget` in minor units, `input` anything that JSON can say.

        `patience_s` bounds the wait for a first bid, `check` looks at results before they are settled, `final` waits
        for the governors' permit (default: where the charter asks for it). The same `idempotency_key` gives the same
        task again. Raises BadInput, NoPeers, NoBids, UsageError.
        """
        runtime, raw = self.runtime, encode_input(input)
        patience_ms = milliseconds("patience_s", PATIENCE_S if patience_s is None else patience_s)
        body = word(
            self.settings, runtime.node.holdings.charters.newest.id, skill, raw, budget=budget, deadline_s=deadline_s,
            effect=effect, award_rule=award_rule, price_weight=price_weight, duration_weight=duration_weight,
            attempts=attempts, idempotency_key=idempotency_key, traceparent=traceparent,
        )  # fmt: skip
        await self._get_acquainted()
        await self.find(skill, patience_s=patience_ms / 1000)
        check_input(runtime.node.directory, skill, raw)
        if check is not None:
            self._checks[body.idempotency_key] = check
        event = Announce(task=body, parent=parent, patience_ms=patience_ms, check=check is not None)
        contract = await self._begin_in_turn(event)
        final = contract.gate.final if final is None else final
        over = runtime.new_future()
        task = Task(contract, final=final, over=over, done=self.done, withdraw=self._withdraw)
        self._tasks.setdefault(contract.id, []).append(task)
        return task

    async def _begin_in_turn(self, event: Announce) -> Contract:
        """Begin when there is somebody to work on it; the place is left when the contract needs no work any more."""
        skill = event.task.skill
        await self._line.enter(skill)
        try:
            contract = await self._begin(event)
        except BaseException:
            self._line.leave(skill)
            raise
        if contract.reading.state not in (State.OPEN, State.AWARDED) or contract.id in self._under_way:
            self._line.leave(skill)
        else:
            self._under_way[contract.id] = skill
        return contract

    async def _begin(self, event: Announce) -> Contract:
        """Have the announcement said with the next turn, in one bundle with others; the contract under it."""
        if self.runtime.stopped.done():
            raise _stopped(self.runtime.stopped)
        begun = self._begun.setdefault(event.task.idempotency_key, self.runtime.new_future())
        self.runtime.post(event)
        try:
            return await asyncio.shield(begun)
        except asyncio.CancelledError:  # it is said all the same: nobody would wait for what comes of it
            begun.add_done_callback(self._withdraw_at_once)
            raise

    def _withdraw_at_once(self, begun: asyncio.Future[Contract]) -> None:
        if begun.exception() is None:
            self._withdraw(begun.result().id)

    def _withdraw(self, contract: Digest) -> None:
        self.runtime.post(Withdraw(contract))

    def _places(self, skill: str) -> int:
        directory = self.runtime.node.directory
        return sum(directory.cards[member].body.capacity for member in directory.offering(skill))

    def done(self, contract: Contract) -> Done:
        """The outcome of a contract that is over; raises what its end means."""
        node = self.runtime.node
        self._checks.pop(contract.announcement.body.idempotency_key, None)
        return done_of(contract, node.holdings.charters, self.runtime.turn.sealer, node.directory.name_of)

    def _refused(self, impossible: Impossible) -> None:
        self._checks.pop(impossible.idempotency_key, None)
        begun = self._begun.pop(impossible.idempotency_key, None)
        if begun is not None and not begun.done():
            begun.set_exception(UsageError(f"This task may not be announced: {impossible.fault}."))

    def _peer_stopped(self, stopped: asyncio.Future[None]) -> None:
        self._give_up(_stopped(stopped))

    def _give_up(self, error: VendueError) -> None:
        """Nothing more will be heard of any task."""
        for begun in self._begun.values():
            if not begun.done():
                begun.set_exception(error)
                begun.exception()  # nobody may be waiting
        for task in [task for tasks in self._tasks.values() for task in tasks]:
            task.fail(error)
        self._begun.clear()
        self._tasks.clear()

    def _reported(self, contract: Digest, reading: Reading) -> None:
        if self._begun:
            announced = self.runtime.node.holdings.contracts[contract]
            begun = self._begun.pop(announced.announcement.body.idempotency_key, None)
            if begun is not None and not begun.done():
                begun.set_result(announced)
        if reading.state not in (State.OPEN, State.AWARDED) and (skill := self._under_way.pop(contract, None)):
            self._line.leave(skill)
        waiting = self._tasks.get(contract)
        if waiting is None:
            return
        for task in waiting:
            task.moved(reading)
        if all(task.is_over for task in waiting):
            del self._tasks[contract]

    def _check(self, contract: Digest, result: AnyStatement) -> None:
        key = self.runtime.node.holdings.contracts[contract].announcement.body.idempotency_key
        check = self._checks.get(key)
        if check is None:  # an earlier run of this program wanted to look at it, and has not come back to it yet
            self.runtime.log.warning("a result waits to be looked at: announce its task again", key=key.hex())
            return
        try:
            passed = bool(check(json.loads(result.body.output)))  # type: ignore[attr-defined]
        except Exception as error:
            self.runtime.log.warning("a check failed", error=repr(error)[:200])
            passed = False
        self.runtime.post(Checked(contract=contract, result=result.id, passed=passed))


def _stopped(stopped: asyncio.Future[None]) -> TaskFailed:
    """What callers are told when our own peer has stopped by itself."""
    return TaskFailed("This peer has stopped.", why=repr(stopped.exception())[:200])
