"""What a node holds: contracts, what was seen, who waits, and which feeds have said what.

The roles of one node share one holdings, so that a statement is held once whatever its reader is. It moves nothing and
says nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from protocol import limits
from protocol.contract import Contract
from protocol.keys import Digest
from protocol.statements import (
    Announcement,
    AnyStatement,
    Charter,
    Statement,
)
from protocol.waiting import WaitingRoom


class SeenIds:
    """Ids seen lately: two generations, so that old ones go in one stroke."""

    __slots__ = ("_old", "_young")

    def __init__(self) -> None:
        self._young: set[Digest] = set()
        self._old: set[Digest] = set()

    def __contains__(self, known: object) -> bool:
        return known in self._young or known in self._old

    def add(self, known: Digest) -> None:
        self._young.add(known)
        if len(self._young) >= limits.SEEN_MAX // 2:
            self._old, self._young = self._young, set()

    def forget(self, known: Digest) -> None:
        """What was freed must come in again when it is said again."""
        self._young.discard(known)
        self._old.discard(known)


class Forks:
    """Which seqs and prevs every author has used: two different statements on one of them convict."""

    def __init__(self) -> None:
        self._feeds: dict[tuple[bytes, bytes], dict[int, AnyStatement]] = {}

    def look(self, statement: AnyStatement) -> AnyStatement | None:
        """Remember a statement; the other one, if the two are a fork by seq."""
        feed = self._feeds.get((statement.author, statement.feed))
        if feed is None:
            if len(self._feeds) >= limits.FEEDS_MAX:
                self._feeds.pop(next(iter(self._feeds)))
            feed = self._feeds[(statement.author, statement.feed)] = {}
        other = feed.setdefault(statement.seq, statement)
        if other is not statement and other.id != statement.id:
            return other
        if len(feed) > limits.FEED_WINDOW:
            del feed[next(iter(feed))]
        return None


class Holdings:
    """The statements of one node, by contract."""

    def __init__(self, charter: Statement[Charter]) -> None:
        self.charters: dict[bytes, Statement[Charter]] = {charter.id: charter}
        self.contracts: dict[Digest, Contract] = {}
        self.seen = SeenIds()
        self.waiting = WaitingRoom()
        self.forks = Forks()
        self.on_forgotten: list[Callable[[Contract], None]] = []
        self._where: dict[bytes, Contract] = {}
        self._wanted: dict[Digest, list[Contract]] = {}
        self._ended: deque[Digest] = deque()
        self._ended_set: set[Digest] = set()

    def charter_of(self, announcement: Announcement) -> Charter | None:
        """The charter version that an announcement names, if it is held."""
        statement = self.charters.get(announcement.charter)
        return statement.body if statement is not None else None

    def open(self, announcement: Statement[Announcement]) -> Contract | None:
        """The contract under an announcement, new if need be; None while its charter version is not held."""
        contract = self.contracts.get(announcement.id)
        if contract is None and (charter := self.charter_of(announcement.body)) is not None:
            contract = Contract(announcement, charter)
            self.contracts[announcement.id] = self._where[announcement.id] = contract
        return contract

    def contract_about(self, about: bytes | None) -> Contract | None:
        """The contract that a statement about this id belongs to, as far as is known."""
        return self._where.get(about) if about is not None else None

    def learn(self, contract: Contract, statement: AnyStatement) -> bool:
        """Take a statement into a contract; False when nothing is new."""
        if not contract.learn(statement):
            return False
        self._where[statement.id] = contract
        return True

    def find(self, known: Digest) -> AnyStatement | None:
        """A statement that is held in some contract, by its id."""
        contract = self._where.get(known)
        return contract.held.get(known) if contract is not None else None

    def want(self, contract: Contract) -> frozenset[Digest]:
        """Note what a contract's chain cites and nobody here holds, and say what it is."""
        missing = contract.reading.missing
        for wanted in missing:
            contracts = self._wanted.setdefault(wanted, [])
            if contract not in contracts and len(self._wanted) <= limits.WAITING_MAX:
                contracts.append(contract)
        return missing

    def cited(self, statement: AnyStatement) -> list[Contract]:
        """The contracts whose chains wait for this very statement, wherever it belongs."""
        return self._wanted.pop(statement.id, [])

    def end(self, contract: Contract) -> None:
        """A contract has ended: it is kept for a while, to answer those who ask again."""
        if contract.id in self._ended_set:
            return
        self._ended_set.add(contract.id)
        self._ended.append(contract.id)
        while len(self._ended) > limits.ENDED_KEPT:
            oldest = self._ended.popleft()
            self._ended_set.discard(oldest)
            self.forget(oldest)

    def forget(self, contract_id: Digest) -> None:
        """Drop a contract from memory; the journal still has it."""
        contract = self.contracts.pop(contract_id, None)
        if contract is None:
            return
        for known in contract.held:
            self._where.pop(known, None)
        for forgotten in self.on_forgotten:
            forgotten(contract)
