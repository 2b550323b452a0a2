"""The contractor's role: confirm late, work while the lease runs, answer, and say it again until it is heard.

Accepted work never exceeds the capacity. The contractor counts its lease from the first saying of what was renewed, so
that it always stops before its manager gives up on it. What the work is, is the shell's business.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable

from protocol import limits
from protocol.actions import Action, Execute, Extend, Say, Show, Stop
from protocol.contract import Contract
from protocol.events import Advanced, Worked
from protocol.feed import Feed
from protocol.holdings import Holdings
from protocol.job import BUSY, PLACE_WAIT_MS, RESTARTED, Job, idempotency_token, is_award_to, is_over
from protocol.keys import Digest
from protocol.statements import (
    Acceptance,
    AnyStatement,
    Award,
    Body,
    Decline,
    EffectClass,
    Failure,
    FailureClass,
    Permit,
    Progress,
    Settlement,
    Statement,
)
from protocol.states import Reading, State
from protocol.topics import peer_topic


class Contractor:
    """All that this peer bids on and works on."""

    def __init__(self, feed: Feed, holdings: Holdings, *, capacity: int) -> None:
        """`capacity` is how many tasks are worked on at once."""
        self.jobs: dict[Digest, Job] = {}
        self.capacity = capacity
        self.on_place: Callable[[int], list[Action]] = lambda now_ms: []
        """Called when a place has become free and no award waits for it."""
        self.on_released: Callable[[Digest, int], list[Action]] = lambda award, now_ms: []
        """Called when an award of ours is over, for its children end with it."""
        self._feed = feed
        self._holdings = holdings
        self._of_contract: dict[Digest, Job] = {}
        self._at_work: set[Digest] = set()
        self._queue: deque[Digest] = deque()
        self._timers: list[tuple[int, int, Digest]] = []
        self._timers_set = 0
        holdings.on_forgotten.append(self._forget)

    # Working

    def has_place(self) -> bool:
        return len(self._at_work) < self.capacity

    @property
    def at_work(self) -> int:
        """How many awards are accepted and not over; never more than the capacity."""
        return len(self._at_work)

    @property
    def queued(self) -> int:
        """How many awards wait for a place."""
        return len(self._queue)

    def won(self, contract: Contract, award: Statement[Award], now_ms: int) -> list[Action]:
        """An award to us was learnt."""
        job = self._of_contract.get(contract.id)
        if job is None:
            job = self._take(Job(contract, award, now_ms))
        return self._pursue(job, now_ms)

    def _take(self, job: Job) -> Job:
        self.jobs[job.award.id] = self._of_contract[job.contract.id] = job
        return job

    def heard(self, contract: Contract, now_ms: int) -> list[Action]:
        """Something was learnt about a contract that we may have an award in."""
        job = self._of_contract.get(contract.id)
        return self._pursue(job, now_ms) if job is not None else []

    def asked(self, contract: Contract, question: AnyStatement) -> list[Action]:
        """Say the answer again to who says the question again; who shows us a settlement may lack the votes on it."""
        if type(question.body) is Settlement:
            award = contract.reading.award
            ours = award is not None and award.body.winner == self._feed.author
            over = contract.reading.state in (State.FINAL, State.VETOED)
            return [Show(peer_topic(contract.manager), vote) for vote in contract.votes] if ours and over else []
        job = self._of_contract.get(contract.id)
        said = job is not None and job.last is not None and type(question.body) is Award
        return self._say_again(job) if job is not None and said else []

    def worked(self, event: Worked, now_ms: int) -> list[Action]:
        """Our agent has finished. What comes after the epoch's end is kept to ourselves."""
        job = self.jobs.get(event.award)
        if job is None or job.answered or not job.started:
            return []
        return [self._answer(job, event.outcome, now_ms), *self._next_in_queue(now_ms)]

    def advanced(self, event: Advanced, now_ms: int) -> list[Action]:
        """Our agent says how far it is; no more often than a renewal is worth."""
        job = self.jobs.get(event.award)
        if job is None or job.answered or not job.started or job.progress_at is None:
            return []
        spared = job.contract.announcement.body.lease_ms // 8
        latest = max(job.first_said.values(), default=job.offered_at)
        if now_ms - latest < spared:
            return []
        return self._progress(job, Progress(permille=event.permille, note=event.note, partial=event.partial), now_ms)

    def _pursue(self, job: Job, now_ms: int) -> list[Action]:
        """Do what the reading asks of the contractor now, and set the timer."""
        reading = job.contract.reading
        if is_over(job.contract, job.award) or (reading.task_vetoed and not job.accepted):
            return self._release(job, now_ms)
        actions: list[Action] = []
        stopped_by_veto = reading.epoch_vetoed or reading.task_vetoed
        if reading.award is None or reading.award.id != job.award.id:
            pass
        elif stopped_by_veto:
            if job.award.id in self._queue:
                self._queue.remove(job.award.id)
            if job.accepted:
                actions = self._stop(job, "vetoed", now_ms) + self.on_released(job.award.id, now_ms)
        elif reading.state is State.SETTLED and not job.answered:
            actions = self._take_over(job, reading, now_ms)
        elif job.last is None:
            actions = self._confirm(job, reading, now_ms)
        elif not job.answered:
            actions = self._follow_lease(job, reading, now_ms)
        elif reading.state is State.SETTLED and not job.settled:
            self._wait_for_votes(job, now_ms)
        actions += self._keep_time(job, now_ms)
        if job.answered and (reading.state is State.SETTLED or now_ms >= job.forget_at):
            self._holdings.end(job.contract)  # it waits for votes, or for a manager that is gone: bounded either way
        self._arm(job, now_ms)
        return actions

    def _take_over(self, job: Job, reading: Reading, now_ms: int) -> list[Action]:
        """What we have delivered in a journal that is lost is settled: that result is ours to repeat, and no other."""
        assert reading.end is not None, "what is settled has an end"
        job.last = job.contract.held[Digest(reading.end.about or b"")]
        job.lease_until = job.progress_at = None
        self._at_work.discard(job.award.id)
        if job.award.id in self._queue:
            self._queue.remove(job.award.id)
        self._wait_for_votes(job, now_ms)
        stop: list[Action] = [Stop(job.award.id)] if job.started else []
        return [*stop, *self._next_in_queue(now_ms)]

    @staticmethod
    def _wait_for_votes(job: Job, now_ms: int) -> None:
        """The manager has answered: from now on only votes are waited for."""
        job.settled = True
        job.pause_ms = limits.FIRST_VOTES_MS
        job.repeat_at = now_ms + job.pause_ms

    def _confirm(self, job: Job, reading: Reading, now_ms: int) -> list[Action]:
        """The late confirm: "I start", or "I cannot"."""
        gate = job.contract.gate
        if gate.permit and not reading.permitted:
            return []
        if not self.has_place():
            if now_ms < job.offered_at + PLACE_WAIT_MS and len(self._queue) < self.capacity:
                if job.award.id not in self._queue:
                    self._queue.append(job.award.id)
                return []
            return [self._answer(job, Decline(reason=BUSY), now_ms)]
        permits = [vote.id for vote in job.contract.votes if type(vote.body) is Permit and vote.about == job.award.id]
        if job.award.body.standing is not None:
            permits.append(Digest(job.award.body.standing.permit))
        acceptance = Acceptance(permits=tuple(permits[: limits.PERMITS_MAX]) if gate.permit else ())
        actions: list[Action] = [self._speak(job, acceptance, now_ms)]
        self._at_work.add(job.award.id)
        if not gate.go:
            actions.append(self._start(job, now_ms + job.contract.announcement.body.lease_ms))
        else:
            job.pause_ms = limits.REPEAT_FIRST_MS
            job.repeat_at = now_ms + job.pause_ms
        return actions

    def _follow_lease(self, job: Job, reading: Reading, now_ms: int) -> list[Action]:
        """Start on the go, and let the lease run on with every renewal. A go that comes late starts nothing."""
        until = job.renewed_until(reading)
        if until <= (job.lease_until or 0):
            return []
        if now_ms >= until:
            if all(step.about != job.last.id for step in reading.steps if job.last is not None):
                return []  # the progress that asks for a better go is on its way
            return self._progress(job, Progress(permille=0, note="the go came late", partial=b""), now_ms)
        if not job.started:
            return [self._start(job, until)]
        job.lease_until = until
        job.progress_at = (now_ms + until) // 2
        return [Extend(job.award.id, until)]

    def _start(self, job: Job, lease_until_ms: int) -> Execute:
        job.started = True
        job.lease_until = lease_until_ms
        job.progress_at = lease_until_ms - job.contract.announcement.body.lease_ms // 2
        job.repeat_at = None
        announcement = job.contract.announcement
        return Execute(
            award=job.award,
            task=announcement.body,
            lease_until_ms=lease_until_ms,
            token=idempotency_token(announcement),
        )

    def _stop(self, job: Job, reason: str, now_ms: int) -> list[Action]:
        """Stop the work ourselves, and say so; what waits for its go has not begun."""
        if job.answered:
            return []
        failure = Failure(failure_class=FailureClass.STOPPED, reason=reason, done="")
        stop: list[Action] = [Stop(job.award.id)] if job.started else []
        return [*stop, self._answer(job, failure, now_ms), *self._next_in_queue(now_ms)]

    def _keep_time(self, job: Job, now_ms: int) -> list[Action]:
        """Ask for a renewal at half the lease, stop at its end, repeat what waits for an answer."""
        if not job.answered and job.started:
            if job.lease_until is not None and now_ms >= job.lease_until:
                return self._stop(job, "the lease ran out", now_ms)
            if job.progress_at is not None and now_ms >= job.progress_at:
                return self._progress(job, Progress(permille=0, note="", partial=b""), now_ms)
        if job.repeat_at is not None and now_ms >= job.repeat_at:
            job.pause_ms = min(job.pause_ms * limits.REPEAT_FACTOR, limits.REPEAT_LAST_MS)
            job.repeat_at = now_ms + job.pause_ms
            return self._say_again(job)
        return []

    def _progress(self, job: Job, progress: Progress, now_ms: int) -> list[Action]:
        said = self._speak(job, progress, now_ms)
        lease_ms = job.contract.announcement.body.lease_ms
        job.progress_at = now_ms + max(lease_ms // 4, 1)
        return [said]

    def _answer(self, job: Job, body: Body, now_ms: int) -> Say:
        """Say the last word on an award, and repeat it until it is heard."""
        said = self._speak(job, body, now_ms)
        self._at_work.discard(job.award.id)
        job.pause_ms = limits.REPEAT_FIRST_MS
        job.repeat_at = now_ms + job.pause_ms
        job.lease_until = job.progress_at = None
        self._arm(job, now_ms)
        return said

    def _speak(self, job: Job, body: Body, now_ms: int) -> Say:
        statement = self._feed.say(body, about=job.award.id, contract=job.contract.id, now_ms=now_ms)
        self._holdings.learn(job.contract, statement)
        job.last = statement
        job.first_said[statement.id] = now_ms
        return self._say(job, statement)

    def _say_again(self, job: Job) -> list[Action]:
        """Say our latest statement: what we last said of the award, or the bid that won it."""
        latest = job.last or job.contract.held.get(Digest(job.award.body.bid))
        return [self._say(job, latest)] if latest is not None else []

    @staticmethod
    def _say(job: Job, statement: AnyStatement) -> Say:
        has_effects = job.contract.announcement.body.effect is not EffectClass.PURE
        return Say(peer_topic(job.contract.manager), statement, has_effects)

    # Places

    def _release(self, job: Job, now_ms: int) -> list[Action]:
        """The epoch is over for us: stop, and give the place to who waits for it."""
        self._drop(job)
        children = self.on_released(job.award.id, now_ms)
        if job.award.id in self._queue:
            self._queue.remove(job.award.id)
        reading = job.contract.reading
        if reading.state not in (State.OPEN, State.AWARDED):
            self._holdings.end(job.contract)
        stop: list[Action] = [Stop(job.award.id)] if job.started and not job.answered else []
        return [*stop, *children, *self._next_in_queue(now_ms)]

    def _drop(self, job: Job) -> None:
        del self.jobs[job.award.id]
        del self._of_contract[job.contract.id]
        self._at_work.discard(job.award.id)

    def _next_in_queue(self, now_ms: int) -> list[Action]:
        """A place is free: confirm an award that waits for it, or let the bidder know."""
        actions: list[Action] = []
        while self._queue and self.has_place():
            job = self.jobs.get(self._queue.popleft())
            if job is not None:
                actions += self._pursue(job, now_ms)
        return actions + self.on_place(now_ms) if self.has_place() else actions

    def _forget(self, contract: Contract) -> None:
        job = self._of_contract.get(contract.id)
        if job is not None:
            self._drop(job)

    # Time

    def deadline_ms(self) -> int | None:
        return self._timers[0][0] if self._timers else None

    def _set_timer(self, due_ms: int, key: Digest) -> None:
        self._timers_set += 1
        heapq.heappush(self._timers, (due_ms, self._timers_set, key))

    def _arm(self, job: Job, now_ms: int) -> None:
        due = job.next_due_ms(now_ms, queued=job.award.id in self._queue)
        if due is not None and due != job.due_ms:
            self._set_timer(due, job.award.id)
        job.due_ms = due

    def tick(self, now_ms: int) -> list[Action]:
        """Do what is due: leases, and repeats of answers."""
        actions: list[Action] = []
        while self._timers and self._timers[0][0] <= now_ms:
            due, _, key = heapq.heappop(self._timers)
            job = self.jobs.get(key)
            if job is not None and job.due_ms == due:
                job.due_ms = None
                actions += self._pursue(job, now_ms)
        return actions

    # After a restart

    def resume(self, contract: Contract, now_ms: int) -> list[Action]:
        """Take up a contract that has an award to us. A lease that ran is taken as ended."""
        award = next((held for held in contract.held.values() if is_award_to(held, self._feed.author)), None)
        if award is None or is_over(contract, award):
            return []
        job = self._take(Job(contract, award, now_ms))
        mine = [said for said in contract.answers.get(award.id, ()) if said.author == self._feed.author]
        job.last = max(mine, key=lambda said: (said.feed == self._feed.id, said.seq), default=None)
        actions: list[Action] = []
        if job.answered:
            job.repeat_at = now_ms
        elif job.accepted:
            failure = Failure(failure_class=FailureClass.RETRYABLE, reason=RESTARTED, done="unknown")
            actions.append(self._answer(job, failure, now_ms))
        return actions + self._pursue(job, now_ms)

    def seen(self, manager: bytes) -> list[Action]:
        """A manager is there again: say what still waits for it."""
        return [
            say
            for job in self.jobs.values()
            if job.contract.manager == manager and job.repeat_at is not None
            for say in self._say_again(job)
        ]
