"""What may be announced: within the charter, and a child within its parent. Whoever is refused is told why."""

from __future__ import annotations

from collections.abc import Iterable

from protocol.charter import EFFECT_ORDER
from protocol.contract import Contract
from protocol.feed import Feed
from protocol.holdings import Holdings
from protocol.keys import Digest
from protocol.statements import Announcement, EffectClass
from protocol.states import Reading, State


def fault_of_task(task: Announcement, holdings: Holdings, feed: Feed) -> str | None:
    """Why the charter does not allow a task, or None."""
    charter = holdings.charter_of(task)
    if charter is None:
        return "the charter version that this task names is not known here"
    if task.effect is EffectClass.IRREVERSIBLE and not charter.governors:
        return "an irreversible task needs governors, and this market has none"
    if task.budget > charter.budget_max:
        return f"the budget {task.budget} is above the market's limit of {charter.budget_max}"
    if task.deadline_ms > charter.deadline_max_ms:
        return f"the deadline is longer than the market's limit of {charter.deadline_max_ms} ms"
    return "this feed can begin no more contracts: start the peer with a new journal" if feed.full else None


def fault_of_child(
    task: Announcement, parent: Digest, siblings: Iterable[Contract], holdings: Holdings, feed: Feed
) -> str | None:
    """Why a task is no child of an award to us: it must lie within its budget, deadline and effect class."""
    contract = holdings.contract_about(parent)
    award = contract.reading.award if contract is not None else None
    ours = award is not None and award.id == parent and award.body.winner == feed.author
    if contract is None or award is None or not ours or contract.reading.state is not State.AWARDED:
        return "the parent award is not one that is open here"
    above = contract.announcement.body
    if EFFECT_ORDER[task.effect] > EFFECT_ORDER[above.effect]:
        return f"a child of a task that is {above.effect} cannot be {task.effect}"
    if task.deadline_ms > above.deadline_ms:
        return "a child's deadline must lie within its parent's"
    bound = sum(child.announcement.body.budget for child in siblings if not _ended_unpaid(child.reading))
    if bound + task.budget > award.body.price:
        return f"the children's budgets would sum to {bound + task.budget}, above the award's price {award.body.price}"
    return None


def _ended_unpaid(reading: Reading) -> bool:
    return reading.state in (State.CANCELLED, State.VOID, State.VETOED)
