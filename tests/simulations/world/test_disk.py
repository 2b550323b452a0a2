"""A home in memory ends the life of a feed exactly where the journal of a real peer does."""

from __future__ import annotations

import os
import random
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peer.journal import Journal
from protocol.statements import AnyStatement, Bid
from simulations.testimony import NO_RULES
from simulations.world.disk import Disk
from simulations.world.world import World
from tests.authors import MARKET, Author


def new_disk() -> Disk:
    """A home whose chance is fixed."""
    return Disk(lambda use: random.Random(use))


def kill(real: Journal) -> None:
    """What a killed process does to its files: they are closed, and nothing is told to anybody."""
    real._db.close()
    os.close(real._high_water)


def statement_in(feed: bytes, seq: int) -> AnyStatement:
    """Something said."""
    ann = Author("ann")
    ann.feed = feed
    return ann.say(Bid(price=1, duration_ms=1), about=bytes(32), seq=seq)


@given(st.lists(st.sampled_from(["say", "kill", "reboot", "close", "close and reboot", "lose the file"]), max_size=8))
def test_a_feed_ends_where_the_journal_of_a_real_peer_ends_it(steps: list[str]) -> None:
    """Whatever befalls both homes alike, they keep their feeds and begin new ones together."""
    with TemporaryDirectory() as home:
        path, boot = Path(home) / "journal.db", 0
        real, disk = Journal(path, market=MARKET, boot=b"0"), new_disk()
        disk.begin()
        for step in steps:
            before = (real.feed, disk.feed)
            if step == "say":
                real.record([], [statement_in(real.feed, real.seq + 1)], durable=False)
                disk.record([], [statement_in(disk.feed, disk.seq + 1)], durable=False)
                continue
            if "reboot" in step:
                boot += 1
                disk.power_off()
            if "close" in step:
                real.close()
                disk.close()
            else:
                kill(real)
            if step == "lose the file":
                for each in Path(home).glob("journal.db*"):
                    each.unlink()
                disk.lose_journal()
            real = Journal(path, market=MARKET, boot=b"%d" % boot)
            disk.begin()
            assert (real.feed == before[0]) == (disk.feed == before[1]), step
            assert real.seq == disk.seq
        kill(real)


def test_a_loss_of_power_takes_no_more_than_what_was_not_synced() -> None:
    """What was durable is there for ever; of what came behind it a tail may be gone, and then the feed is new."""
    lost = set()
    for seed in range(20):
        disk = Disk(lambda use, seed=seed: random.Random(f"{seed}/{use}"))
        feed = disk.begin()
        for seq in range(1, 7):
            disk.record([], [statement_in(feed, seq)], durable=seq == 3)
        lost.add(disk.lose_power())
        assert [said.seq for said in disk.said()][:3] == [1, 2, 3]
        assert disk.begin() != feed
    assert {0, 3} <= lost <= {0, 1, 2, 3}


def test_a_peer_whose_disk_is_full_stops_and_has_said_nothing() -> None:
    """A turn that is not recorded is not published, and the peer knows why it stopped."""
    world = World(1)
    desk = world.join("desk")
    desk.disk.full = True
    sent = world.trace.events
    assert desk.announce(world.task()) is None or not desk.runs
    assert not desk.runs
    assert isinstance(desk.stopped, OSError)
    assert world.trace.events == sent + 1  # its end, and no frame
    desk.disk.full = False
    world.restart(desk)
    assert desk.runs


@pytest.mark.parametrize("lost", [True, False])
def test_a_governor_that_lost_its_journal_takes_no_seat(lost: bool) -> None:
    """The charter names a key and a feed: with its journal it keeps the seat, without it is another governor."""
    world = World(1, governors=["judge"])
    judge = world.join("judge", policy=NO_RULES)
    seat = world.charter.body.governors[0].feed
    assert judge.node.feed.id == seat
    world.crash(judge, power=True)
    if lost:
        judge.disk.lose_journal()
    world.restart(judge)
    assert (judge.node.feed.id == seat) is not lost
