"""The policy that the demo's governor is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from peer.policyfile import load_policy, parse_policy
from peer.returns import stage
from peer.returns.demo import LIMIT_CENTS
from peer.returns.stage import policy_text
from protocol.policy import Ruled, decide
from protocol.states import State
from tests.market import TestMarket, charter_with
from tests.peer.cases import case_of


def test_example_policy_has_the_desks_own_limit() -> None:
    """The file beside the desk and the desk's number are one."""
    text = policy_text(LIMIT_CENTS)
    example = load_policy(Path(stage.__file__).with_name("policy.toml"))
    assert parse_policy(text, "desk") == example


@pytest.mark.parametrize("limit", [0, 1, 77, 50_000, 10**9])
def test_desks_policy_vetoes_above_its_limit_and_not_at_it(limit: int) -> None:
    """The limit itself may be paid out."""
    policy = parse_policy(policy_text(limit), "desk")
    for amount, ruled in ((limit, Ruled.PERMIT), (limit + 1, Ruled.VETO)):
        decision = decide(policy, case_of(b'{"amount_cents":%d}' % amount))
        assert decision.ruled is ruled
    assert decide(policy, case_of(b"{}")).ruled is Ruled.VETO
    assert decide(policy, case_of(b'{"amount_cents":9999999999}', skill="shout")).ruled is Ruled.PERMIT


def test_policy_out_of_a_file_vetoes_in_a_market() -> None:
    """The vote names rule and version, so that anybody can ask for the very text."""
    policy = parse_policy(policy_text(100), "desk")
    market = TestMarket(charter_with(["gov"]))
    market.join("manager")
    market.join("ada", refund=10)
    market.join("gov", policy=policy)
    dear = market.announce("manager", skill="refund", input=b'{"amount_cents":101}', idempotency_key=b"dear")
    fair = market.announce("manager", skill="refund", input=b'{"amount_cents":100}', idempotency_key=b"fair")
    market.run(10_000)
    contracts = market.peers["manager"].node.holdings.contracts
    assert (contracts[dear].reading.state, contracts[fair].reading.state) == (State.VETOED, State.FINAL)
    (vote,) = contracts[dear].votes
    assert (vote.body.rule, vote.body.policy) == ("refund-limit", policy.version)
