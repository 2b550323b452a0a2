"""The public test kit: honest agents pass, and each planted fault shrinks to a story that one can read."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import strategies as st

from peer import Wanted as PeersWanted
from peer import worker
from peer.work.context import Context as PeersContext
from protocol.errors import UsageError
from simulations.checkers.base import Broken
from simulations.kit import (
    OF_THE_AGENT,
    Context,
    Failing,
    MarketMachine,
    Skilled,
    Wanted,
    check_agent,
    check_strategy,
    effect,
    failing_run,
    market_machine,
)
from simulations.kit.candidate import MARK
from simulations.kit.inputs import TEXTS
from tests.simulations import agents

STEPS_MAX = 10
"""Nobody reads more."""
SMALL: dict[str, Any] = {"rivals": 0, "governors": 0, "promises": ()}
"""Who looks for an agent's fault alone is done sooner."""

TestMarket = market_machine().TestCase
"""A market of plain agents, under everything that can befall it."""


def shortest(machine: type[MarketMachine]) -> Failing:
    """The shortest failing run, which hypothesis must find."""
    found = failing_run(machine, examples=300)
    assert found is not None, "the fault was not found"
    assert len(found.steps) <= STEPS_MAX, found.steps
    return found


FAULTS = [
    (market_machine(skills={"shout": agents.no_long_texts}), "SoundBids", "raises ValueError"),
    (market_machine(skills={"shout": agents.by_the_letter}, **SMALL), "SoundBids", "which is no price"),
    (market_machine(skills={"shout": agents.out_of_pocket}, **SMALL), "SoundBids", "asks -1"),
    (market_machine(agents.hasty), "FencedEffects", "without asking the fence"),
    (market_machine(agents.stubborn, **SMALL), "FencedEffects", "though the fence says"),
    (market_machine(agents.confused, **SMALL), "SoundWork", "returns 'many'"),
]


@pytest.mark.parametrize(("machine", "promise", "what"), FAULTS, ids=[f"{fault[1]}: {fault[2]}" for fault in FAULTS])
def test_a_planted_fault_shrinks_to_a_few_steps(machine: type[MarketMachine], promise: str, what: str) -> None:
    """Each promise of an agent has agents that break it; the shortest run that shows it has at most ten steps."""
    found = shortest(machine)
    assert isinstance(found.error, Broken)
    assert found.error.checker == promise
    assert what in str(found.error)


def test_the_shortest_run_is_told_as_a_transcript() -> None:
    """Commands, and below each what then happened: who says what to whom."""
    found = shortest(market_machine(agents.hasty))
    lines = found.transcript.splitlines()
    assert any(line.startswith(("> ask", "> announce")) for line in lines), found.transcript
    assert any(line.endswith("desk says to all: Announcement t1") for line in lines)
    assert any(line.endswith("agent starts work on t1/1") for line in lines)


def test_a_failing_check_shows_its_transcript() -> None:
    """Whoever runs the kit by one call reads the story with the error."""
    with pytest.raises(Broken, match="SoundBids") as caught:
        check_strategy(agents.by_the_letter, skill="shout", examples=300, input=TEXTS, **SMALL)
    notes = "\n".join(caught.value.__notes__)
    assert "> open seed=" in notes
    assert "Announcement t1" in notes
    assert "state.open(" in notes


def test_an_honest_strategy_passes() -> None:
    """One line in a script, for one strategy."""
    check_strategy(lambda task: 4, input=st.none(), examples=5)


def test_agents_may_come_in_any_shape() -> None:
    """A decorated function, prices, strategies, and functions with no `peer` around them."""

    @worker("add", price=1)
    def add(a: int, b: int) -> int:
        return a + b

    def work(text: str, ctx: Context) -> int:
        ctx.fence()
        effect()
        return len(text)

    check_agent(add, examples=5)
    check_agent({"one": 5, "two": lambda task: None, "three": Skilled(strategy=2, work=work)}, examples=5)


def test_a_function_that_raises_has_failed_and_broken_nothing() -> None:
    """The market is made for that: the task goes to another, or ends."""

    def work(text: str) -> int:
        raise RuntimeError("no luck")

    check_agent({"shout": Skilled(strategy=2, work=work)}, examples=5)


@pytest.mark.parametrize("given", [None, 5, "agent", {}, {"shout": "loud"}, object()])
def test_what_is_no_agent_is_refused(given: object) -> None:
    """With a word on what one looks like."""
    with pytest.raises(UsageError, match="Give"):
        check_agent(given)


def test_inputs_are_for_skills_that_the_agent_has() -> None:
    """A name that is none of them is a mistake."""
    with pytest.raises(UsageError, match=r"no skill 'shuot'.*It has: shout"):
        market_machine(skills={"shout": 5}, inputs={"shuot": st.none()})


def test_types_that_cannot_be_drawn_are_told() -> None:
    """Then the user says what the inputs are."""

    class Odd:
        def __init__(self, of: Odd) -> None: ...

    def work(text: Odd) -> None: ...

    work.__annotations__["text"] = Odd
    with pytest.raises(UsageError, match="inputs="):
        market_machine(skills={"shout": Skilled(strategy=5, work=work)})


def test_an_effect_belongs_to_a_call() -> None:
    """Outside of one there is no award that it could be for."""
    with pytest.raises(UsageError, match="No function is at work"):
        effect()


def test_the_kit_shows_agents_what_peers_show_them() -> None:
    """The kit knows no `peer`; what both have must not drift apart."""
    assert [field.name for field in fields(Wanted)] == [field.name for field in fields(PeersWanted)]
    members = {name for name in vars(Context) if not name.startswith("_")}
    assert members == {name for name in vars(PeersContext) if not name.startswith("_")}
    assert hasattr(worker("x", price=1)(lambda: 1), MARK)


def test_every_promise_of_an_agent_is_one_sentence() -> None:
    """It is what a user reads when it is broken."""
    for promise in OF_THE_AGENT:
        assert (promise.__doc__ or "").endswith(".")
