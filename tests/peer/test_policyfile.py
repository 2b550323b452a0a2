"""What may be written in a policy, and what is refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peer.policyfile import POLICY_BYTES_MAX, RULES_MAX, load_policy, parse_policy
from protocol.errors import BadConfig
from protocol.keys import Digest, print_peer
from protocol.policy import Bounds, Policy, Rule, Ruled, Stage, decide
from protocol.statements import EffectClass, VetoScope
from tests.peer.cases import CONTRACTOR, EVERYTHING, MANAGER, case_of, rule


def refused(text: str) -> BadConfig:
    """The error that a policy text makes."""
    with pytest.raises(BadConfig) as caught:
        parse_policy(text, "p.toml")
    assert caught.value.what.startswith("p.toml")
    assert caught.value.do
    return caught.value


def test_everything_that_may_be_written_becomes_a_rule() -> None:
    """Each key has its place, peers are read as they are printed, and what is not named fits everything."""
    policy = parse_policy(EVERYTHING, "p.toml")
    first, second = policy.rules
    assert first == Rule(
        id="all-of-it", decision=Ruled.REFER, reason="look at it", scope=VetoScope.EPOCH,
        stages=(Stage.AWARD, Stage.SETTLEMENT), skill="ref*",
        effects=(EffectClass.REVERSIBLE, EffectClass.IRREVERSIBLE), managers=(MANAGER.peer,),
        contractors=(CONTRACTOR.peer,), budget_above=1, price_above=2,
        input=(
            Bounds(path="order.amount_cents", above=-5, below=10), Bounds(path="kind", one_of=("return", 3, True)),
        ),
    )  # fmt: skip
    assert second == Rule(id="busy", decision=Ruled.VETO, rate_above=60)


def test_no_policy_is_a_policy_without_rules() -> None:
    """The built-in policy permits what recomputes; its version is the digest of nothing."""
    policy = load_policy(None)
    assert policy == Policy(version=Digest(hashlib.sha256(b"").digest()))
    assert decide(policy, case_of()).ruled is Ruled.PERMIT


def test_version_is_the_digest_of_the_files_bytes(tmp_path: Path) -> None:
    """Even a comment makes another version, and line ends are kept."""
    path = tmp_path / "policy.toml"
    path.write_bytes(EVERYTHING.replace("\n", "\r\n").encode())
    policy = load_policy(path)
    assert policy.version == hashlib.sha256(path.read_bytes()).digest()
    assert policy.rules == parse_policy(EVERYTHING, "").rules
    assert policy.version != parse_policy(EVERYTHING, "").version


# What is refused


@pytest.mark.parametrize(
    ("line", "named", "near"),
    [
        ("bugdet_above = 1", "bugdet_above", "budget_above"),
        ('stage = ["award"]', "stage", "stages"),
        ('contractor = ["x"]', "contractor", "contractors"),
        ("[[rule.input]]\npath = 'a'\nabvoe = 1", "abvoe", "above"),
        ("[[rule.inputs]]\npath = 'a'", "inputs", "input"),
    ],
)
def test_misspelt_key_is_an_error_with_the_nearest_name(line: str, named: str, near: str) -> None:
    """A condition that is passed over would permit what its author forbade."""
    error = refused(rule(line))
    assert "rule 1 (r)" in error.what
    assert repr(named) in error.what
    assert error.do == f"Did you mean {near}?"


def test_misspelt_table_is_an_error() -> None:
    """Rules that nobody reads are no rules."""
    assert "Did you mean rule?" in refused('[[rules]]\nid = "a"').do
    assert "list of tables" in refused('[rule]\nid = "a"').what
    assert "'zzz'" in refused("zzz = 1").what


@pytest.mark.parametrize(
    ("line", "key", "expected"),
    [
        ('budget_above = "1"', "budget_above", "a whole number"),
        ("budget_above = 1.5", "budget_above", "a whole number"),
        ("budget_above = true", "budget_above", "a whole number"),
        ("price_above = -1", "price_above", "a whole number from 0"),
        (f"rate_above = {2**60}", "rate_above", "a whole number"),
        ('scope = "world"', "scope", "one of epoch, task"),
        ('stages = ["never"]', "stages", "announcement, award, settlement"),
        ("stages = []", "stages", "announcement"),
        ('effects = "pure"', "effects", "pure, reversible, irreversible"),
        ("managers = []", "managers", "printed peer ids"),
        ("skill = ''", "skill", "a skill's name"),
        (f"reason = '{'x' * 1_001}'", "reason", "at most 1000 characters"),
        ("[[rule.input]]\npath = 'a'\nabove = 'b'", "above", "a whole number"),
        ("[[rule.input]]\npath = 'a'\none_of = [1.5]", "one_of", "a list of"),
        ("[[rule.input]]\npath = 'a'\none_of = []", "one_of", "a list of"),
        ("input = 3", "input", "[[rule.input]]"),
    ],
)
def test_wrong_value_says_rule_key_and_what_is_expected(line: str, key: str, expected: str) -> None:
    """The number and the id of the rule, its key, and what would fit."""
    error = refused(rule(name="first") + rule(line, name="second"))
    assert "rule 2 (second)" in error.what
    assert f"{key} = " in error.what
    assert expected in error.why


@pytest.mark.parametrize(
    "text",
    ['[[rule]]\ndecision = "veto"', '[[rule]]\nid = "a"', rule("[[rule.input]]\nabove = 1")],
)
def test_rule_without_what_it_needs_is_refused(text: str) -> None:
    """A rule has an id and a decision, a condition has a path."""
    assert "is missing" in refused(text).what


@pytest.mark.parametrize("name", ["Big", "a b", "", "x" * 65, "a\\n"])
def test_id_is_one_word_of_a_vote(name: str) -> None:
    """Votes carry the id: it is short and plain."""
    assert "does not fit" in refused(rule(name=name)).what


@pytest.mark.parametrize("name", ["default", "recompute"])
def test_rules_that_every_governor_has_keep_their_names(name: str) -> None:
    """Or a vote would name a rule that is not the one."""
    assert "is taken" in refused(rule(name=name)).what


def test_ids_are_unique() -> None:
    """The error names both places."""
    assert "rules 1 and 3 have one id, a" in refused(rule(name="a") + rule(name="b") + rule(name="a")).what


@pytest.mark.parametrize("lines", ["", "above = 1\none_of = [1]"])
def test_condition_compares_with_exactly_one_thing(lines: str) -> None:
    """None would fit everything, and of two only one would be asked."""
    assert "one thing" in refused(rule(f"[[rule.input]]\npath = 'a'\n{lines}")).what


@pytest.mark.parametrize(
    "lines",
    [
        'stages = ["announcement"]\nprice_above = 1',
        f'stages = ["announcement"]\ncontractors = ["{print_peer(CONTRACTOR.peer)}"]',
        'stages = ["award"]\nrate_above = 1',
        'stages = ["announcement"]\ndecision = "refer"',
    ],
)
def test_rule_that_can_never_decide_is_refused(lines: str) -> None:
    """Its author would think himself protected."""
    text = rule(lines) if "refer" not in lines else f'[[rule]]\nid = "r"\n{lines}'
    assert "can never fit" in refused(text).what


def test_slip_in_a_peer_id_is_found() -> None:
    """Check characters tell a slip from another peer."""
    printed = print_peer(MANAGER.peer)
    wrong = ("b" if printed[0] != "b" else "c") + printed[1:]
    assert "is no peer id" in refused(rule(f'managers = ["{wrong}"]')).what


def test_more_rules_than_the_bound_are_refused() -> None:
    """Every rule is asked about every award."""
    assert len(parse_policy("".join(rule(name=f"r{n}") for n in range(RULES_MAX)), "p.toml").rules) == RULES_MAX
    refused("".join(rule(name=f"r{n}") for n in range(RULES_MAX + 1)))


@pytest.mark.parametrize("content", [b"[[rule", b"\xff\xfe", b"\0", b"#" * (POLICY_BYTES_MAX + 1), None])
def test_file_that_is_no_policy_is_bad_config(tmp_path: Path, content: bytes | None) -> None:
    """A governor refuses to start on it."""
    path = tmp_path / "policy.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadConfig, match=r"policy\.toml") as caught:
        load_policy(path)
    assert caught.value.exit_code == 8


@given(st.text(max_size=300))
def test_any_text_is_a_policy_or_bad_config(text: str) -> None:
    """Nothing else is raised, and no error carries codes that rewrite a terminal."""
    for written in (text, rule(f"reason = {text}"), rule(f"[[rule.input]]\n{text}")):
        said = ""
        try:
            parse_policy(written, "p.toml")
        except BadConfig as error:
            said = str(error)
        assert said.isprintable()
