"""Contracts to tell of: told by real nodes in a fake market, or line by line where somebody lies.

A story is a set of statements with the seals of those who said them; what is made of it is the tests' business.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from msgspec.structs import replace

from peer.audit.archive import read_statements
from peer.audit.evidence import EvidenceFile, cut
from peer.journal import Row
from protocol.bundle import evidence_of
from protocol.contract import Contract
from protocol.keys import Digest
from protocol.policy import Policy, Rule, Ruled
from protocol.statements import (
    NO_MARKET,
    Acceptance,
    Announcement,
    AnyStatement,
    Award,
    Bid,
    Body,
    Decline,
    EffectClass,
    RecallReason,
    Result,
    Settlement,
    Statement,
)
from tests.authors import Author, award_of, charter_of, recall, task
from tests.market import AUTHORITY, TestMarket, TestPeer, charter_with

B = TypeVar("B", bound=Body)
RESULT = Result(output=b'"done"', output_digest=None, usage_ms=1)
VETO_DEAR = Policy(
    version=Digest(bytes(range(32))), rules=(Rule(id="dear", decision=Ruled.VETO, budget_above=500, reason="too dear"),)
)
"""A governor's policy: tasks with a budget above 500 are vetoed."""


def small_market() -> TestMarket:
    """A manager, two bidders and one governor, all real nodes."""
    market = TestMarket(charter_with(["gov"]))
    market.join("manager")
    market.join("ada", shout=10)
    market.join("bo", shout=20)
    market.join("gov", policy=VETO_DEAR)
    return market


def told(market: TestMarket, **changes: object) -> Digest:
    """Announce a task and let it come to its end."""
    contract = market.announce("manager", **({"idempotency_key": repr(changes).encode()[:64]} | changes))
    market.run(10_000)
    return contract


def rows_of(one: TestPeer) -> Iterator[Row]:
    """The journal of a peer of the fake market, as a journal file gives it back."""
    for received, said in one.journal.rows:
        yield from (Row(frame, ()) for frame in received)
        yield Row(None, tuple(said))


def journal_of(market: TestMarket, name: str) -> list[AnyStatement]:
    """All that a peer's journal holds, sealed."""
    one = market.peers[name]
    return list(read_statements(rows_of(one), market=market.charter.id, sealer=one.sealer))


def held_by(market: TestMarket, name: str, contract: Digest) -> Contract:
    """A contract as a running node holds it."""
    return market.peers[name].node.holdings.contracts[contract]


def exported(market: TestMarket, *contracts: Digest, name: str = "manager") -> EvidenceFile:
    """The evidence of contracts as their manager, or whoever, can show it."""
    held = [statement for contract in contracts for statement in held_by(market, name, contract).held.values()]
    return EvidenceFile(evidence_of(market.charter, AUTHORITY), tuple(cut(held, market.peers[name].sealer)))


class Script:
    """A market in which everybody says what the test wants, lies included."""

    def __init__(self, *governors: Author) -> None:
        self.authority, self.manager = Author("authority"), Author("manager")
        self.ada, self.bo, self.cy = Author("ada"), Author("bo"), Author("cy")
        self.charter = self.authority.say(charter_of(*governors), market=NO_MARKET)
        self.said: list[tuple[Author, AnyStatement]] = []

    def say(self, author: Author, body: B, about: AnyStatement | None = None, **place: object) -> Statement[B]:
        """One statement more."""
        statement = author.say(body, about=about, market=self.charter.id, **place)  # type: ignore[arg-type]
        self.said.append((author, statement))
        return statement

    def announce(self, raw: bytes = b"{}", effect: EffectClass = EffectClass.PURE) -> Statement[Announcement]:
        return self.say(self.manager, replace(task(effect=effect), charter=self.charter.id, input=raw))

    def bid(self, bidder: Author, announcement: AnyStatement, price: int) -> Statement[Bid]:
        return self.say(bidder, Bid(price=price, duration_ms=1_000), announcement)

    def award(self, announcement: AnyStatement, *bids: Statement[Bid], **place: object) -> Statement[Award]:
        """The first of the bids wins."""
        prev = place.pop("prev", announcement)
        return self.say(self.manager, award_of(*bids, **place), announcement, prev=prev)  # type: ignore[arg-type]

    def settle(self, award: Statement[Award], contractor: Author, prev: AnyStatement | None = None) -> AnyStatement:
        """The contractor does it, and the manager accepts."""
        self.say(contractor, Acceptance(permits=()), award)
        return self.say(self.manager, Settlement(), self.say(contractor, RESULT, award), prev=prev or award)

    def statements(self) -> list[AnyStatement]:
        return [statement for _, statement in self.said]

    def pieces(self) -> list[bytes]:
        return [evidence_of(statement, author.sealer) for author, statement in self.said]

    def file(self, *left_out: AnyStatement) -> EvidenceFile:
        """All that was said, as an evidence file; but for what is left out."""
        kept = [evidence_of(one, author.sealer) for author, one in self.said if one not in left_out]
        return EvidenceFile(evidence_of(self.charter, self.authority.sealer), tuple(kept))


def honest_script(raw: bytes = b"{}") -> tuple[Script, Statement[Announcement], AnyStatement]:
    """Ada wins against bo and delivers; the settlement comes last."""
    script = Script()
    announcement = script.announce(raw)
    award = script.award(
        announcement, script.bid(script.ada, announcement, 10), script.bid(script.bo, announcement, 20)
    )
    return script, announcement, script.settle(award, script.ada)


def declined_twice() -> tuple[Script, Statement[Announcement]]:
    """Ada and bo decline, and cy does the work."""
    script = Script()
    announcement = script.announce()
    ada, bo, cy = (
        script.bid(who, announcement, price) for who, price in ((script.ada, 10), (script.bo, 20), (script.cy, 30))
    )
    last: AnyStatement = announcement
    for epoch, (who, bid) in enumerate(((script.ada, ada), (script.bo, bo)), start=1):
        award = script.award(announcement, bid, ada, bo, cy, epoch=epoch, prev=last)
        no = script.say(who, Decline(reason="no room"), award)
        last = script.say(script.manager, recall(RecallReason.DECLINED, no), award, prev=award)
    script.settle(script.award(announcement, cy, ada, bo, epoch=3, prev=last), script.cy)
    return script, announcement


def forked() -> tuple[Script, Statement[Announcement], tuple[AnyStatement, AnyStatement]]:
    """The manager tells ada and bo each that the task is theirs."""
    script = Script()
    announcement = script.announce()
    ada, bo = script.bid(script.ada, announcement, 10), script.bid(script.bo, announcement, 20)
    first = script.award(announcement, ada, bo)
    return script, announcement, (first, script.award(announcement, bo))
