"""Frames between real sockets on loopback: they arrive, are bounded, and no edge of a descriptor is lost."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time

import pytest
import zmq

from peer.net.guard.conduct import ConductLimits
from peer.net.guard.doorkeeping import Presence
from peer.net.guard.rates import Rate
from peer.net.guard.sources import SourceLimits
from peer.net.guard.waiting import WaitingLimits
from peer.net.locks.keys import make_keys
from peer.net.transport import Transport, TransportLimits
from protocol.errors import BadConfig, UsageError
from tests.peer.net.wires import LOBBY_SECRET, Member, Register, Wires
from tests.waiting import until

SKILL = b"s" + b"\2" * 8
READER = """
import sys, time
from peer.net.locks.keys import TransportKeys
from peer.net.guard.rates import Rate
from peer.net.guard.sources import SourceLimits
from peer.net.guard.waiting import WaitingLimits
from peer.net.transport import Transport
from tests.peer.net.wires import LOBBY_SECRET, Register
publish, server, topic, public, secret = sys.argv[1], *map(bytes.fromhex, sys.argv[2:])
transport = Transport(keys=TransportKeys(public, secret), lobby_secret=LOBBY_SECRET, warden=Register())
transport.subscribe(topic)
transport.connect(bytes(32), publish, server)
while True:
    transport.receive(100)
    time.sleep(0.01)
