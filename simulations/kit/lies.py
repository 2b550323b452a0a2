"""What a liar in a small market may say past its own node, to one peer alone. It knows everything."""

from __future__ import annotations

from typing import Final

from protocol.bundle import seal
from protocol.codec import encode
from protocol.contract import Contract
from protocol.keys import Digest
from protocol.statements import (
    AnyStatement,
    Award,
    Body,
    Cancel,
    CancelReason,
    Permit,
    Recall,
    RecallReason,
    Result,
    Settlement,
    Veto,
    VetoScope,
)
from protocol.topics import peer_topic
from simulations.world.process import Process
from simulations.world.world import World

LIES: Final = ("award", "recall", "settlement", "cancel", "result", "permit", "veto")
"""What kind of statement a lie is."""
STANDING: Final = ("next", "fork", "elsewhere")
"""Where it stands: behind the last step, beside it, or in a feed of its own."""


def lie(world: World, liar: Process, to: Process, contract_id: Digest, kind: str, place: str, *, forged: bool) -> None:
    """Say something false about a contract; `forged`: in its manager's name, under the liar's seal."""
    contract = _contract(world, contract_id)
    if contract is None:
        return
    body, about = _body(contract, kind)
    tip, feed = contract.reading.tip, liar.node.feed
    where: dict[str, object] = {"feed": feed.id, "seq": feed.seq + 1, "prev": tip.id}
    if place == "fork":
        where = {"feed": tip.feed, "seq": tip.seq, "prev": tip.prev}
    elif place == "elsewhere":
        where = {"feed": b"anything", "seq": 1, "prev": None}
    author = contract.manager if forged else liar.peer
    said = encode(body, market=feed.market, author=author, made_ms=0, about=about, **where)  # type: ignore[arg-type]
    world.publish(liar, peer_topic(to.peer) + seal([said], liar.sealer))


def _contract(world: World, contract_id: Digest) -> Contract | None:
    """As whoever knows most of it reads it."""
    held = [process.node.holdings.contracts.get(contract_id) for process in world.processes.values()]
    return max((one for one in held if one is not None), key=lambda one: len(one.held), default=None)


def _body(contract: Contract, kind: str) -> tuple[Body, bytes]:
    reading = contract.reading
    award = reading.award.id if reading.award is not None else contract.id
    match kind:
        case "award":
            return _award(contract), contract.id
        case "recall":
            return Recall(reason=RecallReason.LAPSED, answer=None), award
        case "settlement":
            return Settlement(), reading.answer.id if reading.answer is not None else award
        case "cancel":
            return Cancel(reason=CancelReason.WITHDRAWN, answer=None), contract.id
        case "result":
            return Result(output=b'"false"', output_digest=None, usage_ms=1), award
        case "permit":
            permit = Permit(rule="lie", policy=bytes(32), reason="", grounds=(), reviewer=None, standing=None)
            return permit, reading.end.id if reading.end is not None else award
        case _:
            veto = Veto(scope=VetoScope.TASK, rule="lie", policy=bytes(32), reason="", grounds=(), reviewer=None)
            return veto, contract.id


def _award(contract: Contract) -> Award:
    """To the bidder of the dearest bid, as if it had won; or to nobody who has bid."""
    bids: list[AnyStatement] = sorted(contract.bids, key=lambda bid: bid.id)
    winner = bids[-1] if bids else contract.announcement
    price = getattr(winner.body, "price", 0)
    epoch = contract.reading.epoch + 1
    return Award(epoch=epoch, winner=winner.author, bid=winner.id, price=price, considered=(winner.id,), standing=None)
