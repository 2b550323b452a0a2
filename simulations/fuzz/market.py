"""A small market with real keys, two of whose peers are bombarded, and which must trade before, between and behind it.

While rubbish flies, everybody else is down: what the bombarded say goes nowhere, and nobody's memory but theirs grows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from protocol.bundle import open_bundle
from protocol.certificate import Certificate, Right, issue
from protocol.errors import VendueError
from protocol.keys import PeerId, Sealer
from protocol.membership import Membership
from protocol.notices import Admission
from protocol.statements import AwardRule, EffectClass, Failure, FailureClass
from protocol.states import State
from protocol.turn import Turn
from simulations.checkers.base import Checker, Roster
from simulations.testimony import NO_RULES
from simulations.world.latency import Latency
from simulations.world.network import Conditions, Network
from simulations.world.opener import SharedOpener
from simulations.world.process import Process
from simulations.world.work import Ends, Work, done_after
from simulations.world.world import World

WORKER: Final = "hazel"
GOVERNOR: Final = "judge"
BOMBARDED: Final = (WORKER, GOVERNOR)
OTHERS: Final = ("desk", "holly", "rowan")
ANNOUNCERS: Final = OTHERS[1:]
"""Whose keys announce rubbish: the others have real tasks to be done."""
EVERYBODY: Final = (*BOMBARDED, *OTHERS)
WALL_MS: Final = 1_000
TRADE_MS: Final = 20_000
"""By when a plain task of a sound market is over, many times over; what lies waste ends by its deadline."""
_FAILS: Final = Ends(5, Failure(failure_class=FailureClass.RETRYABLE, reason="no luck", done=""))


class Stopped(VendueError):
    """The market no longer does what it did before."""


class Bombarded(Process):
    """A peer that opens its frames as production does: every one by itself, and from members only."""

    def make_turn(self) -> Turn:
        membership = Membership(self.world.charter, sealer=self.sealer, wall_ms=WALL_MS)
        for name in EVERYBODY:
            membership.admit(certificate_of(self.world, name))
        return Turn(self.node, self.disk, self, self.sealer, door=membership.door, opener=open_bundle)

    def hit(self, frame: bytes) -> None:
        """A frame comes in over the wire, its topic in front: a turn of its own."""
        self.loop.run((frame,))

    def forget_shell(self) -> None:
        """What the shell of a real peer has on disk, or shows its user, is not this process's memory."""
        self.disk.forget()
        self.convictions.clear()
        self.reports.clear()
        self.impossible.clear()


class _Listener(Checker):
    """Writes down every frame that is published, once."""

    def __init__(self, roster: Roster) -> None:
        super().__init__(roster)
        self.frames: dict[bytes, None] = {}

    def published(self, who: object, frame: bytes, now_us: int) -> None:
        self.frames[frame] = None


def certificate_of(world: World, name: str) -> bytes:
    """What lets a peer of this name in: the governor is the admitter."""
    admitter, member = world.sealer(GOVERNOR), world.sealer(name).peer
    rights = tuple(Right) if name == GOVERNOR else (Right.BID, Right.ANNOUNCE)
    claim = Certificate(
        market=world.charter.id, member=member, transport_key=member, rights=rights, sponsor=member,
        issuer=admitter.peer, from_ms=0, until_ms=2 * WALL_MS,
    )  # fmt: skip
    return issue(claim, admitter)


def _admitter(seed: int) -> PeerId:
    return World(seed, real_keys=True).sealer(GOVERNOR).peer