"""


def reader_process(publisher: Member, reader: Member) -> subprocess.Popen[bytes]:
    """Hear `publisher` as `reader`, in another process."""
    words = [publisher.keys.public, reader.topic, *reader.keys]
    command = [sys.executable, "-c", READER, publisher.publish_address, *(word.hex() for word in words)]
    return subprocess.Popen(command, stdin=subprocess.PIPE)


def test_frames_arrive_in_order(wires: Wires) -> None:
    """What one peer publishes, another hears as it was."""
    publisher, reader = wires.member(), wires.member()
    wires.join(publisher, reader)
    sent = [reader.topic + bytes([number]) for number in range(100)]
    for frame in sent:
        publisher.transport.publish(frame)
    wires.until(lambda: reader.heard == sent)


def test_a_peer_hears_only_topics_it_subscribed_and_an_observer_all(wires: Wires) -> None:
    """The topic is a prefix of the frame, and the empty topic is a prefix of every frame."""
    publisher, reader, observer = wires.member(), wires.member(), wires.member()
    wires.register.observers.add(observer.peer)
    observer.transport.subscribe(b"")
    wires.join(publisher, reader, observer)
    publisher.transport.publish(SKILL + b"not for the reader")
    publisher.transport.publish(reader.topic + b"for both")
    wires.until(lambda: observer.heard == [SKILL + b"not for the reader", reader.topic + b"for both"])
    wires.until(lambda: reader.heard == [reader.topic + b"for both"])


def test_every_peer_that_comes_or_leaves_is_news_of_that_peer(wires: Wires) -> None:
    """Presence is authenticated: it says whose key the connection has."""
    publisher, first, second = wires.member(), wires.member(), wires.member()
    wires.join(publisher, first)
    wires.join(publisher, second)
    first.transport.disconnect(publisher.peer)
    wires.until(lambda: publisher.seen[-1] == Presence(first.peer, first.topic, False))
    publisher.transport.publish(second.topic)
    wires.until(lambda: second.heard == [second.topic])
    assert publisher.here() == {second.peer}


def test_connecting_twice_brings_a_frame_once_and_a_new_address_replaces_the_old(wires: Wires) -> None:
    """`connect` is idempotent, also when two names have one key and address, and follows a peer that moved."""
    old, new, reader = wires.member(), wires.member(), wires.member()
    wires.join(old, reader)
    reader.hear(old)
    reader.transport.connect(b"another name", old.publish_address, old.keys.public)
    for text in (b"once", b"end"):
        old.transport.publish(reader.topic + text)
    wires.until(lambda: reader.heard == [reader.topic + b"once", reader.topic + b"end"])
    reader.transport.disconnect(b"another name")
    reader.transport.disconnect(b"nobody")
    reader.transport.connect(old.peer, new.publish_address, new.keys.public)
    wires.until(lambda: new.here() == {reader.peer} and not old.here())


def test_killed_reader_is_noticed(wires: Wires) -> None:
    """A process that dies without a word leaves its topics all the same."""
    publisher, reader = wires.member(), wires.member()
    with reader_process(publisher, reader) as process:
        wires.until(lambda: publisher.here() == {reader.peer})
        process.send_signal(signal.SIGKILL)
        wires.until(lambda: not publisher.here())


def test_stopped_reader_is_noticed_by_its_missing_heartbeats(wires: Wires) -> None:
    """A process that hangs keeps its connection open, but not its word; when it goes on, it is back."""
    publisher, reader = wires.member(), wires.member()
    with reader_process(publisher, reader) as process:
        wires.until(lambda: publisher.here() == {reader.peer})
        process.send_signal(signal.SIGSTOP)
        try:
            wires.until(lambda: not publisher.here())
        finally:
            process.send_signal(signal.SIGCONT)
        wires.until(lambda: publisher.here() == {reader.peer})
        process.kill()


def test_restarted_publisher_is_heard_again(wires: Wires) -> None:
    """A subscriber says its topics again to whoever is at the address it was given, with the same key."""
    reader, keys = wires.member(), make_keys()
    port = 0
    for _ in range(2):
        with zmq.Context() as context, context.socket(zmq.XPUB) as publisher:
            publisher.setsockopt(zmq.CURVE_SERVER, 1)
            publisher.setsockopt(zmq.CURVE_SECRETKEY, keys.secret)
            publisher.bind(f"tcp://127.0.0.1:{port or '*'}")
            port = port or int(publisher.getsockopt(zmq.LAST_ENDPOINT).decode().rstrip("\0").rpartition(":")[2])
            reader.transport.connect(b"publisher", f"tcp://127.0.0.1:{port}", keys.public)
            wires.until(lambda publisher=publisher: publisher.poll(0))
            assert publisher.recv() == b"\1" + reader.topic


def test_oversized_frame_is_dropped_with_its_sender(wires: Wires) -> None:
    """A frame over the bound ends the connection; nobody else is touched."""
    rogue, honest, reader = wires.member(), wires.member(), wires.member(TransportLimits(frame_bytes_max=1000))
    wires.join(rogue, reader)
    wires.join(honest, reader)
    rogue.transport.publish(reader.topic + bytes(1000))
    wires.until(lambda: not rogue.here())
    honest.transport.publish(reader.topic + b"small")
    wires.until(lambda: reader.heard == [reader.topic + b"small"])
    reader.transport.disconnect(rogue.peer)
    wires.join(rogue, reader)


def test_own_oversized_frame_is_refused_before_it_leaves(wires: Wires) -> None:
    """It would cost us every reader, so it is an error on our side."""
    with pytest.raises(UsageError, match="Every reader would hang up"):
        wires.member(TransportLimits(frame_bytes_max=1000)).transport.publish(bytes(1001))


def test_burst_is_drained_whole(wires: Wires) -> None:
    """Twenty thousand frames before the first is read fit the queues."""
    much = Rate(1, 20_000)
    plenty = TransportLimits(
        conduct=ConductLimits(sources=SourceLimits(member_frames=much)), waiting=WaitingLimits(pace=much)
    )
    publisher, reader = wires.member(), wires.member(plenty)
    wires.join(publisher, reader)
    for number in range(20_000):
        publisher.transport.publish(reader.topic + number.to_bytes(4, "big") + bytes(287))
    wires.until(lambda: len(reader.heard) == 20_000, seconds=30)
    assert [int.from_bytes(frame[9:13], "big") for frame in reader.heard] == list(range(20_000))
    assert publisher.transport.counts.frames_dropped == 0


def test_slow_reader_loses_frames_and_delays_nobody(wires: Wires) -> None:
    """Beyond the high-water mark its frames are dropped, and the publisher goes on."""
    small = TransportLimits(send_queue_frames=10, receive_queue_frames=10)
    publisher, slow = wires.member(small), wires.member(small)
    wires.join(publisher, slow)
    for _ in range(2_000):
        publisher.transport.publish(slow.topic + bytes(60_000))
    fast = wires.member()
    wires.join(publisher, fast)
    publisher.transport.publish(fast.topic)
    wires.until(lambda: fast.heard == [fast.topic])
    assert 0 < len(slow.heard) < 2_000


def test_connections_are_bounded(wires: Wires) -> None:
    """However many peers somebody invents, only so many are connected to."""
    transport = wires.member(TransportLimits(connections_max=2)).transport
    key = make_keys().public

    def connect(number: int) -> bool:
        return transport.connect(bytes([number]), f"tcp://127.0.0.1:{number + 1}", key)

    assert [connect(number) for number in range(3)] == [True, True, False]
    assert transport.refusals["connections_refused"] == 1
    transport.disconnect(b"\0")
    assert connect(2)


def test_connecting_to_rubbish_tells_what_is_wrong(wires: Wires) -> None:
    """The error says what an address looks like."""
    with pytest.raises(UsageError, match="tcp://IP:port"):
        wires.member().transport.connect(b"key", "ipc:///tmp/socket", bytes(32))


@pytest.mark.parametrize("host", ["0.0.0.0", "*", "192.0.2.1", "localhost", "::", "::ffff:127.0.0.1"])
def test_host_that_cannot_be_bound_tells_what_to_do(host: str) -> None:
    """Not everywhere at once, not somebody else's address, no name."""
    with pytest.raises(BadConfig, match="IP addresses of this machine"):
        Transport(hosts=[host], keys=make_keys(), lobby_secret=LOBBY_SECRET, warden=Register())


