"""The world: many processes, the network between them, and the one time that they all live in.

    world = World(seed=7, governors=["judge"])
    world.join("judge", policy=NO_RULES)
    world.join("hazel", skills={"shout": 5})
    desk = world.join("desk")
    contract = desk.announce(world.task(skill="shout"))
    world.run_for(60_000)
    desk.reading(contract).state, world.digest()

Time is an integer in microseconds. All chance comes from the seed, by streams with names of their own, so that what is
drawn for one thing does not move another. The same seed and the same calls give the same trace.
"""

from __future__ import annotations

import hashlib
import heapq
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from protocol.actions import Fetch, FetchFeed
from protocol.bidder import Quote
from protocol.bundle import open_bundle
from protocol.codec import encode
from protocol.errors import UsageError
from protocol.events import Lost, Seen
from protocol.feed import Feed
from protocol.keys import Digest
from protocol.node import Node
from protocol.notices import Admission, Charter, Seat
from protocol.outbox import exhibit_frames
from protocol.policy import Policy
from protocol.statements import NO_MARKET, Announcement, AwardRule, EffectClass, Statement
from protocol.states import Reading
from protocol.topics import TOPIC_LENGTH, governance_topic, peer_topic, skill_topic
from simulations.checkers.base import Checker, Roster, hooks
from simulations.disk import FEED_LENGTH, Disk
from simulations.network import Link, Network
from simulations.process import Clock, Process, WatchedNode, Work, done_at_once, price_of
from simulations.seals import Keyring, SealerOf, real_key
from simulations.timers import Alarms
from simulations.trace import Trace

START_US = 1_000_000
"""When a world begins: no machine's clock shows nothing."""
_NO_TOPIC = bytes(TOPIC_LENGTH)


class Hooks:
    """What the checkers of a world want to be told: one list for each hook, empty where none overrides it."""

    def __init__(self, checkers: Sequence[Checker]) -> None:
        self.heard = hooks(checkers, "heard")
        self.said = hooks(checkers, "said")
        self.published = hooks(checkers, "published")
        self.began = hooks(checkers, "began")
        self.ended = hooks(checkers, "ended")
        self.convicted = hooks(checkers, "convicted")
        self.turned = hooks(checkers, "turned")
        self.at_rest = hooks(checkers, "at_rest")


