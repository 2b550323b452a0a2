"""Who said what when, and why: lines and sentences for people, out of contracts true and false."""

from __future__ import annotations

import io
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from peer.audit.archive import cites, gather
from peer.audit.timeline import as_plain, in_order, render, timeline
from peer.audit.why import MEANING, REASONS, why
from protocol.contract import Contract
from protocol.statements import (
    Acceptance,
    Cancel,
    CancelReason,
    EffectClass,
    Failure,
    FailureClass,
    Progress,
    RecallReason,
    Refusal,
    Renewal,
    Settlement,
    VetoScope,
)
from protocol.states import State
from tests.authors import Author, award_of, permit, recall, veto
from tests.market import sealer_of
from tests.peer.audit.stories import RESULT, Script, declined_twice, forked, held_by, honest_script, small_market, told
from tests.walks import Case, contracts

NAMES = {sealer_of(name).peer: name for name in ("manager", "ada", "bo", "gov")}
SCRIPTED = {Author(name).peer: name for name in ("manager", "ada", "bo", "cy", "gov")}


def contract_of(script: Script) -> Contract:
    """The first contract of a script."""
    found = gather(script.statements(), script.charter)
    return found[next(one.id for one in script.statements() if one.id in found)]


# Lines


def test_irreversible_task_reads_from_announcement_to_permit() -> None:
    """Every line says who does what, in the order of cause and effect."""
    market = small_market()
    lines = timeline(held_by(market, "manager", told(market, effect=EffectClass.IRREVERSIBLE)), NAMES)
    assert [(line.who, line.kind) for line in lines if line.kind != "Bid"] == [
        ("manager", "Announcement"), ("manager", "Award"), ("gov", "Permit"), ("ada", "Acceptance"),
        ("manager", "Renewal"), ("ada", "Result"), ("manager", "Settlement"), ("gov", "Permit"),
    ]  # fmt: skip
    texts = [line.text for line in lines]
    assert texts[0] == "wants shout for at most 100 (irreversible, lowest-price, within 60.0 s)"
    assert {"bids 10 (0.0 s)", "bids 20 (0.0 s)"} == set(texts[1:3])
    assert texts[3:] == [
        "awards epoch 1 to ada at 10, of 2 bids", "permits the award by rule default: no rule objects",
        "starts, on 1 permit", "go: the lease runs on for 4.0 s", 'delivers "done"', "accepts the result",
        "permits the settlement by rule default: no rule objects",
    ]  # fmt: skip
    assert [line.act for line in lines][:2] == ["cfp", "propose"]
    assert lines[0].since_s == 0
    assert all(line.counted for line in lines)


def test_pure_task_has_no_go() -> None:
    """A renewal of a pure task only prolongs."""
    script = Script()
    announcement = script.announce()
    award = script.award(announcement, script.bid(script.ada, announcement, 1))
    accepted = script.say(script.ada, Acceptance(permits=()), award)
    script.say(script.manager, Renewal(lease_ms=500), accepted, prev=award)
    assert timeline(contract_of(script), {})[-1].text == "the lease runs on for 0.5 s"


def test_every_kind_has_its_words() -> None:
    """Refusals, progress, failures and ends are told with their reasons."""
    script = Script()
    announcement = script.announce(effect=EffectClass.REVERSIBLE)
    script.say(script.bo, Refusal(reason="busy"), announcement)
    award = script.award(announcement, script.bid(script.ada, announcement, 1))
    progress = script.say(script.ada, Progress(permille=125, note="half an eighth", partial=b""), award)
    go = script.say(script.manager, Renewal(lease_ms=1_000), progress, prev=award)
    failed = script.say(script.ada, Failure(failure_class=FailureClass.FATAL, reason="no disk", done=""), award)
    back = script.say(script.manager, recall(RecallReason.FAILED, failed), award, prev=go)
    script.say(script.manager, Cancel(reason=CancelReason.WITHDRAWN, answer=None), announcement, prev=back)
    texts = {line.kind: line.text for line in timeline(contract_of(script), {})}
    assert texts["Refusal"] == "makes no bid: busy"
    assert texts["Progress"] == "is at 12.5 %: half an eighth"
    assert texts["Renewal"] == "go: the lease runs on for 1.0 s"
    assert texts["Failure"] == "fails (fatal): no disk"
    assert texts["Recall"] == "ends the epoch: failed"
    assert texts["Cancel"] == "cancels the task: withdrawn"


