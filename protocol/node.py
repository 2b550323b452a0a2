"""One peer's pure whole: `step(event, now_ms) -> actions`, and `deadline_ms()` for the one timer.

A node composes the roles, which never import each other, over one holdings and one feed, and finds for each
statement the contract and the roles that it concerns. It has no rule of its own. The shell and the simulator drive the
same object.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from protocol.actions import KEEP, Action, Fetch, Keep, Say
from protocol.amendments import Amendments
from protocol.amnesia import Orphans, Reminders
from protocol.bidder import Bidder, Quote
from protocol.contract import Contract
from protocol.contractor import Contractor
from protocol.convictions import Convictions
from protocol.directory import Directory
from protocol.dues import earliest
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
from protocol.incomplete import Incomplete
from protocol.job import is_award_of
from protocol.keys import Digest, PeerId
from protocol.kinds import CHAIN_KINDS
from protocol.manager import Manager
from protocol.notices import Card, Charter
from protocol.policy import Policy
from protocol.questions import AnswerTimes
from protocol.statements import Announcement, AnyStatement, Award, Cancel, Permit, Result, Statement
from protocol.topics import governance_topic, peer_topic
from protocol.welcome import Welcome

_NEWS_TO_LOSERS: Final = frozenset({Award, Cancel})
"""What bidders hear of a contract that they hold nothing of."""


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
        later: Iterable[Statement[Charter]] = (),
    ) -> None:
        """`charter` is the first version, and `later` are others that are known, as files say.

        `quotes` maps the skills offered to bidding strategies; with a `policy` the node is a governor.
        """
        self.market = feed.market
        self.feed = feed
        self.holdings = Holdings(charter)
        self.directory = Directory()
        self.manager = Manager(feed, self.holdings, self.directory)
        self.contractor = Contractor(feed, self.holdings, capacity=capacity)
        self.orphans = Orphans(feed, self.holdings)
        self.reminders = Reminders(self.holdings)
        self.bidder = Bidder(feed, self.holdings, quotes=quotes or {}, has_place=self.contractor.has_place)
        self.holdings.elsewhere = self.bidder.find
        self.contractor.on_place = self.bidder.place_is_free
        self.contractor.on_released = self.manager.withdraw_children
        self.governor = Governor(feed, self.holdings, policy) if policy is not None else None
        self.card: Statement[Card] | None = None
        self._welcome = Welcome(feed, self.holdings, self.manager.hears, audits=self.governor is not None)
        self._answered = AnswerTimes()
        self.convictions = Convictions(self.holdings.forks)
        self._incomplete = Incomplete(self.holdings)
        gaps = self.governor.gaps if self.governor is not None else None
        self.amendments = Amendments(self.holdings, self.convictions, gaps)
        for version in later:
            self.amendments.recall(version)

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
        return earliest(
            self.manager.deadline_ms(),
            self.contractor.deadline_ms(),
            self.bidder.deadline_ms(),
            self.orphans.deadline_ms(),
            self.holdings.waiting.deadline_ms(),
            self.governor.deadline_ms() if self.governor is not None else None,
            self._incomplete.deadline_ms(),
        )

    # Statements

    def _heard(self, statement: AnyStatement, now_ms: int) -> list[Action]:
        self.holdings.seen.add(statement.id)
        if statement.author == self.feed.author and statement.feed == self.feed.id:
            return self._heard_again(statement.id, now_ms)  # our own words, shown to us
        actions = self.convictions.by_seq(statement)
        if self.governor is not None:
            self.governor.gaps.note(statement, now_ms)
            actions.append(KEEP)
        actions += self._place(statement, now_ms)
        for contract in self.holdings.cited(statement):
            if statement.id not in contract.held:
                actions += self._learn(contract, statement, now_ms)
        return actions

    def _place(self, statement: AnyStatement, now_ms: int) -> list[Action]:
        """Find where a statement belongs, and who is to know of it."""
        body = statement.body
        if type(body) is Announcement:
            return self._announced(statement, now_ms)
        contract = self.holdings.contract_about(statement.about)
        if contract is not None:
            return self._learn(contract, statement, now_ms) if self._welcome.to_contract(contract, statement) else []
        if type(body) is Card:
            return self._introduced(statement)  # type: ignore[arg-type]
        if type(body) is Charter:
            amended = self.amendments.heard(statement)  # type: ignore[arg-type]
            return amended + self._released(self.holdings.waiting.release(statement.id), now_ms)
        if statement.about is not None:
            if type(body) in _NEWS_TO_LOSERS and self.governor is None and statement.author != self.feed.author:
                return self._others_award(Digest(statement.about), statement, now_ms)
            self.holdings.waiting.admit(statement.about, statement, now_ms)
        elif type(body) is Permit and body.standing is not None:
            return [KEEP] if self._welcome.to_stand(statement) else []  # type: ignore[arg-type]
        return []

    def _announced(self, announcement: AnyStatement, now_ms: int) -> list[Action]:
        if self.holdings.charter_of(announcement.body) is None:  # type: ignore[arg-type]
            self.holdings.waiting.admit(announcement.body.charter, announcement, now_ms)  # type: ignore[attr-defined]
            return []
        if announcement.author == self.feed.author:
            return self._of_old_feed(announcement, now_ms)
        if self.governor is not None and not self.holdings.has_room(announcement.author):
            self.holdings.seen.forget(announcement.id)  # its manager will say it again, when there is room
            return []
        waiting = self.holdings.waiting.release(announcement.id)
        awards = [guest for guest in waiting if is_award_of(announcement, guest, self.feed.author)]
        if self.governor is None and not awards:
            for guest in waiting:
                self.holdings.seen.forget(guest.id)
            return self.bidder.invited(announcement, now_ms)  # type: ignore[arg-type]
        contract = self.holdings.open(announcement)  # type: ignore[arg-type]
        assert contract is not None, "its charter is held"
        actions: list[Action] = [KEEP]
        if self.governor is not None:
            actions += self.governor.heard(contract, announcement, now_ms)
        actions += self._released(waiting, now_ms)
        return actions + self.bidder.invited(announcement, now_ms)  # type: ignore[arg-type]

    def _of_old_feed(self, announcement: AnyStatement, now_ms: int) -> list[Action]:
        """Our own announcement from a journal that is lost: what is known of it, and then its end (law 6)."""
        contract = self.holdings.open(announcement)  # type: ignore[arg-type]
        assert contract is not None, "its charter is held"
        actions = [KEEP, *self._released(self.holdings.waiting.release(announcement.id), now_ms)]
        return actions + self.orphans.disown(contract, now_ms)

    def _others_award(self, contract_id: Digest, statement: AnyStatement, now_ms: int) -> list[Action]:
        """An award or an end in a contract that we hold nothing of but, perhaps, our own bid."""
        announcement = self.bidder.announcement_of(contract_id)
        if type(statement.body) is Award and statement.body.winner == self.feed.author:
            if announcement is not None and is_award_of(announcement, statement, self.feed.author):
                contract = self.holdings.open(announcement)
                if contract is not None:
                    return [Keep(announcement), *self._learn(contract, statement, now_ms)]
            elif announcement is None and self._is_ours(contract_id, statement):
                self.holdings.waiting.admit(contract_id, statement, now_ms)
            return []
        # It may come again, as part of a chain that a later award to us hangs on.
        self.holdings.seen.forget(statement.id)
        if announcement is None or announcement.author == statement.author:
            self.bidder.lost(contract_id)
        return []

    def _is_ours(self, contract_id: Digest, award: AnyStatement) -> bool:
        """Whether an award without its task is worth waiting for: we have bid, or did it in a journal that is lost."""
        if self.bidder.bid_about(contract_id) is not None:
            return True
        behind = self.holdings.waiting.behind(award.id)
        return any(guest.author == self.feed.author and type(guest.body) is Result for guest in behind)

    def _learn(self, contract: Contract, statement: AnyStatement, now_ms: int) -> list[Action]:
        """Take a statement into its contract; whoever waited for it comes in behind it."""
        fork: list[Action] = []
        award = type(statement.body) is Award
        if award:
            fork = self.convictions.by_use(statement)
            self.know_bid(contract, statement)  # type: ignore[arg-type]
        if not self.holdings.learn(contract, statement):
            return fork
        if award:
            self._answered.note(statement.id, now_ms)  # it comes on two topics: the second is no question
        actions = [*fork, KEEP, *self.convictions.by_prev(contract, statement)]
        # What waited comes in first: nobody starts on an award whose veto or recall is here already.
        actions += self._released(self.holdings.waiting.release(statement.id), now_ms)
        actions += self._moved(contract, statement, now_ms)
        return actions

    def know_bid(self, contract: Contract, award: Statement[Award]) -> None:
        """An award of a contract held here is learnt: our own bid goes over to it, and the permit it uses."""
        self.holdings.cite_standing(contract, award.body)
        if not is_award_of(contract.announcement, award, self.feed.author):
            if self.governor is not None and (lost := self.bidder.bid_about(contract.id)) is not None:
                self.holdings.learn(contract, lost)  # an award that lists it can only so be computed again
            self.bidder.lost(contract.id)
        elif (bid := self.bidder.won(contract.id)) is not None:
            self.holdings.learn(contract, bid)

    def _released(self, statements: list[AnyStatement], now_ms: int) -> list[Action]:
        actions: list[Action] = []
        for statement in statements:
            actions += self._kept_before(statement, self._place(statement, now_ms))
        return actions

    def _kept_before(self, statement: AnyStatement, actions: list[Action]) -> list[Action]:
        """What came in earlier and matters now: its frame is gone, if nobody knew then what it was worth."""
        if self.governor is not None:
            return [action for action in actions if action is not KEEP]  # it keeps all that it hears
        kept = Keep(statement)
        return [kept if action is KEEP else action for action in actions]

    def _moved(self, contract: Contract, statement: AnyStatement, now_ms: int) -> list[Action]:
        """Something was learnt about a contract: tell every role that has a part in it."""
        actions: list[Action] = []
        if contract.id in self.manager.tenders:
            actions += self.manager.heard(contract, statement, now_ms)
        else:
            body = type(statement.body)
            if contract.manager == self.feed.author:
                actions += self.orphans.disown(contract, now_ms)
            elif is_award_of(contract.announcement, statement, self.feed.author):
                actions += self.contractor.won(contract, statement, now_ms)  # type: ignore[arg-type]
            else:
                actions += self.contractor.heard(contract, now_ms) + self.reminders.heard(contract)
            if body in CHAIN_KINDS:
                actions += self.look_for_missing(contract, now_ms)
        if self.governor is not None:
            actions += self.governor.heard(contract, statement, now_ms)
            if contract.reading.end is not None:
                self.holdings.end(contract)
        return actions

    def look_for_missing(self, contract: Contract, now_ms: int) -> list[Action]:
        """What a chain names may be on its way, or wait for something else here; if not, it is fetched soon."""
        missing = self._incomplete.look(contract, now_ms)
        actions: list[Action] = []
        for statement in self.holdings.waiting.take(missing):
            self.holdings.cited(statement)
            actions += self._kept_before(statement, [KEEP, *self._learn(contract, statement, now_ms)])
        return actions

    # Questions

    def _heard_again(self, known: Digest, now_ms: int) -> list[Action]:
        """A repeat is a question: who has answered it says the answer again, but not too often."""
        contract = self.holdings.contract_about(known)
        if contract is None:
            return []
        question = contract.held.get(known)
        if question is None or self._answered.lately(known, now_ms):
            return []
        self._answered.note(known, now_ms)
        if contract.manager == self.feed.author:
            return self.manager.asked(contract, question)
        actions = self.contractor.asked(contract, question)
        return actions + self.governor.asked(contract, question, now_ms) if self.governor is not None else actions

    # Peers

    def _seen(self, newcomer: PeerId) -> list[Action]:
        """A peer can hear us: it gets our card, and whatever of ours may wait for it."""
        self.directory.arrive(newcomer)
        actions: list[Action] = []
        if self.card is not None:
            actions.append(Say(peer_topic(newcomer), self.card))
        actions += self.amendments.seen(newcomer)
        actions += self.contractor.seen(newcomer) + self.reminders.seen(newcomer)
        if self.governor is not None:
            actions += self.governor.gaps.seen(newcomer)
        return actions + self._offer(newcomer, self.directory.skills_of(newcomer))

    def _offer(self, newcomer: PeerId, skills: list[str]) -> list[Action]:
        """What concerns a peer with these skills, whether it knew of it before or not."""
        return self.manager.seen(newcomer, skills) + self.orphans.seen(newcomer, skills)

    def _introduced(self, card: Statement[Card]) -> list[Action]:
        before = self.directory.skills_of(card.author)
        if not self.directory.introduce(card):
            return []
        fresh = [skill for skill in self.directory.skills_of(card.author) if skill not in before]
        return self._offer(PeerId(card.author), fresh) if fresh else []

    # Time

    def _tick(self, now_ms: int) -> list[Action]:
        actions = self.manager.tick(now_ms) + self.contractor.tick(now_ms) + self.bidder.tick(now_ms)
        actions += self.orphans.tick(now_ms) + self._incomplete.tick(now_ms)
        for missing, waiting in self.holdings.waiting.overdue(now_ms):
            # Our own from a lost journal was shown by somebody who waits for it.
            holder = waiting if waiting.author != self.feed.author else self.holdings.waiting.first_behind(waiting.id)
            if holder is not None:
                self.holdings.seen.forget(missing)  # it may have come when nobody waited for it
                actions.append(Fetch(PeerId(holder.author), (missing,)))
        if self.governor is not None:
            actions += self.governor.tick(now_ms)
        return actions
