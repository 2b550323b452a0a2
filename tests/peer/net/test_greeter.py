"""Knocking, with calls that never end: whoever names places by the dozen has a few knocks, and others have theirs."""

from __future__ import annotations

import asyncio
from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec import Struct

from peer.net.meet.greeter import Greeter
from peer.net.meet.introductions import Introduction
from peer.net.meet.places import Way
from tests.peer.net.meeting import certificate, keys, peer_id, sealer
from tests.waiting import until

MALLORY, ADA = peer_id(1), peer_id(2)


class Nobody:
    """Every address accepts, and none ever answers."""

    def __init__(self) -> None:
        self.under_way: Counter[str] = Counter()
        self.called: list[str] = []

    async def call(self, where: str, request: Struct) -> list[bytes] | None:
        self.called.append(where)
        self.under_way[where] += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.under_way -= Counter([where])
        return None


@pytest.mark.parametrize("moves", [1, 60])
async def test_a_member_that_says_that_it_moves_again_and_again_has_one_knock(moves: int) -> None:
    """Its former places are given up with their knocks, so that those of the others have room."""
    nobody = Nobody()
    me = Introduction(peer_id(9), ("127.0.0.1",), 1, 2, 3, certificate(9))
    membership = cast(Any, SimpleNamespace(charter=SimpleNamespace(body=SimpleNamespace(version=1))))
    greeter = Greeter(
        nobody.call, market_tag=bytes(8), me=lambda: me, transport_key=keys(9).public, membership=membership,
        sealer=sealer(9), is_met=lambda peer: False, on_met=print, on_charter=print, wall_clock=lambda: 0,
    )  # fmt: skip
    greeter.start()
    try:
        for number in range(1, moves + 1):
            greeter.expect(MALLORY, ("127.0.0.2",), number)
            await until(lambda number=number: nobody.called[-1:] == [f"tcp://127.0.0.2:{number}"])  # type: ignore[misc]
        greeter.hint(ADA, ("127.0.0.3",), 7, Way.EXCHANGE)
        greeter.expect(ADA, ("127.0.0.3",), 7)
        await until(lambda: "tcp://127.0.0.3:7" in nobody.called, why="there is no room for others")
        assert +nobody.under_way == Counter([f"tcp://127.0.0.2:{moves}", "tcp://127.0.0.3:7"])
    finally:
        await greeter.close()
