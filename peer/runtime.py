"""The loop of one peer: sockets, timers and workers around the pure node.

    frames and events → one turn (`protocol.turn`: step, record, publish) → start work, answer callers, ask for ids

It has no rule of the market. A turn that fails to record stops the peer, for it no longer knows what it has promised.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple

from peer.contacts import Contacts
from peer.journal import Journal
from peer.members.constitution import Constitution
from peer.members.passport import Passports
from peer.members.upkeep import Upkeep
from peer.net.fetch import Fetch
from peer.net.meet.discovery import Discovery
from peer.net.meet.lobby import Lobby
from peer.net.requests import FeedRange, Ids
from peer.net.transport import Transport
from peer.shelf import Shelf
from peer.telemetry import logger
from peer.work.skill import Skill
from peer.work.workers import Done, Failed, Workers
from protocol import limits
from protocol.actions import Action, Amended, Check, Convict, Execute, Extend, FetchFeed, Impossible, Report, Stop
from protocol.actions import Fetch as FetchIds
from protocol.events import Advanced, Event, Present, Worked
from protocol.keys import Digest, short_peer
from protocol.node import Node
from protocol.notices import Card
from protocol.outbox import exhibit_frames
from protocol.statements import AnyStatement, Failure, Result
from protocol.states import Reading
from protocol.topics import TOPIC_LENGTH, governance_topic, peer_topic, skill_topic
from protocol.turn import Turn

FRAMES_PER_TURN: Final = 256
"""A turn takes no more than this, so that timers and callers get their say under load."""
GIVE_WAY_MAX: Final = 20
"""How often a busy peer lets others on this machine go first, before a turn."""
GOVERNOR_PAUSE_S: Final = 0.01
"""What a governor lets pass between turns under load: it is in nobody's way, and larger turns cost it less."""
ROUNDS_TO_ANSWER: Final = 2
"""Rounds of the loop that work which ends at once takes, from its start until it is heard of."""
ROUNDS_TO_SPEAK: Final = 4
"""... and that a caller takes from hearing how its task ended to announcing the next one."""
_NO_TOPIC: Final = bytes(TOPIC_LENGTH)

_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def clock_ms() -> int:
    """The time that the core counts in: milliseconds since boot, a suspended machine's sleep included."""
    return time.clock_gettime_ns(_CLOCK) // 1_000_000


class Pulse(NamedTuple):
    """How the loop does at this moment."""

    turned_s: float | None
    """Since the last turn ended; None before the first."""
    overdue_ms: int
    """How late the next turn is, whatever holds it up."""
    events: int
    """What waits for the next turn."""
    running: int
    """Awards that our agents work on."""
    stopped: bool


