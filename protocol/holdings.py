"""What a node holds: contracts, what was seen, who waits, and which feeds have said what.

The roles of one node share one holdings, so that a statement is held once whatever its reader is. It moves nothing and
says nothing.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable

from protocol import limits
from protocol.charters import Charters
from protocol.contract import Contract
from protocol.keys import Digest
from protocol.notices import Charter
from protocol.recent import Recent
from protocol.statements import Announcement, AnyStatement, Award, Permit, StandingUse, Statement
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
    """Which seqs, and which uses of standing permits, every feed has spent: two different statements on one convict."""

    def __init__(self) -> None:
        self.bytes = 0
        """How much is remembered of feeds."""
        self._feeds: OrderedDict[tuple[bytes, bytes], OrderedDict[int, AnyStatement]] = OrderedDict()
        self._uses = Recent[tuple[bytes, bytes, bytes, int], AnyStatement](limits.SEEN_MAX)

    def look(self, statement: AnyStatement) -> AnyStatement | None:
        """Remember a statement; the other one, if the two are a fork by seq."""
        feed = self._feeds.get((statement.author, statement.feed))
        if feed is None:
            if len(self._feeds) >= limits.FEEDS_MAX:
                _, oldest = self._feeds.popitem(last=False)
                self.bytes -= sum(map(_size, oldest.values()))
            feed = self._feeds[(statement.author, statement.feed)] = OrderedDict()
        other = feed.setdefault(statement.seq, statement)
        if other is not statement:
            return other if other.id != statement.id else None
        self.bytes += _size(statement)
        if len(feed) > limits.FEED_WINDOW:
            self._forget_first(feed)
        while self.bytes > limits.FORK_BYTES_MAX:
            self._make_room()
        return None

    def _forget_first(self, feed: OrderedDict[int, AnyStatement]) -> None:
        self.bytes -= _size(feed.popitem(last=False)[1])

    def _make_room(self) -> None:
        """Have the feeds forget their first statements in turn, so that no feed's flood empties another's memory."""
        turn, feed = self._feeds.popitem(last=False)
        self._forget_first(feed)
        if feed:
            self._feeds[turn] = feed

    def spend(self, award: AnyStatement, use: StandingUse) -> AnyStatement | None:
        """Remember one use of a standing permit; the other award, if it was spent before.

        A manager that lost its journal does not know what it spent, so uses count per feed: twice in two feeds is a
        reason for a veto, not a fork.
        """
        spent = (award.author, award.feed, use.permit, use.number)
        other = self._uses.get(spent)
        if other is None:
            self._uses.keep(spent, award)
            return None
        return other if other.id != award.id else None


def _size(statement: AnyStatement) -> int:
    """What a statement takes in memory."""
    return len(statement.payload) + limits.STATEMENT_COST


class Holdings:
    """The statements of one node, by contract."""

    def __init__(self, charter: Statement[Charter]) -> None:
        self.charters = Charters(charter)
        self.contracts: dict[Digest, Contract] = {}
        self.seen = SeenIds()
        self.waiting = WaitingRoom(self.seen.forget)
        self.forks = Forks()
        self.standing: dict[Digest, Statement[Permit]] = {}
        """Standing permits, by id: awards cite them, and belong to no contract of their own."""
        self.on_forgotten: list[Callable[[Contract], None]] = []
        self.on_learnt: list[Callable[[Contract], None]] = []
        """Called when the set of a contract has grown."""
        self.elsewhere: Callable[[Digest], AnyStatement | None] = lambda known: None
        """Asked for what is held outside contracts: the announcements behind open bids."""
        self._where: dict[bytes, Contract] = {}
        self._wanted: dict[Digest, list[Contract]] = {}
        self._open_of: Counter[bytes] = Counter()
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
            self._open_of[announcement.author] += 1
        return contract

    def has_room(self, manager: bytes) -> bool:
        """Tell whether one more open contract of this manager may be held: nobody fills an auditor's memory alone."""
        return self._open_of[manager] < limits.OPEN_PER_MANAGER_MAX

    def contract_about(self, about: bytes | None) -> Contract | None:
        """The contract that a statement about this id belongs to, as far as is known."""
        return self._where.get(about) if about is not None else None

    def learn(self, contract: Contract, statement: AnyStatement) -> bool:
        """Take a statement into a contract; False when nothing is new."""
        if not contract.learn(statement):
            return False
        # A chain may cite what belongs elsewhere: that does not move it here.
        if statement.id not in self._where or self._where.get(statement.about or b"") is contract:
            self._where[statement.id] = contract
        self._grown(contract)
        return True

    def find(self, known: Digest) -> AnyStatement | None:
        """A statement that is held, by its id."""
        contract = self._where.get(known)
        if contract is not None:
            return contract.held.get(known)
        return self.standing.get(known) or self.charters.find(known) or self.elsewhere(known)

    def want(self, contract: Contract) -> tuple[Digest, ...]:
        """Note what a contract's chain names and nobody here holds, and say what it is (law 2)."""
        reading = contract.reading
        missing = {*reading.missing, *contract.unlinked()}
        if reading.award is not None and (use := reading.award.body.standing) is not None:
            permit = self.standing.get(Digest(use.permit))
            if permit is None and use.permit not in contract.held:
                missing.add(Digest(use.permit))
        ordered = tuple(sorted(missing))
        for wanted in ordered:
            contracts = self._wanted.get(wanted)
            if contracts is None:
                if len(self._wanted) >= limits.WAITING_MAX:
                    self._wanted.pop(next(iter(self._wanted)))  # who still wants it says so with its next question
                contracts = self._wanted[wanted] = []
            if contract not in contracts:
                contracts.append(contract)
        return ordered[: limits.FETCH_IDS_MAX]

    def is_wanted(self, known: Digest) -> bool:
        return known in self._wanted

    def stand(self, permit: Statement[Permit]) -> bool:
        """Hold a standing permit; False when it is held, or there is no room."""
        if permit.id in self.standing or len(self.standing) >= limits.STANDING_MAX:
            return False
        self.standing[permit.id] = permit
        return True

    def cite_standing(self, contract: Contract, award: Award) -> None:
        """Show a contract the standing permit that an award of it uses, if that is held."""
        permit = self.standing.get(Digest(award.standing.permit)) if award.standing is not None else None
        if permit is not None and contract.learn(permit):
            self._grown(contract)

    def _grown(self, contract: Contract) -> None:
        for learnt in self.on_learnt:
            learnt(contract)

    def cited(self, statement: AnyStatement) -> list[Contract]:
        """The contracts whose chains wait for this very statement, wherever it belongs."""
        return self._wanted.pop(statement.id, [])

    def end(self, contract: Contract) -> None:
        """A contract has ended: it is kept for a while, to answer those who ask again."""
        if contract.id in self._ended_set:
            return
        self._ended_set.add(contract.id)
        self._ended.append(contract.id)
        self._close(contract)
        while len(self._ended) > limits.ENDED_KEPT:
            oldest = self._ended.popleft()
            self.forget(oldest)
            self._ended_set.discard(oldest)

    def _close(self, contract: Contract) -> None:
        self._open_of[contract.manager] -= 1
        if not self._open_of[contract.manager]:
            del self._open_of[contract.manager]

    def forget(self, contract_id: Digest) -> None:
        """Drop a contract from memory; the journal still has it."""
        contract = self.contracts.pop(contract_id, None)
        if contract is None:
            return
        if contract_id not in self._ended_set:
            self._close(contract)
        for known in contract.held:
            if self._where.get(known) is contract:
                del self._where[known]
        for forgotten in self.on_forgotten:
            forgotten(contract)
