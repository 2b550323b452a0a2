"""The world: many processes and the network between them, in the one time that they all live in.

    world = World(seed=7, governors=["judge"])
    world.join("judge", policy=NO_RULES)
    world.join("hazel", skills={"shout": 5})
    desk = world.join("desk")
    contract = desk.announce(world.task(skill="shout"))
    world.run_for(60_000)
    desk.reading(contract).state, world.digest()

All chance comes from the seed, by streams with names of their own, so that what is drawn for one thing does not move
another. The same seed and the same calls give the same trace.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable, Mapping, Sequence

from protocol.bidder import Quote
from protocol.errors import UsageError
from protocol.feed import Feed
from protocol.keys import Digest, Sealer
from protocol.node import Node
from protocol.policy import Policy
from protocol.statements import Announcement
from protocol.states import Reading
from protocol.topics import governance_topic, peer_topic, skill_topic
from simulations.checkers.base import Checker, Roster
from simulations.world.articles import charter_under, plain_task
from simulations.world.clock import Clock
from simulations.world.collector import Lives
from simulations.world.course import Course
from simulations.world.disk import FEED_LENGTH, SHARED, Disk
from simulations.world.generations import Generations
from simulations.world.hooks import Hooks, WatchedNode
from simulations.world.network import Network
from simulations.world.opener import SharedOpener
from simulations.world.process import Process
from simulations.world.questions import Questions
from simulations.world.seals import Keyring, SealerOf, real_key
from simulations.world.work import Work, done_at_once, price_of


class World(Course):
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
        super().__init__()
        self.seed = seed
        self.network = network or Network()
        self.roster = Roster()
        self.checkers = [make(self.roster) for make in checkers]
        self.hooks = Hooks(self.checkers)
        self.processes: dict[str, Process] = {}
        """By name, in the order of joining."""
        self.on_report: Callable[[Process, Digest, Reading], None] = lambda process, contract, reading: None
        self.opener = SharedOpener()
        self._sealer_of: SealerOf = real_key if real_keys else Keyring().sealer
        self._frames = Generations[bytes, bytes](SHARED)
        self._lives = Lives()
        self._by_peer: dict[bytes, list[Process]] = {}
        self.questions = Questions(self)
        self._seats = {name: self.chance(f"seat/{name}").randbytes(FEED_LENGTH) for name in governors}
        seated = {self.sealer(name).peer: feed for name, feed in self._seats.items()}
        self.charter = charter_under(self.sealer("the authority").peer, seated, charter or {})
        self.network.enter(self)

    # Chance

    def chance(self, name: str) -> random.Random:
        """A stream of chance of its own: what is drawn from it moves no other stream."""
        return random.Random(int.from_bytes(hashlib.sha256(b"%d/%b" % (self.seed, name.encode())).digest()))

    def sealer(self, name: str) -> Sealer:
        """The key of a peer of this name."""
        return self._sealer_of(hashlib.sha256(b"key/%d/%b" % (self.seed, name.encode())).digest())

    def task(self, **changes: object) -> Announcement:
        """A plain pure task for `shout` under this market's charter, with whatever is to be different."""
        return plain_task(self.charter.id, changes)

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
        kind: type[Process] = Process,
    ) -> Process:
        """A peer joins: it offers skills at a price, or by a strategy; with a `policy` it governs. All find each other.

        Raises UsageError for a name that is taken.
        """
        seat = self._seats.get(name) if policy is not None else None
        return self._add(
            name, self.sealer(name), self._disk(name, seat), kind,
            quotes={skill: price_of(by) if isinstance(by, int) else by for skill, by in (skills or {}).items()},
            work=work, capacity=capacity, policy=policy, honest=honest, skew_us=skew_us,
        )  # fmt: skip

    def copy(self, name: str, of: Process, *, home: bool) -> Process:
        """Somebody runs a copy of a peer's key, with a home of its own; or of its whole home.

        A copied home is outside every promise: neither life of it counts as honest any more.
        """
        disk = self._disk(name, None)
        if home:
            of.disk.copy_to(disk)
            of.honest = False
        return self._add(
            name, of.sealer, disk, type(of), quotes=of.quotes, work=of.work, capacity=of.capacity,
            policy=of.policy, honest=of.honest, skew_us=0,
        )  # fmt: skip

    def _disk(self, name: str, seat: bytes | None) -> Disk:
        return Disk(lambda use: self.chance(f"disk/{name}/{use}"), seat=seat, shared=self._frames)

    def _add(
        self,
        name: str,
        sealer: Sealer,
        disk: Disk,
        kind: type[Process],
        *,
        quotes: Mapping[str, Quote],
        work: Work,
        capacity: int,
        policy: Policy | None,
        honest: bool,
        skew_us: int,
    ) -> Process:
        if name in self.processes:
            raise UsageError(f"There is a peer called {name} already.", do="Give this one another name.")
        process = kind(
            self, len(self.processes), name, sealer, disk, quotes=quotes, work=work, capacity=capacity,
            policy=policy, honest=honest, clock=Clock(skew_us=skew_us),
        )  # fmt: skip
        self.processes[name] = process
        self._by_peer.setdefault(process.peer, []).append(process)
        self.roster.join(process)
        own = [peer_topic(process.peer), governance_topic(self.charter.id), *map(skill_topic, quotes)]
        self.network.join(process, () if policy is not None else own)
        process.begin()
        if not self.network.meshed:
            self.network.come_back(process, self._others_of(process))
        return process

    def _others_of(self, process: Process) -> list[Process]:
        return [other for other in self.processes.values() if other.runs and other.peer != process.peer]

    def processes_of(self, peer: bytes) -> Sequence[Process]:
        """The processes that have a key: more than one, if it was copied."""
        return self._by_peer.get(peer, ())

    def acquaint(self, one: Process, other: Process) -> None:
        """Two peers know each other's cards, and that they are here, from before: for worlds of thousands."""
        for here, there in ((one, other), (other, one)):
            card = there.node.card
            if card is not None:
                here.node.directory.introduce(card)
            here.node.directory.arrive(there.peer)
            self.network.link(here, there)

    def make_node(self, process: Process, feed: Feed) -> Node:
        """The production node of a process; one that is watched, where a checker wants to see what it hears."""
        kind = WatchedNode if self.hooks.heard else Node
        node = kind(self.charter, feed, quotes=process.quotes, capacity=process.capacity, policy=process.policy)
        if isinstance(node, WatchedNode):
            node.process = process
        return node

    # Lives

    def crash(self, process: Process, *, power: bool = False) -> None:
        """A process is killed; or its machine loses power, and with it a tail of what was not synced.

        Nothing happens to a process that does not run.
        """
        if not process.runs:
            return
        self.trace.note(b"x", self.now_us, process.number, power)
        process.die()
        if power:
            process.disk.lose_power()
        self.network.leave(process, silently=power)

    def restart(self, process: Process) -> None:
        """A process that does not run begins again, with its home as it is now. Raises UsageError if it runs."""
        if process.runs:
            raise UsageError(f"{process.name} runs.", do="Crash it first.")
        self.trace.note(b"b", self.now_us, process.number, 0)
        process.begin()
        self._lives.end(len(self.processes))
        self.network.come_back(process, self._others_of(process))

    def close(self, process: Process) -> None:
        """A process ends cleanly: what it heard is recorded, and its feed lives on whatever happens to the machine."""
        if process.runs:
            process.turn.close(process.clock.ms(self.now_us))
            process.disk.close()
            self.crash(process)

    def pause(self, process: Process) -> None:
        """SIGSTOP: what comes in waits; after the heartbeat the others give its connections up."""
        if process.alive:
            self.trace.note(b"z", self.now_us, process.number, 0)
            process.pause()
            self.network.fall_silent(process)

    def go_on(self, process: Process) -> None:
        """SIGCONT: what waited comes in one burst, and broken connections are made again."""
        if process.paused:
            self.trace.note(b"c", self.now_us, process.number, 0)
            process.go_on()
            self.network.speak_again(process)

    # Frames

    def publish(self, sender: Process, frame: bytes) -> None:
        """A frame leaves."""
        self.trace.note(b"p", self.now_us, sender.number, len(frame), frame)
        for hook in self.hooks.published:
            hook(sender, frame, self.now_us)
        self.network.publish(sender, frame)

    def whisper(self, sender: Process, reader: Process, frame: bytes) -> None:
        """A frame leaves to one reader alone, past its topic: nobody else can hear it."""
        self.trace.note(b"w", self.now_us, sender.number, reader.number, frame)
        for hook in self.hooks.published:
            hook(sender, frame, self.now_us)
        self.network.whisper(sender, reader, frame)

    # What came of it

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