class Runtime:
    """One peer that runs: its node, and everything real around it."""

    def __init__(
        self,
        node: Node,
        turn: Turn,
        journal: Journal,
        transport: Transport,
        fetch: Fetch,
        discovery: Discovery,
        *,
        lobby: Lobby,
        constitution: Constitution,
        passports: Passports,
        skills: Mapping[str, Skill],
        card: Card,
        pause_s: float = 0.0,
    ) -> None:
        self.node, self.turn, self.transport, self.discovery = node, turn, transport, discovery
        self.log = logger(peer=node.peer)
        self.stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the peer has stopped by itself, with the reason as its exception."""
        self.on_report: Callable[[Digest, Reading], None] = lambda contract, reading: None
        self.on_impossible: Callable[[Impossible], None] = lambda impossible: None
        self.on_check: Callable[[Digest, AnyStatement], None] = lambda contract, result: None
        self.on_convict: Callable[[Convict], None] = lambda conviction: None
        self._journal, self._fetch, self.lobby, self.constitution = journal, fetch, lobby, constitution
        self._skills, self._card, self._pause_s = skills, card, pause_s
        self._loop = asyncio.get_running_loop()
        self._workers = Workers(
            self._loop, on_done=self._done, on_progress=self._advanced, threads=max(8, card.capacity), log=self.log
        )
        self._events: list[Event] = []
        self._fetched: list[bytes] = []
        self._contacts = Contacts(transport, discovery, constitution.membership, self.post, self.log)
        self._upkeep = Upkeep(constitution, self._contacts, discovery, passports)
        self._turn_due = False
        self._last_turn_s = 0.0
        self._accepted = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ms = 0
        self._closing = False

    # Life

    async def start(self) -> None:
        """Try our locks, subscribe, resume what the journal left open, and begin to find the others.

        Raises BadConfig if a stranger gets in.
        """
        self.transport.listen(self._loop, self._wake)
        await self.transport.prove_locks()
        if self.node.governor is not None:
            self.transport.subscribe(b"")
        for topic in [peer_topic(self.node.peer), governance_topic(self.node.market), *map(skill_topic, self._skills)]:
            self.transport.subscribe(topic)
        self._fetch.serve(Shelf(self.node, self._journal, self.turn.sealer).serve)
        self._fetch.listen(self._loop)
        self._carry_out(self.turn.resume(clock_ms()))
        self.post(Present(self._card))
        self.lobby.listen(self._loop)
        self._upkeep.start(lambda evidence: self._take_fetched([evidence]))

    async def close(self) -> None:
        """Say nothing more, stop the work, and leave cleanly."""
        self._closing = True
        if self._timer is not None:
            self._timer.cancel()
        self._upkeep.close()
        await self.discovery.close()
        await self._workers.close()
        with suppress(Exception):
            self.turn.close(clock_ms())
        self._fetch.close()
        self.lobby.close()
        self.transport.close()
        with suppress(Exception):
            self._journal.close()

    def post(self, event: Event) -> None:
        """Hand an event in; it is taken with this turn, if one is under way, or the next."""
        self._events.append(event)
        self._wake()

    def new_future(self) -> asyncio.Future[Any]:
        """A future of this peer's loop."""
        return self._loop.create_future()

    def pulse(self) -> Pulse:
        """How the loop does, for those who watch over this peer."""
        due_ms = self.turn.deadline_ms()
        return Pulse(
            turned_s=self._loop.time() - self._last_turn_s if self._last_turn_s else None,
            overdue_ms=0 if due_ms is None else max(0, clock_ms() - due_ms),
            events=len(self._events),
            running=self._workers.running,
            stopped=self.stopped.done(),
        )

    # The loop

    def _wake(self) -> None:
        if self._turn_due or self._closing:
            return
        self._turn_due = True
        wait_s = self._last_turn_s + self._pause_s - self._loop.time() if self._pause_s else 0.0
        if wait_s > 0:
            self._loop.call_later(wait_s, self._take_turn)
        else:
            self._loop.call_soon(self._take_turn)

    def _take_turn(self) -> None:
        """Step on everything that has come in; what work on pure tasks ends at once is answered in the same turn."""
        if self._closing or self.stopped.done():
            return
        self._give_way()
        frames = self.transport.receive(FRAMES_PER_TURN)
        if self._fetched:
            frames += [_NO_TOPIC + frame for frame in exhibit_frames(self._fetched)]
            self._fetched.clear()
        for presence in self.transport.presences():
            self._contacts.noticed(presence)
        if not frames and not self._events and not self._is_due():
            self._turn_due = False
            self._arm()
        elif self._step(frames):
            self._after_rounds(ROUNDS_TO_ANSWER, self._finish_turn)
        else:
            self._finish_turn()

    def _is_due(self) -> bool:
        due = self.turn.deadline_ms()
        return due is not None and due <= clock_ms()

    def _give_way(self) -> None:
        """Let others on this machine go first, as far as the last turn was a large one; alone it costs next to nothing.

        What comes in meanwhile is one turn, with one signature: so batches grow with the load, and nobody idles for it.
        """
        accepted = self.turn.verdicts["accept"]
        heard, self._accepted = accepted - self._accepted, accepted
        for _ in range(min(heard, GIVE_WAY_MAX)):
            os.sched_yield()

    def _step(self, frames: list[bytes]) -> bool:
        """Run the first half of a turn, and begin the work that may begin now; tell whether there was any."""
        events, self._events = self._events, []
        try:
            early = self.turn.take(frames, events, clock_ms())
            for position in self.turn.blamed:
                self.transport.blame(position)
        except Exception as error:
            self._fail(error)
            return False
        for execute in early:
            self._execute(execute)
        return bool(early)

    def _finish_turn(self) -> None:
        """Record, and tell our user; whoever has heard of an end may speak before all of it leaves together."""
        ended = self._record()
        if ended:
            self._after_rounds(ROUNDS_TO_SPEAK, self._publish)
        else:
            self._publish()

    def _record(self) -> bool:
        """Record what was said; tell whether a task of ours has ended. A turn that fails here has promised nothing."""
        if self._events and not self._closing:
            self._step([])
        if self._closing or self.stopped.done():
            return False
        try:
            left = self.turn.record(clock_ms())
        except Exception as error:
            self._fail(error)
            return False
        self._carry_out(left)
        return any(type(action) is Report and action.reading.end is not None for action in left)

    def _publish(self) -> None:
        """Let what was recorded leave, and be ready for the next turn."""
        if self._events:
            self._record()
        self._turn_due = False
        if self._closing or self.stopped.done():
            return
        self.turn.publish(clock_ms())
        self._arm()
        self._last_turn_s = self._loop.time()
        if self._events or self.transport.has_more:
            self._wake()

    def _after_rounds(self, rounds: int, call: Callable[[], None]) -> None:
        """Call after so many rounds of the loop."""
        self._loop.call_soon(call if rounds == 1 else lambda: self._after_rounds(rounds - 1, call))

    def _fail(self, error: Exception) -> None:
        self.log.error("the peer stops", why=repr(error)[:200])
        if not self.stopped.done():
            self.stopped.set_exception(error)

    def _arm(self) -> None:
        """Keep one timer; one that fires too early costs a turn, one that is moved every turn costs more."""
        due = self.turn.deadline_ms()
        if due is None or (self._timer is not None and self._timer_ms <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_ms = due
        self._timer = self._loop.call_later(max(0, due - clock_ms()) / 1000, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._wake()

    def _carry_out(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Report(contract=contract, reading=reading):
                    self.on_report(contract, reading)
                case Execute():
                    self._execute(action)
                case Stop(award=award):
                    self._workers.stop(award)
                case Extend(award=award, lease_until_ms=lease_until_ms):
                    self._workers.extend(award, lease_until_ms)
                case Check(contract=contract, result=result):
                    self.on_check(contract, result)
                case FetchIds(holder=holder, ids=ids):
                    self._ask(holder, Ids(list(ids)))
                case FetchFeed(author=author, feed=feed, first=first, last=last):
                    self._ask(author, FeedRange(author, feed, first, last))
                case Amended(charter=charter):
                    self.constitution.amend(charter)
                case Impossible():
                    self.on_impossible(action)
                case Convict():
                    self.log.warning("a fork convicts", author=short_peer(action.first.author), reason=action.reason)
                    self.on_convict(action)

    # Work

    def _execute(self, execute: Execute) -> None:
        skill = self._skills[execute.task.skill]
        self._workers.start(
            execute.award.id,
            skill,
            execute.task.input,
            token=execute.token,
            epoch=execute.award.body.epoch,
            lease_until_ms=execute.lease_until_ms,
            clock=clock_ms,
            contract=execute.award.about,
        )

    def _done(self, award: bytes, ended: Done | Failed) -> None:
        outcome: Result | Failure
        match ended:
            case Done(output=output, usage_ms=usage_ms):
                outcome = Result(output=output, output_digest=None, usage_ms=usage_ms)
            case Failed(failure_class=failure_class, reason=reason):
                outcome = Failure(failure_class=failure_class, reason=reason[: limits.NOTE_MAX], done="")
        self.post(Worked(award=Digest(award), outcome=outcome))

    def _advanced(self, award: bytes, permille: int, note: str) -> None:
        self.post(Advanced(award=Digest(award), permille=permille, note=note[: limits.NOTE_MAX]))

    # Fetching

    def _ask(self, holder: bytes, request: Ids | FeedRange) -> None:
        where, member = self.discovery.find(holder), self.constitution.membership.member(holder)
        if where is not None and member is not None:
            self._fetch.ask(holder, where.fetch, request, self._take_fetched, server_key=member.transport_key)

    def _take_fetched(self, pieces: list[bytes]) -> None:
        if pieces and not self._closing:
            self._fetched += pieces
            self._wake()
