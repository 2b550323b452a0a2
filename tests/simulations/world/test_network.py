"""What befalls frames on a link, and what ZeroMQ does to those who read over it."""

from __future__ import annotations

import random

import pytest

from protocol.errors import UsageError
from protocol.events import Event, Lost, Seen
from simulations.world.latency import LAN, Latency
from simulations.world.network import HEARTBEAT_US, RECONNECT_US, Burst, Conditions, Link, Network
from simulations.world.process import Process
from simulations.world.world import World

TICK = Conditions(latency=Latency.constant(1_000))


class Listener(Process):
    """A peer that only remembers what reaches it."""

    def __init__(self, *args: object, **settings: object) -> None:
        self.frames: list[tuple[int, bytes]] = []
        self.noticed: list[Event] = []
        super().__init__(*args, **settings)  # type: ignore[arg-type]

    def receive(self, link: Link, connection: int, frame: bytes) -> None:
        link.queued -= 1
        self.frames.append((self.world.now_us, frame))

    def post(self, event: Event) -> None:
        if isinstance(event, Seen | Lost):
            self.noticed.append(event)


def pair(conditions: Conditions = TICK, *, settle: bool = True, **settings: int) -> tuple[World, Listener, Listener]:
    """A publisher and a reader, who have connected if they are to settle."""
    world = World(1, Network(conditions, **settings))
    sender, reader = (world.join(name, kind=Listener) for name in ("ann", "bob"))
    assert isinstance(sender, Listener)
    assert isinstance(reader, Listener)
    if settle:
        world.run_for(50)
    return world, sender, reader


def say(world: World, sender: Process, number: int) -> None:
    """Publish a frame on the topic that everybody hears."""
    world.publish(sender, b"g" + world.charter.id[:8] + b"%d" % number)


def numbers(reader: Listener) -> list[int]:
    """What has reached a reader, in order."""
    return [int(frame[9:]) for _, frame in reader.frames]


def test_nothing_arrives_before_the_subscription_has_travelled() -> None:
    """A frame published meanwhile is lost in silence; the publisher sees the reader when it is there."""
    world, ann, bob = pair(settle=False)
    say(world, ann, 1)
    assert not ann.noticed
    world.run_for(5)
    say(world, ann, 2)
    world.run_for(5)
    assert numbers(bob) == [2]
    assert ann.noticed == [Seen(bob.peer)]
    assert world.network.counts.unsubscribed == 1


def test_a_broken_connection_leaves_a_silent_gap() -> None:
    """What was under way and what is published in the gap is lost; around it come Lost and Seen."""
    world, ann, bob = pair()
    say(world, ann, 1)
    world.network.bounce(world.network.link(ann, bob))
    say(world, ann, 2)
    world.run_until(world.now_us + RECONNECT_US + 2_000)
    say(world, ann, 3)
    world.run_for(5)
    assert numbers(bob) == [3]
    assert ann.noticed == [Seen(bob.peer), Lost(bob.peer), Seen(bob.peer)]


def test_frames_keep_their_order_unless_reordering_is_asked_for() -> None:
    """However their travel times vary: a connection is a stream."""
    for reorder in (0.0, 0.5):
        world, ann, bob = pair(Conditions(latency=LAN, reorder=reorder))
        for number in range(200):
            say(world, ann, number)
        world.run_for(1_000)
        assert len(bob.frames) == 200
        assert (numbers(bob) == sorted(numbers(bob))) is (reorder == 0.0)


def test_losses_and_repeats_come_as_often_as_they_were_asked_for() -> None:
    """A quarter is lost, and a quarter of the rest comes twice."""
    world, ann, bob = pair(Conditions(latency=LAN, loss=0.25, repeat=0.25))
    for number in range(4_000):
        say(world, ann, number)
    world.run_for(1_000)
    assert 850 < world.network.counts.lost < 1_150
    assert 620 < world.network.counts.repeated < 880
    assert len(bob.frames) == 4_000 - world.network.counts.lost + world.network.counts.repeated


def test_bursts_lose_frames_together() -> None:
    """As many are lost as with single losses, but next to each other."""
    world, ann, bob = pair(Conditions(latency=LAN, burst=Burst(0.02, 0.1, 1.0)))
    for number in range(3_000):
        say(world, ann, number)
    world.run_for(1_000)
    lost = sorted(set(range(3_000)) - set(numbers(bob)))
    runs = sum(1 for before, here in zip([-9, *lost], lost, strict=False) if here != before + 1)
    assert len(lost) > 200
    assert len(lost) / runs > 4


def test_a_cut_is_one_way_and_is_given_up_after_the_heartbeat() -> None:
    """The other direction goes on; behind the mending the reader is seen again."""
    world, ann, bob = pair()
    world.network.cut(ann, bob)
    say(world, ann, 1)
    say(world, bob, 2)
    world.run_until(world.now_us + HEARTBEAT_US + 1)
    assert (numbers(bob), numbers(ann)) == ([], [2])
    assert ann.noticed == [Seen(bob.peer), Lost(bob.peer)]
    world.network.mend(ann, bob)
    world.run_for(500)
    say(world, ann, 3)
    world.run_for(5)
    assert numbers(bob) == [3]
    assert ann.noticed[-1] == Seen(bob.peer)


