"""Everything that can happen in a small market, as rules for hypothesis, with every promise as an invariant.

After each step the promises of safety hold, for the world asks the checkers at every moment; when the steps are over,
all faults end and the promises of liveness must hold within their bound. What fails is told as a transcript.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final, NamedTuple

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from protocol.statements import AwardRule, EffectClass
from simulations.checkers.promises import PROMISES
from simulations.kit.candidate import Candidate
from simulations.kit.lies import LIES, STANDING, lie
from simulations.kit.market import AGENT, GOVERNORS, RIVALS, WORKS, Market, Promise

PAUSES: Final = st.sampled_from((5, 60, 400, 2_500, 9_000))
"""Milliseconds that pass after a step."""
TAKES: Final = st.sampled_from((0, 700, 5_000))
"""How long the user's agent is at work before its function is called."""
PLACES: Final = st.integers(0, 3)
"""Which of the frames that wait in a link; counted round."""


class Chosen(NamedTuple):
    """One of what there is when a step is taken; the step is not possible while there is nothing."""

    options: Callable[[Market], Sequence[Any]]

    def strategy(self) -> st.SearchStrategy[Any]:
        return st.runner().flatmap(lambda machine: st.sampled_from(self.options(machine.market)))


def move(**drawn: Any) -> Callable[[Callable[..., None]], Any]:
    """A step of the machine: carried out, and then some time passes."""
    choices = [each for each in drawn.values() if isinstance(each, Chosen)]
    strategies = {name: each.strategy() if isinstance(each, Chosen) else each for name, each in drawn.items()}

    def declare(act: Callable[..., None]) -> Any:
        @functools.wraps(act)
        def step(self: MarketMachine, then_ms: int, **given: Any) -> None:
            self.play(act, then_ms, {name: given[name] for name in strategies})

        def possible(self: MarketMachine) -> bool:
            return all(choice.options(self.market) for choice in choices)

        drawn_by: Any = strategies | {"then_ms": PAUSES}
        ruled: Any = rule(**drawn_by)
        return precondition(possible)(ruled(step))

    return declare


def _alive(market: Market) -> list[str]:
    return market.names(lambda process: process.alive)


def _running(market: Market) -> list[str]:
    return market.names(lambda process: process.runs)


def _dead(market: Market) -> list[str]:
    return market.names(lambda process: not process.runs)


def _paused(market: Market) -> list[str]:
    return market.names(lambda process: process.paused)


def _managers(market: Market) -> list[str]:
    return [name for name in ("desk", "crook") if name in market.world.processes and market.process(name).alive]


def _rivals(market: Market) -> list[str]:
    return [name for name in RIVALS if name in market.world.processes]


def _governors(market: Market) -> list[str]:
    return [name for name in GOVERNORS if name in market.world.processes and market.process(name).alive]


def _clear(market: Market) -> list[tuple[str, str]]:
    return market.links(lambda link: link.held is None)


def _clogged(market: Market) -> list[tuple[str, str]]:
    return market.links(lambda link: link.held is not None)


def _waiting(market: Market) -> list[tuple[str, str]]:
    return market.links(lambda link: link.held)


def _liars(market: Market) -> list[str]:
    return market.names(lambda process: process.alive and not process.honest)


def _agents(market: Market) -> list[str]:
    return [AGENT] if market.candidate is not None else []


class Failing(NamedTuple):
    """The last run that broke a promise: behind a test of hypothesis, the shortest one it found."""

    steps: list[str]
    transcript: str
    error: BaseException


def cast_of(*, rivals: int | None = None, governors: int | None = None) -> st.SearchStrategy[dict[str, Any]]:
    """Who may be in a market: so many rivals and governors, or any number that is not too many."""
    return st.fixed_dictionaries(
        {
            "seed": st.integers(0, 255),
            "rivals": st.integers(0, len(RIVALS)) if rivals is None else st.just(rivals),
            "governors": st.integers(0, len(GOVERNORS)) if governors is None else st.just(governors),
            "refer": st.booleans(),
            "crook": st.booleans(),
            "takes_ms": TAKES,
        }
    )


