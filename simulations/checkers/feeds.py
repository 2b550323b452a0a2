"""Promises about what a peer says and what others hold against it: feeds, disks, forks and convictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgpack

from protocol.actions import Convict
from protocol.bundle import BUNDLE_TAG
from protocol.codec import statement_id
from protocol.contract import Contract
from protocol.keys import Digest
from protocol.statements import AnyStatement, Award, Bid, Refusal
from protocol.topics import TOPIC_LENGTH
from simulations.checkers.base import Checker, Lives, Roster
from simulations.testimony import Testimony

REMEMBERED_WORDS: Final = 2_048
"""A fork further back in a feed may be forgotten (`limits.FEED_WINDOW`)."""


class NoFork(Checker):
    """No two statements of an honest author have one seq in a feed, or one prev in a contract."""

    def __init__(self, roster: Roster) -> None:
        super().__init__(roster)
        self._by_seq: dict[tuple[bytes, bytes, int], Digest] = {}
        self._by_prev: dict[tuple[bytes, bytes, bytes], Digest] = {}

    def said(self, who: Testimony, statement: AnyStatement, now_us: int) -> None:
        self._look(who, statement)

    def heard(self, who: Testimony, statement: AnyStatement, now_us: int) -> None:
        self._look(who, statement)

    def _look(self, who: Testimony, statement: AnyStatement) -> None:
        author, feed = statement.author, statement.feed
        if not self.roster.is_honest(author):
            return
        if self._by_seq.setdefault((author, feed, statement.seq), statement.id) != statement.id:
            raise self.broken(f"seq {statement.seq} of a feed was said twice: {statement}", who=who)
        prev = statement.prev
        if prev is not None and self._by_prev.setdefault((author, feed, prev), statement.id) != statement.id:
            raise self.broken(f"two statements stand behind {prev.hex()[:8]}: {statement}", who=who)


class RecordedFirst(Checker):
    """Nothing leaves that is not on its author's disk, and nothing is taken for an honest author's that never was."""

    def __init__(self, roster: Roster) -> None:
        super().__init__(roster)
        self._recorded: dict[bytes, set[Digest]] = {}

    def said(self, who: Testimony, statement: AnyStatement, now_us: int) -> None:
        self._recorded.setdefault(who.peer, set()).add(statement.id)

    def published(self, who: Testimony, frame: bytes, now_us: int) -> None:
        if not who.honest:
            return
        recorded = self._recorded.get(who.peer, ())
        for payload in _own_payloads(frame):
            if statement_id(payload) not in recorded:
                raise self.broken("a statement left that is not on the disk", who=who)

    def heard(self, who: Testimony, statement: AnyStatement, now_us: int) -> None:
        if self.roster.is_honest(statement.author) and statement.id not in self._recorded.get(statement.author, ()):
            raise self.broken(f"an honest author is heard with what it has not recorded: {statement}", who=who)


def _own_payloads(frame: bytes) -> list[bytes]:
    """The payloads under a seal of the sender's own: a bundle's. Exhibits are others' words."""
    tag, *fields = msgpack.unpackb(frame[TOPIC_LENGTH:])
    return fields[3] if tag == BUNDLE_TAG else []


class HonestNeverConvicted(Checker):
    """No honest peer is ever convicted, and whoever is was caught with two statements that cannot both be honest."""

    def convicted(self, who: Testimony, convict: Convict, now_us: int) -> None:
        first, second = convict.first, convict.second
        if not who.honest:
            return
        if self.roster.is_honest(first.author) or self.roster.is_honest(second.author):
            raise self.broken(f"an honest peer is convicted: {convict.reason}, {first}, {second}", who=who)
        if first.id == second.id or (first.author, first.feed) != (second.author, second.feed):
            raise self.broken(f"that is no fork: {first}, {second}", who=who)
        if first.seq != second.seq and first.prev != second.prev and not _one_use(first, second):
            raise self.broken(f"these may both be honest: {first}, {second}", who=who)


def _one_use(first: AnyStatement, second: AnyStatement) -> bool:
    bodies = (first.body, second.body)
    uses = [body.standing for body in bodies if isinstance(body, Award)]
    return len(uses) == 2 and uses[0] is not None and uses[0] == uses[1]