def test_a_short_cut_is_noticed_by_nobody() -> None:
    """Mended before the heartbeat: what was said is lost, and the connection holds."""
    world, ann, bob = pair()
    world.network.cut(ann, bob)
    say(world, ann, 1)
    world.run_for(100)
    world.network.mend(ann, bob)
    world.run_for(10_000)
    assert numbers(bob) == []
    assert ann.noticed == [Seen(bob.peer)]


def test_each_silence_is_given_up_after_a_heartbeat_of_its_own() -> None:
    """What an earlier pause or cut has begun does not end a connection that has spoken since."""
    half_ms = HEARTBEAT_US // 2_000
    world, ann, bob = pair()
    for begin, end in (
        (lambda: world.pause(bob), lambda: world.go_on(bob)),
        (lambda: world.network.cut(ann, bob), lambda: world.network.mend(ann, bob)),
    ):
        begin()
        world.run_for(half_ms)
        end()
        world.run_for(half_ms // 2)
        begin()
        world.run_for(half_ms)
        assert Lost(bob.peer) not in ann.noticed
        world.run_for(half_ms)
        assert ann.noticed[-1] == Lost(bob.peer)
        end()
        world.run_for(1_000)
        assert ann.noticed.pop() == Seen(bob.peer)
        ann.noticed.clear()


def test_silence_counts_from_its_first_reason() -> None:
    """A reader that is cut off, and then paused as well, is given up when the cut has lasted long enough."""
    world, ann, bob = pair()
    world.network.cut(ann, bob)
    world.run_for(HEARTBEAT_US // 2_000)
    world.pause(bob)
    world.network.mend(ann, bob)
    world.run_for(HEARTBEAT_US // 2_000)
    assert ann.noticed[-1] == Lost(bob.peer)


def test_cuts_add_up() -> None:
    """Two partitions over one pair: both must end."""
    world, ann, bob = pair()
    pairs = world.network.partition([ann], [bob])
    world.network.cut(ann, bob)
    for sender, reader in pairs:
        world.network.mend(sender, reader)
    say(world, ann, 1)
    world.run_for(5)
    assert numbers(bob) == []
    with pytest.raises(UsageError, match="not cut"):
        world.network.mend(bob, ann)


def test_a_clog_ends_in_a_burst() -> None:
    """What was held up arrives at one time and in order."""
    world, ann, bob = pair()
    world.network.clog(ann, bob)
    for number in range(5):
        say(world, ann, number)
        world.run_for(100)
    assert not bob.frames
    world.network.unclog(ann, bob)
    world.run_for(5)
    assert numbers(bob) == [0, 1, 2, 3, 4]
    assert len({at_us for at_us, _ in bob.frames}) == 1


def test_a_reader_behind_the_high_water_mark_misses_frames() -> None:
    """The queue of one reader is bounded, and nobody is told."""
    world, ann, bob = pair(high_water=3)
    world.network.clog(ann, bob)
    for number in range(5):
        say(world, ann, number)
    world.network.unclog(ann, bob)
    world.run_for(5)
    say(world, ann, 9)
    world.run_for(5)
    assert numbers(bob) == [0, 1, 2, 9]
    assert world.network.counts.dropped == 2


def test_healing_ends_everything() -> None:
    """Cuts, clogs and bad conditions: afterwards every frame arrives once."""
    world, ann, bob = pair(Conditions(latency=LAN, loss=1.0, repeat=0.5))
    world.network.cut(ann, bob)
    world.network.clog(bob, ann)
    world.run_for(5_000)
    world.network.heal()
    world.run_for(1_000)
    bob.frames.clear()
    say(world, ann, 1)
    say(world, bob, 2)
    world.run_for(100)
    assert (numbers(bob), numbers(ann)) == ([1], [2])


def test_one_more_fault_moves_no_other_chance() -> None:
    """Streams have names: with repeats asked for, the same frames are lost."""
    lost = []
    for repeat in (0.0, 0.3):
        world, ann, bob = pair(Conditions(latency=TICK.latency, loss=0.3, repeat=repeat))
        for number in range(300):
            say(world, ann, number)
        world.run_for(1_000)
        lost.append(set(range(300)) - set(numbers(bob)))
    assert lost[0] == lost[1]


def test_impossible_conditions_are_refused() -> None:
    """A probability is from 0 to 1, and a queue holds something."""
    with pytest.raises(UsageError, match="loss = -0"):
        Conditions(loss=-0.1)
    with pytest.raises(UsageError, match=r"burst\.leave"):
        Conditions(burst=Burst(0.1, 2.0, 0.1))
    with pytest.raises(UsageError, match="of 0 frames"):
        Network(high_water=0)
    network = Network()
    World(1, network)
    with pytest.raises(UsageError, match="in another world"):
        World(1, network)


def test_a_seed_gives_streams_that_are_told_apart_by_name() -> None:
    """The same name draws the same, another name something else."""
    world = World(3)
    assert world.chance("a").random() == world.chance("a").random() != world.chance("b").random()
    assert isinstance(world.chance("a"), random.Random)
