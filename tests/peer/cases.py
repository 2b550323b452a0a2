"""Rules as they are written, and cases as a governor has them before it."""

from __future__ import annotations

from msgspec.structs import replace

from protocol.keys import print_peer
from protocol.policy import Case, Stage
from protocol.statements import EffectClass
from tests.authors import Author, task

MANAGER, CONTRACTOR = Author("manager"), Author("contractor")
EVERYTHING = f"""
[[rule]]
id = "all-of-it"
decision = "refer"
reason = "look at it"
scope = "epoch"
stages = ["award", "settlement"]
skill = "ref*"
effects = ["reversible", "irreversible"]
managers = ["{print_peer(MANAGER.peer)}"]
contractors = ["{print_peer(CONTRACTOR.peer)}"]
budget_above = 1
price_above = 2

[[rule.input]]
path = "order.amount_cents"
above = -5
below = 10

[[rule.input]]
path = "kind"
one_of = ["return", 3, true]

[[rule]]
id = "busy"
decision = "veto"
rate_above = 60
"""


def case_of(
    raw: bytes = b"{}", *, stage: Stage = Stage.ANNOUNCEMENT, skill: str = "refund", price: int | None = None,
    effect: EffectClass = EffectClass.PURE, rate: int = 1,
) -> Case:  # fmt: skip
    """A case before the governor, by MANAGER, with CONTRACTOR once there is an award."""
    announcement = MANAGER.say(replace(task(skill=skill, effect=effect), input=raw))
    contractor = None if stage is Stage.ANNOUNCEMENT else CONTRACTOR.peer
    return Case(stage, announcement, contractor, price, rate)


def rule(more: str = "", name: str = "r") -> str:
    """A small rule, with whatever is to be in it besides."""
    return f'[[rule]]\nid = "{name}"\ndecision = "veto"\n{more}\n'
