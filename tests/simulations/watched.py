"""The market of `tests.market`, with every promise watched: each of its peers is a testimony."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from protocol.actions import Action, Convict, Execute, Stop
from protocol.contract import Contract
from protocol.events import Event, Heard, Worked
from protocol.keys import Digest, PeerId
from protocol.node import Node
from protocol.notices import Charter
from protocol.policy import Policy
from protocol.statements import Announcement, AnyStatement, Statement
from simulations.checkers.base import Checker, Roster
from simulations.checkers.promises import PROMISES
from simulations.checkers.watch import Watch
from tests.market import TestMarket, TestPeer

Promises = Iterable[Callable[[Roster], Checker]]


class WatchedPeer(TestPeer):
    """A peer of the market that tells its watch what happens to it."""

    __test__ = False
    honest = True

    @property
    def peer(self) -> PeerId:
        return self.sealer.peer

    @property
    def watch(self) -> Watch:
        assert isinstance(self.market, WatchedMarket)
        return self.market.watch

    def tell(self, hooks: Sequence[Callable[..., object]], *what: object) -> None:
        for hook in hooks:
            hook(self, *what, self.market.now_ms * 1000)

    def clock_ms(self, now_us: int) -> int:
        return now_us // 1000

    def begin(self) -> None:
        super().begin()
        self.touched: dict[Digest, Contract] = {}
        self.at_work: dict[Digest, None] = {}
        step, record = self.node.step, self.journal.record

        def listen(event: Event, now_ms: int) -> list[Action]:
            if isinstance(event, Heard):
                self.tell(self.watch.heard, event.statement)
            return step(event, now_ms)

        def recorded(received: Sequence[bytes], said: Sequence[AnyStatement], *, durable: bool) -> None:
            record(received, said, durable=durable)
            for statement in said:
                self.tell(self.watch.said, statement)

        self.node.step = listen  # type: ignore[method-assign]
        self.turn._journal = type("Journal", (), {"record": staticmethod(recorded)})()
        self.node.holdings.on_learnt.append(lambda contract: self.touched.update({contract.id: contract}))

    def run(self, frames: Iterable[bytes] = (), events: Iterable[Event] = ()) -> None:
        super().run(frames, events)
        self._turn_is_over()

    def resume(self) -> None:
        super().resume()
        self._turn_is_over()

    def _turn_is_over(self) -> None:
        touched, self.touched = list(self.touched.values()), {}
        if self.alive and touched:
            self.tell(self.watch.turned, touched)

    def crash(self) -> None:
        super().crash()
        for award in list(self.at_work):
            self._end(award)

    def _end(self, award: Digest) -> None:
        if award in self.at_work:
            del self.at_work[award]
            self.tell(self.watch.ended, award)

    def publish(self, frame: bytes) -> None:
        self.tell(self.watch.published, frame)
        super().publish(frame)

    def carry_out(self, actions: Iterable[object]) -> None:
        for action in actions:
            match action:
                case Execute():
                    self.at_work[action.award.id] = None
                    self.tell(self.watch.began, action)
                case Stop(award=award):
                    self._end(award)
                case Convict():
                    self.tell(self.watch.convicted, action)
            super().carry_out([action])

    def later(self, event: Event) -> Callable[[], None]:
        happens = super().later(event)

        def happen() -> None:
            if isinstance(event, Worked):
                self._end(event.award)
            happens()

        return happen


class WatchedMarket(TestMarket):
    """A market whose promises are watched."""

    __test__ = False

    def __init__(
        self, charter: Statement[Charter] | None = None, *, seed: int = 0, promises: Promises = PROMISES
    ) -> None:
        super().__init__(charter, seed=seed)
        self.watch = Watch(promises)
        self.announced: list[Announcement] = []

    def join(
        self, name: str, *, capacity: int = 8, policy: Policy | None = None, honest: bool = True, **prices: int
    ) -> WatchedPeer:
        newcomer = WatchedPeer(self, name, prices=prices, capacity=capacity, policy=policy)
        newcomer.honest = honest
        self.watch.roster.join(newcomer)
        self.peers[name] = newcomer
        self.greet(newcomer)
        return newcomer

    def at_rest(self) -> None:
        """Ask whether what is at rest is well."""
        for hook in self.watch.at_rest:
            hook(list(self.peers.values()), self.now_ms * 1000)


def node_of(peer: TestPeer) -> Node:
    """The node of a peer, as it stands."""
    return peer.node
