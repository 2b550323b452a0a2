"""One peer's pure whole: `step(event, now_ms) -> actions`, and `deadline_ms()` for the one timer.

A node composes the roles, which never import each other, over one holdings and one feed, and finds for each
statement the contract and the roles that it concerns. It has no rule of its own. The shell and the simulator drive the
same object.
"""

from __future__ import annotations

from collections.abc import Mapping

from protocol import limits
from protocol.actions import KEEP, Action, Convict, Fetch, Keep, Report, Say
from protocol.bidder import Bidder, Quote
from protocol.charter import has_seat
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
    Vote,
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
        self.holdings.elsewhere = self.bidder.find
        self.contractor.on_place = self.bidder.place_is_free
        self.contractor.on_released = self.manager.withdraw_children
        self.governor = Governor(feed, self.holdings, policy) if policy is not None else None
        self.card: Statement[Card] | None = None
        self._answered_ms: dict[Digest, int] = {}
        self._convicted: set[bytes] = set()
        self._incomplete: dict[Digest, tuple[int, int]] = {}
        """Contracts whose chain cannot be read to its end: when to ask for the rest, and the pause after that."""
        self._recalled: dict[Digest, Statement[Announcement]] = {}
        """During a replay: the announcements of others, until an award to us needs them."""

    @property
    def peer(self) -> PeerId:
        return self.feed.author

    def step(self, event: Event, now_ms: int) -> list[Action]:
        """Take in one event: what is to be done now, in this order."""
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
            case Vote():
                return self.governor.vote(event, now_ms) if self.governor is not None else []
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
            min([due for due, _ in self._incomplete.values()], default=None) if self._incomplete else None,
        ]
        return min((due for due in dues if due is not None), default=None)

    # Statements

    def _heard(self, statement: AnyStatement, now_ms: int) -> list[Action]:
        self.holdings.seen.add(statement.id)
        if statement.author == self.feed.author and statement.feed == self.feed.id:
            return []
        actions = self._convict(statement)
        if self.governor is not None:
            self.governor.gaps.note(statement, now_ms)
            actions.append(KEEP)
        actions += self._place(statement, now_ms)
        for contract in self.holdings.cited(statement):
            if statement.id not in contract.held:
                actions += self._learn(contract, statement, now_ms)
        return actions

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
            return self._learn(contract, statement, now_ms) if self._is_welcome(contract, statement) else []
        if isinstance(body, Card):
            return self._introduced(statement)  # type: ignore[arg-type]
        if isinstance(body, Award | Cancel) and self.governor is None and statement.author != self.feed.author:
            return self._others_award(statement, now_ms)
        if statement.about is not None:
            self.holdings.waiting.admit(statement.about, statement, now_ms)
        elif isinstance(body, Permit) and body.standing is not None:
            return [KEEP] if self._stands(statement) else []  # type: ignore[arg-type]
        return []

    def _is_welcome(self, contract: Contract, statement: AnyStatement) -> bool:
        """Who may say what in a contract: what others say there is not held, for strangers could fill it."""
        body, author = statement.body, statement.author
        if type(body) in CHAIN_KINDS:
            own_feed = statement.feed == contract.announcement.feed
            return author == contract.manager and (own_feed or isinstance(body, Cancel))
        if isinstance(body, Permit | Veto):
            return has_seat(contract.charter, statement)
        if len(contract.held) >= limits.CONTRACT_STATEMENTS_MAX // 2:
            return False  # the rest is for the chain and the votes
        if isinstance(body, Bid | Refusal):
            tender = self.manager.tenders.get(contract.id)
            return statement.about == contract.id and (tender is None or tender.hears(statement))
        award = contract.held.get(Digest(statement.about or b""))
        return award is None or (isinstance(award.body, Award) and award.body.winner == author)

    def _stands(self, permit: Statement[Permit]) -> bool:
        """Hold a standing permit that is for us to use, or to audit. Cited ones come in by their citation."""
        standing = permit.body.standing
        assert standing is not None, "only standing permits are about nothing"
        if not any(has_seat(charter.body, permit) for charter in self.holdings.charters.values()):
            return False
        wanted = self.governor is not None or standing.manager == self.feed.author or self.holdings.is_wanted(permit.id)
        return wanted and self.holdings.stand(permit)

    def _announced(self, announcement: AnyStatement, now_ms: int) -> list[Action]:
        if announcement.author == self.feed.author:
            return self._of_old_feed(announcement, now_ms)
        waiting = self.holdings.waiting.release(announcement.id)
        if self.governor is None and not any(self._is_ours(announcement, guest) for guest in waiting):
            for guest in waiting:
                self.holdings.seen.forget(guest.id)
            return self.bidder.invited(announcement, now_ms)  # type: ignore[arg-type]
        contract = self.holdings.open(announcement)  # type: ignore[arg-type]
        if contract is None:
            return self.bidder.invited(announcement, now_ms)  # type: ignore[arg-type]
        actions: list[Action] = [KEEP]
        if self.governor is not None:
            actions += self.governor.heard(contract, announcement, now_ms)
        actions += self._released(waiting, now_ms)
        return actions + self.bidder.invited(announcement, now_ms)  # type: ignore[arg-type]

    def _is_ours(self, announcement: AnyStatement, award: AnyStatement) -> bool:
        """Tell whether this is its manager's award of a task to us."""
        return (
            isinstance(award.body, Award)
            and award.body.winner == self.feed.author
            and award.author == announcement.author
            and award.feed == announcement.feed
        )

    def _of_old_feed(self, announcement: AnyStatement, now_ms: int) -> list[Action]:
        """Our own announcement from a journal that is lost: what is known of it, and then its end (law 6)."""
        contract = self.holdings.open(announcement)  # type: ignore[arg-type]
        if contract is None:
            return []
        actions = [KEEP, *self._released(self.holdings.waiting.release(announcement.id), now_ms)]
        return actions + self.manager.disown(contract, now_ms)

    def _others_award(self, statement: AnyStatement, now_ms: int) -> list[Action]:
        """An award or an end in a contract that we hold nothing of but, perhaps, our own bid."""
        assert statement.about is not None, "awards and cancellations are about an announcement"
        contract_id = Digest(statement.about)
        announcement = self.bidder.announcement_of(contract_id)
        if isinstance(statement.body, Award) and statement.body.winner == self.feed.author:
            if announcement is not None and self._is_ours(announcement, statement):
                contract = self.holdings.open(announcement)
                if contract is not None:
                    return [Keep(announcement), *self._learn(contract, statement, now_ms)]
            elif announcement is None and self.bidder.bid_about(contract_id) is not None:
                self.holdings.waiting.admit(contract_id, statement, now_ms)
            return []
        # It may come again, as part of a chain that a later award to us hangs on.
        self.holdings.seen.forget(statement.id)
        if announcement is None or announcement.author == statement.author:
            self.bidder.lost(contract_id)
        return []

    def _learn(self, contract: Contract, statement: AnyStatement, now_ms: int) -> list[Action]:
        """Take a statement into its contract; whoever waited for it comes in behind it."""
        fork = self._spent_twice(statement) if isinstance(statement.body, Award) else []
        if isinstance(statement.body, Award):
            self._know_bid(contract, statement)  # type: ignore[arg-type]
        if not self.holdings.learn(contract, statement):
            return fork
        if isinstance(statement.body, Award):
            self._note_answered(statement.id, now_ms)  # it comes on two topics: the second is no question
        actions = fork + self._forked_step(contract, statement)
        # What waited comes in first: nobody starts on an award whose veto or recall is here already.
        actions += self._released(self.holdings.waiting.release(statement.id), now_ms)
        return actions + self._moved(contract, statement, now_ms)

    def _know_bid(self, contract: Contract, award: Statement[Award]) -> None:
        """An award of a contract held here is learnt: our own bid goes over to it, and the permit it uses."""
        self.holdings.cite_standing(contract, award.body)
        if not self._is_ours(contract.announcement, award):
            self.bidder.lost(contract.id)
        elif (bid := self.bidder.won(contract.id)) is not None:
            self.holdings.learn(contract, bid)

    def _spent_twice(self, award: AnyStatement) -> list[Action]:
        """One use of a standing permit spent twice convicts too."""
        use = award.body.standing if isinstance(award.body, Award) else None
        other = self.holdings.forks.spend(award, use) if use is not None else None
        if other is None or award.author in self._convicted:
            return []
        self._convicted.add(award.author)
        return [KEEP, Convict(first=other, second=award, reason="one use of a standing permit spent twice")]

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
            # Their own frames came in earlier, when nobody knew what they were worth.
            kept = Keep(statement)
            actions += [kept if action is KEEP else action for action in self._place(statement, now_ms)]
        return actions

    def _moved(self, contract: Contract, statement: AnyStatement, now_ms: int) -> list[Action]:
        """Something was learnt about a contract: tell every role that has a part in it."""
        actions: list[Action] = []
        if contract.id in self.manager.tenders:
            actions += self.manager.heard(contract, statement, now_ms)
        else:
            body = type(statement.body)
            if contract.manager == self.feed.author:
                actions += self.manager.disown(contract, now_ms)
            elif self._is_ours(contract.announcement, statement):
                actions += self.contractor.won(contract, statement, now_ms)  # type: ignore[arg-type]
            else:
                actions += self.contractor.heard(contract, now_ms)
            if body in CHAIN_KINDS:
                actions += self._look_for_missing(contract, now_ms)
        if self.governor is not None:
            actions += self.governor.heard(contract, statement, now_ms)
            if contract.reading.end is not None:
                self.holdings.end(contract)
        return actions

    def _look_for_missing(self, contract: Contract, now_ms: int) -> list[Action]:
        """What a chain names may be on its way, or wait for something else here; if not, it is fetched soon."""
        missing = self.holdings.want(contract)
        if not missing:
            self._incomplete.pop(contract.id, None)
            return []
        actions: list[Action] = []
        for statement in self.holdings.waiting.take(missing):
            self.holdings.cited(statement)
            actions += [Keep(statement), *self._learn(contract, statement, now_ms)]
        self._incomplete.setdefault(contract.id, (now_ms + limits.LAZY_MS, limits.FETCH_AGAIN_MS))
        return actions

    def _fetch_missing(self, now_ms: int) -> list[Action]:
        """Ask the managers of unreadable contracts for what is missing, ever more rarely."""
        actions: list[Action] = []
        for contract_id, (due_ms, pause_ms) in list(self._incomplete.items()):
            if due_ms > now_ms:
                continue
            contract = self.holdings.contracts.get(contract_id)
            missing = self.holdings.want(contract) if contract is not None else ()
            if contract is None or not missing:
                del self._incomplete[contract_id]
                continue
            actions.append(Fetch(PeerId(contract.manager), missing))
            longer_ms = min(pause_ms * limits.REPEAT_FACTOR, limits.REPEAT_LAST_MS)
            self._incomplete[contract_id] = (now_ms + pause_ms, longer_ms)
        return actions

    # Questions

    def _heard_again(self, known: Digest, now_ms: int) -> list[Action]:
        """A repeat is a question: who has answered it says the answer again, but not too often."""
        contract = self.holdings.contract_about(known)
        if contract is None:
            return []
        question = contract.held.get(known)
        if question is None or now_ms < self._answered_ms.get(known, 0) + limits.ANSWER_AGAIN_MS:
            return []
        self._note_answered(known, now_ms)
        if contract.manager == self.feed.author:
            return self.manager.asked(contract, question)
        actions = self.contractor.asked(contract) if isinstance(question.body, Award) else []
        return actions + self.governor.asked(contract, question, now_ms) if self.governor is not None else actions

    def _note_answered(self, question: Digest, now_ms: int) -> None:
        if len(self._answered_ms) >= limits.REMEMBERED_ANSWERS:
            self._answered_ms.pop(next(iter(self._answered_ms)))
        self._answered_ms[question] = now_ms

    # Peers

    def _seen(self, newcomer: PeerId) -> list[Action]:
        """A peer can hear us: it gets our card, and whatever of ours may wait for it."""
        self.directory.arrive(newcomer)
        actions: list[Action] = []
        if self.card is not None:
            actions.append(Say(peer_topic(newcomer), self.card))
        actions += self.contractor.seen(newcomer)
        if self.governor is not None:
            actions += self.governor.gaps.seen(newcomer)
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
        actions += self._fetch_missing(now_ms) if self._incomplete else []
        for missing, waiting in self.holdings.waiting.overdue(now_ms):
            # Our own from a lost journal was shown by somebody who waits for it.
            holder = waiting if waiting.author != self.feed.author else self.holdings.waiting.first_behind(waiting.id)
            if holder is not None:
                actions.append(Fetch(PeerId(holder.author), (missing,)))
        if self.governor is not None:
            actions += self.governor.tick(now_ms)
        return actions

    # After a restart

    def recall(self, statement: AnyStatement) -> None:
        """Take in, at replay, a statement from our journal: said or heard, in the order of the journal."""
        own = statement.author == self.feed.author
        self.holdings.forks.look(statement)
        if self.governor is not None and not own:
            self.governor.gaps.note(statement, 0)
        contract = self._recall_contract(statement, own=own)
        if own:
            known = contract.id if contract is not None else Digest(statement.about or statement.id)
            self.feed.remember(statement, known)
            self.bidder.remember_bid(statement)
        if contract is not None:
            self.holdings.seen.add(statement.id)
            self._recall_into(contract, statement)
        elif isinstance(statement.body, Permit) and statement.body.standing is not None:
            self.holdings.stand(statement)  # type: ignore[arg-type]
        elif isinstance(statement.body, Announcement):
            self._recalled[statement.id] = statement  # type: ignore[assignment]
            for guest in self.holdings.waiting.release(statement.id):
                self.recall(guest)
        elif statement.about is not None and not own:
            self.holdings.waiting.admit(statement.about, statement, 0)

    def _recall_contract(self, statement: AnyStatement, *, own: bool) -> Contract | None:
        """The contract that a statement of the journal belongs to: ours, one that we won, or any if we govern."""
        if isinstance(statement.body, Announcement):
            return self.holdings.open(statement) if own or self.governor is not None else None  # type: ignore[arg-type]
        contract = self.holdings.contract_about(statement.about)
        announcement = self._recalled.get(Digest(statement.about)) if statement.about is not None else None
        if contract is None and announcement is not None and self._is_ours(announcement, statement):
            contract = self.holdings.open(announcement)
        return contract

    def _recall_into(self, contract: Contract, statement: AnyStatement) -> None:
        if isinstance(statement.body, Award):
            self._spent_twice(statement)
            self._know_bid(contract, statement)  # type: ignore[arg-type]
        self.holdings.learn(contract, statement)
        for waiting in (statement, contract.announcement):
            for guest in self.holdings.waiting.release(waiting.id):
                self.recall(guest)

    def resume(self, now_ms: int) -> list[Action]:
        """After replay: take up every contract that is not over."""
        self._recalled.clear()
        actions: list[Action] = []
        for contract in list(self.holdings.contracts.values()):
            if contract.manager == self.feed.author and contract.announcement.feed == self.feed.id:
                actions += self.manager.resume(contract, now_ms)
            elif contract.manager == self.feed.author:
                actions += self.manager.disown(contract, now_ms)
            else:
                actions += self._look_for_missing(contract, now_ms)
                actions += self.contractor.resume(contract, now_ms)
            if self.governor is not None:
                actions += self.governor.pursue(contract, now_ms)
            if contract.reading.end is not None:
                self.holdings.end(contract)
        return [action for action in actions if not isinstance(action, Report)]
