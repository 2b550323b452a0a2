"""Promises that something happens: asked when the faults have stopped, all is healed, and the bound is over.

The bound is computed from the timers that count, not guessed: `bound_ms`.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from protocol import limits
from protocol.contract import Contract
from protocol.keys import Digest
from protocol.statements import Announcement, AnyStatement, Award, Settlement, Veto, VetoScope
from protocol.states import END_RANK, Reading, State
from simulations.checkers.base import Checker, Roster
from simulations.testimony import Testimony

ENDS: Final = frozenset({State.SETTLED, State.CANCELLED, State.FINAL, State.VETOED})
ROUNDS: Final = 4
"""Repeats that may be needed in a row once a task has ended: the other side repeats what shows that it does not know
the end; a gap in that is fetched; a vote is asked for; the vote that was lost is asked for again."""
QUIET_MS: Final = limits.REPEAT_LAST_MS
QUIET_REPEATS_MAX: Final = 8
"""How often one frame may leave in that time: once of itself, and as an answer to each of two parties that ask on two
topics, which they do no more often themselves."""


def bound_ms(tasks: Iterable[Announcement]) -> int:
    """How long after the faults have stopped every promise about these tasks is kept.

    A manager that was restarted last counts its deadline anew. At the deadline every task ends. From then on whoever
    does not know the end repeats itself at least every `REPEAT_LAST_MS`, and what waits for something that never comes
    makes room after `WAITING_MS`.
    """
    deadline_ms = max((task.deadline_ms for task in tasks), default=0)
    return deadline_ms + limits.WAITING_MS + limits.FIRST_VOTES_MS + ROUNDS * limits.REPEAT_LAST_MS + QUIET_MS


class _AtRest(Checker):
    kind = "liveness"

    def live(self, everybody: Sequence[Testimony]) -> list[Testimony]:
        """Those of whom something is asked: honest, here, and alone with their key."""
        return [who for who in everybody if who.alive and who.honest and self.roster.of(who.peer) is who]

    def managed(self, everybody: Sequence[Testimony]) -> Iterator[tuple[Testimony, Contract]]:
        """Every contract of a live honest manager that it still holds, of whatever feed."""
        for who in self.live(everybody):
            for contract in who.node.holdings.contracts.values():
                if contract.manager == who.peer:
                    yield who, contract


class TasksEnd(_AtRest):
    """Every task of a live manager ends within the bound computed from its timers."""

    def at_rest(self, everybody: Sequence[Testimony], now_us: int) -> None:
        for who in self.live(everybody):
            current = who.node.feed.id
            for said in who.said():
                if isinstance(said.body, Announcement) and said.feed == current:
                    self._look(who, said, who.node.holdings.contracts.get(said.id))

    def _look(self, who: Testimony, announcement: AnyStatement, contract: Contract | None) -> None:
        if contract is None:
            return  # it ended so long ago that its manager has forgotten it
        reading = contract.reading
        if reading.state not in ENDS:
            what = f"the task never ended: {_describe(reading)}"
            raise self.broken(what, contract=announcement.id, who=who)


def _describe(reading: Reading) -> str:
    """Where a contract stands, for people."""
    parts = [str(reading.state), f"epoch {reading.epoch}"]
    parts += [str(reading.phase)] if reading.award is not None else []
    parts += [f"because {reading.fault}"] if reading.fault is not None else []
    parts += [f"{len(reading.missing)} statements are missing"] if reading.missing else []
    parts += ["orphaned"] if reading.orphaned else []
    return ", ".join(parts)


class PartiesAgree(_AtRest):
    """Manager, contractor and governors agree on the end of every task of a live manager; others know it, or less.

    A veto of what was cancelled anyway changes nothing, and is not said again.
    """

    def at_rest(self, everybody: Sequence[Testimony], now_us: int) -> None:
        held: dict[Digest, list[tuple[Testimony, Contract]]] = {}
        for who in self.live(everybody):
            for contract in who.node.holdings.contracts.values():
                manager = self.roster.of(contract.manager)
                if manager is not None and manager.alive and manager.honest:
                    held.setdefault(contract.id, []).append((who, contract))
        for holders in held.values():
            self._look(holders)

    def _look(self, holders: list[tuple[Testimony, Contract]]) -> None:
        """A manager that lost its journal may never hear of a task again: then whoever knows an end knows the same.

        A governor that lost its journal has no seat any more: it looks on, as others do.
        """
        _, furthest = max(holders, key=lambda one: one[1].reading.rank)
        reading, told = furthest.reading, f"{holders[0][0].name}: {_describe(holders[0][1].reading)}"
        winner = reading.award.body.winner if reading.award is not None else None
        forgotten = all(who.peer != furthest.manager for who, _ in holders)
        for who, contract in holders:
            seated = any(
                (seat.governor, seat.feed) == (who.peer, who.node.feed.id) for seat in contract.charter.governors
            )
            party = seated or who.peer in (contract.manager, winner)
            if not party or (forgotten and not END_RANK[contract.reading.state]):
                continue
            if not _agree(contract.reading, reading):
                what = f"it reads {_describe(contract.reading)}, and others {_describe(reading)} ({told})"
                raise self.broken(what, contract=contract.id, who=who)


def _agree(one: Reading, furthest: Reading) -> bool:
    """Tell whether two readings are the same end; of a cancelled task, how it was cancelled does not matter."""
    if one.state is furthest.state:
        return True
    over = {State.CANCELLED, State.VETOED}
    return {one.state, furthest.state} == over and all(not _is_settled(reading) for reading in (one, furthest))


def _is_settled(reading: Reading) -> bool:
    return reading.end is not None and isinstance(reading.end.body, Settlement)


class ResultsAnswered(_AtRest):
    """No signed result of a live contractor stays unanswered by a live manager."""

    def at_rest(self, everybody: Sequence[Testimony], now_us: int) -> None:
        alive = {who.peer for who in self.live(everybody)}
        for who in self.live(everybody):
            for job in who.node.contractor.jobs.values():
                reading = job.contract.reading
                if job.contract.manager in alive and not END_RANK[reading.state]:
                    what = f"it still waits for an answer: {_describe(reading)}"
                    raise self.broken(what, contract=job.contract.id, who=who)


class Ratified(_AtRest):
    """Every settlement is ratified or vetoed, where enough governors are here and none leaves it to a person."""

    def at_rest(self, everybody: Sequence[Testimony], now_us: int) -> None:
        live = self.live(everybody)
        for who, contract in self.managed(everybody):
            end, charter = contract.reading.end, contract.charter
            settled = contract.reading.state is State.SETTLED and bool(charter.governors)
            if not settled or end is None or contract.announcement.feed != who.node.feed.id:
                continue  # of a lost journal the bids may be lost too, and nobody permits what it cannot recompute
            seats = {(seat.governor, seat.feed) for seat in charter.governors}
            voters = [one for one in live if (one.peer, one.node.feed.id) in seats and _may_vote(one, contract)]
            if len(voters) >= charter.permits_needed:
                raise self.broken("its settlement was never ratified", contract=contract.id, who=who)


def _may_vote(governor: Testimony, contract: Contract) -> bool:
    """Tell whether a governor has nothing against a settlement, and no part in it."""
    award, end = contract.reading.award, contract.reading.end
    own = governor.peer in (contract.manager, award.body.winner if award is not None else None)
    held = governor.node.holdings.contracts.get(contract.id)
    vetoed = held is not None and any(isinstance(vote.body, Veto) for vote in held.votes)
    referred = governor.node.governor.referred if governor.node.governor is not None else {}
    return not (own or vetoed or (end is not None and end.id in referred))


class VetoHeard(_AtRest):
    """Every party that is here hears a veto, or has ended what it was against."""

    def at_rest(self, everybody: Sequence[Testimony], now_us: int) -> None:
        for who in self.live(everybody):
            for said in who.said():
                if isinstance(said.body, Veto) and said.about is not None:
                    self._look(who, said)

    def _look(self, governor: Testimony, veto: AnyStatement) -> None:
        contract = governor.node.holdings.contract_about(veto.id)
        if contract is None or not any(vote.id == veto.id for vote in contract.votes):
            return  # long over, or without a seat
        award = contract.held.get(contract.award_of(veto.about) or Digest(b""))
        winner = award.body.winner if award is not None and isinstance(award.body, Award) else None
        for peer in (contract.manager, winner):
            party = self.roster.of(peer) if peer is not None else None
            if party is None or not party.alive or not party.honest:
                continue
            theirs = party.node.holdings.contracts.get(contract.id)
            if theirs is not None and veto.id not in theirs.held and not _is_past(theirs, veto):
                raise self.broken(f"it never heard {veto} of {governor.name}", contract=contract.id, who=party)


def _is_past(contract: Contract, veto: AnyStatement) -> bool:
    """Tell whether what a veto is against had ended without it; a settlement may still be vetoed."""
    reading = contract.reading
    assert isinstance(veto.body, Veto)
    if reading.end is not None:
        return not isinstance(reading.end.body, Settlement) or reading.state in (State.FINAL, State.VETOED)
    over = reading.award is None or reading.award.id != veto.about
    return reading.fault is not None or (veto.body.scope is VetoScope.EPOCH and over)


class GapsFilled(_AtRest):
    """No governor that is here has a gap in the feed of an honest peer that is here too."""

    def at_rest(self, everybody: Sequence[Testimony], now_us: int) -> None:
        live = self.live(everybody)
        feeds = {(one.peer, one.node.feed.id): one for one in live}
        for who in live:
            watches = who.node.governor.gaps.feeds if who.node.governor is not None else {}
            for feed, watch in watches.items():
                if watch.ahead and feed in feeds:
                    raise self.broken(f"what {feeds[feed].name} said behind {watch.held} is missing", who=who)


class GoesQuiet(_AtRest):
    """With no input, traffic falls to heartbeats and ever rarer repeats: no frame leaves often."""

    def __init__(self, roster: Roster) -> None:
        super().__init__(roster)
        self._frames: deque[tuple[int, str, bytes]] = deque()

    def published(self, who: Testimony, frame: bytes, now_us: int) -> None:
        frames = self._frames
        frames.append((now_us, who.name, frame))
        while frames[0][0] < now_us - QUIET_MS * 1000:
            frames.popleft()

    def at_rest(self, everybody: Sequence[Testimony], now_us: int) -> None:
        still = {who.name for who in self.live(everybody)}
        recent = Counter(one[1:] for one in self._frames if one[0] >= now_us - QUIET_MS * 1000 and one[1] in still)
        for (name, _), times in recent.most_common(1):
            if times > QUIET_REPEATS_MAX:
                raise self.broken(f"{name} still says one thing {times} times in {QUIET_MS} ms")