class FuzzMarket:
    """The market: `corpus` is all that was said in it while it was at peace."""

    def __init__(self, seed: int) -> None:
        network = Network(Conditions(latency=Latency.constant(1_000)))
        charter = {"admission": Admission.INVITE, "admitters": (_admitter(seed),)}
        self.world = World(
            seed, network, governors=[GOVERNOR], charter=charter, checkers=[_Listener], real_keys=True
        )  # fmt: skip
        listener = self.world.checkers[0]
        assert isinstance(listener, _Listener), "it is the only checker"
        self._join()
        self._talk()
        self.corpus: Sequence[bytes] = tuple(listener.frames)
        self.world.hooks.published.clear()
        self.sealers: dict[bytes, Sealer] = {one.peer: one.sealer for one in self.world.processes.values()}
        self.authority = self.world.sealer("the authority")
        self._trades = 0
        self.besiege()

    def _join(self) -> None:
        world = self.world
        world.join(GOVERNOR, policy=NO_RULES, kind=Bombarded)
        world.join(WORKER, skills={"shout": 5, "fail": 5}, work=_work(done_after(3)), kind=Bombarded)
        for name, price in zip(OTHERS[1:], (6, 9), strict=True):
            world.join(name, skills={"shout": price, "fail": price, "sing": 4}, work=_work(done_after(700)))
        world.join(OTHERS[0])
        world.run_for(200)

    def _talk(self) -> None:
        """Have every kind of statement said that honest peers say, by managers of both sorts."""
        for manager in (OTHERS[0], WORKER):
            tasks: list[dict[str, Any]] = [{"effect": effect} for effect in EffectClass]
            tasks += [{"skill": "sing", "lease_ms": 300}, {"skill": "fail"}, {"skill": "shout", "budget": 1}]
            tasks += [{"award_rule": rule, "bid_window_ms": 60} for rule in AwardRule]
            for number, task in enumerate(tasks):
                self._announce(manager, f"talk {number}", **task)
                self.world.run_for(300)
            kept = self._announce(manager, "withdrawn", skill="sing")
            self.world.run_for(100)
            self.world.processes[manager].withdraw(kept)
        self.world.run_for(TRADE_MS)

    def _announce(self, manager: str, key: str, **task: Any) -> Any:
        terms = {"deadline_ms": TRADE_MS, **task}
        contract = self.world.processes[manager].announce(
            self.world.task(idempotency_key=f"{manager} {key}".encode(), **terms)
        )
        if contract is None:
            raise Stopped(f"{manager} cannot announce.", why=str(self.world.processes[manager].impossible[-1:]))
        return contract

    def bombarded(self, name: str) -> Bombarded:
        """One of the peers that rubbish is thrown at."""
        process = self.world.processes[name]
        assert isinstance(process, Bombarded), "only those are hit"
        if not process.runs:
            raise Stopped(f"{name} has stopped.", why=str(process.stopped))
        return process

    # War and peace

    def besiege(self) -> None:
        """Everybody else goes down, and loses its journal: it is not their memory that is measured."""
        for name in OTHERS:
            self.world.crash(self.world.processes[name])
            self.world.processes[name].disk.forget()
        self.world.opener = SharedOpener()  # nor is what they share, the frames that they have opened

    def trade(self) -> None:
        """Let the others come back, and have tasks done by the bombarded and for them. Raises Stopped if one is not."""
        self._trades += 1
        for name in OTHERS:
            self.world.restart(self.world.processes[name])
        self.world.run_for(1_000)
        for manager, price in ((OTHERS[0], 5), (WORKER, 6)):
            contract = self._announce(manager, f"trade {self._trades}", skill="shout")
            self.world.run_for(TRADE_MS)
            reading = self.world.processes[manager].reading(contract)
            if reading is None or reading.state is not State.FINAL or reading.award is None:
                state = None if reading is None else reading.state
                raise Stopped(f"A task of {manager} was not done and ratified: {state}.")
            if reading.award.body.price != price:
                raise Stopped(f"A task of {manager} was not done by the best: {reading.award.body.price}.")
        self.besiege()

    def reborn(self) -> None:
        """The bombarded are killed, and begin again from what they have recorded."""
        for name in BOMBARDED:
            process = self.bombarded(name)
            self.world.crash(process)
            self.world.restart(process)


def _work(usual: Work) -> Work:
    return lambda execute: _FAILS if execute.task.skill == "fail" else usual(execute)
