"""mDNS flood: somebody announces thousands of peers of this market that do not exist, each at an address of its own.

What is kept and where is knocked is bounded, members go on as before, and a newcomer still gets in by the other paths;
from a stranger, who cannot mark its records, nothing is kept, and a newcomer gets in by mDNS itself.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from protocol.keys import Ed25519Sealer
from tests.threats.forger import forging
from tests.threats.stage import Stage, target
from tests.waiting import meanwhile, until

FORGED, PLACES_MIN, PLACES_MAX = 2_000, 400, 600
"""What is announced; and, of it and everything else, what is at least kept, and what at most."""
PACE_S = 0.1
"""Between fifty records and the next: more is not sent by the system's own limit."""


async def test_a_flood_of_records_is_bounded_and_hurts_nobody(tmp_path: Path) -> None:
    """Two thousand records of well-formed strangers; auctions settle meanwhile, and a newcomer with a seed is met."""
    async with Stage(tmp_path) as stage:
        await stage.begin(mdns=True)
        discovery = stage.caller.runtime.discovery
        async with forging(stage.market) as forger:
            first = Ed25519Sealer.from_seed(bytes(32)).peer
            await forger.announce(first, 9)
            await until(lambda: first in {place.said for place in discovery.places}, why="nobody listens", seconds=60)
            strangers = [Ed25519Sealer.from_seed(number.to_bytes(32, "big")).peer for number in range(1, FORGED)]
            for begin in range(0, FORGED, 100):
                forger.flood(strangers[begin : begin + 100])
                await stage.settle()
            await until(lambda: len(list(discovery.places)) > PLACES_MIN, why="the flood was not heard")
            seed = target(stage.worker).lobby.removeprefix("tcp://")
            home = stage.elsewhere(tmp_path / "elsewhere")
            newcomer = await stage.run("newcomer", home=home, mdns=True, seeds=(seed,))
            await stage.know(stage.worker, newcomer.node.peer)
            await stage.settle(5)
        assert len(list(discovery.places)) < PLACES_MAX
        assert {found.peer_id for found in discovery.known} <= {stage.worker.node.peer, newcomer.node.peer}


async def test_a_stranger_without_a_code_keeps_no_newcomer_out(tmp_path: Path) -> None:
    """Hundreds of records a second, without an end; a newcomer that has nothing but mDNS is met all the same."""
    async with Stage(tmp_path) as stage:
        await stage.begin(mdns=True)
        discovery = stage.worker.discovery
        async with forging(stage.market, marks=False) as forger:
            strangers = [Ed25519Sealer.from_seed(number.to_bytes(32, "big")).peer for number in range(1, FORGED)]

            async def flood() -> None:
                while True:
                    for begin in range(0, FORGED, 50):
                        forger.flood(strangers[begin : begin + 50])
                        await asyncio.sleep(PACE_S)

            async with meanwhile(flood()):
                ignored = discovery.ignored
                await until(lambda: discovery.ignored > ignored + 1_000, why="the flood was not heard")
                newcomer = await stage.run("newcomer", home=stage.elsewhere(tmp_path / "elsewhere"), mdns=True)
                await stage.know(stage.worker, newcomer.node.peer)
                await stage.settle(3)
        assert not {place.said for place in discovery.places} & {*strangers}
