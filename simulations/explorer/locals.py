"""What every peer may become: each state of one peer once, and what each input makes of it, computed once.

A peer's turn depends on nothing but its own state and the input. So the production code runs once for each pair of
them, and the search of the whole world, which meets the same pairs over and over, only looks them up.
"""

from __future__ import annotations

from typing import NamedTuple

from protocol.actions import Action, Fetch, FetchFeed
from protocol.events import Seen
from protocol.keys import Digest
from protocol.topics import TOPIC_LENGTH
from simulations.explorer.actor import DONE, FAILED, Actor
from simulations.explorer.ice import Ice
from simulations.explorer.likeness import Kind, Kinds, Shape, Times, ages, passed
from simulations.explorer.post import Ask, Post
from simulations.explorer.promises import Facts, facts_of
from simulations.explorer.setting import Setting

Input = tuple[str, int]
"""What happens to one peer, and which message, award, other peer or time it is about."""


class Local(NamedTuple):
    """One state of one peer."""

    frozen: bytes
    later_ms: int
    """How much later than when it was frozen."""
    shape: bytes
    times: Times
    kinds: Kinds
    due_in_ms: int | None
    alive: bool
    at_work: tuple[tuple[int, bool], ...]
    """Awards at work, and whether each may still end by itself."""
    facts: Facts


class Outcome(NamedTuple):
    """What an input makes of a peer."""

    local: int
    sent: tuple[int, ...]
    """Messages that left, in order."""
    broken: str | None = None
    """The promise that it breaks."""


