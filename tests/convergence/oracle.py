"""A second, deliberately dumb fold: every line of the chain is written out and judged from its beginning.

It shares no code with `protocol.contract` but the classes of statements, and it is as slow as it looks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from protocol.notices import Charter
from protocol.statements import (
    Acceptance,
    Announcement,
    AnyStatement,
    Award,
    AwardRule,
    Bid,
    Cancel,
    CancelReason,
    Decline,
    EffectClass,
    Failure,
    Permit,
    Progress,
    Recall,
    RecallReason,
    Renewal,
    Result,
    Settlement,
    Statement,
    Veto,
    VetoScope,
)

STEPS = (Award, Renewal, Recall, Settlement, Cancel)
Line = tuple[AnyStatement, ...]


class Expected(NamedTuple):
    """What a reading must say, fault aside, of which only the sort is said: none, a fork, or an illegal step."""

    state: str
    phase: str
    epoch: int
    award: AnyStatement | None
    go: bool
    answer: AnyStatement | None
    steps: Line
    end: AnyStatement | None
    orphaned: bool
    fault: str | None
    missing: frozenset[bytes]
    permitted: bool
    epoch_vetoed: bool
    task_vetoed: bool
    compromised: bool


class Oracle:
    """A set of statements under one announcement, and everything that can be asked of it."""

    def __init__(self, announcement: Statement[Announcement], said: Iterable[AnyStatement], charter: Charter) -> None:
        self.top, self.task, self.charter = announcement, announcement.body, charter
        self.all = {one.id: one for one in said} | {announcement.id: announcement}
        own = [one for one in self.all.values() if one.author == self.top.author]
        self.own = [one for one in own if one.feed == self.top.feed and isinstance(one.body, STEPS)]
        self.orphans = [
            one for one in own
            if one.feed != self.top.feed and one.about == self.top.id
            and isinstance(one.body, Cancel) and one.body.reason is CancelReason.ORPHANED
        ]  # fmt: skip

    # Lines: what the manager's steps say when they are laid end to end

    def after(self, line: Line) -> list[AnyStatement]:
        """The steps that claim to come next."""
        return [one for one in self.own if one.prev == line[-1].id]

    def lines(self) -> list[Line]:
        """Every line from the announcement to any step, legal or not."""
        found, fresh = [], [(self.top,)]
        while fresh:
            found += fresh
            fresh = [(*line, step) for line in fresh for step in self.after(line)]
        return found

    def verdict(self, line: Line) -> str:
        """Legal, illegal or waiting: by the first step of the line that is not legal."""
        for length in range(1, len(line)):
            verdict = self.verdict_of_step(line[:length], line[length])
            if verdict != "legal":
                return verdict
        return "legal"

    def verdict_of_step(self, before: Line, step: AnyStatement) -> str:
        """May `step` come after the legal line `before`? Legal, illegal, or the hex id that it waits for."""
        award = self.open_award(before)
        ended = isinstance(before[-1].body, (Settlement, Cancel))
        body = step.body
        fits = isinstance(body, Cancel) or (award is None) == isinstance(body, Award)
        if ended or step.seq <= before[-1].seq or not fits:
            return "illegal"
        match body:
            case Award():
                return self.verdict_of_award(before, step)
            case Renewal():
                return "illegal" if step.about is None else self.cites(award, step.about, (Acceptance, Progress))
            case Settlement():
                return "illegal" if step.about is None else self.cites(award, step.about, (Result,))
            case Recall(reason=reason, answer=answer):
                must = {
                    RecallReason.DECLINED: (Decline,), RecallReason.FAILED: (Failure,),
                    RecallReason.STOPPED: (Failure,), RecallReason.FAILED_CHECK: (Result,),
                }.get(reason)  # fmt: skip
                if step.about != award.id or (must is None) != (answer is None):
                    return "illegal"
                return "legal" if answer is None else self.cites(award, answer, must)
            case Cancel(reason=reason, answer=answer):
                if step.about != self.top.id or reason is CancelReason.ORPHANED or (answer is not None and not award):
                    return "illegal"
                return "legal" if answer is None else self.cites(award, answer, (Decline, Failure, Result))
        raise AssertionError(body)

    def verdict_of_award(self, before: Line, step: Statement[Award]) -> str:
        former = [one.body.winner for one in before if isinstance(one.body, Award)]
        said = step.body
        sound = (
            step.about == self.top.id
            and said.epoch == len(former) + 1 <= self.task.attempts
            and said.winner not in former
            and said.price <= self.task.budget
            and said.bid in said.considered
        )
        if not sound:
            return "illegal"
        bid = self.all.get(said.bid)
        if bid is None:
            return said.bid.hex()
        if not isinstance(bid.body, Bid) or bid.about != self.top.id or bid.author != said.winner:
            return "illegal"
        if self.task.award_rule is AwardRule.SECOND_PRICE:
            return "legal" if said.price >= bid.body.price else "illegal"
        return "legal" if said.price == bid.body.price else "illegal"

    def cites(self, award: AnyStatement, cited: bytes, kinds: tuple[type, ...]) -> str:
        if cited not in self.all:
            return cited.hex()
        answer = self.all[cited]
        fits = isinstance(answer.body, kinds) and answer.author == award.body.winner and answer.about == award.id
        return "legal" if fits else "illegal"

    @staticmethod
    def open_award(line: Sequence[AnyStatement]) -> AnyStatement | None:
        """The award that the line has last made and not recalled."""
        for one in reversed(line):
            if isinstance(one.body, Recall):
                return None
            if isinstance(one.body, Award):
                return one
        return None

    # Votes

    def voters(self, kind: type, counts: object, but: bytes | None) -> set[bytes]:
        """The governors with a vote of this kind that counts, less the manager and one more."""
        seats = {(seat.governor, seat.feed) for seat in self.charter.governors}
        return {
            one.author for one in self.all.values()
            if isinstance(one.body, kind) and (one.author, one.feed) in seats
            and one.author not in (self.top.author, but) and counts(one)
        }  # fmt: skip

    def permitted(self, about: AnyStatement, award: AnyStatement) -> bool:
        use = award.body.standing if about is award else None

        def counts(vote: AnyStatement) -> bool:
            if vote.about == about.id:
                return True
            standing = vote.body.standing
            return (
                use is not None and vote.id == use.permit and standing is not None
                and (standing.manager, standing.skill) == (self.top.author, self.task.skill)
                and award.body.price <= standing.price_max and use.number <= standing.uses
            )  # fmt: skip

        needed = self.charter.permits_needed
        return 0 < needed <= len(self.voters(Permit, counts, award.body.winner))

    def vetoed(self, award: AnyStatement | None) -> bool:
        def counts(vote: AnyStatement) -> bool:
            if vote.body.scope is VetoScope.TASK:
                return True
            return award is not None and award.id in self.chain_of_abouts(vote)

        needed = self.charter.vetoes_needed
        return 0 < needed <= len(self.voters(Veto, counts, award.body.winner if award else None))

    def chain_of_abouts(self, vote: AnyStatement) -> tuple[bytes | None, ...]:
        """What an epoch's veto is about: an award, or a settlement of a result of one."""
        settlement = self.all.get(vote.about)
        if settlement is None or not isinstance(settlement.body, Settlement):
            return (vote.about,)
        result = self.all.get(settlement.about)
        return (vote.about, result.about if result is not None and isinstance(result.body, Result) else None)

    # The reading

    def read(self) -> Expected:
        lines = self.lines()
        legal = [line for line in lines if self.verdict(line) == "legal"]
        unforked = [line for line in legal if all(len(self.after(line[:n])) < 2 for n in range(1, len(line)))]
        main = max(unforked, key=len)
        forked = len(self.after(main)) > 1
        broken = any(self.verdict(line) == "illegal" for line in lines)
        fault = "forked chain" if forked else "illegal step" if broken else None
        award, end = self.open_award(main), main[-1] if isinstance(main[-1].body, (Settlement, Cancel)) else None
        orphaned = end is None and bool(self.orphans)
        if orphaned:
            end = min(self.orphans, key=lambda one: one.id)
        settled = [line for line in legal if isinstance(line[-1].body, Settlement)]
        final = any(self.permitted(line[-1], self.open_award(line)) for line in settled)
        vetoed = self.vetoed(None) or any(self.vetoed(self.open_award(line)) for line in settled)
        state = self.state(award, end, fault, final, vetoed)
        effects = self.task.effect is not EffectClass.PURE
        phase, answer = self.phase(main, award) if state == "awarded" else ("none", None)
        return Expected(
            state, phase, sum(isinstance(one.body, Award) for one in main), award,
            effects and award is not None and self.renewed(main, award), answer, main, end, orphaned, fault,
            frozenset(bytes.fromhex(waits) for waits in map(self.verdict, lines) if waits not in ("legal", "illegal")),
            award is not None and self.permitted(award, award), award is not None and self.vetoed(award),
            self.vetoed(None), final and vetoed,
        )  # fmt: skip

    @staticmethod
    def state(award: object, end: AnyStatement | None, fault: str | None, final: bool, vetoed: bool) -> str:
        if vetoed:
            return "vetoed"
        if final:
            return "final"
        if fault:
            return "void"
        if end is not None:
            return "settled" if isinstance(end.body, Settlement) else "cancelled"
        return "awarded" if award else "open"

    @staticmethod
    def renewed(main: Line, award: AnyStatement) -> bool:
        return any(isinstance(one.body, Renewal) for one in main[main.index(award) :])

    def phase(self, main: Line, award: AnyStatement) -> tuple[str, AnyStatement | None]:
        def first(kind: type) -> AnyStatement | None:
            said = [
                one for one in self.all.values()
                if isinstance(one.body, kind) and one.about == award.id and one.author == award.body.winner
            ]  # fmt: skip
            return min(said, key=lambda one: one.id, default=None)

        for kind, phase in ((Result, "delivered"), (Failure, "failed"), (Decline, "declined")):
            if first(kind):
                return phase, first(kind)
        started = first(Acceptance) or first(Progress)
        working = self.task.effect is EffectClass.PURE or self.renewed(main, award)
        return ("offered" if not started else "working" if working else "accepted"), started
