"""A market in which everything that is published is overheard: who said what, when, on which topic."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from protocol.bundle import open_bundle
from protocol.keys import Digest
from protocol.notices import Charter
from protocol.policy import Policy, Rule, Ruled
from protocol.statements import AnyStatement, Body, Failure, FailureClass, Statement
from protocol.topics import TOPIC_LENGTH
from tests.market import AUTHORITY, TestMarket, TestPeer

PERMISSIVE = Policy(version=Digest(bytes(32)))
FAILED = Failure(failure_class=FailureClass.RETRYABLE, reason="no luck", done="nothing")


def policy(decision: Ruled, **terms: object) -> Policy:
    """A policy of one rule."""
    return Policy(version=Digest(bytes(32)), rules=(Rule(id="rule", decision=decision, **terms),))  # type: ignore[arg-type]


class Said(NamedTuple):
    """One statement, as it was published."""

    at_ms: int
    by: str
    topic: bytes
    statement: AnyStatement


class Overheard(TestMarket):
    """A market with an ear on the wire; what is lost on the way is overheard too."""

    __test__ = False

    def __init__(self, charter: Statement[Charter] | None = None, *, seed: int = 0) -> None:
        self.said: list[Said] = []
        self.fetched_at: list[int] = []
        super().__init__(charter, seed=seed)

    def deliver(self, sender: TestPeer, frame: bytes) -> None:
        """Note what is in the frame, and pass it on."""
        opened = open_bundle(frame[TOPIC_LENGTH:], market=self.charter.id, sealer=AUTHORITY)
        self.said += [Said(self.now_ms, sender.name, frame[:TOPIC_LENGTH], one) for one in opened.statements]
        super().deliver(sender, frame)

    def fetch(self, asker: TestPeer, holder: bytes, find: Callable[[TestPeer], list[bytes]]) -> None:
        """Note when somebody asks for what is missing."""
        self.fetched_at.append(self.now_ms)
        super().fetch(asker, holder, find)

    def of(self, kind: type[Body], by: str | None = None) -> list[Said]:
        """Everything of one kind that was published, repeats included."""
        return [said for said in self.said if type(said.statement.body) is kind and by in (None, said.by)]

    def bodies(self, kind: type[Body], by: str | None = None) -> list[Body]:
        """The different statements of one kind, in the order in which they were first said."""
        return list({said.statement.id: said.statement.body for said in self.of(kind, by)}.values())

    def deafen(self, speaker: str, *listeners: str) -> None:
        """From now on these do not hear the speaker."""
        self.cut |= {(speaker, listener) for listener in listeners}

    def until(self, kind: type[Body], by: str | None = None, *, at_most_ms: int = 60_000) -> Said:
        """Let time pass until something of this kind is said; the first of them."""
        for _ in range(at_most_ms):
            if found := self.of(kind, by):
                return found[0]
            self.run(1)
        raise AssertionError(f"nobody has said a {kind.__name__}")


def two(market: Overheard | None = None) -> Overheard:
    """A manager, and one peer that shouts for 10."""
    market = market or Overheard()
    market.join("m")
    market.join("a", shout=10)
    return market


def lazy(worker: TestPeer) -> None:
    """From now on this peer's work never comes to an end."""
    worker.work = lambda execute: None
