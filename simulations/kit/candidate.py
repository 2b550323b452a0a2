"""The user's own agent under the kit: its strategies are asked, its functions called, and both held to promises.

What a user gives is told by its shape, for the simulator knows no `peer`: an `Agent`, a function with `@worker`, or a
mapping of skills to prices, strategies or `Skilled`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from protocol import limits
from protocol.bidder import Quote
from protocol.errors import UsageError
from protocol.statements import Announcement, Bid, EffectClass, Refusal, Statement
from simulations.checkers.base import Checker, Roster
from simulations.kit.calls import Call, Function, Here, plain_function

MARK: Final = "__vendue_skill__"
"""Where `peer.worker` leaves what it knows of a function."""
OUTPUT: Final = b'"done"'
"""What comes of a skill that has a strategy and no function."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A task, as a bidding strategy sees it: field for field what `peer.agent.Wanted` is."""

    skill: str
    input: Any
    budget: int
    effect: EffectClass
    deadline_ms: int
    manager: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Skilled:
    """One skill of an agent that has no `peer.Agent` around it."""

    strategy: Callable[[Any], object] | int
    """Takes what is `Wanted`; gives a price, something with a `price` and a `duration_ms`, or None. Or one price."""
    work: Callable[..., object] | None = None
    """Takes the task's input, its fields by name, and the `ctx` if it has such a parameter; gives what JSON carries."""
    duration_ms: int = 1_000


class SoundBids(Checker):
    """A strategy answers every task with a whole price within the bounds, or with None, and never raises."""


class SoundWork(Checker):
    """What a worker's function returns is JSON that fits its annotation, and is not too long for a statement."""


class FencedEffects(Checker):
    """A worker's function asks the fence before each effect, and has none when the fence has tripped."""


OF_THE_AGENT: Final = (SoundBids, SoundWork, FencedEffects)


class Candidate:
    """The agent of a user, ready to be run."""

    def __init__(self, given: object, *, capacity: int | None = None) -> None:
        """Raises UsageError for what is no agent."""
        self.skills = _skills_of(given)
        self.capacity = capacity or getattr(given, "capacity", None) or 8

    def quotes(self, roster: Roster) -> dict[str, Quote]:
        """Its strategies, each held to `SoundBids`."""
        return {name: self._quote(name, skill, SoundBids(roster)) for name, skill in self.skills.items()}

    def _quote(self, name: str, skill: _Skill, promise: Checker) -> Quote:
        def quote(announcement: Statement[Announcement]) -> Bid | Refusal:
            try:
                answer = skill.ask(_wanted(announcement))
            except Exception as error:
                raise promise.broken(f"the strategy for {name!r} raises {error!r}") from error
            if answer is None:
                return Refusal(reason="not for me")
            price, duration_ms = getattr(answer, "price", answer), getattr(answer, "duration_ms", None)
            if type(price) is not int or not 0 <= price <= limits.MONEY_MAX:
                raise promise.broken(f"the strategy for {name!r} asks {price!r}, which is no price")
            if duration_ms is not None and (type(duration_ms) is not int or not 0 < duration_ms <= _LONGEST_MS):
                raise promise.broken(f"the strategy for {name!r} says it takes {duration_ms!r} ms")
            if price > announcement.body.budget:
                return Refusal(reason="the budget is below my price")
            return Bid(price=price, duration_ms=duration_ms or skill.duration_ms)

        return quote

    def call(self, announcement: Announcement, here: Here, roster: Roster) -> Call:
        """One call of the function for a task, held to `SoundWork` and `FencedEffects`."""
        function = self.skills[announcement.skill].function
        return Call(function, announcement.input, here, SoundWork(roster), FencedEffects(roster))


_LONGEST_MS: Final = limits.DURATION_MAX_MS


@dataclass(frozen=True, slots=True)
class _Skill:
    ask: Callable[[Wanted], object]
    duration_ms: int
    function: Function


def _wanted(announcement: Statement[Announcement]) -> Wanted:
    task = announcement.body
    return Wanted(task.skill, parsed(task.input), task.budget, task.effect, task.deadline_ms, announcement.author)


def parsed(raw: bytes) -> Any:
    """The JSON of a task's input; None when it has none, or is no JSON."""
    try:
        return json.loads(raw) if raw else None
    except (ValueError, RecursionError):
        return None


def _skills_of(given: object) -> dict[str, _Skill]:
    if isinstance(given, Mapping) and given:
        return {name: _skill_of(name, value, None) for name, value in given.items()}
    declared = getattr(given, MARK, None)
    if declared is not None:
        return {declared.name: _skill_of(declared.name, given, None)}
    skills, strategies = getattr(given, "skills", None), getattr(given, "strategies", None)
    if isinstance(skills, list) and isinstance(strategies, dict) and skills:
        return {each.name: _skill_of(each.name, each, strategies.get(each.name)) for each in skills}
    raise UsageError(
        f"{given!r} is no agent."[:200],
        do="Give an Agent with skills, a function with @worker, or a mapping of skills to strategies.",
    )


def _skill_of(name: str, given: object, strategy: Callable[[Any], object] | None) -> _Skill:
    """A price, a strategy, what `@worker` declared, or `Skilled`."""
    declared: Any = getattr(given, MARK, given)
    if hasattr(declared, "decode_input") and hasattr(declared, "encode_output"):
        ask = strategy or (lambda wanted: declared.price)
        return _Skill(ask, declared.duration_ms, Function.declared(declared))
    if not isinstance(given, Skilled) and (callable(given) or type(given) is int):
        given = Skilled(strategy=given)
    if not isinstance(given, Skilled):
        raise UsageError(
            f"The skill {name!r} cannot be run.", do="Give a strategy, a price, a worker, or Skilled(...)."
        )
    asked = given.strategy
    price = asked if isinstance(asked, int) else None
    ask_of = (lambda wanted: price) if not callable(asked) else asked
    work = given.work
    function = plain_function(work) if work is not None else Function(lambda raw, ctx: OUTPUT, lambda out: OUTPUT, None)
    return _Skill(ask_of, given.duration_ms, function)
