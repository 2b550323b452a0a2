"""A market of real nodes on a fake wire: a virtual clock, in-memory journals, and faults on demand.

Everything between the frames and the journal is production code (`protocol.turn`). What is faked is the wire, which
may lose, repeat, delay and reorder frames, and the worker, which answers after a given virtual time.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from protocol.actions import Check, Convict, Execute, Fetch, FetchFeed, Report, Stop
from protocol.bundle import Door, evidence_of, open_door, seal
from protocol.codec import decode, encode
from protocol.events import Announce, Checked, Event, Heard, Present, Seen, Worked
from protocol.feed import Feed
from protocol.keys import Digest, Ed25519Sealer
from protocol.node import Node
from protocol.notices import Admission, Card, Charter, Offered, Seat
from protocol.outbox import exhibit_frames
from protocol.policy import Policy
from protocol.statements import (
    NO_MARKET,
    Announcement,
    AnyStatement,
    AwardRule,
    Bid,
    Body,
    EffectClass,
    Failure,
    Result,
    Statement,
)
from protocol.states import Reading
from protocol.topics import TOPIC_LENGTH, peer_topic, skill_topic
from protocol.turn import Turn

AUTHORITY = Ed25519Sealer.from_seed(b"authority".ljust(32, b"\0"))
TURNS_MAX = 50_000
"""Turns by timer that no story needs."""
Work = Callable[[Execute], Result | Failure | None]


def feed_id_of(name: str, life: int = 0) -> bytes:
    """A feed id that a test can predict."""
    return f"{name}{life}".encode().ljust(8, b"\0")[:8]


def sealer_of(name: str) -> Ed25519Sealer:
    """The key of a peer of this name."""
    return Ed25519Sealer.from_seed(name.encode().ljust(32, b"\0")[:32])


def charter_with(governors: Sequence[str] = (), **changes: object) -> Statement[Charter]:
    """The first version of a charter, with these governors and the smallest sound quorum."""
    n = len(governors)
    fields: dict[str, object] = {
        "name": "test", "version": 1, "admission": Admission.OPEN, "admitters": (),
        "governors": tuple(Seat(governor=sealer_of(name).peer, feed=feed_id_of(name)) for name in governors),
        "liars_max": 0, "permits_needed": n // 2 + 1 if n else 0, "vetoes_needed": n // 2 + 1 if n else 0,
        "oversight": (), "revocations": (), "budget_max": 10**9, "deadline_max_ms": 10**9,
    } | changes  # fmt: skip
    return encode(
        Charter(**fields),  # type: ignore[arg-type]
        market=NO_MARKET, author=AUTHORITY.peer, feed=feed_id_of("charter"), seq=1, prev=None, made_ms=0, about=None,
    )  # fmt: skip


def task_for(charter: Statement[Charter], **changes: object) -> Announcement:
    """A plain pure task for `shout`, with whatever is to be different."""
    fields: dict[str, object] = {
        "charter": charter.id, "skill": "shout", "input": b'{"text":"hi"}', "input_digest": None, "requirements": (),
        "budget": 100, "award_rule": AwardRule.LOWEST_PRICE, "price_weight": 1, "duration_weight": 0,
        "effect": EffectClass.PURE, "bid_window_ms": 500, "lease_ms": 4_000, "deadline_ms": 60_000, "attempts": 3,
        "idempotency_key": b"task", "traceparent": "",
    } | changes  # fmt: skip
    return Announcement(**fields)  # type: ignore[arg-type]


@dataclass
class MemoryJournal:
    """Rows in a list; `fail_at` makes the transaction of that number fail, as a crash before the commit would."""

    rows: list[tuple[list[bytes], list[bytes]]] = field(default_factory=list)
    fail_at: int | None = None

    def record(self, received: Sequence[bytes], said: Sequence[AnyStatement], *, durable: bool) -> None:
        if self.fail_at is not None and len(self.rows) >= self.fail_at:
            raise OSError("no transaction any more")
        self.rows.append((list(received), [statement.payload for statement in said]))


class TestPeer:
    """One node of the market, with its journal and its work."""

    __test__ = False

    def __init__(
        self,
        market: TestMarket,
        name: str,
        *,
        prices: dict[str, int],
        capacity: int,
        policy: Policy | None,
        life: int = 0,
    ) -> None:
        self.market, self.name, self.life = market, name, life
        self.sealer = sealer_of(name)
        self.prices, self.capacity, self.policy = prices, capacity, policy
        self.journal = MemoryJournal()
        self.work: Work = lambda execute: Result(output=b'"done"', output_digest=None, usage_ms=1)
        self.work_ms = 10
        self.reports: list[tuple[Digest, Reading]] = []
        self.executed: list[Execute] = []
        self.stopped: list[Digest] = []
        self.convictions: list[Convict] = []
        self.check: Callable[[AnyStatement], bool | None] = lambda result: True
        self.alive = True
        self.begin()

    def begin(self) -> None:
        """Make the node anew and replay the journal."""
        feed = Feed(market=self.market.charter.id, author=self.sealer.peer, feed_id=feed_id_of(self.name, self.life))
        quotes = {skill: self._quote(price) for skill, price in self.prices.items()}
        self.node = Node(self.market.charter, feed, quotes=quotes, capacity=self.capacity, policy=self.policy)
        self.turn = Turn(self.node, self.journal, self, self.sealer, door=self.market.door_of(self))
        for received, said in self.journal.rows:
            for frame in received:
                self.turn.replay(frame, ())
            self.turn.replay(None, said)
        self.alive = True

    @staticmethod
    def _quote(price: int) -> Callable[[Statement[Announcement]], Bid]:
        return lambda announcement: Bid(price=price, duration_ms=10)

    def publish(self, frame: bytes) -> None:
        self.market.on_published(self, frame)
        self.market.deliver(self, frame)

    def run(self, frames: Iterable[bytes] = (), events: Iterable[Event] = ()) -> None:
        """One turn, and then the shell's part of it."""
        if not self.alive:
            return
        try:
            actions = self.turn.run(frames, events, self.market.now_ms)
        except OSError:
            self.alive = False
            return
        self.carry_out(actions)

    def resume(self) -> None:
        """What the runtime does after a restart, before its first turn."""
        try:
            actions = self.turn.resume(self.market.now_ms)
        except OSError:
            self.alive = False
            return
        self.carry_out(actions)

    def crash(self) -> None:
        """Stop at once; what is not in the journal is lost."""
        self.alive = False

    def carry_out(self, actions: Iterable[object]) -> None:
        for action in actions:
            self.market.on_action(self, action)
            match action:
                case Execute():
                    self.executed.append(action)
                    outcome = self.work(action)
                    if outcome is not None:
                        done = Worked(award=action.award.id, outcome=outcome)
                        self.market.at(self.market.now_ms + self.work_ms, self.later(done))
                case Report(contract=contract, reading=reading):
                    self.reports.append((contract, reading))
                case Stop(award=award):
                    self.stopped.append(award)
                case Convict():
                    self.convictions.append(action)
                case Check(contract=contract, result=result):
                    passed = self.check(result)
                    if passed is not None:
                        checked = Checked(contract=contract, result=result.id, passed=passed)
                        self.market.at(self.market.now_ms, self.later(checked))
                case Fetch(holder=holder, ids=ids):
                    self.market.fetch(self, holder, lambda other, ids=ids: other.find(ids))
                case FetchFeed():
                    self.market.fetch(self, action.author, lambda other, a=action: other.find_range(a))

    def later(self, event: Event) -> Callable[[], None]:
        """Something that happens to this life of the peer, unless it crashes before."""
        born = self.node
        return lambda: self.run(events=[event]) if self.node is born else None

    def find(self, ids: Iterable[Digest]) -> list[bytes]:
        """Evidence of what is held, by id."""
        found = [self.node.holdings.find(known) for known in ids]
        return [evidence_of(statement, self.sealer) for statement in found if statement is not None]

    def find_range(self, asked: FetchFeed) -> list[bytes]:
        """Evidence of our own statements, by feed and seq."""
        said = [statement for statement in self.said() if statement.feed == asked.feed]
        return [evidence_of(each, self.sealer) for each in said if asked.first <= each.seq <= asked.last]

    def said(self) -> list[AnyStatement]:
        """Everything that the journal says we have said."""
        return [decode(payload) for _, payloads in self.journal.rows for payload in payloads]

    def slander(self, topic: bytes, body: Body, *, like: AnyStatement, **changes: object) -> AnyStatement:
        """Say, past our own node, a statement with the place of another one: what only a liar does."""
        place = {"seq": like.seq, "prev": like.prev, "about": like.about, "feed": like.feed} | changes
        lie = encode(body, market=self.node.market, author=self.sealer.peer, made_ms=0, **place)  # type: ignore[arg-type]
        self.publish(topic + seal([lie], self.sealer))
        return lie

    def hear(self, statement: AnyStatement) -> None:
        """Hand a statement in, as if its bundle had been opened."""
        self.run(events=[Heard(statement)])

    def contract(self, contract_id: Digest) -> Reading:
        return self.node.holdings.contracts[contract_id].reading


