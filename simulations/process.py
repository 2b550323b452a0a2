"""One simulated peer: a key, a home, a clock, an agent's work, and the production `Turn` and `Node` between them.

It does what `peer.runtime` does around a node: one turn for what came in, work started and stopped, callers told,
questions asked and answered. It has no rule of the market, and no rule of the network either. What can happen to a
process is here too: it may be killed at any point of a turn, be stopped and go on, be slow, and find its disk full.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from protocol.actions import Action, Check, Convict, Execute, Extend, Fetch, FetchFeed, Impossible, Report, Stop
from protocol.bidder import Quote
from protocol.contract import Contract
from protocol.errors import UsageError
from protocol.events import Announce, Checked, Event, Present, Withdraw
from protocol.feed import Feed
from protocol.keys import Digest, PeerId, Sealer
from protocol.node import Node
from protocol.notices import Card, Offered
from protocol.policy import Policy
from protocol.statements import Announcement, AnyStatement
from protocol.states import Reading
from protocol.turn import Turn
from simulations.clock import Clock
from simulations.disk import Disk
from simulations.questions import answer_of
from simulations.work import Work, Workers

if TYPE_CHECKING:
    from simulations.network import Link
    from simulations.world import World

FRAMES_PER_TURN: Final = 256
GOVERNOR_PAUSE_US: Final = 10_000
"""Both as `peer.runtime` has them: what one turn takes at most, and what a governor lets pass between turns."""


class Killed(Exception):
    """The process is killed here, in the middle of a turn."""


class Process:
    """One peer of a world; `simulations.testimony.Testimony` for the checkers."""

    def __init__(
        self,
        world: World,
        number: int,
        name: str,
        sealer: Sealer,
        disk: Disk,
        *,
        quotes: Mapping[str, Quote],
        work: Work,
        capacity: int,
        policy: Policy | None,
        honest: bool,
        clock: Clock,
    ) -> None:
        self.world, self.number, self.name, self.sealer, self.disk = world, number, name, sealer, disk
        self.quotes, self.work, self.capacity, self.policy = quotes, work, capacity, policy
        self.honest = honest
        self.clock = clock
        self.runs = False
        """The process exists; it may be paused."""
        self.paused = False
        self.turn_us = 0
        """What a turn takes: until then nothing leaves, and what comes in waits for the next one."""
        self.stopped: Exception | None = None
        """Why the peer stopped by itself: a turn that it could not record."""
        self.reports: dict[Digest, Reading] = {}
        """The latest reading reported of each task of this peer."""
        self.impossible: list[Impossible] = []
        self.convictions: list[Convict] = []
        self.checks: Callable[[AnyStatement], bool | None] = lambda result: True
        """What its user says of a result; None: nothing, for now."""
        self.workers = Workers(self)
        self.node: Node
        self.turn: Turn
        self._pause_us = GOVERNOR_PAUSE_US if policy is not None else 0
        self._touched: dict[Digest, Contract] = {}
        self._delivered = 0
        self._inbox: deque[tuple[Link | None, int, bytes]] = deque()
        self._events: list[Event] = []
        self._stepping = False
        self._busy = False
        self._awake = False
        self._last_turn_us = 0
        self._due_ms: int | None = None
        self._online = False
        self._leaving: list[bytes] | None = None
        self._unfinished: tuple[Node, list[bytes], list[Action]] | None = None
        self._frames_left: int | None = None
        disk.on_record = self._recorded

    @property
    def peer(self) -> PeerId:
        return self.sealer.peer

    @property
    def alive(self) -> bool:
        """It runs now: it has not crashed, and nobody has paused it."""
        return self.runs and not self.paused

    @property
    def ready(self) -> bool:
        """It runs now, and is not in the middle of a slow turn: its user can ask for something."""
        return self._ready()

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def clock_ms(self, now_us: int) -> int:
        """What its clock shows at a time of the world."""
        return self.clock.ms(now_us)

    def said(self) -> Sequence[AnyStatement]:
        """Everything that its disk says it has said, in all feeds."""
        return self.disk.said()

    def reading(self, contract: Digest) -> Reading | None:
        """The reading of a contract held here."""
        held = self.node.holdings.contracts.get(contract)
        return held.reading if held is not None else None

    @property
    def deliveries(self) -> int:
        """How many statements its nodes were handed, repeats included."""
        verdicts = self.turn.verdicts
        return self._delivered + verdicts["accept"] + verdicts["ignore (nobody): seen before"]

    # Life

    def begin(self) -> None:
        """Make the node, replay the journal, and resume. Nobody hears what it says before it is connected."""
        world = self.world
        self._delivered = self.deliveries if hasattr(self, "turn") else 0
        feed = Feed(market=Digest(world.charter.id), author=self.peer, feed_id=self.disk.begin())
        self.node = self.make_node(feed)
        self.turn = Turn(self.node, self.disk, self, self.sealer, opener=world.opener)
        for row in self.disk.rows:
            for frame in row.received:
                self.turn.replay(frame, ())
            if row.said:
                self.turn.replay(None, [statement.payload for statement in row.said])
        if world.hooks.turned:
            self.node.holdings.on_learnt.append(self._learnt)
        self.runs, self.stopped = True, None
        self._take_turn(self.turn.resume)
        self.post(Present(self.card()))
        self._online = True

    def make_node(self, feed: Feed) -> Node:
        """The node of a life that begins."""
        return self.world.make_node(self, feed)

    def card(self) -> Card:
        """What it offers."""
        offered = tuple(Offered(skill=skill, input_schema=b"", output_schema=b"") for skill in self.quotes)
        return Card(
            name=self.name, skills=offered, capacity=self.capacity if offered else 0, addresses=(), transport_key=None,
            certificate=None,
        )  # fmt: skip

    def die(self) -> None:
        """The process is no more; its home is what it is."""
        self.runs = self.paused = self._online = self._busy = self._stepping = self._awake = False
        self._leaving = self._frames_left = self._unfinished = None
        self.disk.trap, self.disk.recorded = None, False
        self._events.clear()
        self._inbox.clear()
        self.workers.die()

    def die_in_turn(self, *, before_record: bool = False, after_frames: int = 0) -> None:
        """Be killed in the next turn that records: before the commit, or behind it, when so many frames have left."""
        if before_record:
            self.disk.trap = Killed()
        else:
            self._frames_left = after_frames

    # What its user asks

    def post(self, event: Event) -> None:
        """Hand an event in: a turn of its own, or part of the turn that is under way, or of the next one."""
        if not self.runs:
            return
        self._events.append(event)
        if not (self._stepping or self._busy or self.paused):
            self.run()

    def announce(
        self, task: Announcement, *, parent: Digest | None = None, patience_ms: int = 0, check: bool = False
    ) -> Digest | None:
        """Announce a task: its contract, or None where it is impossible (`impossible` says why) or was not recorded.

        Raises UsageError when the process does not run.
        """
        if not self.alive or self._busy:
            raise UsageError(f"{self.name} cannot announce now.", why="It is down, paused or busy.", do="Wait for it.")
        manager = self.node.manager
        self.post(Announce(task=task, parent=parent, patience_ms=patience_ms, check=check))
        for contract, tender in reversed(manager.tenders.items()):
            if tender.contract.announcement.body is task:
                return contract if self.runs or any(said.id == contract for said in self.said()) else None
        return None

    def withdraw(self, contract: Digest) -> None:
        """Its user no longer wants a task."""
        self.post(Withdraw(contract))

    # Frames in

    def receive(self, link: Link, connection: int, frame: bytes) -> None:
        """A frame has arrived: a turn of its own, or it waits for the next one."""
        if self._pause_us or self._busy or self.paused:
            self._inbox.append((link, connection, frame))
            self._wake()
        else:
            link.queued -= 1
            self.run((frame,))

    def receive_answer(self, frames: Iterable[bytes]) -> None:
        """What was fetched has come, over a connection of its own."""
        self._inbox += [(None, 0, frame) for frame in frames]
        self._wake()

    def _wake(self) -> None:
        """Have a turn soon, for what waits."""
        if not (self._awake or self._busy or self.paused or not self.runs):
            self._awake = True
            due_us = max(self.world.now_us, self._last_turn_us + self._pause_us)
            self.world.at(due_us, self._turn_for_waiting, self.node)

    def _turn_for_waiting(self, life: Node) -> None:
        if self.node is not life:
            return
        self._awake = False
        if self._busy or not self.alive:
            return
        frames: list[bytes] = []
        while self._inbox and len(frames) < FRAMES_PER_TURN:
            link, connection, frame = self._inbox.popleft()
            if link is not None and link.connection == connection:
                link.queued -= 1
            frames.append(frame)
        self.run(frames)
        if self._inbox:
            self._wake()

    # Turns

    def run(self, frames: Iterable[bytes] = ()) -> None:
        """Take turns until nothing is left to step on."""
        if not self._ready():
            return
        self._take_turn(self._whole_turn, frames)
        while self._events and self._ready():
            self._take_turn(self._whole_turn, ())
        if self._ready():
            self._arm()

    def _ready(self) -> bool:
        return self.runs and not (self.paused or self._busy)

    def _take_turn(self, turn: Callable[..., list[Action]], *given: Iterable[bytes]) -> None:
        """Run one turn, and then the shell's part of it; a turn that fails ends the process."""
        now_us = self._last_turn_us = self.world.now_us
        self._stepping = True
        slow = self.turn_us or self.disk.delay_us
        if slow:
            self._leaving = []
        try:
            left = turn(*given, self.clock.ms(now_us))
            if self._frames_left is not None and self.disk.recorded:
                raise Killed
        except (OSError, Killed) as error:
            self._fail(error)
            return
        self._stepping = False
        if slow:
            self._finish_later(left)
        else:
            self._finish(left)

    def _whole_turn(self, frames: Iterable[bytes], now_ms: int) -> list[Action]:
        """Step, record, publish; what work on pure tasks ends at once is answered in the same turn."""
        self._step(frames, now_ms)
        while self._events:
            self._step((), now_ms)
        return self.turn.finish(now_ms)

    def _step(self, frames: Iterable[bytes], now_ms: int) -> None:
        events, self._events = self._events, []
        for execute in self.turn.take(frames, events, now_ms):
            self.workers.start(execute)

    def _fail(self, error: Exception) -> None:
        """The process is killed, or stops by itself: it no longer knows what it has promised."""
        self._stepping = False
        self.stopped = None if isinstance(error, Killed) else error
        self._touched.clear()
        self.world.crash(self)

    def _finish(self, left: list[Action]) -> None:
        self.disk.recorded = False
        if left:
            self._carry_out(left)
        if self._touched:
            touched, self._touched = list(self._touched.values()), {}
            for hook in self.world.hooks.turned:
                hook(self, touched, self.world.now_us)

    def _finish_later(self, left: list[Action]) -> None:
        """A slow turn: it is committed, and nothing leaves yet."""
        frames, self._leaving = self._leaving or [], None
        delay_us = self.turn_us + (self.disk.delay_us if self.disk.recorded else 0)
        self._busy = True
        self.world.at(self.world.now_us + delay_us, self._finish_now, self.node, frames, left)

    def _finish_now(self, life: Node, frames: list[bytes], left: list[Action]) -> None:
        if self.node is not life or not self.runs:
            return
        if self.paused:
            self._unfinished = (life, frames, left)
            return
        self._busy = False
        for frame in frames:
            self.world.publish(self, frame)
        self._finish(left)
        if self._events:
            self.run()
        elif self._ready():
            self._arm()
        if self._inbox:
            self._wake()

    def _learnt(self, contract: Contract) -> None:
        self._touched[contract.id] = contract

    def _recorded(self, said: Sequence[AnyStatement]) -> None:
        for statement in said:
            self.world.opener.expect(statement)
        for hook in self.world.hooks.said:
            for statement in said:
                hook(self, statement, self.world.now_us)

    def publish(self, frame: bytes) -> None:
        """`protocol.turn.Wire`: a frame leaves, unless the process dies here, or is slow."""
        if self._frames_left is not None and self.disk.recorded:
            if self._frames_left == 0:
                raise Killed
            self._frames_left -= 1
        if self._leaving is not None:
            self._leaving.append(frame)
        elif self._online:
            self.world.publish(self, frame)

    def _carry_out(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Report(contract=contract, reading=reading):
                    self.reports[contract] = reading
                    self.world.on_report(self, contract, reading)
                case Execute():
                    self.workers.start(action)
                case Stop(award=award):
                    self.workers.stop(award)
                case Extend(award=award, lease_until_ms=until_ms):
                    self.workers.extend(award, until_ms)
                case Check(contract=contract, result=result):
                    passed = self.checks(result)
                    if passed is not None:
                        self._events.append(Checked(contract=contract, result=result.id, passed=passed))
                case Fetch() | FetchFeed():
                    self.world.questions.ask(self, action)
                case Impossible():
                    self.impossible.append(action)
                case Convict():
                    self.convictions.append(action)
                    for hook in self.world.hooks.convicted:
                        hook(self, action, self.world.now_us)

    # Time

    def ring(self) -> None:
        """The timer rang: a turn, if one is due by now. What is due was asked behind the last turn."""
        if self._due_ms is None or not self._ready():
            return
        if self._due_ms <= self.clock.ms(self.world.now_us):
            self.run()
        else:
            self.world.set_alarm(self, self.clock.when_us(self._due_ms))

    def _arm(self) -> None:
        self._due_ms = self.turn.deadline_ms()
        if self._due_ms is not None:
            self.world.set_alarm(self, self.clock.when_us(self._due_ms))

    def jump_clock(self, by_us: int) -> None:
        """Its clock skips forward."""
        self.clock.jump(self.world.now_us, by_us)
        self.ring()

    def drift_clock(self, ppm: int) -> None:
        """Its clock runs faster from now on, or slower."""
        self.clock.drift(self.world.now_us, ppm)
        self.ring()

    def pause(self) -> None:
        """SIGSTOP: nothing happens in it any more; what comes in waits."""
        self.paused = self.runs

    def go_on(self) -> None:
        """SIGCONT: what has waited comes in one burst."""
        if self.paused:
            self.paused = False
            self._resume()

    def _resume(self) -> None:
        """Go on where the pause came in: the rest of a turn, what waits, and what is overdue."""
        if self._busy:
            unfinished, self._unfinished = self._unfinished, None
            if unfinished is not None:
                self._finish_now(*unfinished)
            return
        if self._events:
            self.run()
        self._wake()
        self.ring()

    # Questions of others

    def answer(self, asked: Fetch | FetchFeed) -> list[bytes]:
        """What it shows to who asks."""
        return answer_of(self, asked)
