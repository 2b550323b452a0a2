"""The governor's desk: where its rules come from, and why they say what they say of a case.

It has no rule of its own: what fits is asked of `protocol.policy`, and what may be written is said in `policyfile`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import msgspec

from peer.policyfile import parse_policy
from peer.telemetry import printable
from protocol.errors import BadConfig
from protocol.keys import Digest, short_peer
from protocol.policy import Bounds, Case, Policy, Rule, decide

__all__ = ["explain", "load_policy", "parse_policy", "refund_policy_text"]

POLICY_BYTES_MAX: Final = 262_144
"""Rules are written by people; more than this is some other file."""


def load_policy(path: Path | None) -> Policy:
    """Read the rules in `path`, or take no rules: then all is permitted that recomputes. Raises BadConfig."""
    if path is None:
        return parse_policy("", "the default policy")
    try:
        with path.open("rb") as stream:
            content = stream.read(POLICY_BYTES_MAX + 1)
        if len(content) > POLICY_BYTES_MAX:
            raise ValueError(f"it is longer than {POLICY_BYTES_MAX} bytes")
        text = content.decode()
    except (OSError, ValueError) as error:
        raise BadConfig(f"The policy {path} cannot be read.", why=f"{error}.", do="Correct the file.") from None
    return parse_policy(text, str(path))


def refund_policy_text(limit_cents: int) -> str:
    """The returns desk's policy: the example beside the desk, with another limit."""
    example = Path(__file__).with_name("returns").joinpath("policy.toml").read_text(encoding="utf-8")
    return re.sub(r"(?m)^above = \d+$", f"above = {max(limit_cents, 0)}", example)


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
