"""Agents as users write them, for the test kit: an honest one, and one for each promise that an agent can break."""

from __future__ import annotations

from peer import Agent, Context, Wanted
from simulations.kit import effect

honest = Agent("poet", capacity=2)


@honest.worker("rhyme", price=5)
def rhyme(word: str, times: int = 1) -> str:
    """Needs nothing but its input."""
    return word[::-1] * (times % 3)


@honest.bidding("rhyme")
def cheaper_when_short(task: Wanted) -> int | None:
    """A strategy of its own, which sometimes has no price."""
    if task.budget < 2:
        return None
    return 2 if len(task.input["word"]) < 4 else 5


@honest.worker("charge", price=3)
async def charge(cents: int, ctx: Context) -> int:
    """Asks the fence before its effect, and reports how far it is."""
    ctx.progress(0.5)
    ctx.fence()
    effect("charge", cents)
    return cents


hasty = Agent("hasty")


@hasty.worker("charge", price=3)
def charge_unasked(cents: int, ctx: Context) -> int:
    """The fault: it never asks whether it still may."""
    effect("charge", cents)
    return cents


stubborn = Agent("stubborn")


@stubborn.worker("charge", price=3)
def charge_anyhow(cents: int, ctx: Context) -> int:
    """The fault: what the fence raises, it catches."""
    try:
        ctx.fence()
    except Exception:
        cents = 0
    effect("charge", cents)
    return cents


confused = Agent("confused")


@confused.worker("count", price=1)
def count(text: str) -> int:
    """The fault: of a long text it says what is no number."""
    return len(text) if len(text) < 20 else "many"  # type: ignore[return-value]


def no_long_texts(task: Wanted) -> int:
    """The fault: a strategy that raises for long texts."""
    if len(task.input["text"]) > 20:
        raise ValueError("this is too long for me")
    return 4


def by_the_letter(task: Wanted) -> float:
    """The fault: a price with a fraction."""
    return len(task.input["text"]) / 2


def out_of_pocket(task: Wanted) -> int:
    """The fault: for a budget of nothing it would pay to work."""
    return task.budget - 1