class ForksSeen(Checker):
    """Every fork that a correct peer holds is seen: its author is convicted there in the same turn."""

    def __init__(self, roster: Roster) -> None:
        super().__init__(roster)
        self._said = Lives[dict[object, AnyStatement]](by_contract=False)
        """(author, feed) → what was said with a seq, and behind a prev."""
        self._convicted = Lives[None](by_contract=False)
        self._suspect = Lives[tuple[AnyStatement, AnyStatement]](by_contract=False)

    def heard(self, who: Testimony, statement: AnyStatement, now_us: int) -> None:
        if not who.honest or not self.roster.is_liar(statement.author):
            return
        said = self._said.of(who).setdefault((statement.author, statement.feed), {})
        for place in (statement.seq, statement.prev):
            other = said.setdefault(place, statement) if place is not None else statement
            if other.id != statement.id:
                self._suspect.of(who)[statement.author, place] = (other, statement)
        while len(said) > REMEMBERED_WORDS:
            del said[next(iter(said))]

    def convicted(self, who: Testimony, convict: Convict, now_us: int) -> None:
        self._convicted.of(who)[convict.second.author] = None

    def turned(self, who: Testimony, touched: Sequence[Contract], now_us: int) -> None:
        for one, other in self._suspect.of(who).values() if who.honest else ():
            if other.author not in self._convicted.of(who) and _is_held(who, one, other):
                raise self.broken(f"a fork is held and its author not convicted: {one}, {other}", who=who)


def _is_held(who: Testimony, one: AnyStatement, other: AnyStatement) -> bool:
    """With one seq they are a fork wherever they are; with one prev, where both are held in one contract."""
    if one.seq == other.seq:
        return True
    contract = who.node.holdings.contract_about(one.id)
    return contract is not None and one.id in contract.held and other.id in contract.held


class LogGrows(Checker):
    """What a disk says it has said only grows, and is numbered without a gap: a feed is an append-only log."""

    def __init__(self, roster: Roster) -> None:
        super().__init__(roster)
        self._logs: dict[tuple[bytes, bytes], list[Digest]] = {}

    def said(self, who: Testimony, statement: AnyStatement, now_us: int) -> None:
        if not who.honest:
            return
        log = self._logs.setdefault((who.peer, statement.feed), [])
        if statement.author != who.peer or statement.seq != len(log) + 1:
            raise self.broken(f"number {len(log) + 1} of a feed should follow, and not {statement}", who=who)
        log.append(statement.id)

    def at_rest(self, everybody: Sequence[Testimony], now_us: int) -> None:
        for who in everybody:
            if who.honest:
                self._compare(who)

    def _compare(self, who: Testimony) -> None:
        """A loss of power may cut off the end of a feed, which then is never gone on with."""
        feeds: dict[bytes, list[Digest]] = {}
        for statement in who.said():
            feeds.setdefault(statement.feed, []).append(statement.id)
        for feed, ids in feeds.items():
            log = self._logs.get((who.peer, feed), [])
            if ids != log[: len(ids)]:
                raise self.broken("what the disk says was said is not what was recorded", who=who)
        current = who.node.feed.id
        if len(feeds.get(current, ())) < len(self._logs.get((who.peer, current), ())):
            raise self.broken("a part of the feed that is gone on with is no longer on the disk", who=who)


class OneBid(Checker):
    """An honest bidder says at most one Bid in a contract, and nothing before it but one Refusal."""

    def __init__(self, roster: Roster) -> None:
        super().__init__(roster)
        self._answers: dict[tuple[bytes, bytes, bytes], list[type]] = {}

    def said(self, who: Testimony, statement: AnyStatement, now_us: int) -> None:
        body = type(statement.body)
        if body not in (Bid, Refusal) or not who.honest or statement.about is None:
            return
        answers = self._answers.setdefault((who.peer, statement.feed, statement.about), [])
        answers.append(body)
        if answers not in ([Bid], [Refusal], [Refusal, Bid]):
            said = ", ".join(answer.__name__ for answer in answers)
            raise self.broken(f"it has answered one task with {said}", contract=statement.about, who=who)
