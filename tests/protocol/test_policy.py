"""Rules are asked in their order, and nothing hides from a rule by saying less."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.keys import Digest
from protocol.policy import DEFAULT_RULE, Bounds, Case, Policy, Rule, Ruled, Stage, decide
from protocol.statements import EffectClass, VetoScope
from tests.authors import MARKET, Author
from tests.market import charter_with, task_for

MANAGER = Author("manager")
CHARTER = charter_with()


def case(stage: Stage = Stage.AWARD, *, contractor: bytes | None = None, price: int | None = 50, rate: int = 0,
         **task: Any) -> Case:  # fmt: skip
    """A case at some stage, with whatever is to be different about its task."""
    return Case(stage, MANAGER.say(task_for(CHARTER, **task), market=MARKET), contractor, price, rate)


def ruled(asked: Case, *rules: Rule) -> str:
    """The rule that decided."""
    return decide(Policy(version=Digest(bytes(32)), rules=rules), asked).rule


def veto(**conditions: Any) -> Rule:
    """A rule that vetoes what fits."""
    return Rule(id="veto", decision=Ruled.VETO, **conditions)


def test_no_rule_is_a_permit_by_default() -> None:
    """A governor without rules permits, and says that no rule objected."""
    decision = decide(Policy(version=Digest(bytes(32))), case())
    assert (decision.ruled, decision.rule, decision.scope) == (Ruled.PERMIT, DEFAULT_RULE, VetoScope.EPOCH)


def test_first_fitting_rule_decides() -> None:
    """An exception stands before the rule that it is an exception from."""
    pardon = Rule(id="pardon", decision=Ruled.PERMIT, skill="shout")
    assert ruled(case(), pardon, veto()) == "pardon"
    assert ruled(case(), veto(), pardon) == "veto"


@pytest.mark.parametrize(("conditions", "asked"), [
    ({"skill": "sh*"}, case()),
    ({"stages": (Stage.SETTLEMENT,)}, case(Stage.SETTLEMENT)),
    ({"effects": (EffectClass.IRREVERSIBLE,)}, case(effect=EffectClass.IRREVERSIBLE)),
    ({"managers": (MANAGER.peer,)}, case()),
    ({"contractors": (bytes(32),)}, case(contractor=bytes(32))),
    ({"budget_above": 99}, case()),
    ({"price_above": 49}, case()),
    ({"rate_above": 3}, case(rate=4)),
    ({"input": (Bounds(path="a.b", above=5),)}, case(input=b'{"a":{"b":6}}')),
    ({"input": (Bounds(path="a", below=5),)}, case(input=b'{"a":4}')),
    ({"input": (Bounds(path="a", one_of=("x", "y")),)}, case(input=b'{"a":"x"}')),
    ({"input": (Bounds(path="a", above=5),)}, case(input=b"no json")),
    ({"input": (Bounds(path="a", above=5),)}, case(input=b"{}")),
    ({"input": (Bounds(path="a", above=5),)}, case(input=b'{"a":"6"}')),
    ({"input": (Bounds(path="a", above=5),)}, case(input=b'{"a":true}')),
])  # fmt: skip
def test_rule_fits_what_it_names(conditions: dict[str, Any], asked: Case) -> None:
    """Each condition fits at its bound; input that lacks what the rule asks about does not hide from it."""
    assert ruled(asked, veto(**conditions)) == "veto"


@pytest.mark.parametrize(("conditions", "asked"), [
    ({"skill": "dance"}, case()),
    ({"stages": (Stage.SETTLEMENT,)}, case()),
    ({"effects": (EffectClass.IRREVERSIBLE,)}, case()),
    ({"managers": (bytes(32),)}, case()),
    ({"contractors": (bytes(32),)}, case(contractor=None)),
    ({"budget_above": 100}, case()),
    ({"price_above": 50}, case()),
    ({"price_above": 1}, case(price=None)),
    ({"rate_above": 3}, case(rate=3)),
    ({"input": (Bounds(path="a.b", above=6),)}, case(input=b'{"a":{"b":6}}')),
    ({"input": (Bounds(path="a", one_of=("x",)),)}, case(input=b'{"a":"z"}')),
    ({"input": (Bounds(path="a", above=1), Bounds(path="b", above=1))}, case(input=b'{"a":2,"b":1}')),
    ({"skill": "shout", "budget_above": 100}, case()),
])  # fmt: skip
def test_rule_leaves_what_it_does_not_name(conditions: dict[str, Any], asked: Case) -> None:
    """All conditions of a rule must fit, and a bound itself is not above the bound."""
    assert ruled(asked, veto(**conditions)) == DEFAULT_RULE