def test_closing_lets_a_goodbye_leave(wires: Wires) -> None:
    """The last frame before `close` arrives; closing twice is as good as once."""
    publisher, reader = wires.member(), wires.member()
    wires.join(publisher, reader)
    publisher.transport.publish(reader.topic + b"goodbye")
    publisher.transport.close()
    publisher.transport.close()
    wires.members.remove(publisher)
    wires.until(lambda: reader.heard == [reader.topic + b"goodbye"])


# In a loop


def listening(member: Member, *, most: int = 10) -> None:
    """Let the running loop take this member's turns."""

    def take() -> None:
        member.heard += member.transport.receive(most)
        member.seen += member.transport.presences()

    member.transport.listen(asyncio.get_running_loop(), take)


async def test_ready_is_called_for_frames_and_presences(wires: Wires) -> None:
    """One callback serves both sockets, members are let in, and nothing needs a poll."""
    publisher, reader = wires.member(), wires.member()
    listening(publisher)
    listening(reader)
    reader.hear(publisher)
    await until(lambda: publisher.here() == {reader.peer})
    publisher.transport.publish(reader.topic)
    await until(lambda: reader.heard == [reader.topic])


async def test_short_portions_drain_everything(wires: Wires) -> None:
    """A turn that takes few frames is called again for the rest, though no new edge comes."""
    publisher, reader = wires.member(), wires.member()
    wires.join(publisher, reader)
    listening(reader, most=3)
    for _ in range(250):
        publisher.transport.publish(reader.topic)
    await until(lambda: len(reader.heard) == 250)


async def test_pause_and_resume_lose_nothing(wires: Wires) -> None:
    """While paused `ready` is silent; after `resume` it is called for what came meanwhile, also for presences."""
    publisher, reader, late = wires.member(), wires.member(), wires.member()
    wires.join(publisher, reader)
    loop = asyncio.get_running_loop()

    def take() -> None:
        reader.heard += reader.transport.receive(100)
        reader.transport.pause()

    reader.transport.listen(loop, take)
    listening(publisher)
    publisher.transport.pause()
    late.hear(publisher)
    for number in range(250):
        publisher.transport.publish(reader.topic + number.to_bytes(2, "big"))
    await until(lambda: reader.heard)
    while len(reader.heard) < 250:
        before = len(reader.heard)
        reader.transport.resume()
        reader.transport.resume()
        await until(lambda before=before: len(reader.heard) > before)
    assert reader.heard == [reader.topic + number.to_bytes(2, "big") for number in range(250)]
    assert publisher.here() == {reader.peer}
    publisher.transport.resume()
    await until(lambda: publisher.here() == {reader.peer, late.peer})


async def test_publishing_does_not_swallow_the_news_of_a_reader(wires: Wires) -> None:
    """A send takes the descriptor's signal with it; the presence that it announced is told all the same."""
    publisher, reader = wires.member(), wires.member()
    listening(publisher)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    reader.hear(publisher)
    end = time.monotonic() + 0.3
    while time.monotonic() < end:  # the loop hardly turns, and every send lets libzmq take in what came
        for _ in range(100):
            publisher.transport.publish(SKILL)
        await asyncio.sleep(0)
    await until(lambda: publisher.here() == {reader.peer})


async def test_nothing_is_called_after_close(wires: Wires) -> None:
    """Closing removes the readers: what comes for others afterwards wakes nobody here."""
    publisher, reader, other = wires.member(), wires.member(), wires.member()
    calls: list[int] = []
    reader.transport.listen(asyncio.get_running_loop(), lambda: calls.append(1))
    reader.hear(publisher)
    reader.transport.close()
    calls.clear()
    listening(publisher)
    listening(other)
    other.hear(publisher)
    await until(lambda: publisher.here() == {other.peer})
    publisher.transport.publish(other.topic + b"after")
    await until(lambda: other.heard)
    assert calls == []
