"""How a user runs the kit: as a test case, or by one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from protocol.errors import UsageError
from simulations.checkers.promises import PROMISES
from simulations.kit.candidate import Candidate, Skilled
from simulations.kit.inputs import inputs_of
from simulations.kit.machine import Failing, MarketMachine, cast_of
from simulations.kit.market import Promise

STEPS: Final = 20
"""Steps of one run: with more a run takes longer, and finds little more."""


def market_machine(
    agent: object = None,
    *,
    skills: Mapping[str, object] | None = None,
    inputs: Mapping[str, st.SearchStrategy[Any]] | None = None,
    capacity: int | None = None,
    rivals: int | None = None,
    governors: int | None = None,
    promises: Sequence[Promise] = PROMISES,
) -> type[MarketMachine]:
    """A state machine with this agent in its market; its `TestCase` is what pytest and unittest run.

    `agent` is a `peer.Agent`, or a function with `@worker`; in its place `skills` maps names to strategies, prices,
    workers or `Skilled`. `inputs` says what a skill's tasks have for input, where type hints do not say it. So many
    `rivals` bid too and so many `governors` vote, 0 to 2, or any number. Without an agent the market itself is tested.
    """
    given = agent if skills is None else skills
    if agent is not None and skills is not None:
        raise UsageError("An agent has its skills already.", do="Give one of both: the agent, or skills=...")

    class Made(MarketMachine):
        pass

    Made.__name__ = Made.__qualname__ = MarketMachine.__name__
    made: type[MarketMachine] = Made
    made.promises, made.cast = tuple(promises), cast_of(rivals=rivals, governors=governors)
    if given is not None:
        made.candidate = candidate = Candidate(given, capacity=capacity)
        unknown = sorted((inputs or {}).keys() - candidate.skills.keys())
        if unknown:
            raise UsageError(f"The agent has no skill {unknown[0]!r}.", do=f"It has: {', '.join(candidate.skills)}.")
        made.wanted = st.one_of([
            st.tuples(st.just(name), inputs_of(name, skill.function, (inputs or {}).get(name)))
            for name, skill in candidate.skills.items()
        ])  # fmt: skip
    made.TestCase.settings = _settings()
    return made


def _settings(**changes: Any) -> settings:
    """As the loaded profile says, but for clocks, and for explanations: they take longer than all else together."""
    phases = tuple(phase for phase in Phase if phase is not Phase.explain)
    quiet = tuple(HealthCheck)
    return settings(deadline=None, stateful_step_count=STEPS, suppress_health_check=quiet, phases=phases, **changes)


def check_agent(agent: object, *, examples: int = 100, seeded: bool = True, **given: Any) -> None:
    """Run an agent in so many markets. Raises what the shortest failing run raises, with its transcript as a note.

    `seeded`: the same markets each time. What else is given, `market_machine` takes.
    """
    machine = market_machine(agent, **given)
    if machine.candidate is None:
        raise UsageError("There is no agent.", do="Give an Agent, a function with @worker, or skills and strategies.")
    _run(machine, examples, seeded)


def check_strategy(
    strategy: Callable[[Any], object], *, skill: str = "task", input: st.SearchStrategy[Any] | None = None, **given: Any
) -> None:
    """Run one bidding strategy, as `check_agent` does: it takes what is `Wanted`, and gives a price or None."""
    inputs = {skill: input} if input is not None else None
    check_agent({skill: Skilled(strategy=strategy)}, inputs=inputs, **given)


def failing_run(machine: type[MarketMachine], *, examples: int = 100) -> Failing | None:
    """The shortest run that breaks a promise, if any is found: for whoever wants to look at its steps."""
    machine.failing = None
    try:
        _run(machine, examples, seeded=True)
    except Exception:
        if machine.failing is None:
            raise
    return machine.failing


def _run(machine: type[MarketMachine], examples: int, seeded: bool) -> None:
    chosen = _settings(max_examples=examples, derandomize=seeded, **({"database": None} if seeded else {}))
    run_state_machine_as_test(machine, settings=chosen)
