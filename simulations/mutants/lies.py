"""What liars of a swarm say: past their own node, under their own key or somebody else's. One function a lie."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import msgpack
from msgspec.structs import replace

from protocol.bundle import BUNDLE_TAG, message_to_sign, seal
from protocol.codec import encode
from protocol.contract import Contract
from protocol.keys import PeerId
from protocol.statements import (
    AnyStatement,
    Award,
    Body,
    Cancel,
    CancelReason,
    Permit,
    Result,
    Settlement,
    Veto,
    VetoScope,
)
from protocol.topics import peer_topic
from simulations.world.process import Process

WITHDRAWN = Cancel(reason=CancelReason.WITHDRAWN, answer=None)
ORPHANED = Cancel(reason=CancelReason.ORPHANED, answer=None)


def word(liar: Process, body: Body, *, about: bytes | None, prev: bytes | None = None, seq: int = 0) -> AnyStatement:
    """A statement that the liar's node knows nothing of; without a seq, with one far ahead."""
    feed = liar.node.feed
    return encode(
        body, market=feed.market, author=liar.peer, feed=feed.id, seq=seq or feed.seq + 1_000, prev=prev, made_ms=0,
        about=about,
    )  # fmt: skip


def tell_all(liar: Process, *words: AnyStatement) -> None:
    """Say it to everybody, each on its own topic."""
    for other in liar.world.processes.values():
        if words and other is not liar and liar.runs:
            liar.world.publish(liar, peer_topic(other.peer) + seal(words, liar.sealer))


def contracts_of(liar: Process) -> list[Contract]:
    """What it has a hand in."""
    return list(liar.node.holdings.contracts.values())


def contracts_abroad(liar: Process) -> list[Contract]:
    """What others manage: a liar has friends who tell it."""
    others = [one for one in liar.world.processes.values() if one is not liar]
    return [one for other in others for one in contracts_of(other) if one.manager == other.peer][-4:]


def own_tasks(liar: Process) -> list[Contract]:
    """What it manages, and has awarded."""
    return [one for one in contracts_of(liar) if one.manager == liar.peer and one.reading.epoch]


def fork_an_award(liar: Process, chance: Random) -> None:
    """A manager says another award in the place of one that it has said."""
    for contract in own_tasks(liar)[-1:]:
        for award in contract.reading.steps[:2]:
            if isinstance(award.body, Award):
                body = replace(award.body, price=max(0, award.body.price - 1))
                tell_all(liar, word(liar, body, about=award.about, prev=award.prev, seq=award.seq))


def settle_a_start(liar: Process, chance: Random) -> None:
    """A manager settles what its contractor has only accepted."""
    for contract in own_tasks(liar)[-1:]:
        reading = contract.reading
        if reading.answer is not None and not isinstance(reading.answer.body, Result):
            tell_all(liar, word(liar, Settlement(), about=reading.answer.id, prev=reading.tip.id))


def orphan_anothers(liar: Process, chance: Random) -> None:
    """Whoever wins a task calls it orphaned, as only its manager may that lost its journal."""
    for contract in [one for one in contracts_of(liar) if one.manager != liar.peer][-2:]:
        tell_all(liar, word(liar, ORPHANED, about=contract.id))


def answer_twice(liar: Process, chance: Random) -> None:
    """A contractor says another result in the place of the one that it has said."""
    for contract in contracts_of(liar)[-2:]:
        for answer in [one for one in contract.held.values() if one.author == liar.peer]:
            if isinstance(answer.body, Result):
                body = replace(answer.body, output=b'"other"')
                tell_all(liar, word(liar, body, about=answer.about, prev=answer.prev, seq=answer.seq))


def answer_for_another(liar: Process, chance: Random) -> None:
    """A former contractor, or one that never was, says a result under somebody's award."""
    for contract in contracts_abroad(liar):
        result = Result(output=b'"stolen"', output_digest=None, usage_ms=1)
        awards = [one for one in contract.held.values() if isinstance(one.body, Award)]
        tell_all(liar, *[word(liar, result, about=one.id, seq=9_000 + at) for at, one in enumerate(awards)])


def vote_much(liar: Process, chance: Random) -> None:
    """A governor permits everything, twice, and vetoes it as well."""
    permit = Permit(rule="lie", policy=bytes(32), reason="", grounds=(), reviewer=None, standing=None)
    again = replace(permit, reason="again")
    veto = Veto(scope=VetoScope.TASK, rule="lie", policy=bytes(32), reason="", grounds=(), reviewer=None)
    for contract in contracts_of(liar)[-3:]:
        awards = [one for one in contract.held.values() if isinstance(one.body, Award | Settlement)]
        ballots = [(body, one.id) for one in awards for body in (permit, again)] + [(veto, contract.id)]
        words = [word(liar, body, about=about, seq=5_000 + at) for at, (body, about) in enumerate(ballots)]
        tell_all(liar, *words)


def vote_without_a_seat(liar: Process, chance: Random) -> None:
    """Anybody permits a settlement."""
    permit = Permit(rule="lie", policy=bytes(32), reason="", grounds=(), reviewer=None, standing=None)
    for contract in contracts_abroad(liar):
        settled = [one for one in contract.held.values() if isinstance(one.body, Award | Settlement)]
        tell_all(liar, *[word(liar, permit, about=one.id, seq=7_000 + at) for at, one in enumerate(settled)])


def forge(liar: Process, chance: Random) -> None:
    """Anybody says in a manager's name that its task is withdrawn; the seal is the liar's own."""
    for contract in contracts_abroad(liar):
        tip, feed = contract.reading.tip, contract.announcement.feed
        forged = encode(
            WITHDRAWN, market=liar.node.market, author=contract.manager, feed=feed, seq=tip.seq + 500, prev=tip.id,
            made_ms=0, about=contract.id,
        )  # fmt: skip
        _publish_as(liar, PeerId(contract.manager), forged)


def _publish_as(liar: Process, victim: PeerId, forged: AnyStatement) -> None:
    signature = liar.sealer.sign(message_to_sign(forged.market, forged.id))
    frame = msgpack.packb((BUNDLE_TAG, forged.market, victim, signature, [forged.payload]))
    for other in liar.world.processes.values():
        if other is not liar and other.peer != victim:
            liar.world.publish(liar, peer_topic(other.peer) + frame)


LIES: dict[str, tuple[Callable[[Process, Random], None], ...]] = {
    "manager": (fork_an_award, settle_a_start),
    "bidder": (orphan_anothers, answer_twice, answer_for_another, vote_without_a_seat, forge),
    "governor": (vote_much, forge),
}
"""What a liar of each role may say."""
