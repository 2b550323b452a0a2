"""How contracts end beyond the chain: by an orphaned cancellation, and by governors' votes."""

from __future__ import annotations

from protocol.statements import AnyStatement, EffectClass, RecallReason, Standing, StandingUse, VetoScope
from tests.authors import Author, permit, recall, veto
from tests.vectors.telling import ORPHANED, SETTLE, Telling, case
from tests.walks import RESULT

TASK = veto(VetoScope.TASK)

# Orphans


def orphan(told: Telling) -> None:
    """The manager, in a new feed, cancels what it no longer knows."""
    told.add(Author("manager", feed=2), ORPHANED, told.announcement)


@case
def orphaned() -> Telling:
    """A manager that lost its journal cancels in its new feed."""
    told = Telling()
    told.award()
    orphan(told)
    return told


@case
def orphaned_beside_a_settlement() -> Telling:
    """The old chain has an end after all: that is the end."""
    told, _, _ = ratified(0)
    orphan(told)
    return told


# Votes


def ratified(governors: int = 3) -> tuple[Telling, AnyStatement, AnyStatement]:
    """A governed contract, its award and its settlement."""
    told = Telling(governors=governors)
    award = told.award()
    return told, award, told.step(SETTLE, told.add(told.ada, RESULT, award))


@case
def one_permit_is_no_quorum() -> Telling:
    """One of two needed, said twice: still settled."""
    told, _, settlement = ratified()
    told.vote(settlement, permit(), 0, 0)
    return told


@case
def final() -> Telling:
    """Two of three governors ratified the settlement."""
    told, _, settlement = ratified()
    told.vote(settlement, permit(), 0, 2)
    return told


@case
def final_behind_a_fork() -> Telling:
    """A ratified settlement stands, though its author forked the chain."""
    told, award, settlement = ratified()
    told.step(recall(RecallReason.EXPIRED), award, prev=award)
    told.vote(settlement, permit(), 0, 1)
    return told


@case
def award_is_permitted() -> Telling:
    """A permit quorum on the award lets an irreversible task start."""
    told = Telling(governors=3, effect=EffectClass.IRREVERSIBLE)
    told.vote(told.award(), permit(), 0, 1)
    return told


def standing(price_max: int) -> Telling:
    """An award under a standing permit."""
    told = Telling(governors=1, effect=EffectClass.REVERSIBLE)
    terms = Standing(manager=told.manager.peer, skill="sum", price_max=price_max, uses=2)
    given = told.add(told.governors[0], permit(terms), None)
    told.award(standing=StandingUse(permit=given.id, number=1))
    return told


@case
def standing_permit_covers() -> Telling:
    """A standing permit is its governor's vote for each award that it covers."""
    return standing(10)


@case
def standing_permit_is_too_small() -> Telling:
    """The award is dearer than the standing permit allows."""
    return standing(9)


@case
def epoch_veto_obliges() -> Telling:
    """A veto quorum on the award is the manager's to obey; the state has not moved."""
    told = Telling(governors=3)
    told.vote(told.award(), veto(), 0, 1)
    return told


@case
def settled_against_a_veto() -> Telling:
    """A vetoed epoch was settled nonetheless."""
    told, award, _ = ratified()
    told.vote(award, veto(), 0, 1)
    return told


@case
def task_veto_while_bidding() -> Telling:
    """A veto quorum against the task."""
    told = Telling(governors=3)
    told.vote(told.announcement, TASK, 0, 1)
    return told


@case
def task_veto_counts_against_the_epoch() -> Telling:
    """One veto of the task and one of the epoch: a quorum against the epoch, none against the task."""
    told = Telling(governors=3)
    award = told.award()
    told.vote(told.announcement, TASK, 0)
    told.vote(award, veto(), 1)
    return told


@case
def both_quorums() -> Telling:
    """More governors lied than the charter allows for: vetoed, and compromised."""
    told, award, settlement = ratified()
    told.vote(settlement, permit(), 0, 1)
    told.vote(award, veto(), 1, 2)
    return told


@case
def votes_without_a_seat() -> Telling:
    """A stranger, and a governor in another feed, have no vote."""
    told, _, settlement = ratified(1)
    for nobody in (Author("stranger"), Author("governor 0", feed=2)):
        told.add(nobody, permit(), settlement)
        told.add(nobody, TASK, told.announcement)
    return told
