"""Why a rule fits a case or does not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from peer.policyfile import parse_policy
from peer.ruling import explain
from protocol.keys import Digest
from protocol.policy import Bounds, Policy, Rule, Ruled, Stage, decide
from protocol.statements import EffectClass
from tests.peer.cases import CONTRACTOR, EVERYTHING, MANAGER, case_of, rule


def test_explain_says_for_each_rule_which_conditions_fail() -> None:
    """Every condition that does not fit is named, with what the case has instead."""
    policy = parse_policy(EVERYTHING, "p.toml")
    first, second, last = explain(policy, case_of(skill="shout", stage=Stage.ANNOUNCEMENT, raw=b'{"kind":"cancel"}'))
    assert first.startswith("rule 1 (all-of-it) does not fit: ")
    for part in (
        "the stage is announcement, not award or settlement", "the effect is pure, not reversible or irreversible",
        "the skill is shout, not ref*", "the contractor is nobody", "there is no price yet",
        "the input's kind is not one of return, 3, True",
    ):  # fmt: skip
        assert part in first
    assert "amount_cents" not in first
    assert "manager" not in first
    assert second == "rule 2 (busy) does not fit: 1 announcements a minute are not above 60"
    assert last == "announcement: permit by rule default: no rule objects"


def test_explain_names_the_rule_that_decides_and_those_behind_it() -> None:
    """The first that fits decides, which is not always what the author of the second meant."""
    policy = parse_policy(rule('reason = "no"', "a") + rule(name="b"), "p.toml")
    assert explain(policy, case_of()) == [
        "rule 1 (a) fits and decides: veto",
        "rule 2 (b) would fit, but an earlier rule has decided",
        "announcement: veto by rule a: no",
    ]


@given(st.data())
def test_explain_agrees_with_the_policy(data: st.DataObject) -> None:
    """A rule has failed conditions exactly when the policy itself passes over it."""
    pick = data.draw
    one = Rule(
        id="x", decision=Ruled.VETO, stages=pick(st.sampled_from((tuple(Stage), (Stage.AWARD,)))),
        skill=pick(st.sampled_from(("*", "refund", "shout"))), price_above=pick(st.sampled_from((None, 5))),
        effects=pick(st.sampled_from((tuple(EffectClass), (EffectClass.PURE,)))),
        budget_above=pick(st.sampled_from((None, 50, 100))), rate_above=pick(st.sampled_from((None, 0, 1))),
        managers=pick(st.sampled_from(((), (MANAGER.peer,), (CONTRACTOR.peer,)))),
        contractors=pick(st.sampled_from(((), (CONTRACTOR.peer,)))),
        input=pick(st.sampled_from(((), (Bounds(path="a", above=1), Bounds(path="b", below=1))))),
    )  # fmt: skip
    case = case_of(
        pick(st.sampled_from((b"{}", b'{"a":2,"b":0}', b'{"a":1,"b":0}', b"no"))),
        stage=pick(st.sampled_from(list(Stage))), price=pick(st.sampled_from((None, 5, 6))),
        effect=pick(st.sampled_from(list(EffectClass))), rate=pick(st.sampled_from((0, 1, 2))),
    )  # fmt: skip
    policy = Policy(version=Digest(bytes(32)), rules=(one,))
    fits = decide(policy, case).rule == "x"
    assert explain(policy, case)[0].startswith("rule 1 (x) fits" if fits else "rule 1 (x) does not fit: ")


def test_hostile_skill_is_made_printable_in_an_explanation() -> None:
    """The names of skills come from strangers."""
    policy = parse_policy(rule('skill = "a"'), "p.toml")
    assert all(line.isprintable() for line in explain(policy, case_of(skill="\x1b[2J\n")))
