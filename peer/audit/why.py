"""Why a contract is in its state, in sentences: who won against whom, who voted by which rule, what broke.

It tells what the contract's own reading and the auction say, and refuses to have an opinion.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from peer.audit.timeline import call, in_order, say
from peer.telemetry import printable
from protocol.auction import decide
from protocol.contract import Contract
from protocol.keys import Digest
from protocol.statements import (
    AnyStatement,
    Award,
    AwardRule,
    Bid,
    Cancel,
    CancelReason,
    Permit,
    Recall,
    Statement,
    Veto,
)
from protocol.states import State

BIDS_SHOWN: Final = 8
"""Losing bids that one sentence names."""
MEANING: Final[Mapping[State, str]] = {
    State.OPEN: "open: nobody has the task",
    State.AWARDED: "awarded: a contractor has the task",
    State.CANCELLED: "cancelled: it is over without a result",
    State.SETTLED: "settled: the manager accepted the result",
    State.VOID: "void: its manager broke the rules",
    State.FINAL: "final: a permit quorum ratified the settlement",
    State.VETOED: "vetoed: a veto quorum stands against it",
}
RULES: Final[Mapping[AwardRule, str]] = {
    AwardRule.LOWEST_PRICE: "the lowest price wins",
    AwardRule.SECOND_PRICE: "the lowest price wins and pays the second lowest",
    AwardRule.BEST_VALUE: "the best value of price and duration wins",
}
REASONS: Final[Mapping[CancelReason, str]] = {
    CancelReason.NO_BIDS: "nobody made a bid that could win",
    CancelReason.WITHDRAWN: "the manager no longer wants it",
    CancelReason.DEADLINE: "its deadline came first",
    CancelReason.EXHAUSTED: "its attempts are used up",
    CancelReason.DENIED: "the permits that it needs did not come in time",
    CancelReason.VETOED: "a veto quorum stands against it",
    CancelReason.ORPHANED: "the manager lost its journal and gave the task up",
}


def why(contract: Contract, names: Mapping[bytes, str]) -> list[str]:
    """Explain a contract's state, from the announcement to its end; `names` are what peers call themselves."""
    reading = contract.reading
    state = MEANING[reading.state]
    if reading.state is State.SETTLED and contract.gate.final:
        state += ", which is provisional until the governors permit it"
    sentences = [
        f"The task is {state}.",
        f"{call(contract.manager, names)} {say(contract.announcement, contract, names)}.",
    ]
    winners: list[bytes] = []
    for step in reading.steps:
        if isinstance(step.body, Award):
            sentences += _award(contract, step, winners, names)  # type: ignore[arg-type]
            winners.append(step.body.winner)
        elif isinstance(step.body, Recall):
            sentences.append(
                f"Epoch {len(winners)} ended without a result: {step.body.reason}{_cited(contract, step)}."
            )
    sentences += [_vote(contract, vote, names) for vote in in_order(contract.votes)]
    return sentences + list(_end(contract))


def _award(
    contract: Contract, award: Statement[Award], winners: list[bytes], names: Mapping[bytes, str]
) -> Iterator[str]:
    """Who won at what price, against which bids; and whether that follows from them."""
    body, rule = award.body, contract.announcement.body.award_rule
    bids = [contract.held.get(Digest(known)) for known in body.considered]
    held: list[Statement[Bid]] = [bid for bid in bids if bid is not None and isinstance(bid.body, Bid)]  # type: ignore[misc]
    lost = sorted((bid for bid in held if bid.id != body.bid), key=lambda bid: bid.body.price)
    against = ", ".join(f"{call(bid.author, names)} {bid.body.price}" for bid in lost[:BIDS_SHOWN])
    more = f" and {len(lost) - BIDS_SHOWN} more" if len(lost) > BIDS_SHOWN else ""
    yield (
        f"Epoch {body.epoch} went to {call(body.winner, names)} at {body.price}, "
        f"against {against + more or 'no other bid'}: {RULES[rule]}."
    )
    if len(held) < len(body.considered):
        yield f"Of the {len(body.considered)} bids that it lists {len(held)} are held here, so it cannot be recomputed."
        return
    outcome = decide(contract.id, contract.announcement.body, held, winners)
    if outcome is None or outcome.bid.id != body.bid or outcome.price != body.price:
        right = "nobody" if outcome is None else f"{call(outcome.bid.author, names)} at {outcome.price}"
        yield f"Those bids do not make this award: it should have gone to {right}."


def _vote(contract: Contract, vote: AnyStatement, names: Mapping[bytes, str]) -> str:
    """One vote with everything that it gives as its reason."""
    assert isinstance(vote.body, Permit | Veto)
    parts = [f"{call(vote.author, names)} {say(vote, contract, names)}", f"policy {vote.body.policy.hex()[:8]}"]
    if vote.body.grounds:
        parts.append("grounds " + ", ".join(_named(contract, ground) for ground in vote.body.grounds))
    if vote.body.reviewer is not None:
        parts.append(f"decided by {call(vote.body.reviewer, names)}")
    return "; ".join(parts) + "."


def _named(contract: Contract, known: bytes) -> str:
    statement = contract.held.get(Digest(known))
    kind = "" if statement is None else f"{type(statement.body).__name__} "
    return f"{kind}{known.hex()[:16]}"


def _cited(contract: Contract, step: AnyStatement) -> str:
    """The words of the answer that a step ends on, if it has any."""
    answer = getattr(step.body, "answer", None)
    statement = contract.held.get(Digest(answer)) if answer is not None else None
    reason = getattr(statement.body, "reason", "") if statement is not None else ""
    return f" ({printable(reason)})" if reason else ""


def _end(contract: Contract) -> Iterator[str]:
    reading = contract.reading
    if reading.fault == "forked chain":
        yield from _forks(contract)
    elif reading.fault is not None:
        yield f"The manager's chain breaks the rules: {reading.fault}."
    if reading.end is not None and isinstance(reading.end.body, Cancel):
        yield f"The manager cancelled it: {REASONS[reading.end.body.reason]}{_cited(contract, reading.end)}."
    if reading.task_vetoed:
        yield _quorum(contract.charter.vetoes_needed, "task")
    elif reading.epoch_vetoed:
        yield _quorum(contract.charter.vetoes_needed, "epoch")
    if reading.compromised:
        yield "A permit quorum stands beside the veto quorum: more governors lied than the charter allows for."
    if reading.missing:
        yield f"{len(reading.missing)} statements that the chain cites are not held here: there may be more to tell."


def _forks(contract: Contract) -> Iterator[str]:
    """The pairs of steps that cannot both be honest."""
    for step in contract.held.values():
        branches = sorted(contract.said_after(step.id), key=lambda one: one.id)
        if len(branches) > 1:
            two = " and ".join(_named(contract, one.id) for one in branches)
            yield f"The manager's chain forks: behind {_named(contract, step.id)} come both {two}."


def _quorum(needed: int, what: str) -> str:
    return (
        f"One veto of the {what} is a quorum here."
        if needed == 1
        else f"{needed} vetoes of the {what} are a quorum here."
    )