@given(contracts(), st.randoms(use_true_random=False))
def test_nothing_stands_before_what_it_rests_on(case: Case, chance: random.Random) -> None:
    """Whatever the clocks say, an answer comes behind its question, and every statement comes once."""
    once = {one.id: one for one in (case.announcement, *case.statements)}
    said = [replace(one, made_ms=chance.randrange(10_000)) for one in once.values()] * 2
    chance.shuffle(said)
    ordered = in_order(said)
    assert sorted(one.id for one in ordered) == sorted({one.id for one in said})
    place = {one.id: number for number, one in enumerate(ordered)}
    for one in ordered:
        for before in (one.prev, *cites(one)):
            assert before not in place or place[before] < place[one.id]
    assert ordered == in_order(reversed(said))


@given(contracts())
def test_any_contract_has_a_timeline_and_reasons(case: Case) -> None:
    """Lies do not stop the telling."""
    contract = Contract(case.announcement, case.charter)
    for one in case.statements:
        contract.learn(one)
    lines = timeline(contract, SCRIPTED)
    assert len(lines) == len(contract.held)
    assert {line.id for line in lines if line.counted} >= {step.id.hex() for step in contract.reading.steps}
    sentences = why(contract, SCRIPTED)
    assert sentences[0].startswith(f"The task is {MEANING[contract.reading.state]}")
    assert all(text.isprintable() for text in (*sentences, *(line.text for line in lines)))


def test_what_has_no_say_is_marked() -> None:
    """A stranger's veto, a loser's result and a foreign step are shown, and not counted."""
    script, announcement, _ = honest_script()
    award = next(one for one in script.statements() if one.kind == "accept-proposal/1")
    stranger = Author("stranger")
    noise = [
        script.say(stranger, veto(VetoScope.TASK), announcement),
        script.say(script.bo, RESULT, award),
        script.say(stranger, Settlement(), award),
    ]
    contract = contract_of(script)
    uncounted = {line.id for line in timeline(contract, {}) if not line.counted}
    assert uncounted == {one.id.hex() for one in noise}


def test_lines_are_plain_json_and_a_table() -> None:
    """The same lines for programs and for people."""
    script, announcement, _ = honest_script()
    lines = timeline(contract_of(script), SCRIPTED)
    plain = json.loads(json.dumps(as_plain(lines)))
    assert plain[0]["id"] == announcement.id.hex()
    assert [line["who"] for line in plain] == [line.who for line in lines]
    assert set(plain[-1]["cites"]) < {line["id"] for line in plain}
    shown = shown_by(lines)
    assert all(line.id[:8] in shown for line in lines)
    assert "awards epoch 1 to ada at 10" in shown


def shown_by(lines: list) -> str:  # type: ignore[type-arg]
    """What a terminal would show."""
    from rich.console import Console

    stream = io.StringIO()
    Console(file=stream, width=200).print(render(lines))
    return stream.getvalue()


def test_hostile_words_reach_no_terminal() -> None:
    """Names, notes and reasons are strangers' texts: neither codes nor markup in them work."""
    script = Script()
    announcement = script.announce()
    script.say(script.bo, Refusal(reason="\x1b[2J[bold red]x[/]\u202e\n"), announcement)
    lines = timeline(contract_of(script), {script.bo.peer: "\x1b]0;evil\x07", script.manager.peer: "n" * 500})
    shown = shown_by(lines)
    assert "\x1b" not in shown
    assert "[bold red]x[/]" in shown
    assert len(lines[0].who) < 60


# Why


def test_winner_is_explained_against_the_other_bids() -> None:
    """Who won, at what price, against whom and by which rule."""
    script, _, _ = honest_script()
    assert "Epoch 1 went to ada at 10, against bo 20: the lowest price wins." in why(contract_of(script), SCRIPTED)


def test_declined_epochs_are_told_with_their_reasons() -> None:
    """Each epoch has its winner and its end."""
    sentences = why(contract_of(declined_twice()[0]), SCRIPTED)
    assert sentences.count("Epoch 1 ended without a result: declined (no room).") == 1
    assert "Epoch 3 went to cy at 30, against ada 10, bo 20: the lowest price wins." in sentences