class MarketMachine(RuleBasedStateMachine):
    """A market of two to six peers under everything that can befall it."""

    candidate: ClassVar[Candidate | None] = None
    """The user's agent, if one is run."""
    promises: ClassVar[Sequence[Promise]] = PROMISES
    wanted: ClassVar[st.SearchStrategy[tuple[str, bytes]]] = st.tuples(st.just("shout"), st.just(b'{"text":"hi"}'))
    """What tasks are for: a skill, and an input."""
    cast: ClassVar[st.SearchStrategy[dict[str, Any]]] = cast_of()
    """Who else is there, and the seed of what nobody chooses."""
    failing: ClassVar[Failing | None] = None

    market: Market

    def __init__(self) -> None:
        super().__init__()
        self._steps: list[str] = []
        self._error: BaseException | None = None

    @initialize(who=st.runner().flatmap(lambda machine: machine.cast))
    def open(self, who: dict[str, Any]) -> None:
        """A market opens: a desk, the user's agent, and these."""
        self._steps.append(_words("open", who))
        self.market = Market(self.candidate, self.promises, **who)

    def play(self, act: Callable[..., None], then_ms: int, given: dict[str, Any]) -> None:
        """Carry out one step, and let some time pass; every promise of safety is watched meanwhile."""
        words = _words(act.__name__, given | {"then_ms": then_ms})
        self._steps.append(words)
        self.market.story.head(words)
        try:
            act(self, **given)
            self.market.world.run_for(then_ms)
        except Exception as error:
            self._error = error
            raise

    def teardown(self) -> None:
        """All faults end; then every promise of liveness is asked for. What failed is told."""
        if not hasattr(self, "market"):
            return
        try:
            if self._error is None:
                self.market.story.head("and then all faults end")
                self.market.rest()
        except Exception as error:
            self._error = error
            raise
        finally:
            if self._error is not None:
                transcript = self.market.story.text()
                note(transcript)
                type(self).failing = Failing(self._steps, transcript, self._error)

    # What users do

    @move(
        manager=Chosen(_managers),
        wanted=st.runner().flatmap(lambda machine: machine.wanted),
        effect=st.sampled_from(EffectClass),
        award_rule=st.sampled_from(AwardRule),
        budget=st.sampled_from((100, 6, 0)),
        deadline_ms=st.sampled_from((20_000, 3_000)),
        attempts=st.sampled_from((3, 1)),
        check=st.booleans(),
    )
    def announce(self, manager: str, wanted: tuple[str, bytes], check: bool, **terms: Any) -> None:
        """A manager wants a task done."""
        skill, raw = wanted
        task = self.market.task(skill=skill, input=raw, **terms)
        self.market.announce(manager, task, check=check)

    @move(
        contractor=Chosen(Market.at_work),
        budget=st.sampled_from((5, 100)),
        deadline_ms=st.sampled_from((2_000, 30_000)),
    )
    def subcontract(self, contractor: str, **terms: Any) -> None:
        """A contractor wants a part of its work done."""
        award = next(iter(self.market.process(contractor).workers.runs))
        self.market.announce(contractor, self.market.task(**terms), parent=award)

    @move(task=Chosen(lambda market: list(market.tasks)))
    def withdraw(self, task: str) -> None:
        """The user of its manager no longer wants it."""
        contract = self.market.tasks[task]
        for process in self.market.world.processes.values():
            if contract in process.node.manager.tenders:
                process.withdraw(contract)

    @move(manager=Chosen(_managers), passes=st.sampled_from((True, False, None)))
    def judge_results(self, manager: str, passes: bool | None) -> None:
        """From now on its user says this of results that it is asked about."""
        self.market.process(manager).checks = lambda result: passes

    @move(
        governor=Chosen(_governors),
        task=Chosen(lambda market: list(market.tasks)),
        what=st.sampled_from(("permit", "veto of the task", "veto of the epoch")),
        about=st.sampled_from(("end", "award", "task")),
    )
    def vote(self, governor: str, task: str, what: str, about: str) -> None:
        """The person at a governor's desk decides."""
        self.market.vote(self.market.process(governor), self.market.tasks[task], what, about)

    # What agents do

    @move(rival=Chosen(_rivals), work=st.sampled_from(list(WORKS)))
    def work(self, rival: str, work: str) -> None:
        """From now on an agent does its work so."""
        self.market.process(rival).work = WORKS[work]

    @move(rival=Chosen(Market.at_work), permille=st.sampled_from((500, 1000)))
    def progress(self, rival: str, permille: int) -> None:
        """An agent says how far it is."""
        workers = self.market.process(rival).workers
        workers.advance(next(iter(workers.runs)), permille)

    @move(agent=Chosen(_agents), takes_ms=TAKES)
    def take_time(self, agent: str, takes_ms: int) -> None:
        """From now on the user's agent is at work for so long."""
        self.market.agent_takes_ms = takes_ms

    # What befalls peers

    @move(who=Chosen(_running), power=st.booleans())
    def crash(self, who: str, power: bool) -> None:
        """A process is killed; or its machine loses power, and what was not synced may be lost."""
        self.market.world.crash(self.market.process(who), power=power)

    @move(who=Chosen(_alive), before_record=st.booleans(), after_frames=st.integers(0, 2))
    def crash_in_turn(self, who: str, before_record: bool, after_frames: int) -> None:
        """A process is killed in its next turn that records, at some point of it."""
        self.market.process(who).die_in_turn(before_record=before_record, after_frames=after_frames)
        self.market.doomed.append(who)

    @move(who=Chosen(_dead))
    def restart(self, who: str) -> None:
        """A process begins again with its home."""
        self.market.world.restart(self.market.process(who))

    @move(who=Chosen(_dead))
    def lose_journal(self, who: str) -> None:
        """A process begins again, and its journal is gone."""
        process = self.market.process(who)
        process.disk.lose_journal()
        self.market.world.restart(process)

    @move(who=Chosen(_alive))
    def fill_disk(self, who: str) -> None:
        """Its disk is full: it stops at its next turn that records."""
        self.market.process(who).disk.full = True

    @move(who=Chosen(_alive))
    def pause(self, who: str) -> None:
        """A process is stopped."""
        self.market.world.pause(self.market.process(who))

    @move(who=Chosen(_paused))
    def go_on(self, who: str) -> None:
        """A stopped process goes on."""
        self.market.world.go_on(self.market.process(who))

    @move(who=Chosen(_alive), ms=st.sampled_from((1_000, 30_000)))
    def jump_clock(self, who: str, ms: int) -> None:
        """A clock skips forward."""
        self.market.process(who).jump_clock(ms * 1000)

    @move(who=Chosen(_alive), ppm=st.sampled_from((20_000, -20_000)))
    def drift_clock(self, who: str, ppm: int) -> None:
        """A clock runs faster, or slower: within what the grace allows for."""
        self.market.process(who).drift_clock(ppm)

    # What befalls frames

    @move(link=Chosen(Market.pairs))
    def cut(self, link: tuple[str, str]) -> None:
        """Nothing passes any more, in this direction."""
        self.market.world.network.cut(*map(self.market.process, link))

    @move(link=Chosen(lambda market: market.links(lambda link: link.cut)))
    def mend(self, link: tuple[str, str]) -> None:
        """Frames pass again."""
        self.market.world.network.mend(*map(self.market.process, link))

    @move(link=Chosen(Market.pairs))
    def bounce(self, link: tuple[str, str]) -> None:
        """A connection breaks and is made anew: what is published meanwhile is lost in silence."""
        self.market.world.network.bounce(self.market.link(link))

    @move(link=Chosen(_clear))
    def hold(self, link: tuple[str, str]) -> None:
        """What is sent waits in the link."""
        self.market.world.network.clog(*map(self.market.process, link))

    @move(link=Chosen(_clogged))
    def release(self, link: tuple[str, str]) -> None:
        """What has waited arrives."""
        self.market.world.network.unclog(*map(self.market.process, link))

    @move(link=Chosen(_waiting), place=PLACES, times=st.sampled_from((1, 2)))
    def deliver(self, link: tuple[str, str], place: int, times: int) -> None:
        """One of the frames that wait arrives, before all others; or twice."""
        self.market.deliver(link, place, times)

    @move(link=Chosen(_waiting), place=PLACES)
    def drop(self, link: tuple[str, str], place: int) -> None:
        """One of the frames that wait is lost."""
        self.market.deliver(link, place, 0)

    @move(
        liar=Chosen(_liars),
        to=Chosen(_alive),
        task=Chosen(lambda market: list(market.tasks)),
        what=st.sampled_from(LIES),
        place=st.sampled_from(STANDING),
        forged=st.booleans(),
    )
    def lie(self, liar: str, to: str, task: str, what: str, place: str, forged: bool) -> None:
        """A liar says to one peer what is not so."""
        market = self.market
        lie(market.world, market.process(liar), market.process(to), market.tasks[task], what, place, forged=forged)

    @move()
    def wait(self) -> None:
        """Nothing happens but what was begun."""


def _words(name: str, given: dict[str, Any]) -> str:
    """A step in words."""
    return " ".join([name, *(f"{key}={value!s}" for key, value in given.items())])
