"""One simulated peer: a key, a home, a clock, an agent's work, and the production `Turn` and `Node` between them.

It does what `peer.runtime` does around a node: one turn for what came in, work started and stopped, callers told,
questions asked and answered. It has no rule of the market, and no rule of the network either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from protocol import limits
from protocol.actions import Action, Check, Convict, Execute, Extend, Fetch, FetchFeed, Impossible, Report, Stop
from protocol.bidder import Quote
from protocol.bundle import evidence_of, exhibit
from protocol.contract import Contract
from protocol.errors import UsageError
from protocol.events import Advanced, Announce, Checked, Event, Heard, Present, Vote, Withdraw, Worked
from protocol.feed import Feed
from protocol.keys import Digest, PeerId, Sealer
from protocol.node import Node
from protocol.notices import Card, Offered
from protocol.policy import Policy
from protocol.statements import Announcement, AnyStatement, Bid, Failure, FailureClass, Result
from protocol.states import Reading
from protocol.turn import Turn
from simulations.disk import Disk

if TYPE_CHECKING:
    from simulations.world import World

FRAMES_PER_TURN = 256
"""As `peer.runtime` has it: a turn takes no more than this."""


class Ends(NamedTuple):
    """How a piece of work ends: after how long, and with what. With None it hangs until it is stopped."""

    after_ms: int
    outcome: Result | Failure | None


Work = Callable[[Execute], Ends]
"""What an agent does with an award."""
Check_ = Callable[[AnyStatement], bool | None]


def done_at_once(execute: Execute) -> Ends:
    """The plainest agent: every task is done in no time."""
    return Ends(0, Result(output=b'"done"', output_digest=None, usage_ms=0))


def price_of(price: int, duration_ms: int = 10) -> Quote:
    """The plainest strategy: one price for everything."""
    bid = Bid(price=price, duration_ms=duration_ms)
    return lambda announcement: bid


class Clock:
    """A peer's own milliseconds, made from the world's microseconds: it may run ahead, drift, and jump forward."""

    __slots__ = ("_base_us", "_drift_ppm", "_local_us")

    def __init__(self, *, skew_us: int = 0) -> None:
        self._base_us = 0
        self._local_us = skew_us
        self._drift_ppm = 0

    def local_us(self, now_us: int) -> int:
        return self._local_us + (now_us - self._base_us) * (1_000_000 + self._drift_ppm) // 1_000_000

    def ms(self, now_us: int) -> int:
        """What the peer's clock shows."""
        return self.local_us(now_us) // 1000

    def when_us(self, due_ms: int) -> int:
        """The first microsecond of the world at which the peer's clock shows `due_ms`."""
        ahead = due_ms * 1000 - self._local_us
        return self._base_us - (-ahead * 1_000_000 // (1_000_000 + self._drift_ppm))

    def jump(self, now_us: int, by_us: int) -> None:
        """Skip forward, as after a suspend that the counting did not stop for. It never goes back: CLOCK_BOOTTIME."""
        if by_us < 0:
            raise UsageError("This clock cannot be set back.", why="It counts from boot.", do="Let it drift instead.")
        self._base_us, self._local_us = now_us, self.local_us(now_us) + by_us

    def drift(self, now_us: int, ppm: int) -> None:
        """Run faster by this many millionths from now on, or slower by negative ones."""
        if not -500_000 <= ppm <= 1_000_000:
            raise UsageError(f"A clock does not drift by {ppm} ppm.", do="Take -500000 to 1000000.")
        self._base_us, self._local_us, self._drift_ppm = now_us, self.local_us(now_us), ppm


class _Run:
    """One award at work."""

    __slots__ = ("award", "lease_until_ms")

    def __init__(self, award: Digest, lease_until_ms: int) -> None:
        self.award, self.lease_until_ms = award, lease_until_ms


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
        self.alive = False
        self.stopped: Exception | None = None
        """Why the peer stopped by itself: a turn that it could not record."""
        self.reports: dict[Digest, Reading] = {}
        """The latest reading reported of each task of this peer."""
        self.impossible: list[Impossible] = []
        self.convictions: list[Convict] = []
        self.checks: Check_ = lambda result: True
        """What its user says of a result; None: nothing, for now."""
        self.runs: dict[Digest, _Run] = {}
        """The awards at work."""
        self.touched: dict[Digest, Contract] = {}
        """Contracts whose set changed in the turn under way."""
        self._delivered = 0
        self._events: list[Event] = []
        self._stepping = False
        disk.on_record = self._recorded
        self.node: Node
        self.turn: Turn

    @property
    def peer(self) -> PeerId:
        return self.sealer.peer

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def now_ms(self) -> int:
        """The time on this peer's own clock."""
        return self.clock.ms(self.world.now_us)

    def clock_ms(self, now_us: int) -> int:
        """What its clock shows at a time of the world."""
        return self.clock.ms(now_us)

    @property
    def deliveries(self) -> int:
        """How many statements its nodes were handed, repeats included."""
        verdicts = self.turn.verdicts
        return self._delivered + verdicts["accept"] + verdicts["ignore (nobody): seen before"]

    def said(self) -> Sequence[AnyStatement]:
        """Everything that its disk says it has said, in all feeds."""
        return self.disk.said()

    def reading(self, contract: Digest) -> Reading | None:
        """The reading of a contract held here."""
        held = self.node.holdings.contracts.get(contract)
        return held.reading if held is not None else None

    # Life

    def begin(self) -> None:
        """Make the node, replay the journal, and resume; the world lets the others know."""
        world = self.world
        self._delivered = self.deliveries if hasattr(self, "turn") else 0
        feed = Feed(market=Digest(world.charter.id), author=self.peer, feed_id=self.disk.begin())
        self.node = world.make_node(self, feed)
        self.turn = Turn(self.node, self.disk, self, self.sealer, opener=world.opener)
        if world.hooks.turned:
            self.node.holdings.on_learnt.append(self._learnt)
        for row in self.disk.rows:
            for frame in row.received:
                self.turn.replay(frame, ())
            if row.said:
                self.turn.replay(None, [statement.payload for statement in row.said])
        self.alive, self.stopped = True, None
        self._events.clear()
        try:
            left = self.turn.resume(self.now_ms())
        except OSError as error:
            self._stop(error)
            return
        self._carry_out(left)
        self.run(events=[Present(self._card())])

    def _card(self) -> Card:
        offered = tuple(Offered(skill=skill, input_schema=b"", output_schema=b"") for skill in self.quotes)
        return Card(
            name=self.name, skills=offered, capacity=self.capacity if offered else 0, addresses=(), transport_key=None,
            certificate=None,
        )  # fmt: skip

    def die(self) -> None:
        """The process is no more; its home is what it is."""
        self.alive = False
        for award in list(self.runs):
            self._end(award)

    def _stop(self, error: Exception) -> None:
        """A turn that could not be recorded: the peer no longer knows what it has promised."""
        self.stopped = error
        self.world.crash(self)

    # What its user asks

    def post(self, event: Event) -> None:
        """Hand an event in: a turn of its own, or part of the turn that is under way."""
        self._events.append(event)
        if not self._stepping:
            self.run()

    def announce(
        self, task: Announcement, *, parent: Digest | None = None, patience_ms: int = 0, check: bool = False
    ) -> Digest | None:
        """Announce a task: its contract, or None where it is impossible (see `impossible`)."""
        before = len(self.impossible)
        known = {*self.reports}
        self.post(Announce(task=task, parent=parent, patience_ms=patience_ms, check=check))
        if len(self.impossible) > before or not self.alive:
            return None
        new = [contract for contract in self.reports if contract not in known]
        return new[-1] if new else None

    def withdraw(self, contract: Digest) -> None:
        """Its user no longer wants a task."""
        self.post(Withdraw(contract))

    def vote(self, vote: Vote) -> None:
        """The person at a governor's desk decides."""
        self.post(vote)

    # Turns

    def run(self, frames: Iterable[bytes] = (), events: Iterable[Event] = ()) -> None:
        """Take turns until nothing is left to step on."""
        if not self.alive:
            return
        self._events += events
        self._take_turn(frames)
        while self._events and self.alive:
            self._take_turn(())
        if self.alive:
            self._arm()

    def _take_turn(self, frames: Iterable[bytes]) -> None:
        """One turn; what work on pure tasks ends at once is answered in it."""
        now_ms = self.now_ms()
        self._stepping = True
        try:
            for execute in self._step(frames, now_ms):
                self._execute(execute)
            while self._events:
                for execute in self._step((), now_ms):
                    self._execute(execute)
            left = self.turn.finish(now_ms)
        except OSError as error:
            self._stop(error)
            return
        finally:
            self._stepping = False
        self._carry_out(left)
        if self.touched:
            touched, self.touched = list(self.touched.values()), {}
            for hook in self.world.hooks.turned:
                hook(self, touched, self.world.now_us)

    def _learnt(self, contract: Contract) -> None:
        self.touched[contract.id] = contract

    def _step(self, frames: Iterable[bytes], now_ms: int) -> list[Execute]:
        events, self._events = self._events, []
        return self.turn.take(frames, events, now_ms)

    def ring(self) -> None:
        """The timer rang: a turn, if one is due by now."""
        due = self.turn.deadline_ms() if self.alive else None
        if due is None:
            return
        if due <= self.now_ms():
            self.run()
        else:
            self._arm()

    def _arm(self) -> None:
        due = self.turn.deadline_ms()
        if due is not None:
            self.world.set_alarm(self, self.clock.when_us(due))

    def publish(self, frame: bytes) -> None:
        """`protocol.turn.Wire`: a frame leaves."""
        self.world.publish(self, frame)

    def _recorded(self, said: Sequence[AnyStatement]) -> None:
        for hook in self.world.hooks.said:
            for statement in said:
                hook(self, statement, self.world.now_us)

    def _carry_out(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Report(contract=contract, reading=reading):
                    self.reports[contract] = reading
                    self.world.reported(self, contract, reading)
                case Execute():
                    self._execute(action)
                case Stop(award=award):
                    self._halt(award)
                case Extend(award=award, lease_until_ms=until_ms):
                    if award in self.runs:
                        self.runs[award].lease_until_ms = until_ms
                case Check(contract=contract, result=result):
                    passed = self.checks(result)
                    if passed is not None:
                        self._events.append(Checked(contract=contract, result=result.id, passed=passed))
                case Fetch() | FetchFeed():
                    self.world.ask(self, action)
                case Impossible():
                    self.impossible.append(action)
                case Convict():
                    self.convictions.append(action)
                    for hook in self.world.hooks.convicted:
                        hook(self, action, self.world.now_us)

    # Work

    def _execute(self, execute: Execute) -> None:
        award = execute.award.id
        run = self.runs[award] = _Run(award, execute.lease_until_ms)
        for hook in self.world.hooks.began:
            hook(self, execute, self.world.now_us)
        ends = self.work(execute)
        if ends.outcome is None:
            return
        worked = Worked(award=award, outcome=ends.outcome)
        if ends.after_ms <= 0:
            self._worked(run, worked)
        else:
            self.world.at(self.world.now_us + ends.after_ms * 1000, lambda: self._worked(run, worked))

    def _worked(self, run: _Run, worked: Worked) -> None:
        """Work ended by itself, unless it was ended before."""
        if self.runs.get(run.award) is run:
            self._end(run.award)
            self.post(worked)

    def advance(self, award: Digest, permille: int) -> None:
        """Its agent says how far it is."""
        if award in self.runs:
            self.post(Advanced(award=award, permille=permille))

    def _halt(self, award: Digest) -> None:
        """The fence trips at once; that the work was stopped is told as the runtime tells it."""
        if award in self.runs:
            self._end(award)
            failure = Failure(failure_class=FailureClass.STOPPED, reason="The epoch is over.", done="")
            self._events.append(Worked(award=award, outcome=failure))

    def _end(self, award: Digest) -> None:
        del self.runs[award]
        for hook in self.world.hooks.ended:
            hook(self, award, self.world.now_us)

    # Questions of others

    def answer(self, asked: Fetch | FetchFeed) -> list[bytes]:
        """Evidence of what is held, or of a range of our own feed: as `peer.runtime` serves it."""
        if isinstance(asked, Fetch):
            found = [self.node.holdings.find(known) for known in asked.ids[: limits.FETCH_IDS_MAX]]
            return [evidence_of(statement, self.sealer) for statement in found if statement is not None]
        if asked.author != self.peer:
            return []
        last = min(asked.last, asked.first + limits.BUNDLE_STATEMENTS_MAX - 1)
        said = [each for each in self.said() if each.feed == asked.feed and asked.first <= each.seq <= last]
        return exhibit(said, self.sealer) if said else []


class WatchedNode(Node):
    """A node whose every statement the checkers hear; worlds without such checkers take the plain one."""

    process: Process

    def step(self, event: Event, now_ms: int) -> list[Action]:
        if type(event) is Heard:
            for hook in self.process.world.hooks.heard:
                hook(self.process, event.statement, self.process.world.now_us)
        return super().step(event, now_ms)
