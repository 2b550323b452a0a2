"""One peer's pure whole: `step(event, now_ms) -> actions`, and `deadline_ms()` for the one timer.

A node composes the roles, which never import each other, over one holdings and one feed, and finds for each
statement the contract and the roles that it concerns. It has no rule of its own. The shell and the simulator drive the
same object.
"""

from __future__ import annotations

from collections.abc import Mapping

from protocol import limits
from protocol.actions import KEEP, Action, Convict, Fetch, Report, Say
from protocol.bidder import Bidder, Quote
from protocol.contract import Contract
from protocol.contractor import Contractor
from protocol.directory import Directory
from protocol.events import (
    Advanced,
    Announce,
    Checked,
    Event,
    Heard,
    HeardAgain,
    Lost,
    Present,
    Seen,
    Tick,
    Withdraw,
    Worked,
)
from protocol.feed import Feed
from protocol.governor import Governor
from protocol.holdings import Holdings
from protocol.keys import Digest, PeerId
from protocol.manager import Manager
from protocol.policy import Policy
from protocol.statements import (
    CHAIN_KINDS,
    Announcement,
    AnyStatement,
    Award,
    Bid,
    Cancel,
    Card,
    Charter,
    Permit,
    Refusal,
    Statement,
    Veto,
)
from protocol.topics import governance_topic, peer_topic