class TestMarket:
    """Peers, a wire between them, and the time."""

    __test__ = False

    def __init__(self, charter: Statement[Charter] | None = None, *, seed: int = 0) -> None:
        self.charter = charter or charter_with()
        self.now_ms = 1_000
        self.random = random.Random(seed)
        self.peers: dict[str, TestPeer] = {}
        self.loss = self.repeat = 0.0
        self.latency_ms = (1, 1)
        self.cut: set[tuple[str, str]] = set()
        """Directed pairs (from, to) between which nothing passes."""
        self.on_published: Callable[[TestPeer, bytes], None] = lambda sender, frame: None
        self.on_action: Callable[[TestPeer, object], None] = lambda actor, action: None
        self.door_of: Callable[[TestPeer], Door] = lambda peer: open_door
        """The door that a peer gets when it joins or is restarted."""
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._counter = 0
        self.turns = 0

    def join(self, name: str, *, capacity: int = 8, policy: Policy | None = None, **prices: int) -> TestPeer:
        """A peer joins, offering skills at prices, and everybody sees everybody."""
        newcomer = TestPeer(self, name, prices=prices, capacity=capacity, policy=policy)
        self.peers[name] = newcomer
        self.greet(newcomer)
        return newcomer

    def greet(self, newcomer: TestPeer) -> None:
        offered = tuple(Offered(skill=skill, input_schema=b"", output_schema=b"") for skill in newcomer.prices)
        card = Card(name=newcomer.name, skills=offered, capacity=8, addresses=(), transport_key=None, certificate=None)
        newcomer.run(events=[Present(card)])
        for other in self.peers.values():
            if other is not newcomer:
                other.run(events=[Seen(newcomer.sealer.peer)])
                newcomer.run(events=[Seen(other.sealer.peer)])

    def restart(self, name: str, *, lose_journal: bool = False) -> TestPeer:
        """A peer comes back with its journal, or without it and in a new feed."""
        restarted = self.peers[name]
        if lose_journal:
            restarted.journal, restarted.life = MemoryJournal(), restarted.life + 1
        restarted.journal.fail_at = None
        restarted.begin()
        restarted.resume()
        self.greet(restarted)
        return restarted

    def heal(self) -> None:
        """Everybody reaches and sees everybody again."""
        self.cut.clear()
        self.loss = self.repeat = 0.0
        for each in self.peers.values():
            for other in self.peers.values():
                if other is not each:
                    each.run(events=[Seen(other.sealer.peer)])

    def at(self, when_ms: int, happening: Callable[[], None]) -> None:
        self._counter += 1
        heapq.heappush(self._queue, (max(when_ms, self.now_ms), self._counter, happening))

    def deliver(self, sender: TestPeer, frame: bytes) -> None:
        """Put a frame on the wire, to all who subscribe to its topic."""
        for name, receiver in self.peers.items():
            if receiver is sender or (sender.name, name) in self.cut:
                continue
            if not self._subscribes(receiver, frame[:9]):
                continue
            copies = (self.random.random() >= self.loss) + (self.random.random() < self.repeat)
            for _ in range(copies):
                arrival = self.now_ms + self.random.randint(*self.latency_ms)
                self.at(arrival, lambda receiver=receiver: receiver.run(frames=[frame]))

    @staticmethod
    def _subscribes(receiver: TestPeer, topic: bytes) -> bool:
        if receiver.policy is not None or topic[:1] == b"g":
            return True
        return topic == peer_topic(receiver.sealer.peer) or topic in map(skill_topic, receiver.prices)

    def fetch(self, asker: TestPeer, holder: bytes, find: Callable[[TestPeer], list[bytes]]) -> None:
        """Ask a holder: there and back takes as long as two frames."""
        for name, other in self.peers.items():
            reached = other.alive and not {(asker.name, name), (name, asker.name)} & self.cut
            if other.sealer.peer != holder or not reached or self.random.random() < self.loss:
                continue
            pieces = find(other)
            frames = [bytes(TOPIC_LENGTH) + frame for frame in exhibit_frames(pieces)]
            arrival = self.now_ms + 2 * self.random.randint(*self.latency_ms)
            self.at(arrival, lambda frames=frames: asker.run(frames))

    def task(self, **changes: object) -> Announcement:
        """A task under this market's charter."""
        return task_for(self.charter, **changes)

    def announce(
        self, name: str, *, check: bool = False, patience_ms: int = 0, parent: Digest | None = None, **changes: object
    ) -> Digest:
        """Let a peer announce a task; its contract id."""
        manager = self.peers[name]
        task = task_for(self.charter, **changes)
        manager.run(events=[Announce(task=task, check=check, patience_ms=patience_ms, parent=parent)])
        return manager.reports[-1][0]

    def run(self, for_ms: int) -> None:
        """Let virtual time pass."""
        until = self.now_ms + for_ms
        while True:
            due = self._next_due()
            if due is None or due > until:
                break
            self.now_ms = max(self.now_ms, due)
            if self._queue and self._queue[0][0] <= self.now_ms:
                heapq.heappop(self._queue)[2]()
            else:
                for each in list(self.peers.values()):
                    timer = each.turn.deadline_ms() if each.alive else None
                    if timer is not None and timer <= self.now_ms:
                        each.run()
                        self.turns += 1
                        assert self.turns < TURNS_MAX, "the peers keep each other awake"
        self.now_ms = until

    def _next_due(self) -> int | None:
        dues = [timer for each in self.peers.values() if each.alive and (timer := each.turn.deadline_ms()) is not None]
        if self._queue:
            dues.append(self._queue[0][0])
        return min(dues, default=None)
