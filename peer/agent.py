"""What a user writes to offer work: functions with `@worker`, and an `Agent` for those who bid in their own way."""

from __future__ import annotations

import inspect
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from peer.settings import CAPACITY_MAX
from peer.telemetry import for_contract, logger
from peer.work.context import failure_of
from peer.work.schema import check_schema
from peer.work.skill import Skill, skills_of, worker
from protocol.bidder import Quote
from protocol.errors import BadInput, UsageError
from protocol.limits import CERTIFICATE_MAX, DURATION_MAX_MS, SKILLS_MAX, STATEMENT_MAX
from protocol.statements import Announcement, Bid, EffectClass, Refusal, Statement

_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Wanted:
    """A task, as a bidding strategy sees it."""

    skill: str
    input: Any
    """The task's JSON input; None when it has none, or is no JSON."""
    budget: int
    """Minor units."""
    effect: EffectClass
    deadline_ms: int
    manager: bytes


@dataclass(frozen=True, slots=True)
class Offer:
    """What a bidding strategy asks for a task, in minor units, and how long it will take."""

    price: int
    duration_ms: int | None = None


Strategy = Callable[[Wanted], "Offer | int | None"]
"""A bidder's own rule: a price, an offer, or None to refuse. It is asked in the peer's loop: nothing else goes on."""

SCHEMAS_MAX: Final = STATEMENT_MAX - CERTIFICATE_MAX - 16 * 1024
"""Bytes of all schemas on one card: what a statement has left beside the certificate and the addresses."""
SLOW_S: Final = 0.1
"""A strategy that thinks longer keeps its peer from hearing others: that is worth a line."""


class Agent:
    """A group of skills that one peer offers, with bidding of its own where wanted.

    >>> agent = Agent("poet", capacity=2)
    >>> @agent.worker("rhyme", price=5)
    ... def rhyme(word: str) -> str:
    ...     return word[::-1]
    >>> @agent.bidding("rhyme")
    ... def cheaper_when_short(task: Wanted) -> int:
    ...     return 2 if len(task.input["word"]) < 4 else 5
    >>> [skill.name for skill in agent.skills]
    ['rhyme']
    """

    def __init__(self, name: str = "", *, capacity: int | None = None) -> None:
        """`capacity` is how many tasks are worked on at once; without it, the setting of that name."""
        if not isinstance(name, str):
            raise UsageError(f"The name of an agent is a text, not {name!r:.40}.")
        if capacity is not None and (type(capacity) is not int or not 1 <= capacity <= CAPACITY_MAX):
            raise UsageError(f"An agent's capacity is a whole number, 1 to {CAPACITY_MAX}, not {capacity!r:.40}.")
        self.name, self.capacity = name, capacity
        self.skills: list[Skill] = []
        self.strategies: dict[str, Strategy] = {}

    def worker(self, name: str, **how: Any) -> Callable[[_Function], _Function]:
        """Offer the decorated function, as `peer.worker` does, by this agent."""

        def declare(function: _Function) -> _Function:
            declared = worker(name, **how)(function)
            self.skills += skills_of({name: declared})
            return declared

        return declare

    def bidding(self, skill: str) -> Callable[[Strategy], Strategy]:
        """Let the decorated function decide what this agent asks for a skill's tasks."""

        def declare(strategy: Strategy) -> Strategy:
            self.strategies[skill] = strategy
            return strategy

        return declare


def agent_of(namespace: Mapping[str, Any], where: str) -> Agent:
    """All that the functions and agents of a file offer, as one agent. Raises UsageError when it cannot be."""
    loose = skills_of({name: value for name, value in namespace.items() if not name.startswith("__")})
    agents = [value for value in namespace.values() if isinstance(value, Agent)]
    whole = Agent(
        next((agent.name for agent in agents if agent.name), ""),
        capacity=max((agent.capacity for agent in agents if agent.capacity), default=None),
    )
    for skill in [*loose, *(skill for agent in agents for skill in agent.skills)]:
        if all(skill.name != known.name for known in whole.skills):
            whole.skills.append(skill)
    for agent in agents:
        whole.strategies |= agent.strategies
    if not whole.skills:
        raise UsageError(
            f"{where} has no agents.", do='Decorate a function with @worker("skill", price=1), or make an Agent in it.'
        )
    _check(whole)
    return whole


