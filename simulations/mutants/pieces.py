"""Set pieces: small worlds in which one thing goes wrong at one moment, where chance would look for it too long.

Each is played before the swarm, with every promise watched, and the production code keeps them all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from protocol.actions import Execute
from protocol.events import Vote
from protocol.keys import Digest
from protocol.statements import EffectClass, Failure, FailureClass, Permit, Result, Settlement, Veto, VetoScope
from protocol.states import State
from simulations.checkers.liveness import bound_ms
from simulations.checkers.promises import PROMISES
from simulations.checkers.votes import BY_HAND
from simulations.mutants.lies import tell_all, vote_much, word
from simulations.testimony import NO_RULES
from simulations.world.latency import Latency
from simulations.world.network import Conditions, Network
from simulations.world.process import Process
from simulations.world.work import Ends, Work, done_after, hang, price_of
from simulations.world.world import World

TASK: Final = {"deadline_ms": 8_000, "lease_ms": 1_500, "bid_window_ms": 100}
SEATS: Final = {1: (0, 1), 3: (0, 2), 4: (1, 3)}
"""Governors → how many of them may lie, and the votes needed."""
PERMIT: Final = Permit(rule="lie", policy=bytes(32), reason="", grounds=(), reviewer=None, standing=None)

_DONE: Final = Result(output=b'"done"', output_digest=None, usage_ms=1)


class Piece:
    """A desk, two hands of which `hand0` asks less, and governors, who have found each other."""

    def __init__(self, *, seats: int = 1, liar: str = "", work: Work | None = None) -> None:
        self.judges = [f"judge{number}" for number in range(seats)]
        liars, votes = SEATS[seats]
        charter = {"liars_max": liars, "permits_needed": votes, "vetoes_needed": votes}
        network = Network(Conditions(latency=Latency.constant(1_000)))
        self.world = World(1, network, governors=self.judges, charter=charter, checkers=PROMISES)
        for name in self.judges:
            self.world.join(name, policy=NO_RULES, honest=name != liar)
        self.desk = self.world.join("desk", honest=liar != "desk")
        for number, price in enumerate((10, 20)):
            self.world.join(
                f"hand{number}", skills={"shout": price_of(price)}, work=work or done_after(300), capacity=2
            )
        self.world.run_for(1_000)

    def __getitem__(self, name: str) -> Process:
        return self.world.processes[name]

    def announce(self, key: bytes = b"1", effect: EffectClass = EffectClass.PURE, **changes: Any) -> Digest:
        """A task of the desk's."""
        terms = {**TASK, "effect": effect, "idempotency_key": key, **changes}
        contract = self.desk.announce(self.world.task(**terms))
        assert contract is not None, "every task of a set piece may be announced"
        return contract

    def said(self, contract: Digest, body: type) -> Digest:
        """The id of the first statement of a kind that the desk holds of a task."""
        held = self.desk.node.holdings.contracts[contract].held.values()
        return next(Digest(one.id) for one in held if isinstance(one.body, body))

    def awarded(self, contract: Digest) -> Digest:
        """The award of a task that stands."""
        award = self.desk.node.holdings.contracts[contract].reading.award
        assert award is not None, "the desk has awarded it by now"
        return award.id

    def veto(self, judge: str, about: Digest, scope: VetoScope) -> None:
        """The person at a governor's desk vetoes."""
        veto = Veto(scope=scope, rule=BY_HAND, policy=bytes(32), reason="", grounds=(), reviewer=None)
        self[judge].post(Vote(about=about, body=veto))

    def deafen(self, reader: str, *senders: str) -> None:
        """For less than a heartbeat nothing comes from them: nobody notices, and nobody is seen again."""
        for sender in senders:
            self.world.network.cut(self[sender], self[reader])
            self.world.at(self.world.now_us + 1_900_000, self.world.network.mend, self[sender], self[reader])

    def rest(self) -> None:
        """The time that every promise may take. Raises Broken."""
        self.world.run_for(bound_ms([self.world.task(**TASK)]))
        self.world.at_rest()


