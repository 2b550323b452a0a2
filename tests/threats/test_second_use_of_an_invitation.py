"""Second use of an invitation: somebody finds a code that was used, or is about to be, and comes with it as well.

It has the whole code, the address of the lobby, and even the request that the first one has sent. One use is one
member; what the code says cannot be changed; and what is counted is counted for good.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import msgpack
import pytest
import zmq

from peer import keystore
from peer.members.hostmember import wall_clock_ms
from peer.net.meet.knocks import Admitted, Item, NotAdmitted, Redeem, Why, open_item, pack
from protocol.certificate import Right, read_certificate
from protocol.invitation import (
    AdmitterKey,
    Invitation,
    Request,
    make_code,
    parse_code,
    proof_of_redemption,
    sign_request,
)
from protocol.keys import Ed25519Sealer
from tests.threats.attacker import Attacker
from tests.threats.stage import AGENT, HOUR_MS, Stage, Target, target
from tests.waiting import until


class Joiner(Attacker):
    """Somebody with keys that the market does not know, and a code."""

    def __init__(self, stage: Stage, invitation: Invitation) -> None:
        super().__init__()
        self.sealer = Ed25519Sealer.from_seed(os.urandom(32))
        self.invitation, self._stage = invitation, stage

    def request(self) -> bytes:
        """A request as an honest joiner makes it."""
        market, admitter, nonce = self._stage.market, self._stage.admitter.peer, os.urandom(32)
        proof = proof_of_redemption(
            self.invitation.secret, market, admitter, self.sealer.peer, self.keys.public, nonce
        )  # fmt: skip
        asked = Request(
            market=market, admitter=admitter, member=self.sealer.peer, transport_key=self.keys.public, nonce=nonce,
            made_ms=wall_clock_ms(), claims=self.invitation.claims, proof=proof,
        )  # fmt: skip
        return sign_request(asked, self.sealer)

    async def redeem(self, to: Target, request: bytes | None = None) -> Item | None:
        """Show a request in the lobby, our own unless another is given; what is answered."""
        line = self.dial(zmq.DEALER, to.lobby, to.lobby_key)
        line.push(pack((1, Redeem(request or self.request(), "a computer"))))
        await until(lambda: line.socket.poll(0), why="no answer")
        ((answer,),) = line.drain()
        return open_item(msgpack.unpackb(answer)[1])


def invite(stage: Stage, uses: int = 1) -> Invitation:
    """Make a code as `vendue invite` does, and read it as a joiner does."""
    private = keystore.load(stage.home.member).private_bytes_raw()
    code = make_code(
        AdmitterKey(private), market=stage.market, admitter=stage.admitter.peer, serial=os.urandom(3),
        rights=AGENT, uses=uses, until_ms=wall_clock_ms() + HOUR_MS,
    )  # fmt: skip
    return parse_code(code)


async def test_a_used_code_lets_nobody_else_in(tmp_path: Path) -> None:
    """Ada has used it; Mallory has found it. A restart of the admitter's computer changes nothing."""
    async with Stage(tmp_path) as stage:
        await stage.begin()
        code = invite(stage)
        with Joiner(stage, code) as ada, Joiner(stage, code) as mallory:
            assert isinstance(await ada.redeem(target(stage.worker)), Admitted)
            assert await mallory.redeem(target(stage.worker)) == NotAdmitted(Why.USED_UP)
            assert await mallory.redeem(target(stage.caller.runtime)) == NotAdmitted(Why.USED_UP)
            await stage.close()
            await stage.begin()
            assert await mallory.redeem(target(stage.worker)) == NotAdmitted(Why.USED_UP)
            to = target(stage.worker)
            assert await mallory.dial(zmq.DEALER, to.fetch, to.key).outcome() == "refused"
            assert isinstance(await ada.redeem(to), Admitted)  # the counter-check: the same member gets what it got


async def test_of_two_at_once_one_gets_in(stage: Stage) -> None:
    """They come at the same moment, each to another peer of the admitter's computer."""
    code = invite(stage)
    with Joiner(stage, code) as ada, Joiner(stage, code) as mallory:
        first, second = await asyncio.gather(
            ada.redeem(target(stage.worker)), mallory.redeem(target(stage.caller.runtime))
        )
        assert sorted([type(first).__name__, type(second).__name__]) == ["Admitted", "NotAdmitted"]


async def test_a_code_for_two_lets_two_in(stage: Stage) -> None:
    """The counter-check: it is the number of uses that keeps the second out, and the third."""
    code = invite(stage, uses=2)
    outcomes = []
    for _ in range(3):
        with Joiner(stage, code) as joiner:
            outcomes.append(type(await joiner.redeem(target(stage.worker))))
    assert outcomes == [Admitted, Admitted, NotAdmitted]


async def test_a_request_is_no_use_to_whoever_recorded_it(stage: Stage) -> None:
    """Mallory sends Ada's own request, before Ada does: it is for the key of Ada's connection."""
    code, to = invite(stage), target(stage.worker)
    with Joiner(stage, code) as ada, Joiner(stage, code) as mallory:
        request = ada.request()
        assert await mallory.redeem(to, request) == NotAdmitted(Why.NOT_HERE)
        answer = await ada.redeem(to, request)
        assert isinstance(answer, Admitted)
        assert read_certificate(answer.certificate).certificate.member == ada.sealer.peer


@pytest.mark.parametrize(
    "changes",
    [{"uses": 255}, {"rights": tuple(Right)}, {"until_minutes": 2**24 - 1}, {"serial": b"abc"}],
    ids=lambda changes: next(iter(changes)),
)
async def test_a_code_that_was_changed_is_none(stage: Stage, changes: dict[str, object]) -> None:
    """More uses, more rights, more time, another serial: the secret is that of the code as it was made."""
    changed = invite(stage)._replace(**changes)  # type: ignore[arg-type]
    with Joiner(stage, changed) as mallory:
        assert await mallory.redeem(target(stage.worker)) == NotAdmitted(Why.WRONG_CODE)
