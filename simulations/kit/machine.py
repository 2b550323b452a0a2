"""Everything that can happen in a small market, as rules for hypothesis, with every promise as an invariant.

After each step the promises of safety hold, for the world asks the checkers at every moment; when the steps are over,
all faults end and the promises of liveness must hold within their bound. What fails is told as a transcript.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final, NamedTuple

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize

from protocol.statements import AwardRule, EffectClass
from simulations.checkers.promises import PROMISES
from simulations.kit import options
from simulations.kit.candidate import Candidate
from simulations.kit.market import DESK, GOVERNORS, LIARS, RIVALS, WORKS, Market, Promise
from simulations.kit.moves import Chosen, move, words_of

TAKES: Final = st.sampled_from((0, 700, 5_000))
"""How long the user's agent is at work before its function is called."""
PLACES: Final = st.integers(0, 3)
"""Which of the frames that wait in a link; counted round."""


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
            "crook": st.sampled_from(("", *LIARS)),
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
        words = words_of("open", who)
        self._steps.append(words)
        self.market = Market(self.candidate, self.promises, **who)
        self.market.story.head(words)

    def play(self, act: Callable[..., None], then_ms: int, given: dict[str, Any]) -> None:
        """Carry out one step, and let some time pass; every promise of safety is watched meanwhile."""
        words = words_of(act.__name__, given | {"then_ms": then_ms})
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

    @move(wanted=st.runner().flatmap(lambda machine: machine.wanted), effect=st.sampled_from(EffectClass))
    def ask(self, wanted: tuple[str, bytes], effect: EffectClass) -> None:
        """The desk wants a task done, on the plainest terms: most of what can happen needs one."""
        skill, raw = wanted
        if self.market.process(DESK).alive:
            self.market.announce(DESK, self.market.task(skill=skill, input=raw, effect=effect))

    @move(
        manager=Chosen(options.managers),
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

    @move(manager=Chosen(options.managers), passes=st.sampled_from((True, False, None)))
    def judge_results(self, manager: str, passes: bool | None) -> None:
        """From now on its user says this of results that it is asked about."""
        self.market.process(manager).checks = lambda result: passes

    @move(
        governor=Chosen(options.governors),
        task=Chosen(lambda market: list(market.tasks)),
        what=st.sampled_from(("permit", "veto of the task", "veto of the epoch")),
        about=st.sampled_from(("end", "award", "task")),
    )
    def vote(self, governor: str, task: str, what: str, about: str) -> None:
        """The person at a governor's desk decides."""
        self.market.vote(self.market.process(governor), self.market.tasks[task], what, about)

    # What agents do

    @move(rival=Chosen(options.rivals), work=st.sampled_from(list(WORKS)))
    def work(self, rival: str, work: str) -> None:
        """From now on an agent does its work so."""
        self.market.process(rival).work = WORKS[work]

    @move(rival=Chosen(Market.at_work), permille=st.sampled_from((500, 1000)))
    def progress(self, rival: str, permille: int) -> None:
        """An agent says how far it is."""
        workers = self.market.process(rival).workers
        workers.advance(next(iter(workers.runs)), permille)

    @move(agent=Chosen(options.agents), takes_ms=TAKES)
    def take_time(self, agent: str, takes_ms: int) -> None:
        """From now on the user's agent is at work for so long."""
        self.market.agent_takes_ms = takes_ms

    # What befalls peers

    @move(who=Chosen(options.running), power=st.booleans())
    def crash(self, who: str, power: bool) -> None:
        """A process is killed; or its machine loses power, and what was not synced may be lost."""
        self.market.world.crash(self.market.process(who), power=power)

    @move(who=Chosen(options.alive), before_record=st.booleans(), after_frames=st.integers(0, 2))
    def crash_in_turn(self, who: str, before_record: bool, after_frames: int) -> None:
        """A process is killed in its next turn that records, at some point of it."""
        self.market.process(who).die_in_turn(before_record=before_record, after_frames=after_frames)
        self.market.doomed.append(who)

    @move(who=Chosen(options.dead))
    def restart(self, who: str) -> None:
        """A process begins again with its home."""
        self.market.world.restart(self.market.process(who))

    @move(who=Chosen(options.dead))
    def lose_journal(self, who: str) -> None:
        """A process begins again, and its journal is gone."""
        process = self.market.process(who)
        process.disk.lose_journal()
        self.market.world.restart(process)

    @move(who=Chosen(options.alive))
    def fill_disk(self, who: str) -> None:
        """Its disk is full: it stops at its next turn that records."""
        self.market.process(who).disk.full = True

    @move(who=Chosen(options.alive))
    def pause(self, who: str) -> None:
        """A process is stopped."""
        self.market.world.pause(self.market.process(who))

    @move(who=Chosen(options.paused))
    def go_on(self, who: str) -> None:
        """A stopped process goes on."""
        self.market.world.go_on(self.market.process(who))

    @move(who=Chosen(options.alive), ms=st.sampled_from((1_000, 30_000)))
    def jump_clock(self, who: str, ms: int) -> None:
        """A clock skips forward."""
        self.market.process(who).jump_clock(ms * 1000)

    @move(who=Chosen(options.alive), ppm=st.sampled_from((20_000, -20_000)))
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

    @move(
        loss=st.sampled_from((0.0, 0.2, 0.6)),
        repeat=st.sampled_from((0.0, 0.5)),
        jitter_ms=st.sampled_from((0, 40, 900)),
    )
    def weather(self, **how: Any) -> None:
        """From now on any frame may be lost, or come twice, or late."""
        self.market.weather(**how)

    @move(link=Chosen(Market.pairs))
    def bounce(self, link: tuple[str, str]) -> None:
        """A connection breaks and is made anew: what is published meanwhile is lost in silence."""
        self.market.world.network.bounce(self.market.link(link))

    @move(link=Chosen(options.clear))
    def hold(self, link: tuple[str, str]) -> None:
        """What is sent waits in the link."""
        self.market.world.network.clog(*map(self.market.process, link))

    @move(link=Chosen(options.clogged))
    def release(self, link: tuple[str, str]) -> None:
        """What has waited arrives."""
        self.market.world.network.unclog(*map(self.market.process, link))

    @move(link=Chosen(options.waiting), place=PLACES, times=st.sampled_from((1, 2)))
    def deliver(self, link: tuple[str, str], place: int, times: int) -> None:
        """One of the frames that wait arrives, before all others; or twice."""
        self.market.deliver(link, place, times)

    @move(link=Chosen(options.waiting), place=PLACES)
    def drop(self, link: tuple[str, str], place: int) -> None:
        """One of the frames that wait is lost."""
        self.market.deliver(link, place, 0)

    @move()
    def wait(self) -> None:
        """Nothing happens but what was begun."""
