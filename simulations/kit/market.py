"""The small market that a state machine plays in: who is in it, what is known of it, and how it comes to rest.

It has no chance of its own: whatever happens was chosen by who calls it, and a world of the same seed does the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from protocol.actions import Execute
from protocol.events import Vote
from protocol.keys import Digest
from protocol.node import Node
from protocol.policy import Policy, Rule, Ruled, Stage
from protocol.statements import Announcement, Failure, FailureClass, Permit, Result, Veto, VetoScope
from simulations.checkers.base import Checker, Roster
from simulations.checkers.liveness import bound_ms
from simulations.kit.candidate import Candidate
from simulations.population import KINDS, make
from simulations.story import Story
from simulations.testimony import NO_RULES
from simulations.world.latency import Latency
from simulations.world.network import Conditions, Link, Network
from simulations.world.process import Process
from simulations.world.work import Ends, Run, Work, done_after, done_at_once, hang
from simulations.world.world import World

AGENT: Final = "agent"
RIVALS: Final = ("hazel", "holly")
GOVERNORS: Final = ("judge", "jury")
DESK: Final = "desk"
CROOK: Final = "crook"
CROOKED_PRICE: Final = 4
"""What a liar that bids asks: it wins."""
LIARS: Final = tuple([name for name, kind in KINDS.items() if kind.lies and not kind.governs])
"""Who a crook may be. With a governor that lies no small market could promise much: it has one or two."""
CAPACITY: Final = 2
LEASE_MS: Final = 1_500
TRAVEL_US: Final = 1_000
LOOK_AGAIN_US: Final = 1_000_000
"""How often a call that is due looks whether its paused process goes on."""
REFERRING: Final = Policy(
    version=Digest(bytes(32)),
    rules=(Rule(id="people", decision=Ruled.REFER, stages=(Stage.AWARD, Stage.SETTLEMENT)),),
)
Promise = Callable[[Roster], Checker]


def _fails(kind: FailureClass, reason: str) -> Work:
    ends = Ends(10, Failure(failure_class=kind, reason=reason, done=""))
    return lambda execute: ends


WORKS: Final[dict[str, Work]] = {
    "at once": done_at_once,
    "in 0.7 s": done_after(700),
    "in 5 s": done_after(5_000),
    "fails": _fails(FailureClass.RETRYABLE, "no luck"),
    "fails for good": _fails(FailureClass.FATAL, "it cannot be done"),
    "never": hang,
}
"""What the agents of others may do with an award."""


class Market:
    """One world, its story, and the tasks in it by the names that the story gives them."""

    def __init__(
        self,
        candidate: Candidate | None,
        promises: Iterable[Promise],
        *,
        seed: int = 0,
        rivals: int = 1,
        governors: int = 0,
        refer: bool = False,
        crook: str = "",
        takes_ms: int = 0,
    ) -> None:
        """`refer`: governors leave awards and settlements to a person; `crook`: a liar of this kind is there too;
        `takes_ms`: how long the user's agent is at work before its function is called.
        """
        network = Network(Conditions(latency=Latency.constant(TRAVEL_US)))
        self.world = world = World(seed, network, governors=GOVERNORS[:governors], checkers=promises)
        self.candidate = candidate
        self.agent_takes_ms = takes_ms
        self.doomed: list[str] = []
        """Who is to be killed in its next turn that records."""
        self.tasks: dict[str, Digest] = {}
        self.wanted: list[Announcement] = []
        for name in GOVERNORS[:governors]:
            world.join(name, policy=REFERRING if refer else NO_RULES)
        world.join(DESK)
        if crook:
            make(world, crook, CROOK, skills=dict.fromkeys(self.skills, CROOKED_PRICE), capacity=CAPACITY)
        if candidate is not None:
            quotes = candidate.quotes(world.roster)
            world.join(AGENT, skills=quotes, work=self._work_of_agent, capacity=candidate.capacity)
        for place, name in enumerate(RIVALS[:rivals]):
            world.join(name, skills=dict.fromkeys(self.skills, 5 + place), capacity=CAPACITY)
        self.story = Story.of(world)
        world.run_for(10)
        self.story.tell()
        self.story.begun_ms = world.now_us // 1000

    # Who is there

    @property
    def skills(self) -> list[str]:
        return list(self.candidate.skills) if self.candidate is not None else ["shout"]

    def process(self, name: str) -> Process:
        return self.world.processes[name]

    def names(self, fits: Callable[[Process], bool] = lambda process: True) -> list[str]:
        """All that fit, in the order of joining; the user's agent first."""
        found = [name for name, process in self.world.processes.items() if fits(process)]
        return sorted(found, key=lambda name: name != AGENT)

    def pairs(self) -> list[tuple[str, str]]:
        """All (publisher, reader)."""
        names = self.names()
        return [(one, other) for one in names for other in names if one != other]

    def links(self, fits: Callable[[Link], object]) -> list[tuple[str, str]]:
        """The links that fit, by (publisher, reader)."""
        return [(link.sender.name, link.reader.name) for link in self.world.network.links() if fits(link)]

    def link(self, names: tuple[str, str]) -> Link:
        sender, reader = names
        return self.world.network.link(self.process(sender), self.process(reader))

    def at_work(self) -> list[str]:
        """The rivals that are at work."""
        return self.names(lambda process: bool(process.workers.runs) and process.name != AGENT)

    # What its users do

    def task(self, **terms: Any) -> Announcement:
        """A task of this market; each is another one."""
        terms.setdefault("skill", self.skills[0])
        return self.world.task(idempotency_key=b"%d" % len(self.wanted), lease_ms=LEASE_MS, **terms)

    def announce(self, manager: str, task: Announcement, *, check: bool = False, parent: Digest | None = None) -> None:
        """A manager announces; the task gets the next name."""
        process, refused = self.process(manager), len(self.process(manager).impossible)
        contract = process.announce(task, check=check, parent=parent)
        for impossible in process.impossible[refused:]:
            self.story.note(self.world.now_us // 1000, manager, impossible)
        if contract is not None:
            name = f"t{len(self.tasks) + 1}"
            self.story.names.setdefault(contract, name)
            self.tasks[name] = contract
            self.wanted.append(task)

    def vote(self, governor: Process, contract_id: Digest, what: str, about: str) -> None:
        """The person at its desk permits, or vetoes, what it holds of a contract: its end, its award, or the task."""
        contract = governor.node.holdings.contracts.get(contract_id)
        if contract is None:
            return
        reading, subject = contract.reading, contract.id
        if about == "end" and reading.end is not None:
            subject = reading.end.id
        elif about != "task" and reading.award is not None:
            subject = reading.award.id
        scope = VetoScope.TASK if what.endswith("task") else VetoScope.EPOCH
        vote: dict[str, Any] = {"rule": "hand", "policy": bytes(32), "reason": "", "grounds": (), "reviewer": None}
        body = Permit(standing=None, **vote) if what == "permit" else Veto(scope=scope, **vote)
        governor.post(Vote(about=subject, body=body))

    def deliver(self, names: tuple[str, str], place: int, times: int) -> None:
        """Let one frame that waits in a link arrive so many times, before the others."""
        link = self.link(names)
        assert link.held, "a frame waits there"
        frame = link.held.pop(place % len(link.held))
        link.queued += times - 1
        for _ in range(times):
            self.world.put_frame(self.world.now_us + TRAVEL_US, link, frame, link.connection)

    def weather(self, loss: float = 0.0, repeat: float = 0.0, jitter_ms: int = 0) -> None:
        """What befalls frames on every link from now on; each passes those that come late."""
        latency = Latency.constant(TRAVEL_US + jitter_ms * 500)
        reorder = 0.5 if jitter_ms else 0.0
        self.world.network.set_conditions(Conditions(latency=latency, loss=loss, repeat=repeat, reorder=reorder))

    def _work_of_agent(self, execute: Execute) -> Ends:
        """The user's function is called at once, or when its time has passed."""
        process = self.process(AGENT)
        run = process.workers.runs[execute.award.id]
        if not self.agent_takes_ms:
            return Ends(0, self._outcome(process, run, execute))
        self._call_later(self.agent_takes_ms * 1000, process, process.node, run, execute)
        return Ends(0, None)

    def _call_later(self, after_us: int, *given: object) -> None:
        self.world.at(self.world.now_us + after_us, self._call, *given)

    def _call(self, process: Process, life: Node, run: Run, execute: Execute) -> None:
        """As a thread, it dies with its process, waits while that is paused, and outlives the end of its epoch."""
        if process.paused:
            self._call_later(LOOK_AGAIN_US, process, life, run, execute)
        elif process.runs and process.node is life:
            outcome = self._outcome(process, run, execute)
            if process.workers.runs.get(run.award) is run:
                process.workers.finish(run.award, outcome)

    def _outcome(self, process: Process, run: Run, execute: Execute) -> Result | Failure:
        assert self.candidate is not None, "nobody else calls functions"
        return self.candidate.call(execute.task, _AtWork(process, run, execute), self.world.roster).make()

    # Rest

    def rest(self) -> None:
        """All faults end; then everything must come to rest within the bound, and be well."""
        world = self.world
        self.story.repeats = False
        world.network.heal()
        self.weather()
        for name in self.doomed:
            world.crash(self.process(name))
        for process in world.processes.values():
            process.disk.full = False
            process.drift_clock(0)
            world.go_on(process)
            if not process.runs:
                world.restart(process)
        world.run_for(bound_ms(self.wanted))
        world.at_rest()


class _AtWork:
    """What a call of the user's function is told of its award: `simulations.kit.calls.Here`."""

    def __init__(self, process: Process, run: Run, execute: Execute) -> None:
        self._process, self._run = process, run
        self.award, self.token, self.epoch = execute.award.id, execute.token, execute.award.body.epoch

    def end_reason(self) -> str:
        process, run = self._process, self._run
        if process.workers.runs.get(run.award) is not run:
            return "The epoch is over."
        now_ms = process.clock_ms(process.world.now_us)
        return "" if now_ms < run.lease_until_ms else "The lease has ended."

    def report(self, permille: int, note: str) -> None:
        if self._process.workers.runs.get(self._run.award) is self._run:
            self._process.workers.advance(self._run.award, permille)
