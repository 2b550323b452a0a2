"""Who watches one peer of the small world: every promise of `simulations.checkers`, as far as one peer can break it.

What several peers can only break together is asked at the end of every future: that tasks end and all agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from protocol.contract import Contract
from protocol.keys import PeerId
from protocol.states import State
from simulations.checkers.base import Checker
from simulations.checkers.feeds import RecordedFirst
from simulations.checkers.liveness import ENDS
from simulations.checkers.promises import LIVENESS, SAFETY
from simulations.checkers.watch import Watch
from simulations.explorer.actor import Actor
from simulations.explorer.setting import Setting
from simulations.testimony import Testimony


class StopsInTime(Checker):
    """Nobody honest works longer than a lease from the first saying of what was renewed, on its own clock."""

    def turned(self, who: Testimony, touched: Sequence[Contract], now_us: int) -> None:
        for job in who.node.contractor.jobs.values():
            if not job.started or job.answered:
                continue
            lease_ms = job.contract.announcement.body.lease_ms
            if who.clock_ms(now_us) >= max(job.first_said.values()) + lease_ms:
                raise self.broken("it works beyond its lease", contract=job.contract.id, who=who)


class OwnRecordedFirst(RecordedFirst):
    """Nothing leaves that is not on its author's disk: what others have on theirs, one peer's watch does not know."""

    heard = Checker.heard


class _Somebody(NamedTuple):
    """Another peer, of whom a watch knows only that it is honest."""

    name: str
    peer: PeerId
    honest: bool = True


_WATCHED: Final = (*[one for one in SAFETY if one is not RecordedFirst], OwnRecordedFirst, StopsInTime)


def watch_over(actor: Actor, setting: Setting) -> Watch:
    """A watch of its own for one peer."""
    watch = Watch(_WATCHED)
    watch.roster.join(actor)
    for role in setting.roles:
        if role.peer != actor.peer:
            watch.roster.join(_Somebody(role.name, role.peer))  # type: ignore[arg-type]
    return watch


def judge(actors: Sequence[Actor]) -> None:
    """All is at rest. Raises Broken."""
    watch = Watch(LIVENESS)
    for actor in actors:
        watch.roster.join(actor)
    for hook in watch.at_rest:
        hook(actors, max(actor.now_ms for actor in actors) * 1000)


class Facts(NamedTuple):
    """What one peer's state says of the one task: enough to see whether it is worth asking the judge."""

    state: State | None
    jobs: int
    waiting: int

    @property
    def resting(self) -> bool:
        """Nothing here waits for anything."""
        return not self.jobs and not self.waiting and (self.state is None or self.state in ENDS)


def facts_of(actor: Actor) -> Facts:
    """The facts of a peer's state."""
    if not actor.alive:
        return Facts(None, 0, 0)
    holdings = actor.node.holdings
    states = [contract.reading.state for contract in holdings.contracts.values()]
    return Facts(states[0] if states else None, len(actor.node.contractor.jobs), len(holdings.waiting))
