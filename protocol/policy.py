"""A governor's rules: data with a version, and a pure function from a case to a decision.

Rules are asked in their order; the first that fits decides. A rule fits when everything it names fits; what it does not
name fits everything. When none fits, the case is permitted by the rule `default`. TOML is parsed in `peer/`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from msgspec import Struct

from protocol.keys import Digest
from protocol.statements import Announcement, EffectClass, Statement, VetoScope


class Ruled(StrEnum):
    """What a rule says of a case that it fits."""

    PERMIT = "permit"
    VETO = "veto"
    REFER = "refer"
    """A person must look: until then the governor votes neither way."""


class Stage(StrEnum):
    """When a case comes before the governor."""

    ANNOUNCEMENT = "announcement"
    AWARD = "award"
    SETTLEMENT = "settlement"


class Bounds(Struct, frozen=True, kw_only=True):
    """What a rule asks of one value of the task's input, found by its dotted path."""

    path: str
    above: int | None = None
    below: int | None = None
    one_of: tuple[str | int | bool, ...] = ()


class Rule(Struct, frozen=True, kw_only=True):
    """One rule. Money in minor units, `rate_above` in announcements per minute by one manager for one skill."""

    id: str
    decision: Ruled
    reason: str = ""
    scope: VetoScope = VetoScope.TASK
    stages: tuple[Stage, ...] = tuple(Stage)
    skill: str = "*"
    effects: tuple[EffectClass, ...] = tuple(EffectClass)
    managers: tuple[bytes, ...] = ()
    contractors: tuple[bytes, ...] = ()
    budget_above: int | None = None
    price_above: int | None = None
    rate_above: int | None = None
    input: tuple[Bounds, ...] = ()


class Policy(Struct, frozen=True, kw_only=True):
    """Rules in their order; `version` is the digest of the text that they came from."""

    version: Digest
    rules: tuple[Rule, ...] = ()


class Case(NamedTuple):
    """What is decided about: a stage of a contract, with what the rules may look at."""

    stage: Stage
    announcement: Statement[Announcement]
    contractor: bytes | None
    price: int | None
    rate_per_minute: int


class Decision(NamedTuple):
    """What the rules say of a case, and which of them said it."""

    ruled: Ruled
    rule: str
    reason: str
    scope: VetoScope


DEFAULT_RULE: Final = "default"
_NOTHING: Final = object()


def decide(policy: Policy, case: Case) -> Decision:
    """Ask the rules in their order."""
    for rule in policy.rules:
        if _fits(rule, case):
            reason = rule.reason or f"rule {rule.id}"
            return Decision(rule.decision, rule.id, reason, rule.scope)
    return Decision(Ruled.PERMIT, DEFAULT_RULE, "no rule objects", VetoScope.EPOCH)


def _fits(rule: Rule, case: Case) -> bool:
    task = case.announcement.body
    if case.stage not in rule.stages or task.effect not in rule.effects or not fnmatchcase(task.skill, rule.skill):
        return False
    if rule.managers and case.announcement.author not in rule.managers:
        return False
    if rule.contractors and case.contractor not in rule.contractors:
        return False
    for bound, value in (
        (rule.budget_above, task.budget),
        (rule.price_above, case.price),
        (rule.rate_above, case.rate_per_minute),
    ):
        if bound is not None and (value is None or value <= bound):
            return False
    return not rule.input or _input_fits(rule.input, task.input)


def _input_fits(bounds: tuple[Bounds, ...], raw: bytes) -> bool:
    """Input that is no sound JSON, or lacks a value that a rule asks about, does not hide from the rule: it fits."""
    try:
        document = json.loads(raw, parse_constant=_refuse_constant, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError):
        return True
    return all(_within(bound, _find(document, bound.path)) for bound in bounds)


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Readers differ on which of two like names counts, so a rule could be shown one and the agent the other."""
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a name stands twice")
    return dict(pairs)


def _find(document: object, path: str) -> object:
    for name in path.split("."):
        if not isinstance(document, Mapping) or name not in document:
            return _NOTHING
        document = document[name]
    return document


def _within(bound: Bounds, value: object) -> bool:
    if value is _NOTHING:
        return True
    if bound.one_of:
        return value in bound.one_of
    if not isinstance(value, int | float) or isinstance(value, bool):
        return True
    above = bound.above is None or value > bound.above
    return above and (bound.below is None or value < bound.below)
