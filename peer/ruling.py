"""Why rules say what they say of a case: which of their conditions fit it, one after the other.

It has no rule of its own: what fits is asked of `protocol.policy`, and what may be written is said in `policyfile`.
"""

from __future__ import annotations

import msgspec

from peer.telemetry import printable
from protocol.keys import Digest, short_peer
from protocol.policy import Bounds, Case, Policy, Rule, decide


def explain(policy: Policy, case: Case) -> list[str]:
    """Say of each rule, in the order of asking, whether it fits the case, and if not, which of its conditions fail.

    What fits is asked of `protocol.policy` itself, one condition at a time.
    """
    lines: list[str] = []
    decided = False
    for number, rule in enumerate(policy.rules, start=1):
        failed = [said for weaker, said in _conditions(rule, case) if not _fits(weaker, case)]
        if failed:
            lines.append(f"rule {number} ({rule.id}) does not fit: {'; '.join(failed)}")
        elif decided:
            lines.append(f"rule {number} ({rule.id}) would fit, but an earlier rule has decided")
        else:
            lines.append(f"rule {number} ({rule.id}) fits and decides: {rule.decision}")
        decided = decided or not failed
    verdict = decide(policy, case)
    lines.append(f"{case.stage}: {verdict.ruled} by rule {verdict.rule}: {printable(verdict.reason)}")
    return lines


def _fits(rule: Rule, case: Case) -> bool:
    return decide(Policy(version=Digest(bytes(32)), rules=(rule,)), case).rule == rule.id


def _conditions(rule: Rule, case: Case) -> list[tuple[Rule, str]]:
    """Each condition of a rule as a rule of its own, and what to say when it does not fit."""
    task = case.announcement.body
    who = "nobody" if case.contractor is None else short_peer(case.contractor)
    price = "there is no price yet" if case.price is None else f"the price is {case.price}"
    said: dict[str, str] = {
        "stages": f"the stage is {case.stage}, not {_or(rule.stages)}",
        "effects": f"the effect is {task.effect}, not {_or(rule.effects)}",
        "skill": f"the skill is {printable(task.skill)}, not {rule.skill}",
        "managers": f"the manager is {short_peer(case.announcement.author)}, who is not listed",
        "contractors": f"the contractor is {who}, not one of those listed",
        "budget_above": f"the budget is {task.budget}, not above {rule.budget_above}",
        "price_above": f"{price}, not one above {rule.price_above}",
        "rate_above": f"{case.rate_per_minute} announcements a minute are not above {rule.rate_above}",
    }
    lone = Rule(id=rule.id, decision=rule.decision)
    conditions = [
        (msgspec.structs.replace(lone, **{name: getattr(rule, name)}), text) for name, text in said.items()
    ]  # fmt: skip
    return conditions + [
        (msgspec.structs.replace(lone, input=(bound,)), f"the input's {bound.path} is not {_bounds(bound)}")
        for bound in rule.input
    ]


def _or(choices: tuple[str, ...]) -> str:
    return " or ".join(choices)


def _bounds(bound: Bounds) -> str:
    if bound.one_of:
        return "one of " + ", ".join(printable(str(choice)) for choice in bound.one_of)
    parts = (("above", bound.above), ("below", bound.below))
    return " and ".join(f"{name} {value}" for name, value in parts if value is not None)
