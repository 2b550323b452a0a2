"""`vendue policy`: what a governor's rules say, of themselves and of a task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from peer.audit.timeline import call, say
from peer.cli.invocation import READING, Invocation, asked, console
from peer.policyfile import load_policy
from peer.ruling import explain as explain_case
from peer.telemetry import printable
from protocol.contract import Contract
from protocol.keys import print_peer
from protocol.policy import Bounds, Case, Policy, Rule, Stage, decide
from protocol.statements import Award, EffectClass, Settlement


@click.group()
def policy() -> None:
    """Check a governor's rules, and what they say of a task."""


@policy.command()
@click.argument("file", type=click.Path(path_type=Path))
@asked()
def check(invocation: Invocation, file: Path) -> None:
    """Read the rules in FILE, and show them as they will be asked."""
    rules = load_policy(file)
    document = {
        "file": str(file), "version": rules.version.hex(),
        "rules": [{"id": rule.id, "decision": str(rule.decision), "when": conditions(rule)} for rule in rules.rules],
    }  # fmt: skip
    invocation.answer(document, lambda: _show(file, rules))


def _show(file: Path, rules: Policy) -> None:
    page, noun = console(), "rule" if len(rules.rules) == 1 else "rules"
    page.print(
        f"{file} holds {len(rules.rules)} {noun}, version {rules.version.hex()[:8]}. The first that fits decides:"
    )
    for number, rule in enumerate(rules.rules, start=1):
        page.print(f"{number:3}  {rule.id}: {rule.decision}, when {' and '.join(conditions(rule)) or 'asked'}")
        if rule.reason:
            page.print(f"     because: {printable(rule.reason)}", style="dim")
    page.print("     otherwise: permit", style="dim")


def conditions(rule: Rule) -> list[str]:
    """Say what a rule asks for, one condition each; what it does not name is not asked."""
    said: list[str] = []
    if rule.skill != "*":
        said.append(f"the skill is {printable(rule.skill)}")
    if set(rule.stages) != set(Stage):
        said.append(f"the stage is {' or '.join(rule.stages)}")
    if set(rule.effects) != set(EffectClass):
        said.append(f"the effect is {' or '.join(rule.effects)}")
    for name, peers in (("manager", rule.managers), ("contractor", rule.contractors)):
        if peers:
            said.append(f"the {name} is {' or '.join(print_peer(peer) for peer in peers)}")
    bounds = (("budget", rule.budget_above), ("price", rule.price_above), ("rate per minute", rule.rate_above))
    for name, bound in bounds:
        if bound is not None:
            said.append(f"the {name} is above {bound}")
    return said + [_input(condition) for condition in rule.input]


def _input(bounds: Bounds) -> str:
    """A condition on the input; a task cannot hide from it by leaving the value out."""
    limits = (("above", bounds.above), ("below", bounds.below))
    asked_for = " and ".join(f"{name} {value}" for name, value in limits if value is not None)
    chosen = asked_for or " or ".join(printable(str(one)) for one in bounds.one_of)
    return f"the input's {printable(bounds.path)} is {chosen} (or is not there)"


@policy.command()
@click.argument("id")
@click.option(
    "--policy", "policy_file", type=click.Path(path_type=Path), required=True, metavar="FILE", help="The rules."
)
@asked(*READING)
def explain(invocation: Invocation, id: str, policy_file: Path) -> None:
    """Say what the rules in a file decide of the task whose id begins with ID, and what was voted on it."""
    rules = load_policy(policy_file)
    records = invocation.records()
    contract = records.find(id)
    stages = [
        {"stage": str(case.stage), **_decision(rules, case), "rules": explain_case(rules, case)}
        for case in cases_of(contract)
    ]
    votes = [
        {"by": call(vote.author, records.names), "says": say(vote, contract, records.names), "id": vote.id.hex()}
        for vote in contract.votes
    ]
    document = {"contract": contract.id.hex(), "policy": rules.version.hex(), "stages": stages, "votes": votes}
    invocation.answer(document, lambda: _tell(stages, votes))


def _decision(rules: Policy, case: Case) -> dict[str, Any]:
    decision = decide(rules, case)
    return {"decision": str(decision.ruled), "rule": decision.rule, "scope": msgspec.to_builtins(decision.scope)}


def cases_of(contract: Contract) -> list[Case]:
    """A task's stages as they came before the governor, the last award and its settlement included.

    How often its manager announced within a minute is not known afterwards: the rate counts as 1.
    """
    announcement = contract.announcement
    cases = [Case(Stage.ANNOUNCEMENT, announcement, None, None, 1)]
    for step in contract.reading.steps:
        if isinstance(step.body, Award):
            winner, price = step.body.winner, step.body.price
            cases.append(Case(Stage.AWARD, announcement, winner, price, 0))
        elif isinstance(step.body, Settlement):
            cases.append(cases[-1]._replace(stage=Stage.SETTLEMENT))
    return cases


def _tell(stages: list[dict[str, Any]], votes: list[dict[str, str]]) -> None:
    page = console()
    for stage in stages:
        page.print(f"{stage['stage']}: {stage['decision']} by rule {stage['rule']}", style="bold")
        for line in stage["rules"][:-1]:
            page.print(f"  {line}")
    page.print("voted:" if votes else "No governor has voted on it.", style="bold" if votes else "dim")
    for vote in votes:
        page.print(f"  {vote['by']} {vote['says']}  {vote['id'][:8]}")
