"""Older charter or revocation list offered: a member shows an old version, or a false new one, to undo a revocation.

A charter is known by its authority's signature and its version, never by who shows it: newer ones bind at once, older
ones never again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from peer.members.charters import write_charter
from peer.net.meet.introductions import Newer, pack
from protocol.bundle import evidence_of, seal
from protocol.keys import Ed25519Sealer
from protocol.notices import Charter
from protocol.statements import Statement
from tests.threats.attacker import Voice
from tests.threats.rogue import Rogue, heard
from tests.threats.stage import Stage, target
from tests.waiting import until


def forgiving(stage: Stage) -> Charter:
    """What the next version would say if nobody were revoked."""
    return msgspec.structs.replace(stage.newest.body, version=stage.newest.body.version + 1, revocations=())


def by_somebody_else(stage: Stage) -> tuple[Statement[Charter], Ed25519Sealer]:
    """A version that forgives everybody, by the attacker's own key."""
    voice = Voice(stage.papers("attacker").sealer, stage.market)
    return voice.say(forgiving(stage), about=stage.newest.id), voice.sealer


def under_a_false_seal(stage: Stage) -> tuple[Statement[Charter], Ed25519Sealer]:
    """The same in the authority's name and feed, with the attacker's signature."""
    attacker = stage.papers("attacker").sealer
    return write_charter(forgiving(stage), attacker, stage.newest), attacker


def older(stage: Stage) -> tuple[Statement[Charter], Ed25519Sealer]:
    """The first version, before the revocation: its signature holds."""
    return stage.charter, stage.authority


@pytest.mark.parametrize("offered", [older, by_somebody_else, under_a_false_seal])
async def test_what_is_offered_undoes_no_revocation(stage: Stage, offered: Any) -> None:
    """In the lobby, in a bundle, as evidence and as a file: the revoked member stays out."""
    caller = stage.caller.runtime
    membership = caller.constitution.membership
    outlaw = stage.papers("outlaw")
    membership.admit(outlaw.certificate)
    stage.revoke(outlaw.peer)
    await until(lambda: membership.charter.body.version == 2)
    charter, sealer = offered(stage)
    with Rogue(stage) as rogue:
        rogue.also = [pack(Newer(evidence_of(charter, sealer)))]
        await rogue.meet(caller)
        rogue.exhibit(evidence_of(charter, sealer))
        rogue.publish(stage.governance, seal([charter], sealer))
        rogue.tell(last := rogue.card())
        await heard(caller, last)
        await stage.settle(3)
        assert membership.charter.id == stage.newest.id
        assert membership.is_revoked(outlaw.peer)
        assert membership.admit(outlaw.certificate) == "member is revoked"


async def test_a_newer_charter_is_taken_from_anybody(stage: Stage) -> None:
    """The counter-check: a real version 2 binds, though it comes from a member that nobody trusts."""
    caller = stage.caller.runtime
    newer = stage.amend(budget_max=77)
    with Rogue(stage) as rogue:
        rogue.also = [pack(Newer(evidence_of(newer, stage.authority)))]
        await rogue.meet(caller)
        await until(lambda: caller.constitution.membership.charter.id == newer.id)


async def test_a_computer_that_was_away_learns_of_a_revocation_with_its_first_hello(
    stage: Stage, tmp_path: Path
) -> None:
    """It knows only the first charter; whoever hopes that it has not heard hopes in vain."""
    outlaw = stage.papers("outlaw")
    stage.revoke(outlaw.peer)
    await until(lambda: stage.worker.constitution.membership.charter.body.version == 2)
    seed = target(stage.worker).lobby.removeprefix("tcp://")
    late = await stage.run("late", home=stage.elsewhere(tmp_path / "elsewhere"), seeds=(seed,))
    await until(lambda: late.constitution.membership.is_revoked(outlaw.peer), why="it never heard")
    assert late.constitution.membership.admit(outlaw.certificate) == "member is revoked"
