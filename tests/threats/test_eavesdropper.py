"""Eavesdropper: it captures every packet of a whole auction, and looks for anything that it can read.

No skill, no price, no text of a task or of its result, no name of an agent or of the market, and no piece of the
market's id is on the wire: it sees who talks with whom, when and how much. Multicast is captured too.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from peer.agent import Agent
from peer.bench.unlocked import unlocked
from protocol.topics import skill_topic
from tests.threats import eavesdropper
from tests.threats.attacker import occurrences
from tests.threats.eavesdropper import captured
from tests.threats.stage import Stage, target
from tests.waiting import PATIENCE_S, until

FAULT = eavesdropper.fault_of_machine()
pytestmark = pytest.mark.skipif(FAULT is not None, reason=FAULT or "")
MDNS_PORT = 5353
SKILL, AGENT, MARKET = "embroider-zephyrs", "ottilie-quarterstaff", "bartholomew-fayre"
TEXT, PRICE = "the moose knows the way", 7_654_321
WORDS = [word.encode() for word in (SKILL, AGENT, MARKET, TEXT, TEXT.upper(), str(PRICE), "vendue-bundle", "announce")]
WINDOW = 5
"""So many bytes of the market's id in a row are found by chance in one capture of a million."""


def needles(stage: Stage) -> list[bytes]:
    """All that must not be read: words, the price as MessagePack writes it, and every piece of the market's id."""
    pieces = [stage.market[at : at + WINDOW] for at in range(len(stage.market) - WINDOW + 1)]
    price = b"\xce" + PRICE.to_bytes(4, "big")
    return [*WORDS, price, skill_topic(SKILL), *pieces, stage.market.hex().encode()[:16]]


def embroiderer() -> Agent:
    """An agent all of whose words can be told from others."""
    agent = Agent(AGENT)

    @agent.worker(SKILL, price=PRICE)
    def embroider(text: str) -> str:
        return text.upper()

    return agent


async def auction(stage: Stage) -> None:
    """One whole auction."""
    done = await stage.caller.call(SKILL, {"text": TEXT}, budget=2 * PRICE, patience_s=PATIENCE_S)
    assert (done.value, done.price) == (TEXT.upper(), PRICE)


async def read(folder: Path) -> list[bytes]:
    """Capture two peers from their first packet to their goodbye: an auction, and a hello of a third; what is found."""
    with captured() as capture:
        async with Stage(folder, name=MARKET, budget_max=10 * PRICE) as stage:
            await stage.begin(embroiderer(), mdns=True)
            await auction(stage)
            seed = target(stage.worker).lobby.removeprefix("tcp://")
            newcomer = await stage.run("newcomer", home=stage.elsewhere(folder / "elsewhere"), seeds=(seed,))
            await stage.know(stage.worker, newcomer.node.peer)
            places = [target(runtime) for runtime in (stage.worker, stage.caller.runtime, newcomer)]
            await until(
                lambda: any(b"_vendue" in packet for packet in capture.packets), why="nothing was announced", seconds=60
            )
    ports = {int(each.rpartition(":")[2]) for place in places for each in (place.publish, place.fetch, place.lobby)}
    streams = capture.streams(ports | {MDNS_PORT})
    assert sum(map(len, streams)) > 4_000, "the capture missed the auction"
    return occurrences(needles(stage), *streams)


async def test_nothing_of_an_auction_can_be_read_on_the_wire(tmp_path: Path) -> None:
    """Real peers, as everybody runs them."""
    assert await read(tmp_path) == []


async def test_without_locks_the_same_search_finds_it(tmp_path: Path) -> None:
    """The counter-check: with sockets that only the bench can open, without CURVE, all of it is there to be read."""
    with unlocked(True):
        found = await read(tmp_path)
    price = b"\xce" + PRICE.to_bytes(4, "big")
    assert {SKILL.encode(), AGENT.encode(), TEXT.encode(), TEXT.upper().encode(), price} <= {*found}
    assert b"vendue-bundle" in found
    assert len(found) > len(WORDS), "not even the market's id was found"