def _check(agent: Agent) -> None:
    """Find what would only come out when the first task is announced, or never."""
    for skill in agent.skills:
        for side, schema in (("takes", skill.input_schema), ("gives", skill.output_schema)):
            try:
                check_schema(schema)
            except BadInput as error:
                raise UsageError(
                    f"The skill {skill.name!r} cannot be offered.",
                    why=f"Nobody could check what it {side}: {error.why}.",
                    do="Patterns are JSON Schema's, checked in linear time: no \\Z, no looking around, no \\1.",
                ) from None
    _check_card(agent)
    names = [skill.name for skill in agent.skills]
    for name, strategy in agent.strategies.items():
        if inspect.iscoroutinefunction(strategy):
            raise UsageError(f"The function that bids for {name!r} is async.", do="It must answer at once: def alone.")
        if name not in names:
            raise UsageError(
                f"A function bids for {name!r}, which this file does not offer.",
                do=f"It offers {', '.join(names)}; write the same name in both places.",
            )


def _check_card(agent: Agent) -> None:
    """Everything is offered on one card, and nobody reads a card that is too long."""
    size = sum(len(skill.name) + len(skill.input_schema) + len(skill.output_schema) for skill in agent.skills)
    for count, most, what in ((len(agent.skills), SKILLS_MAX, "skills"), (size, SCHEMAS_MAX, "bytes of schemas")):
        if count > most:
            raise UsageError(
                f"These are {count} {what}, and one peer's card carries at most {most}.",
                do="Spread them over several files, and run each as a peer of its own.",
            )


def quotes_of(skills: Iterable[Skill], strategies: Mapping[str, Strategy], peer: bytes) -> dict[str, Quote]:
    """The bidding strategies of a node: the user's own, or the fixed price of the skill; `peer` is who bids."""
    return {skill.name: _quote(skill, strategies.get(skill.name), peer) for skill in skills}


def _quote(skill: Skill, strategy: Strategy | None, peer: bytes) -> Quote:
    fixed = Bid(price=skill.price, duration_ms=skill.duration_ms)

    def quote(announcement: Statement[Announcement]) -> Bid | Refusal:
        bid: Bid | Refusal = fixed if strategy is None else _ask(strategy, announcement, skill, peer)
        if isinstance(bid, Bid) and bid.price > announcement.body.budget:
            return Refusal(reason="the budget is below my price")
        return bid

    return quote


def _ask(strategy: Strategy, announcement: Statement[Announcement], skill: Skill, peer: bytes) -> Bid | Refusal:
    """A strategy that raises, or answers nonsense, refuses: it never harms the peer."""
    task, log = announcement.body, for_contract(logger(peer=peer), announcement.id)
    began_s = time.monotonic()
    try:
        wanted = Wanted(
            task.skill, _parsed(task.input), task.budget, task.effect, task.deadline_ms, announcement.author
        )
        answer = strategy(wanted)
        bid = None if answer is None else _bid(answer if isinstance(answer, Offer) else Offer(answer), skill)
    except BaseException as error:  # SystemExit too: it is agent code
        log.warning("a bidding strategy failed", skill=skill.name, error=failure_of(error).reason[:200])
        return Refusal(reason="the bidding strategy failed")
    if time.monotonic() - began_s > SLOW_S:
        log.warning("a bidding strategy holds up its peer", skill=skill.name, seconds=time.monotonic() - began_s)
    return bid or Refusal(reason="not for me")


def _bid(offer: Offer, skill: Skill) -> Bid:
    """An offer as a bid that others can read. Raises UsageError where it is none."""
    if type(offer.price) is not int or offer.price < 0:
        raise UsageError(f"A price is a whole number of minor units, not {offer.price!r}."[:200])
    duration_ms = skill.duration_ms if offer.duration_ms is None else offer.duration_ms
    if type(duration_ms) is not int or not 0 <= duration_ms <= DURATION_MAX_MS:
        raise UsageError(f"A duration is a whole number of milliseconds, not {duration_ms!r}."[:200])
    return Bid(price=offer.price, duration_ms=duration_ms)


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw) if raw else None
    except (ValueError, RecursionError):
        return None