class Node:
    """A peer without its sockets, files and clocks."""

    def __init__(
        self,
        charter: Statement[Charter],
        feed: Feed,
        *,
        quotes: Mapping[str, Quote] | None = None,
        capacity: int = 8,
        policy: Policy | None = None,
    ) -> None:
        """`quotes` maps the skills offered to bidding strategies; with a `policy` the node is a governor."""
        self.market = feed.market
        self.feed = feed
        self.holdings = Holdings(charter)
        self.directory = Directory()
        self.manager = Manager(feed, self.holdings, self.directory)
        self.contractor = Contractor(feed, self.holdings, capacity=capacity)
        self.bidder = Bidder(feed, self.holdings, quotes=quotes or {}, has_place=self.contractor.has_place)
        self.contractor.on_place = self.bidder.place_is_free
        self.contractor.on_released = self.manager.withdraw_children
        self.governor = Governor(feed, self.holdings, policy) if policy is not None else None
        self.card: Statement[Card] | None = None
        self._answered_ms: dict[Digest, int] = {}
        self._convicted: set[bytes] = set()

    @property
    def peer(self) -> PeerId:
        return self.feed.author

    def step(self, event: Event, now_ms: int) -> list[Action]:
        """Take in one event. Raises ValueError for an `Announce` that may not be announced; nothing else raises."""
        match event:
            case Heard(statement=statement):
                return self._heard(statement, now_ms)
            case HeardAgain(id=known):
                return self._heard_again(known, now_ms)
            case Tick():
                return self._tick(now_ms)
            case Worked():
                return self.contractor.worked(event, now_ms)
            case Advanced():
                return self.contractor.advanced(event, now_ms)
            case Announce():
                return self.manager.announce(event, now_ms)
            case Withdraw(contract=contract):
                return self.manager.withdraw(contract, now_ms)
            case Checked():
                return self.manager.checked(event, now_ms)
            case Seen(peer=newcomer):
                return self._seen(newcomer)
            case Lost(peer=gone):
                self.directory.leave(gone)
                return []
            case Present(card=card):
                self.card = self.feed.say(card, about=None, contract=None, now_ms=now_ms)
                return [Say(governance_topic(self.market), self.card)]

    def deadline_ms(self) -> int | None:
        """When `Tick` is due next, or None: nothing happens by itself."""
        dues = [
            self.manager.deadline_ms(),
            self.contractor.deadline_ms(),
            self.bidder.deadline_ms(),
            self.holdings.waiting.deadline_ms(),
            self.governor.deadline_ms() if self.governor is not None else None,
        ]
        return min((due for due in dues if due is not None), default=None)

    # Statements

    def _heard(self, statement: AnyStatement, now_ms: int) -> list[Action]:
        self.holdings.seen.add(statement.id)
        if statement.author == self.feed.author and statement.feed == self.feed.id:
            return []
        actions = self._convict(statement)
        if self.governor is not None:
            self.governor.note(statement, now_ms)
            actions.append(KEEP)
        for contract in self.holdings.cited(statement):
            if contract.learn(statement):
                actions += self._moved(contract, statement, now_ms)
        return actions + self._place(statement, now_ms)

    def _convict(self, statement: AnyStatement) -> list[Action]:
        other = self.holdings.forks.look(statement)
        if other is None or statement.author in self._convicted or len(self._convicted) >= limits.FEEDS_MAX:
            return []
        self._convicted.add(statement.author)
        return [KEEP, Convict(first=other, second=statement, reason="two statements with one seq")]

    def _place(self, statement: AnyStatement, now_ms: int) -> list[Action]:
        """Find where a statement belongs, and who is to know of it."""
        body = statement.body
        if isinstance(body, Announcement):
            return self._announced(statement, now_ms)
        contract = self.holdings.contract_about(statement.about)
        if contract is not None:
            return self._learn(contract, statement, now_ms)
        if isinstance(body, Card):
            return self._introduced(statement)  # type: ignore[arg-type]
        if isinstance(body, Award | Cancel) and self.governor is None:
            return self._others_award(statement, now_ms)
        if statement.about is None:
            return []
        if self.governor is not None or not isinstance(body, Bid | Refusal):
            self.holdings.waiting.admit(statement.about, statement, now_ms)
        return []

    def _announced(self, announcement: AnyStatement, now_ms: int) -> list[Action]:
        actions: list[Action] = []
        waiting = self.holdings.waiting.release(announcement.id)
        if self.governor is not None:
            contract = self.holdings.open(announcement)  # type: ignore[arg-type]
            if contract is not None:
                actions += self.governor.heard(contract, announcement, now_ms)
        if waiting:
            contract = self.holdings.open(announcement)  # type: ignore[arg-type]
            if contract is not None:
                return [KEEP, *actions, *self._released(waiting, now_ms)]
        return actions + self.bidder.invited(announcement, now_ms)  # type: ignore[arg-type]

    def _others_award(self, statement: AnyStatement, now_ms: int) -> list[Action]:
        """An award or an end in a contract that we hold nothing of but, perhaps, our own bid."""
        assert statement.about is not None, "awards and cancellations are about an announcement"
        contract_id = Digest(statement.about)
        if isinstance(statement.body, Award) and statement.body.winner == self.feed.author:
            announcement = self.bidder.announcement_of(contract_id)
            contract = self.holdings.open(announcement) if announcement is not None else None
            if contract is not None:
                return self._learn(contract, statement, now_ms)
            if self.bidder.bid_about(contract_id) is not None:
                self.holdings.seen.forget(contract_id)
                self.holdings.waiting.admit(contract_id, statement, now_ms)
            return []
        self.bidder.lost(contract_id)
        return []

    def _learn(self, contract: Contract, statement: AnyStatement, now_ms: int) -> list[Action]:
        """Take a statement into its contract; whoever waited for it comes in behind it."""
        if isinstance(statement.body, Award) and statement.body.winner == self.feed.author:
            bid = self.bidder.won(contract.id)
            if bid is not None:
                self.holdings.learn(contract, bid)
        if not self.holdings.learn(contract, statement):
            return []
        actions = self._forked_step(contract, statement)
        actions += self._moved(contract, statement, now_ms)
        return actions + self._released(self.holdings.waiting.release(statement.id), now_ms)

    def _forked_step(self, contract: Contract, statement: AnyStatement) -> list[Action]:
        """Two statements of one feed with one prev in one contract convict too."""
        author = statement.author
        if statement.prev is None or author in self._convicted:
            return [KEEP]
        for other in contract.said_after(statement.prev):
            if other.id != statement.id and other.author == author and other.feed == statement.feed:
                self._convicted.add(author)
                return [KEEP, Convict(first=other, second=statement, reason="two statements with one prev")]
        return [KEEP]

    def _released(self, statements: list[AnyStatement], now_ms: int) -> list[Action]:
        actions: list[Action] = []
        for statement in statements:
            actions += self._place(statement, now_ms)
        return actions

    def _moved(self, contract: Contract, statement: AnyStatement, now_ms: int) -> list[Action]:
        """Something was learnt about a contract: tell every role that has a part in it."""
        actions: list[Action] = []
        if contract.id in self.manager.tenders:
            actions += self.manager.heard(contract, statement, now_ms)
        else:
            body = type(statement.body)
            if isinstance(statement.body, Award) and statement.body.winner == self.feed.author:
                actions += self.contractor.won(contract, statement, now_ms)  # type: ignore[arg-type]
            elif body in CHAIN_KINDS or body is Permit or body is Veto:
                actions += self.contractor.heard(contract, now_ms)
            if body in CHAIN_KINDS and contract.reading.missing:
                missing = self.holdings.want(contract)
                actions.append(Fetch(PeerId(contract.manager), tuple(missing)[: limits.FETCH_IDS_MAX]))
        if self.governor is not None:
            actions += self.governor.heard(contract, statement, now_ms)
            if contract.reading.end is not None:
                self.holdings.end(contract)
        return actions

    # Questions

    def _heard_again(self, known: Digest, now_ms: int) -> list[Action]:
        """A repeat is a question: who has answered it says the answer again, but not too often."""
        contract = self.holdings.contracts.get(known) or self.holdings.contract_about(known)
        if contract is None:
            return []
        question = contract.held.get(known)
        if question is None or now_ms < self._answered_ms.get(known, 0) + limits.ANSWER_AGAIN_MS:
            return []
        if len(self._answered_ms) >= limits.REMEMBERED_ANSWERS:
            self._answered_ms.pop(next(iter(self._answered_ms)))
        self._answered_ms[known] = now_ms
        if self.governor is not None:
            return self.governor.asked(contract)
        if contract.id in self.manager.tenders:
            return self.manager.asked(contract, question, now_ms)
        return self.contractor.asked(contract)

    # Peers

    def _seen(self, newcomer: PeerId) -> list[Action]:
        """A peer can hear us: it gets our card, and whatever of ours may wait for it."""
        self.directory.arrive(newcomer)
        actions: list[Action] = []
        if self.card is not None:
            actions.append(Say(peer_topic(newcomer), self.card))
        actions += self.contractor.seen(newcomer)
        return actions + self.manager.seen(newcomer, self.directory.skills_of(newcomer))

    def _introduced(self, card: Statement[Card]) -> list[Action]:
        before = self.directory.skills_of(card.author)
        if not self.directory.introduce(card):
            return []
        fresh = [skill for skill in self.directory.skills_of(card.author) if skill not in before]
        return self.manager.seen(card.author, fresh) if fresh else []

    # Time

    def _tick(self, now_ms: int) -> list[Action]:
        actions = self.manager.tick(now_ms) + self.contractor.tick(now_ms) + self.bidder.tick(now_ms)
        for missing, waiting in self.holdings.waiting.overdue(now_ms):
            actions.append(Fetch(PeerId(waiting.author), (missing,)))
        if self.governor is not None:
            actions += self.governor.gaps(now_ms)
        return actions

    # After a restart

    def recall(self, statement: AnyStatement) -> None:
        """Take in, at replay, a statement from our journal: said or heard, in the order of the journal."""
        own = statement.author == self.feed.author
        self.holdings.seen.add(statement.id)
        self.holdings.forks.look(statement)
        if isinstance(statement.body, Announcement):
            if own:
                self.feed.remember(statement, statement.id)
            if own or self.governor is not None:
                self.holdings.open(statement)  # type: ignore[arg-type]
            return
        contract = self.holdings.contract_about(statement.about)
        if own:
            outside = isinstance(statement.body, Card)
            known = (
                contract.id if contract is not None else None if outside else Digest(statement.about or statement.id)
            )
            self.feed.remember(statement, known)
            self.bidder.remember_bid(statement)
        if self.governor is not None:
            self.governor.note(statement, 0)
        if contract is not None:
            self.holdings.learn(contract, statement)
        for waiting in self.holdings.cited(statement):
            waiting.learn(statement)

    def resume(self, now_ms: int) -> list[Action]:
        """After replay: take up every contract that is not over."""
        actions: list[Action] = []
        for contract in list(self.holdings.contracts.values()):
            self.holdings.want(contract)
            if contract.manager == self.feed.author and contract.announcement.feed == self.feed.id:
                actions += self.manager.resume(contract, now_ms)
            else:
                actions += self.contractor.resume(contract, now_ms)
            if self.governor is not None:
                actions += self.governor.pursue(contract, now_ms)
            if contract.reading.end is not None:
                self.holdings.end(contract)
        return [action for action in actions if not isinstance(action, Report)]
