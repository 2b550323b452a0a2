"""What an agent does with its awards: a strategy to bid by, and work that ends after a time.

A strategy and a work are plain callables, so a user's own may be put in their place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from protocol.actions import Execute
from protocol.bidder import Quote
from protocol.events import Advanced, Worked
from protocol.keys import Digest
from protocol.statements import Bid, Failure, FailureClass, Result

if TYPE_CHECKING:
    from simulations.world.process import Process


class Ends(NamedTuple):
    """How a piece of work ends: after how long, and with what. With None it hangs until it is stopped."""

    after_ms: int
    outcome: Result | Failure | None


Work = Callable[[Execute], Ends]
"""What an agent does with an award."""


def done_at_once(execute: Execute) -> Ends:
    """The plainest agent: every task is done in no time."""
    return _AT_ONCE


_AT_ONCE = Ends(0, Result(output=b'"done"', output_digest=None, usage_ms=0))


def done_after(ms: int) -> Work:
    """An agent that takes the same time for every task."""
    ends = Ends(ms, Result(output=b'"done"', output_digest=None, usage_ms=ms))
    return lambda execute: ends


def hang(execute: Execute) -> Ends:
    """An agent whose work never ends by itself."""
    return Ends(0, None)


def price_of(price: int, duration_ms: int = 10) -> Quote:
    """The plainest strategy: one price for everything."""
    bid = Bid(price=price, duration_ms=duration_ms)
    return lambda announcement: bid


class Run:
    """One award at work."""

    __slots__ = ("award", "lease_until_ms")

    def __init__(self, award: Digest, lease_until_ms: int) -> None:
        self.award = award
        self.lease_until_ms = lease_until_ms


class Workers:
    """The work of one process: as `peer.work.workers`, each award is at work once, and its end is told once."""

    def __init__(self, process: Process) -> None:
        self.runs: dict[Digest, Run] = {}
        """The awards at work."""
        self._process = process

    def start(self, execute: Execute) -> None:
        """Begin to work on an award; what ends at once is told in the same turn."""
        process, award = self._process, execute.award.id
        run = self.runs[award] = Run(award, execute.lease_until_ms)
        for hook in process.world.hooks.began:
            hook(process, execute, process.world.now_us)
        ends = process.work(execute)
        if ends.outcome is None:
            return
        worked = Worked(award=award, outcome=ends.outcome)
        if ends.after_ms <= 0:
            self._ends(run, worked)
        else:
            process.world.at(process.world.now_us + ends.after_ms * 1000, self._ends, run, worked)

    def _ends(self, run: Run, worked: Worked) -> None:
        """Work has come to its end, unless it was ended before."""
        if self.runs.get(run.award) is run:
            self._end(run.award)
            self._process.post(worked)

    def finish(self, award: Digest, outcome: Result | Failure) -> None:
        """The agent has come to its end now; of an award that is not at work it means nothing."""
        if (run := self.runs.get(award)) is not None:
            self._ends(run, Worked(award=award, outcome=outcome))

    def extend(self, award: Digest, lease_until_ms: int) -> None:
        """Renew the lease; of an award that is not at work it means nothing."""
        if (run := self.runs.get(award)) is not None:
            run.lease_until_ms = lease_until_ms

    def advance(self, award: Digest, permille: int) -> None:
        """The agent says how far it is."""
        if award in self.runs:
            self._process.post(Advanced(award=award, permille=permille))

    def stop(self, award: Digest) -> None:
        """End the work: the fence trips at once, and the node is told as the runtime tells it."""
        if award in self.runs:
            self._end(award)
            failure = Failure(failure_class=FailureClass.STOPPED, reason="The epoch is over.", done="")
            self._process.post(Worked(award=award, outcome=failure))

    def die(self) -> None:
        """All work ends with its process, and nobody is told."""
        for award in list(self.runs):
            self._end(award)

    def _end(self, award: Digest) -> None:
        del self.runs[award]
        for hook in self._process.world.hooks.ended:
            hook(self._process, award, self._process.world.now_us)
