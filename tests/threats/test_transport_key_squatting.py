"""Transport-key squatting: a member has another peer's transport key certified as that of a peer of its own.

A computer vouches for its peers offline, and a certificate names any key: here that of a victim which is away. When the
victim comes back, others might take its connections for those of the squatter's peer, and turn it out.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from peer.launch import launch
from peer.members.hostmember import wall_clock_ms
from protocol.certificate import Certificate, issue
from tests.threats.attacker import Keys
from tests.threats.rogue import Rogue
from tests.threats.stage import AGENT, HOUR_MS, Papers, Stage, sealer_of, shouter, target
from tests.waiting import until


def squatters(stage: Stage, folder: Path, victim_key: bytes) -> Papers:
    """Papers of a peer that its own computer vouches for, with the victim's transport key in the certificate."""
    computer, sealer = stage.papers("computer"), sealer_of(folder, "squatter")
    now_ms = wall_clock_ms()
    claim = Certificate(
        market=stage.market, member=sealer.peer, transport_key=victim_key, rights=AGENT, sponsor=computer.peer,
        issuer=computer.peer, from_ms=now_ms, until_ms=now_ms + HOUR_MS // 2,
    )  # fmt: skip
    return Papers(sealer, Keys(), issue(claim, computer.sealer, above=computer.certificate, consent=sealer))


@pytest.mark.parametrize("is_neighbour", [True, False], ids=["of this computer", "of another computer"])
async def test_a_victim_that_comes_back_is_let_in(tmp_path: Path, is_neighbour: bool) -> None:
    """The caller starts while the victim is away, and meets the squatter first."""
    async with Stage(tmp_path) as stage:
        home = stage.settings.home if is_neighbour else stage.elsewhere(tmp_path / "elsewhere")
        async with launch(msgspec.structs.replace(stage.settings, home=home), name="worker") as victim:
            key = target(victim).key
        with Rogue(stage, squatters(stage, tmp_path, key)) as rogue:
            stage.caller = await stage.call(seeds=(f"127.0.0.1:{rogue.me.lobby}",))
            caller = stage.caller.runtime
            members = caller.constitution.membership
            await until(lambda: members.by_transport_key(key), why="the squatter was not even heard")
            seed = target(caller).lobby.removeprefix("tcp://")
            victim = await stage.run("worker", shouter(), home=home, seeds=() if is_neighbour else (seed,))
            await stage.know(caller, victim.node.peer)
            await stage.settle(3)
            assert members.by_transport_key(key) == members.member(victim.node.peer)
