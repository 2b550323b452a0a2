"""One simulated peer: a key, a home, a clock, an agent's work, and the production `Turn` and `Node` between them.

It does what `peer.runtime` does around a node: one turn for what came in, work started and stopped, callers told,
questions asked and answered. It has no rule of the market, and no rule of the network either. What can happen to a
process is here too: it may be killed at any point of a turn, be stopped and go on, be slow, and find its disk full.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from protocol.actions import Convict, Fetch, FetchFeed, Impossible
from protocol.bidder import Quote
from protocol.errors import UsageError
from protocol.events import Announce, Event, Present, Withdraw
from protocol.feed import Feed
from protocol.keys import Digest, PeerId, Sealer
from protocol.node import Node
from protocol.notices import Card, Offered
from protocol.policy import Policy
from protocol.statements import Announcement, AnyStatement
from protocol.states import Reading
from protocol.turn import Turn
from simulations.world.clock import Clock
from simulations.world.disk import Disk
from simulations.world.loop import Killed, Loop
from simulations.world.questions import answer_of
from simulations.world.work import Work, Workers

if TYPE_CHECKING:
    from simulations.world.link import Link
    from simulations.world.world import World


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
        self.loop: Loop
        self.online = False
        """It is connected: what it says is heard."""
        self._delivered = 0
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
        return self.loop.ready

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
        self.turn = self.make_turn()
        self.loop = Loop(self, self.turn)
        for row in self.disk.rows:
            for frame in row.received:
                self.turn.replay(frame, ())
            if row.said:
                self.turn.replay(None, [statement.payload for statement in row.said])
        if world.hooks.turned:
            self.node.holdings.on_learnt.append(self.loop.learnt)
        self.runs, self.stopped = True, None
        self.loop.begin()
        self.post(Present(self.card()))
        self.online = True

    def make_node(self, feed: Feed) -> Node:
        """The node of a life that begins."""
        return self.world.make_node(self, feed)

    def make_turn(self) -> Turn:
        """The turn of a life that begins: frames that many hear are opened once for all of them."""
        return Turn(self.node, self.disk, self, self.sealer, opener=self.world.opener)

    def card(self) -> Card:
        """What it offers."""
        offered = tuple(Offered(skill=skill, input_schema=b"", output_schema=b"") for skill in self.quotes)
        return Card(
            name=self.name, skills=offered, capacity=self.capacity if offered else 0, addresses=(), transport_key=None,
            certificate=None,
        )  # fmt: skip

    def die(self) -> None:
        """The process is no more; its home is what it is."""
        self.runs = self.paused = self.online = False
        self.disk.trap, self.disk.recorded = None, False
        self.workers.die()

    def die_in_turn(self, *, before_record: bool = False, after_frames: int = 0) -> None:
        """Be killed in the next turn that records: before the commit, or behind it, when so many frames have left."""
        if before_record:
            self.disk.trap = Killed()
        else:
            self.loop.frames_left = after_frames

    # What its user asks

    def post(self, event: Event) -> None:
        """Hand an event in: a turn of its own, or part of the turn that is under way, or of the next one."""
        if self.runs:
            self.loop.post(event)

    def announce(
        self, task: Announcement, *, parent: Digest | None = None, patience_ms: int = 0, check: bool = False
    ) -> Digest | None:
        """Announce a task: its contract, or None where it is impossible (`impossible` says why) or was not recorded.

        Raises UsageError when the process does not run.
        """
        if not self.ready:
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
        loop = self.loop
        if self.policy is not None or loop.busy or self.paused:
            loop.inbox.put(link, connection, frame)
        else:
            link.queued -= 1
            loop.run((frame,))

    def receive_answer(self, frames: Iterable[bytes]) -> None:
        """What was fetched has come, over a connection of its own."""
        self.loop.inbox.put_answer(frames)

    # What a turn records and publishes

    def _recorded(self, said: Sequence[AnyStatement]) -> None:
        for statement in said:
            self.world.opener.expect(statement)
        for hook in self.world.hooks.said:
            for statement in said:
                hook(self, statement, self.world.now_us)

    def publish(self, frame: bytes) -> None:
        """`protocol.turn.Wire`: a frame leaves."""
        self.loop.publish(frame)

    # Time

    def ring(self) -> None:
        """The timer rang: a turn, if one is due by now."""
        self.loop.ring()

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
            self.loop.go_on()

    # Questions of others

    def answer(self, asked: Fetch | FetchFeed) -> list[bytes]:
        """What it shows to who asks."""
        return answer_of(self, asked)
