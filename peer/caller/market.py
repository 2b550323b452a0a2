"""What a caller writes: join a market, announce tasks, follow them, get results with their proofs."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Final, Self, cast

import msgspec

from peer import config
from peer.caller.outcome import Done, done_of
from peer.caller.presence import wait_for_cards
from peer.caller.task import Task
from peer.launch import launch
from peer.runtime import Runtime
from peer.settings import Settings
from peer.work.skill import validate
from protocol.actions import Impossible
from protocol.contract import Contract
from protocol.errors import BadInput, NoBids, NoPeers, TaskFailed, UsageError
from protocol.events import Announce, Checked, Withdraw
from protocol.keys import Digest
from protocol.limits import INLINE_MAX
from protocol.notices import Card
from protocol.statements import Announcement, AnyStatement, AwardRule, EffectClass, Statement
from protocol.states import Reading

ACQUAINTED_S: Final = 1.0
"""How long the first announcement may wait for those who were found and have not yet said what they offer."""
Check = Callable[[Any], bool]
"""Looks at a result's value: true to settle, false to have another contractor try."""


class Market:
    """A market that this program is a peer of. Use it as an async context manager."""

    def __init__(self, settings: Settings, name: str) -> None:
        self.settings, self._name = settings, name
        self._stack = AsyncExitStack()
        self._tasks: dict[Digest, Task] = {}
        self._checks: dict[bytes, Check] = {}
        """By idempotency key: a result that waits since an earlier run is asked about in the turn that announces."""
        self._begun: dict[bytes, asyncio.Future[Contract]] = {}
        self._acquainted: asyncio.Future[None] | None = None
        self.runtime: Runtime = cast(Runtime, None)

    @classmethod
    def join(cls, market: str | None = None, *, name: str = "caller", **settings: object) -> Self:
        """Join a market, `local` unless told otherwise; other settings by their names in `vendue config show`."""
        return cls(config.load({"market": market, **settings}).settings, name)

    async def __aenter__(self) -> Self:
        self.runtime = await self._stack.enter_async_context(launch(self.settings, name=self._name, passing=True))
        self.runtime.on_report = self._reported
        self.runtime.on_impossible = self._refused
        self.runtime.on_check = self._check
        self.runtime.stopped.add_done_callback(self._peer_stopped)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

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
                raise self._nobody(skill)
            await asyncio.sleep(0.02)

    async def _get_acquainted(self) -> None:
        """Wait, before the first announcement, for the cards of all who are found: one of them may bid best."""
        if self._acquainted is None:
            self._acquainted = asyncio.ensure_future(wait_for_cards(self.runtime, most_s=ACQUAINTED_S))
        await asyncio.shield(self._acquainted)

    def _nobody(self, skill: str) -> NoPeers | NoBids:
        skills = sorted({offered.skill for card in self.peers() for offered in card.body.skills})
        if not skills:
            found = len(self.runtime.discovery.known)
            return NoPeers(
                f"No peer in the market {self.settings.market!r} offers anything.",
                why=f"{found} peers were found." if found else "Nobody was found on this host or by multicast DNS.",
                do="Start one with: vendue run FILE. What was tried: vendue doctor",
            )
        return NoBids(
            f"Nobody here offers {skill!r}.", why=f"Offered are: {', '.join(skills)}.", do="See: vendue peers"
        )

    # Tasks

    async def call(
        self, skill: str, input: Any = None, *, budget: int, deadline_s: float | None = None, **how: Any
    ) -> Done:
        """Announce a task and wait for its result; `announce` says what else can be given."""
        task = await self.announce(skill, input, budget=budget, deadline_s=deadline_s, **how)
        try:
            return await task.result()
        except asyncio.CancelledError:
            await task.give_up()
            raise

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
        raw = _encoded(input)
        patience = 2.0 if patience_s is None else patience_s
        await self._get_acquainted()
        await self.find(skill, patience_s=patience)
        self._validate(skill, raw)
        charter = self.runtime.node.holdings.charters.newest
        try:
            body = Announcement(
                charter=charter.id, skill=skill, input=raw, input_digest=None, requirements=(), budget=budget,
                award_rule=AwardRule(award_rule), price_weight=price_weight, duration_weight=duration_weight,
                effect=EffectClass(effect), bid_window_ms=self.settings.bid_window_ms, lease_ms=self.settings.lease_ms,
                deadline_ms=round((self.settings.default_deadline_s if deadline_s is None else deadline_s) * 1000),
                attempts=attempts, idempotency_key=idempotency_key or os.urandom(16), traceparent=traceparent,
            )  # fmt: skip
            body = msgspec.convert(msgspec.to_builtins(body, builtin_types=(bytes,)), Announcement)
        except (ValueError, msgspec.ValidationError) as error:
            raise UsageError(f"This task cannot be announced: {error}.") from None
        if check is not None:
            self._checks[body.idempotency_key] = check
        event = Announce(task=body, parent=parent, patience_ms=round(patience * 1000), check=check is not None)
        contract = await self._begin(event)
        final = contract.gate.final if final is None else final
        over = self.runtime.new_future()
        task = Task(contract, final=final, over=over, done=self.done, withdraw=self._withdraw)
        self._tasks[contract.id] = task
        return task

    async def _begin(self, event: Announce) -> Contract:
        """Have the announcement said with the next turn, in one bundle with others; the contract under it."""
        if self.runtime.stopped.done():
            raise _stopped(self.runtime.stopped)
        begun = self._begun.setdefault(event.task.idempotency_key, self.runtime.new_future())
        self.runtime.post(event)
        return await begun

    def _withdraw(self, contract: Digest) -> None:
        self.runtime.post(Withdraw(contract))

    def _validate(self, skill: str, raw: bytes) -> None:
        """Hold the input against the schema of whoever offers the skill; one that takes it is enough."""
        directory = self.runtime.node.directory
        fault: BadInput | None = None
        for member in directory.offering(skill):
            for offered in directory.cards[member].body.skills:
                if offered.skill == skill:
                    try:
                        validate(offered.input_schema, raw)
                    except BadInput as error:
                        fault = error
                    else:
                        return
        if fault is not None:
            raise fault

    def done(self, contract: Contract) -> Done:
        """The outcome of a contract that is over; raises what its end means."""
        node = self.runtime.node
        self._tasks.pop(contract.id, None)
        self._checks.pop(contract.announcement.body.idempotency_key, None)
        return done_of(contract, node.holdings.charters, self.runtime.turn.sealer, node.directory.name_of)

    def _refused(self, impossible: Impossible) -> None:
        self._checks.pop(impossible.idempotency_key, None)
        begun = self._begun.pop(impossible.idempotency_key, None)
        if begun is not None and not begun.done():
            begun.set_exception(UsageError(f"This task may not be announced: {impossible.fault}."))

    def _peer_stopped(self, stopped: asyncio.Future[None]) -> None:
        for begun in self._begun.values():
            if not begun.done():
                begun.set_exception(_stopped(stopped))
        for task in self._tasks.values():
            task.fail(_stopped(stopped))

    def _reported(self, contract: Digest, reading: Reading) -> None:
        if self._begun:
            announced = self.runtime.node.holdings.contracts[contract]
            begun = self._begun.pop(announced.announcement.body.idempotency_key, None)
            if begun is not None and not begun.done():
                begun.set_result(announced)
        task = self._tasks.get(contract)
        if task is not None:
            task.moved(reading)

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


def _encoded(value: Any) -> bytes:
    if isinstance(value, Mapping) or value is None:
        value = dict(value or {})
    try:
        raw = msgspec.json.encode(value)
    except (TypeError, ValueError) as error:
        raise BadInput(f"The input is nothing that JSON can say: {error}.") from None
    if len(raw) > INLINE_MAX:
        raise BadInput(f"The input has {len(raw)} bytes, more than the {INLINE_MAX} that fit an announcement.")
    return raw
