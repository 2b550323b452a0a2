"""Questions between processes, over connections of their own: what `Fetch` and `FetchFeed` ask, and what comes back.

A question that does not pass, or that nobody answers, is asked again by the node that has asked it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocol import limits
from protocol.actions import Fetch, FetchFeed
from protocol.bundle import evidence_of, exhibit
from protocol.node import Node
from protocol.outbox import exhibit_frames
from protocol.topics import TOPIC_LENGTH

if TYPE_CHECKING:
    from simulations.world.process import Process
    from simulations.world.world import World

_NO_TOPIC: Final = bytes(TOPIC_LENGTH)


class Questions:
    """The questions that are under way in one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def ask(self, asker: Process, asked: Fetch | FetchFeed) -> None:
        """A question goes to a holder, and its answer comes back."""
        world = self._world
        holders = world.processes_of(asked.holder if isinstance(asked, Fetch) else asked.author)
        holder = next((each for each in reversed(holders) if each.runs and each is not asker), None)
        travel_us = world.network.round_trip_us(asker, holder) if holder is not None else None
        if holder is not None and travel_us is not None:
            there_us = travel_us // 2
            world.at(world.now_us + there_us, self._answer, asker, asker.node, holder, asked, travel_us - there_us)

    def _answer(self, asker: Process, life: Node, holder: Process, asked: Fetch | FetchFeed, back_us: int) -> None:
        frames = [_NO_TOPIC + frame for frame in exhibit_frames(holder.answer(asked))] if holder.alive else []
        if frames:
            self._world.at(self._world.now_us + back_us, self._answered, asker, life, frames)

    def _answered(self, asker: Process, life: Node, frames: list[bytes]) -> None:
        if asker.node is life and asker.runs:
            for frame in frames:
                self._world.trace.note(b"f", self._world.now_us, asker.number, len(frame), frame)
            asker.receive_answer(frames)


def answer_of(holder: Process, asked: Fetch | FetchFeed) -> list[bytes]:
    """Evidence of what is held, or of a range of the holder's own feed: as `peer.runtime` serves it."""
    if isinstance(asked, Fetch):
        found = [holder.node.holdings.find(known) for known in asked.ids[: limits.FETCH_IDS_MAX]]
        return [evidence_of(statement, holder.sealer) for statement in found if statement is not None]
    if asked.author != holder.peer:
        return []
    last = min(asked.last, asked.first + limits.BUNDLE_STATEMENTS_MAX - 1)
    said = [each for each in holder.said() if each.feed == asked.feed and asked.first <= each.seq <= last]
    return exhibit(said, holder.sealer) if said else []