class World:
    """Many peers in one market, under one seed."""

    def __init__(
        self,
        seed: int = 0,
        network: Network | None = None,
        *,
        governors: Sequence[str] = (),
        charter: Mapping[str, object] | None = None,
        checkers: Iterable[Callable[[Roster], Checker]] = (),
        real_keys: bool = False,
    ) -> None:
        """`governors` names the seats of the charter; `charter` changes its other fields; each of `checkers` is made
        with the roster of this world; with `real_keys` all seals are Ed25519.
        """
        self.seed = seed
        self.now_us = START_US
        self.network = network or Network()
        self.roster = Roster()
        self.checkers = [make(self.roster) for make in checkers]
        self.hooks = Hooks(self.checkers)
        self.trace = Trace()
        self.processes: dict[str, Process] = {}
        """By name, in the order of joining."""
        self.on_report: Callable[[Process, Digest, Reading], None] = lambda process, contract, reading: None
        self.opener = open_bundle
        self._sealer_of: SealerOf = real_key if real_keys else Keyring().sealer
        self._by_peer: dict[bytes, Process] = {}
        self._topics: dict[bytes, list[Process]] = {}
        self._all_hearing: list[Process] = []
        self._events: list[tuple[int, int, Link | None, Any, int]] = []
        self._put = 0
        self._alarms = Alarms[Process]()
        self._seats = {name: self.chance(f"seat/{name}").randbytes(FEED_LENGTH) for name in governors}
        self.charter = self._make_charter(dict(charter or {}))

    # Chance

    def chance(self, name: str) -> random.Random:
        """A stream of chance of its own: what is drawn from it moves no other stream."""
        return random.Random(int.from_bytes(hashlib.sha256(b"%d/%b" % (self.seed, name.encode())).digest()))

    def sealer(self, name: str) -> Any:
        """The key of a peer of this name."""
        return self._sealer_of(hashlib.sha256(b"key/%d/%b" % (self.seed, name.encode())).digest())

    def _make_charter(self, changes: dict[str, object]) -> Statement[Charter]:
        n = len(self._seats)
        fields: dict[str, object] = {
            "name": "simulated", "version": 1, "admission": Admission.OPEN, "admitters": (),
            "governors": tuple(Seat(governor=self.sealer(name).peer, feed=feed) for name, feed in self._seats.items()),
            "liars_max": 0, "permits_needed": n // 2 + 1 if n else 0, "vetoes_needed": n // 2 + 1 if n else 0,
            "oversight": (), "revocations": (), "budget_max": 10**9, "deadline_max_ms": 10**9,
        } | changes  # fmt: skip
        return encode(
            Charter(**fields),  # type: ignore[arg-type]
            market=NO_MARKET, author=self.sealer("the authority").peer, feed=bytes(FEED_LENGTH), seq=1, prev=None,
            made_ms=0, about=None,
        )  # fmt: skip

    def task(self, **changes: object) -> Announcement:
        """A plain pure task for `shout` under this market's charter, with whatever is to be different."""
        fields: dict[str, object] = {
            "charter": self.charter.id, "skill": "shout", "input": b'{"text":"hi"}', "input_digest": None,
            "requirements": (), "budget": 100, "award_rule": AwardRule.LOWEST_PRICE, "price_weight": 1,
            "duration_weight": 0, "effect": EffectClass.PURE, "bid_window_ms": 500, "lease_ms": 4_000,
            "deadline_ms": 60_000, "attempts": 3, "idempotency_key": b"task", "traceparent": "",
        } | changes  # fmt: skip
        return Announcement(**fields)  # type: ignore[arg-type]

    # Peers

    def join(
        self,
        name: str,
        *,
        skills: Mapping[str, int | Quote] | None = None,
        work: Work = done_at_once,
        capacity: int = 8,
        policy: Policy | None = None,
        honest: bool = True,
        skew_us: int = 0,
    ) -> Process:
        """A peer joins: it offers skills at a price, or by a strategy; with a `policy` it governs.

        Raises UsageError for a name that is taken.
        """
        if name in self.processes:
            raise UsageError(f"There is a peer called {name} already.", do="Give it another name.")
        quotes = {
            skill: price_of(quote) if isinstance(quote, int) else quote for skill, quote in (skills or {}).items()
        }
        process = Process(
            self, len(self.processes), name, self.sealer(name),
            Disk(self.chance(f"disk/{name}"), seat=self._seats.get(name) if policy is not None else None),
            quotes=quotes, work=work, capacity=capacity, policy=policy, honest=honest, clock=Clock(skew_us=skew_us),
        )  # fmt: skip
        self.processes[name] = self._by_peer[process.peer] = process
        self.roster.join(process)
        self._subscribe(process)
        process.begin()
        self._greet(process)
        return process

    def _subscribe(self, process: Process) -> None:
        if process.policy is not None:
            self._all_hearing.append(process)
            return
        for topic in [peer_topic(process.peer), governance_topic(self.charter.id), *map(skill_topic, process.quotes)]:
            self._topics.setdefault(topic, []).append(process)

    def _greet(self, newcomer: Process) -> None:
        """Everybody who is there and the newcomer find each other, and subscribe."""
        for other in self.processes.values():
            if other is not newcomer and other.alive and newcomer.alive:
                self._connect(newcomer, other)
                self._connect(other, newcomer)

    def _connect(self, sender: Process, reader: Process) -> None:
        link = self.network.link(sender, reader)
        connection = link.connection
        self.at(self.now_us + self.network.latency_us, lambda: self._subscribed(link, connection))

    def _subscribed(self, link: Link, connection: int) -> None:
        if link.connection == connection and not link.up and link.sender.alive and link.reader.alive:
            link.up = True
            link.sender.post(Seen(link.reader.peer))

    def make_node(self, process: Process, feed: Feed) -> Node:
        """The production node of a process; one that is watched, where a checker wants to see what it hears."""
        kind = WatchedNode if self.hooks.heard else Node
        node = kind(self.charter, feed, quotes=process.quotes, capacity=process.capacity, policy=process.policy)
        if isinstance(node, WatchedNode):
            node.process = process
        return node

    # Lives

    def crash(self, process: Process) -> None:
        """A process is killed: its connections break, and the others notice."""
        if not process.alive:
            return
        self.trace.note(b"x", self.now_us, process.number, 0)
        process.die()
        for other in self.processes.values():
            if other is process:
                continue
            for link in (self.network.link(process, other), self.network.link(other, process)):
                link.up, link.connection = False, link.connection + 1
            if other.alive:
                other.post(Lost(process.peer))

    def restart(self, process: Process) -> None:
        """A process that is not alive begins again, with its home as it is now."""
        if process.alive:
            raise UsageError(f"{process.name} is alive.", do="Crash it first.")
        self.trace.note(b"b", self.now_us, process.number, 0)
        process.begin()
        self._greet(process)

    # Frames

    def publish(self, sender: Process, frame: bytes) -> None:
        """A frame leaves, to all who have subscribed to its topic."""
        self.trace.note(b"p", self.now_us, sender.number, 0, frame)
        for hook in self.hooks.published:
            hook(sender, frame, self.now_us)
        for reader in self._topics.get(frame[:TOPIC_LENGTH], ()):
            if reader is not sender:
                self._send(self.network.link(sender, reader), frame)
        for reader in self._all_hearing:
            if reader is not sender:
                self._send(self.network.link(sender, reader), frame)

    def _send(self, link: Link, frame: bytes) -> None:
        if link.up:
            arrival = max(self.now_us + self.network.latency_us, link.last_us)
            link.last_us = arrival
            self._put += 1
            heapq.heappush(self._events, (arrival, self._put, link, frame, link.connection))

    def ask(self, asker: Process, asked: Fetch | FetchFeed) -> None:
        """A question to a holder: there and back takes as long as two frames."""
        holder = self._by_peer.get(asked.holder if isinstance(asked, Fetch) else asked.author)
        if holder is None or holder is asker:
            return
        self.at(self.now_us + self.network.latency_us, lambda: self._answer(asker, holder, asked))

    def _answer(self, asker: Process, holder: Process, asked: Fetch | FetchFeed) -> None:
        pieces = holder.answer(asked) if holder.alive else []
        frames = [_NO_TOPIC + frame for frame in exhibit_frames(pieces)]
        if frames:
            node = asker.node
            self.at(self.now_us + self.network.latency_us, lambda: asker.run(frames) if asker.node is node else None)

    def reported(self, process: Process, contract: Digest, reading: Reading) -> None:
        """A task of a process has moved."""
        self.on_report(process, contract, reading)

    # Time

    def at(self, when_us: int, happening: Callable[[], object]) -> None:
        """Let something happen at a time."""
        self._put += 1
        heapq.heappush(self._events, (max(when_us, self.now_us), self._put, None, happening, 0))

    def set_alarm(self, process: Process, due_us: int) -> None:
        """Wake a process at this time, or look again before."""
        self._alarms.set(process, max(due_us, self.now_us))

    def next_us(self) -> int | None:
        """When something happens next, or None: everything is at rest."""
        event = self._events[0][0] if self._events else None
        alarm = self._alarms.next_us()
        if event is None or alarm is None:
            return event if alarm is None else alarm
        return min(event, alarm)

    def step(self) -> bool:
        """Let the next thing happen; False where nothing is left to."""
        due = self.next_us()
        if due is None:
            return False
        self.now_us = max(self.now_us, due)
        if self._events and self._events[0][0] <= self.now_us:
            _, _, link, what, connection = heapq.heappop(self._events)
            if link is None:
                what()
            elif link.connection == connection:
                self._deliver(link, what)
        else:
            process = self._alarms.take()
            if process is not None:
                self.trace.note(b"t", self.now_us, process.number, 0)
                process.ring()
        return True

    def _deliver(self, link: Link, frame: bytes) -> None:
        self.trace.note(b"d", self.now_us, link.sender.number, link.reader.number)
        link.reader.run((frame,))

    def run_until(self, until_us: int) -> None:
        """Let everything happen that is due until then, and leave the clock there."""
        while (due := self.next_us()) is not None and due <= until_us:
            self.step()
        self.now_us = max(self.now_us, until_us)

    def run_for(self, ms: int) -> None:
        """Let this many milliseconds pass."""
        self.run_until(self.now_us + ms * 1000)

    def at_rest(self) -> None:
        """Ask every checker whether what is at rest is well."""
        everybody = list(self.processes.values())
        for hook in self.hooks.at_rest:
            hook(everybody, self.now_us)

    @property
    def deliveries(self) -> int:
        """How many statements were handed to nodes, repeats included."""
        return sum(process.deliveries for process in self.processes.values())

    def digest(self) -> str:
        """The digest of the trace so far."""
        return self.trace.digest()