def vetoed_in_the_queue() -> None:
    """An award waits for a free place when it is vetoed; its manager does not hear of that for a while."""
    piece = Piece()
    piece.world.crash(piece["hand1"])
    for key in (b"1", b"2"):
        piece.announce(key, attempts=1)
    waits = piece.announce(b"3", attempts=1)
    piece.world.run_for(150)
    piece.deafen("desk", "judge0")
    piece.veto("judge0", piece.awarded(waits), VetoScope.EPOCH)
    piece.rest()


def outvoted() -> None:
    """One of three governors vetoes an epoch, and the others permit its settlement."""
    piece = Piece(seats=3)
    contract = piece.announce()
    piece.world.run_for(150)
    piece.veto("judge2", piece.awarded(contract), VetoScope.EPOCH)
    piece.rest()


def middle_unheard() -> None:
    """A governor hears nothing of a task from its announcement to its end, and then of the next one."""
    piece = Piece(seats=3)
    piece.deafen("judge2", "desk", "hand0", "hand1", "judge0", "judge1")
    piece.announce(b"1")
    piece.world.run_for(2_000)
    piece.announce(b"2")
    piece.rest()


def failure_unheard() -> None:
    """A governor hears the end, but not the failure that it cites, and nobody says that again."""
    piece = Piece(seats=3, work=_fails_in_the_first_epoch)
    piece.announce(attempts=1)
    piece.world.run_for(150)
    piece.deafen("judge2", "hand0")
    piece.rest()


def permitted_twice() -> None:
    """Two of four governors are away, one permits, and one that lies permits twice: that is no quorum of three."""
    piece = Piece(seats=4, liar="judge0")
    for away in ("judge2", "judge3"):
        piece.world.crash(piece[away])
    piece.announce(effect=EffectClass.IRREVERSIBLE)
    for ms in (5, 20, 50, 150):
        piece.world.at(piece.world.now_us + ms * 1_000, vote_much, piece["judge0"], piece.world.chance("lies"))
    piece.rest()


def vetoed_at_work() -> None:
    """The task is vetoed while its contractor is at work; so is one that nobody has bid on yet."""
    piece = Piece(work=hang)
    contract, other = piece.announce(b"1"), piece.announce(b"2", skill="sing")
    piece.world.run_for(300)
    for task in (contract, other):
        piece.veto("judge0", task, VetoScope.TASK)
    piece.rest()


def cut_off_at_work() -> None:
    """A contractor at work on a task with effects hears and reaches nobody: it stops before its manager gives up."""
    piece = Piece(work=_hangs_in_the_first_epoch)
    piece.announce(effect=EffectClass.REVERSIBLE)
    piece.world.run_for(300)
    alone = piece["hand0"]
    piece.world.network.partition([alone], [one for one in piece.world.processes.values() if one is not alone])
    piece.world.run_for(6_000)
    piece.world.network.heal()
    piece.rest()


def _fails_in_the_first_epoch(execute: Execute) -> Ends:
    failed = Failure(failure_class=FailureClass.RETRYABLE, reason="no luck", done="")
    return Ends(300, failed if execute.award.body.epoch == 1 else _DONE)


def _hangs_in_the_first_epoch(execute: Execute) -> Ends:
    if execute.award.body.epoch == 1:
        return Ends(0, None)
    return Ends(1_000, _DONE)


def permits_and_vetoes() -> None:
    """A governor that lies permits what becomes final by that, and vetoes it afterwards."""
    piece = Piece(seats=4, liar="judge0")
    piece.world.crash(piece["judge3"])
    contract = piece.announce()
    piece.world.run_for(450)
    liar = piece["judge0"]
    settlement = piece.said(contract, Settlement)
    tell_all(liar, word(liar, PERMIT, about=settlement, seq=5_000))
    piece.world.run_for(100)
    assert piece.desk.reading(contract).state is State.FINAL, "with the third permit it is final"  # type: ignore[union-attr]
    veto = Veto(scope=VetoScope.EPOCH, rule="lie", policy=bytes(32), reason="", grounds=(), reviewer=None)
    tell_all(liar, word(liar, veto, about=settlement, seq=5_001))
    piece.rest()


PIECES: Final[tuple[Callable[[], None], ...]] = (
    vetoed_in_the_queue, outvoted, middle_unheard, failure_unheard, permitted_twice, vetoed_at_work, cut_off_at_work,
    permits_and_vetoes,
)  # fmt: skip
