"""The agents of the desk by themselves: what they offer, ask, and refuse to do."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import pytest

from peer.agent import Offer, Wanted
from peer.returns.agents import FRAUD_CHECK, GROUNDS, POLICY_CHECK, REFUND, ROSTER, SHIPPING, SKILLS, agent_called
from peer.returns.desk import TENDERS
from peer.returns.facts import facts_for
from peer.returns.ledger import Ledger
from peer.returns.records import Kind, Request
from peer.returns.shop import Shop
from peer.work.call import run_here
from peer.work.context import Context, Stopped
from protocol.errors import BadInput
from protocol.statements import EffectClass

RETURN = Request(kind=Kind.RETURN, user_id="ada", order_id="#W1", item_ids=("cup-red",), payment_method_id="ada-card")
SETTLED = dict.fromkeys(SKILLS, "ab" * 32)


def context(reason: str = "") -> Context:
    """A context whose fence says `reason`."""
    return Context(
        award=bytes(32), idempotency_token=bytes(range(32)), epoch=1, end_reason=lambda: reason,
        report=lambda permille, note: None,
    )  # fmt: skip


def run(name: str, skill: str, ledger: Ledger, given: dict[str, object], reason: str = "") -> object:
    """Let one agent do a task given as JSON, as its worker would."""
    offered = next(one for one in agent_called(name, ledger).skills if one.name == skill)
    return msgspec.json.decode(run_here(offered, msgspec.json.encode(given), context(reason), 16_384))


def test_every_skill_has_rivals_who_are_cheapest_somewhere() -> None:
    """At least two agents offer each skill, within its budget, and none of them is the cheapest at everything."""
    for skill in SKILLS:
        terms = [offers[skill] for offers in ROSTER.values() if skill in offers]
        cheapest = {min(terms, key=lambda one, kind=kind: one.price(kind)) for kind in Kind}  # type: ignore[misc]
        assert len(terms) >= 2
        assert len(cheapest) >= 2
        assert max(max(one[:3]) for one in terms) <= TENDERS[skill].budget
    assert Counter(len(offers) for offers in ROSTER.values()).keys() <= {1, 2}


def test_only_the_refund_cannot_be_taken_back() -> None:
    """The effect classes of the steps decide what a governor must permit."""
    effects = {skill: tender.effect for skill, tender in TENDERS.items()}
    assert [skill for skill in SKILLS if effects[skill] is EffectClass.IRREVERSIBLE] == [REFUND]
    assert effects[SHIPPING] is EffectClass.REVERSIBLE


def test_bid_depends_on_the_kind_of_request(tmp_path: Path) -> None:
    """An agent asks another price for a cancel than for an exchange."""
    bid = agent_called("hazel", Ledger(tmp_path / "ledger")).strategies[REFUND]
    asked = [
        bid(Wanted(REFUND, {"request": {"kind": kind}}, 30, EffectClass.IRREVERSIBLE, 1000, bytes(32))) for kind in Kind
    ]
    assert asked == [Offer(9, 6), Offer(14, 6), Offer(10, 6)]


def test_check_answers_by_the_rules(tmp_path: Path, shop: Shop) -> None:
    """A fraud check of a foreign order names the rule, and takes the facts that travelled."""
    facts = facts_for(shop, RETURN)
    ledger = Ledger(tmp_path / "ledger")
    foreign = msgspec.structs.replace(RETURN, user_id="bo")
    assert run("argus", FRAUD_CHECK, ledger, {"request": RETURN, "facts": facts}) == {"refused": None}
    assert run("argus", FRAUD_CHECK, ledger, {"request": foreign, "facts": facts}) == {"refused": "owner"}


def test_check_without_its_basis_is_not_done(tmp_path: Path, shop: Shop) -> None:
    """A policy check that rests on no fraud check is bad input."""
    given = {"request": RETURN, "facts": facts_for(shop, RETURN), "basis": {}}
    with pytest.raises(BadInput, match="fraud-check is not named"):
        run("dunlin", POLICY_CHECK, Ledger(tmp_path / "ledger"), given)


@pytest.mark.parametrize("lacking", GROUNDS)
def test_refund_without_all_grounds_moves_no_money(tmp_path: Path, lacking: str) -> None:
    """Each of the three settlements must be named before anything is written into the ledger."""
    ledger = Ledger(tmp_path / "ledger")
    basis = {step: named for step, named in SETTLED.items() if step != lacking}
    with pytest.raises(BadInput, match=lacking):
        run("hazel", REFUND, ledger, {"request": RETURN, "amount_cents": 500, "basis": basis})
    assert ledger.entries() == []


def test_refund_after_its_lease_moves_no_money(tmp_path: Path) -> None:
    """The fence is asked before the effect: an agent whose epoch is over writes nothing."""
    ledger = Ledger(tmp_path / "ledger")
    given = {"request": RETURN, "amount_cents": 500, "basis": SETTLED}
    with pytest.raises(Stopped, match="lease"):
        run("hazel", REFUND, ledger, given, "The lease has ended.")
    assert ledger.entries() == []


def test_refund_tried_again_by_a_rival_is_made_once(tmp_path: Path) -> None:
    """Both agents of the skill answer with the one receipt."""
    ledger = Ledger(tmp_path / "ledger")
    given = {"request": RETURN, "amount_cents": 500, "basis": SETTLED}
    assert run("hazel", REFUND, ledger, given) == run("iris", REFUND, ledger, given)
    assert [entry.agent for entry in ledger.entries()] == ["hazel"]