def test_permit_is_explained_by_governor_rule_and_policy() -> None:
    """Which governor, by which rule of which policy, and for what reason."""
    market = small_market()
    sentences = why(held_by(market, "manager", told(market, effect=EffectClass.IRREVERSIBLE)), NAMES)
    assert sentences[0] == "The task is final: a permit quorum ratified the settlement."
    assert "gov permits the award by rule default: no rule objects; policy 00010203." in sentences


def test_veto_is_explained_by_governor_rule_policy_and_quorum() -> None:
    """The task's end names the vote that ended it."""
    market = small_market()
    sentences = why(held_by(market, "manager", told(market, budget=501)), NAMES)
    assert sentences[0] == "The task is vetoed: a veto quorum stands against it."
    assert "gov vetoes the task at the announcement by rule dear: too dear; policy 00010203." in sentences
    assert f"The manager cancelled it: {REASONS[CancelReason.VETOED]}." in sentences
    assert "One veto of the task is a quorum here." in sentences


def test_grounds_and_reviewer_of_a_vote_are_named() -> None:
    """A vote by a person's word, citing a bid, says both."""
    gov = Author("gov")
    script = Script(gov)
    announcement = script.announce()
    bid = script.bid(script.ada, announcement, 10)
    award = script.award(announcement, bid)
    script.say(gov, replace(veto(), grounds=(bid.id, bytes(32)), reviewer=script.bo.peer), award)
    (vote,) = [sentence for sentence in why(contract_of(script), SCRIPTED) if "vetoes" in sentence]
    assert f"grounds Bid {bid.id.hex()[:16]}, 0000000000000000" in vote
    assert vote.endswith("decided by bo.")


def test_fork_is_explained_by_its_two_statements() -> None:
    """Void: both steps are named."""
    script, announcement, both = forked()
    sentences = why(contract_of(script), SCRIPTED)
    assert sentences[0] == "The task is void: its manager broke the rules."
    (fork,) = [sentence for sentence in sentences if "forks" in sentence]
    assert all(one.id.hex()[:16] in fork for one in (announcement, *both))


def test_illegal_step_is_explained_by_the_rule_that_it_breaks() -> None:
    """Void without a fork: the fold's own words."""
    script = Script()
    announcement = script.announce()
    script.say(script.manager, award_of(script.bid(script.ada, announcement, 999)), announcement, prev=announcement)
    assert "The manager's chain breaks the rules: price above the budget." in why(contract_of(script), SCRIPTED)


def test_award_that_does_not_recompute_is_explained() -> None:
    """Who should have won is said."""
    script = Script()
    announcement = script.announce()
    ada, bo = script.bid(script.ada, announcement, 10), script.bid(script.bo, announcement, 20)
    script.award(announcement, bo, ada)
    wrong = "Those bids do not make this award: it should have gone to ada at 10."
    assert wrong in why(contract_of(script), SCRIPTED)


def test_bids_that_are_not_held_are_owned_up_to() -> None:
    """What cannot be recomputed is not called right."""
    script, _, _ = honest_script()
    kept = [one for one in script.statements() if one.author != script.bo.peer]
    (contract,) = gather(kept, script.charter).values()
    assert "Of the 2 bids that it lists 1 are held here, so it cannot be recomputed." in why(contract, SCRIPTED)


def test_settlement_in_a_governed_market_is_called_provisional() -> None:
    """Consumers of a task with effects wait for the governors."""
    gov = Author("gov")
    script = Script(gov)
    announcement = script.announce(effect=EffectClass.REVERSIBLE)
    script.settle(script.award(announcement, script.bid(script.ada, announcement, 10)), script.ada)
    assert "provisional until the governors permit it" in why(contract_of(script), SCRIPTED)[0]


def test_compromised_governance_is_said() -> None:
    """Both quorums at once: somebody lied."""
    gov = Author("gov")
    script = Script(gov)
    announcement = script.announce()
    settlement = script.settle(script.award(announcement, script.bid(script.ada, announcement, 10)), script.ada)
    script.say(gov, permit(), settlement)
    script.say(gov, veto(), settlement)
    assert any("more governors lied" in sentence for sentence in why(contract_of(script), SCRIPTED))


@pytest.mark.parametrize("table", [(State, MEANING), (CancelReason, REASONS)])
def test_every_state_and_reason_has_its_words(table: tuple) -> None:  # type: ignore[type-arg]
    """A new one cannot be forgotten here."""
    every, words = table
    assert set(every) == set(words)