class Locals:
    """All states of all peers, by number."""

    def __init__(self, setting: Setting, *, beside: Locals | None = None) -> None:
        """With `beside`, a table of the same world in which times count exactly: of what comes by itself."""
        self.setting = setting
        self.exact = beside is not None
        self.post: Post = beside.post if beside is not None else Post(setting)
        self.all: list[Local] = []
        self._awards: list[Digest] = beside._awards if beside is not None else []
        self._ice: Ice = beside._ice if beside is not None else Ice()
        self._numbers: dict[tuple[bytes, Times], int] = {}
        self._outcomes: dict[tuple[int, Input], Outcome] = {}
        self._rings: dict[int, tuple[int, ...]] = {}
        self._later: dict[tuple[int, int], int] = {}

    @property
    def turns(self) -> int:
        """How many inputs were given to production code."""
        return len(self._outcomes)

    def thaw(self, number: int) -> Actor:
        """A peer in this state."""
        local = self.all[number]
        actor = self._ice.thaw(local.frozen)
        actor.now_ms += local.later_ms
        return actor

    def add(self, actor: Actor) -> int:
        """The number of a peer's state."""
        actor.tidy()
        shape = Shape(actor.now_ms)
        due_ms = actor.turn.deadline_ms() if actor.alive else None
        for part in (actor.role.number, actor, actor.on_disk(), due_ms):
            shape.read(part)
        digest, times, kinds = shape.digest(), tuple(shape.times), tuple(shape.kinds)
        known = self._numbers.get((digest, self._key(times, kinds)))
        if known is not None:
            return known
        due_in_ms = max(due_ms - actor.now_ms, 0) if due_ms is not None else None
        at_work = tuple((self._award(award), ends) for award, ends in actor.at_work.items())
        frozen = self._ice.freeze(actor)
        return self.adopt(Local(frozen, 0, digest, times, kinds, due_in_ms, actor.alive, at_work, facts_of(actor)))

    def adopt(self, local: Local) -> int:
        """The number of a state that may come from another table."""
        key = (local.shape, self._key(local.times, local.kinds))
        known = self._numbers.get(key)
        if known is None:
            known = self._numbers[key] = len(self.all)
            self.all.append(local)
        return known

    def _key(self, times: Times, kinds: Kinds) -> Times:
        return times if self.exact else ages(times, kinds, self.setting.task.lease_ms)

    def _award(self, award: Digest) -> int:
        if award not in self._awards:
            self._awards.append(award)
        return self._awards.index(award)

    # Time

    def later(self, number: int, by_ms: int) -> int:
        """The same state a little later, but no later than when its next timer is due."""
        local = self.all[number]
        due_in_ms = local.due_in_ms
        if due_in_ms is not None:
            by_ms = min(by_ms, due_in_ms)
        if by_ms <= 0 or not local.alive:
            return number
        known = self._later.get((number, by_ms))
        if known is None:
            known = self._later[number, by_ms] = self._pass(number, by_ms)
        return known

    def _pass(self, number: int, by_ms: int) -> int:
        local = self.all[number]
        kinds = local.kinds
        if any(kind is Kind.AGAIN and time <= by_ms for time, kind in zip(local.times, kinds, strict=True)):
            actor = self.thaw(number)  # what may be answered again is no part of its state any more
            actor.now_ms += by_ms
            return self.add(actor)
        times = tuple([passed(time - by_ms, kind) for time, kind in zip(local.times, kinds, strict=True)])
        due_in_ms = local.due_in_ms - by_ms if local.due_in_ms is not None else None
        return self.adopt(local._replace(later_ms=local.later_ms + by_ms, times=times, due_in_ms=due_in_ms))

    def rings(self, number: int) -> tuple[int, ...]:
        """How far each timer of a peer is that may ring next, and when a lease that was said of is over."""
        rings = self._rings.get(number)
        if rings is None:
            local, lease_ms = self.all[number], self.setting.task.lease_ms
            times = zip(local.times, local.kinds, strict=True)
            coming = {time + lease_ms if kind is Kind.SAID else time for time, kind in times}
            coming = {in_ms for in_ms in coming if in_ms > 0}
            if local.due_in_ms is not None:
                coming.add(local.due_in_ms)
            rings = self._rings[number] = tuple(sorted(coming)) if local.alive else ()
        return rings

    # Inputs

    def step(self, number: int, given: Input) -> Outcome:
        """What an input makes of a peer in this state."""
        outcome = self._outcomes.get((number, given))
        if outcome is None:
            outcome = self._outcomes[number, given] = self.run(self.thaw(number), number, given)
        return outcome

    def run(self, actor: Actor, number: int, given: Input) -> Outcome:
        """The same, computed from a peer that is in this state."""
        what, which = given
        asked = self.post.messages[which].content if what == "hear" else None
        if isinstance(asked, Ask):
            frames = [bytes(TOPIC_LENGTH) + frame for frame in actor.answer(asked.question)]
            sent = [self.post.to_one(asked.asker, frame, actor.role.number) for frame in frames]
            return Outcome(number, tuple(sent))
        if actor.watch is None:
            actor.watch = self._ice.watch(actor)
        try:
            self._apply(actor, what, which)
        except AssertionError as broken:  # a promise, or what production code asserts of itself
            return Outcome(number, (), str(broken))
        questions = [action for action in actor.did if isinstance(action, Fetch | FetchFeed)]
        sent_now = self.post.to_all(actor.role, actor.left, questions)
        actor.left, actor.did = [], []
        return Outcome(self.add(actor), sent_now)

    def replay(self, number: int, given: Input) -> tuple[list[bytes], list[Action]]:
        """The frames that left and what was to be done, to be told of."""
        actor = self.thaw(number)
        if given[0] != "hear" or isinstance(self.post.messages[given[1]].content, bytes):
            self._apply(actor, *given)
        return actor.left, actor.did

    def _apply(self, actor: Actor, what: str, which: int) -> None:
        match what:
            case "hear":
                frame = self.post.messages[which].content
                assert isinstance(frame, bytes)
                actor.hear(frame)
            case "rings":
                actor.ring(which)
            case "done":
                actor.end_work(self._awards[which], DONE)
            case "fails":
                actor.end_work(self._awards[which], FAILED)
            case "hangs":
                actor.at_work[self._awards[which]] = False
            case "seen":
                actor.step(Seen(self.setting.roles[which].peer))
            case "dies":
                actor.die()
            case "is safe":
                actor.mortal = False
            case "begins":
                actor.begin()
            case "announces":
                actor.announce()
            case _:
                raise ValueError(f"nothing is called {what}")
