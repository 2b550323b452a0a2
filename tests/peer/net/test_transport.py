"""Frames between real sockets on loopback: they arrive, are bounded, and no edge of a descriptor is lost."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
import zmq

from peer.net.transport import Presence, Transport, TransportLimits, fault_of_address
from protocol.errors import BadConfig, UsageError

MINE = b"p" + b"\1" * 8
OTHER = b"p" + b"\2" * 8
SUBSCRIBER = """
import sys, time
from peer.net.transport import Transport
transport = Transport()
transport.subscribe(bytes.fromhex(sys.argv[2]))
transport.connect(b"a", sys.argv[1])
while True:
    transport.receive(100)
    time.sleep(0.01)
"""

Opener = Callable[..., Transport]


@pytest.fixture
def opened() -> Iterator[Opener]:
    """Transports that are closed when the test ends, however it ends."""
    transports: list[Transport] = []

    def open_one(limits: TransportLimits | None = None) -> Transport:
        transports.append(Transport(limits=limits))
        return transports[-1]

    yield open_one
    for transport in transports:
        transport.close()


def until(condition: Callable[[], object], *, seconds: float = 5.0) -> None:
    """Poll `condition`, for a bounded time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


async def until_in_loop(condition: Callable[[], object], *, seconds: float = 5.0) -> None:
    """Poll `condition` while the loop runs, for a bounded time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in another process or thread
            await asyncio.sleep(0.005)


def presences(publisher: Transport, wanted: int, *others: Transport) -> list[Presence]:
    """Wait until `wanted` presences came, while the `others` have their turns too and hear nothing."""
    found: list[Presence] = []

    def come() -> bool:
        assert [other.receive(10) for other in others] == [[] for _ in others]
        found.extend(publisher.presences())
        return len(found) >= wanted

    until(come)
    return found


def joined(publisher: Transport, subscriber: Transport, topic: bytes = MINE) -> None:
    """Connect the two, and wait until the publisher knows."""
    subscriber.subscribe(topic)
    subscriber.connect(publisher.addresses.publish.encode(), publisher.addresses.publish)
    assert presences(publisher, 1) == [Presence(topic, True)]


def frames(subscriber: Transport, wanted: int) -> list[bytes]:
    """Wait until `wanted` frames came."""
    found: list[bytes] = []

    def come() -> bool:
        found.extend(subscriber.receive(1000))
        return len(found) >= wanted

    until(come, seconds=20)
    return found


def test_frames_arrive_in_order(opened: Opener) -> None:
    """What one peer publishes, another hears as it was."""
    publisher, subscriber = opened(), opened()
    joined(publisher, subscriber)
    sent = [MINE + bytes([number]) for number in range(100)]
    for frame in sent:
        publisher.publish(frame)
    assert frames(subscriber, 100) == sent


def test_a_peer_hears_only_topics_it_subscribed_and_a_governor_all(opened: Opener) -> None:
    """The topic is a prefix of the frame, and the empty topic is a prefix of every frame."""
    publisher, peer, governor = opened(), opened(), opened()
    joined(publisher, peer)
    joined(publisher, governor, b"")
    publisher.publish(OTHER + b"not for the peer")
    publisher.publish(MINE + b"for both")
    assert frames(peer, 1) == [MINE + b"for both"]
    assert frames(governor, 2) == [OTHER + b"not for the peer", MINE + b"for both"]


def test_a_second_subscriber_of_a_topic_is_news_and_only_the_last_to_leave_is(opened: Opener) -> None:
    """A late joiner must be noticed even where others already listen."""
    publisher, first, second = opened(), opened(), opened()
    joined(publisher, first)
    joined(publisher, second)
    key = publisher.addresses.publish.encode()
    first.disconnect(key)
    publisher.publish(MINE)
    assert frames(second, 1) == [MINE]
    second.disconnect(key)
    assert presences(publisher, 1, first, second) == [Presence(MINE, False)]


def test_connecting_twice_brings_a_frame_once_and_a_new_address_replaces_the_old(opened: Opener) -> None:
    """`connect` is idempotent, also when two keys name one address, and follows a peer that moved."""
    old, new, subscriber = opened(), opened(), opened()
    joined(old, subscriber)
    subscriber.connect(old.addresses.publish.encode(), old.addresses.publish)
    subscriber.connect(b"another key", old.addresses.publish)
    old.publish(MINE + b"once")
    old.publish(MINE + b"end")
    assert frames(subscriber, 2) == [MINE + b"once", MINE + b"end"]
    subscriber.disconnect(b"another key")
    subscriber.disconnect(b"nobody")
    subscriber.connect(old.addresses.publish.encode(), new.addresses.publish)
    assert presences(new, 1, subscriber) == [Presence(MINE, True)]
    assert presences(old, 1, subscriber) == [Presence(MINE, False)]


def test_killed_subscriber_is_noticed(opened: Opener) -> None:
    """A process that dies without a word leaves its topics all the same."""
    publisher = opened()
    command = [sys.executable, "-c", SUBSCRIBER, publisher.addresses.publish, MINE.hex()]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert presences(publisher, 1) == [Presence(MINE, True)]
        process.send_signal(signal.SIGKILL)
        assert presences(publisher, 1) == [Presence(MINE, False)]


def test_stopped_subscriber_is_noticed_by_its_missing_heartbeats(opened: Opener) -> None:
    """A process that hangs keeps its connection open, but not its word; when it goes on, it is back."""
    publisher = opened()
    command = [sys.executable, "-c", SUBSCRIBER, publisher.addresses.publish, MINE.hex()]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert presences(publisher, 1) == [Presence(MINE, True)]
        process.send_signal(signal.SIGSTOP)
        try:
            assert presences(publisher, 1) == [Presence(MINE, False)]
        finally:
            process.send_signal(signal.SIGCONT)
        assert presences(publisher, 1) == [Presence(MINE, True)]
        process.kill()


def test_restarted_publisher_is_heard_again(opened: Opener) -> None:
    """A subscriber says its topics again to whoever is at the address it was given."""
    subscriber = opened()
    with zmq.Context() as context, context.socket(zmq.XPUB) as first:
        port = first.bind_to_random_port("tcp://127.0.0.1")
        subscriber.subscribe(MINE)
        subscriber.connect(b"key", f"tcp://127.0.0.1:{port}")
        assert first.recv() == b"\1" + MINE
    with zmq.Context() as context, context.socket(zmq.XPUB) as second:
        second.bind(f"tcp://127.0.0.1:{port}")
        until(lambda: subscriber.receive(10) == [] and second.poll(0))
        assert second.recv() == b"\1" + MINE


def test_oversized_frame_is_dropped_with_its_sender(opened: Opener) -> None:
    """A frame over the bound ends the connection until somebody connects anew; nobody else is touched."""
    rogue, honest, subscriber = opened(), opened(), opened(TransportLimits(frame_bytes_max=1000))
    joined(rogue, subscriber)
    joined(honest, subscriber)
    rogue.publish(MINE + bytes(1000))
    assert presences(rogue, 1, subscriber) == [Presence(MINE, False)]
    honest.publish(MINE + b"small")
    assert frames(subscriber, 1) == [MINE + b"small"]
    subscriber.disconnect(rogue.addresses.publish.encode())
    joined(rogue, subscriber)


def test_own_oversized_frame_is_refused_before_it_leaves(opened: Opener) -> None:
    """It would cost us every reader, so it is an error on our side."""
    with pytest.raises(UsageError, match="Every reader would hang up"):
        opened(TransportLimits(frame_bytes_max=1000)).publish(bytes(1001))


def test_odd_subscriptions_are_counted_and_not_told(opened: Opener) -> None:
    """Topics of a length that none has, and messages that are no subscription, stay at the door."""
    publisher = opened()
    with zmq.Context() as context, context.socket(zmq.XSUB) as rogue:
        rogue.linger = 0
        rogue.connect(publisher.addresses.publish)
        for message in (b"\1" + bytes(10), b"\7no subscription", b"\1" + MINE):
            rogue.send(message)
        assert presences(publisher, 1) == [Presence(MINE, True)]
        assert publisher.counts.odd_subscriptions == 2


def test_huge_topic_ends_the_connection(opened: Opener) -> None:
    """Every byte of a topic costs the publisher fifty, so a long one is not even read."""
    publisher = opened()
    with zmq.Context() as context, context.socket(zmq.XSUB) as rogue:
        rogue.linger = 0
        rogue.reconnect_ivl = -1
        rogue.connect(publisher.addresses.publish)
        rogue.send(b"\1" + MINE)
        assert presences(publisher, 1) == [Presence(MINE, True)]
        rogue.send(b"\1" + bytes(100_000))
        assert presences(publisher, 1) == [Presence(MINE, False)]


def test_burst_is_drained_whole(opened: Opener) -> None:
    """Twenty thousand frames before the first is read fit the queues."""
    publisher, subscriber = opened(), opened()
    joined(publisher, subscriber)
    for number in range(20_000):
        publisher.publish(MINE + number.to_bytes(4, "big") + bytes(287))
    heard = frames(subscriber, 20_000)
    assert [int.from_bytes(frame[9:13], "big") for frame in heard] == list(range(20_000))
    assert publisher.counts.frames_dropped == 0


def test_slow_reader_loses_frames_and_delays_nobody(opened: Opener) -> None:
    """Beyond the high-water mark its frames are dropped, and the publisher goes on."""
    small = TransportLimits(send_queue_frames=10, receive_queue_frames=10)
    publisher, slow = opened(small), opened(small)
    joined(publisher, slow)
    for _ in range(2_000):
        publisher.publish(MINE + bytes(60_000))
    fast = opened()
    joined(publisher, fast, OTHER)
    publisher.publish(OTHER)
    assert frames(fast, 1) == [OTHER]
    assert 0 < len(frames(slow, 10)) < 2_000


def test_connections_are_bounded(opened: Opener) -> None:
    """However many peers somebody invents, only so many are connected to."""
    subscriber = opened(TransportLimits(connections_max=2))
    assert [subscriber.connect(bytes([number]), f"tcp://127.0.0.1:{number + 1}") for number in range(3)] == [
        True,
        True,
        False,
    ]
    assert subscriber.counts.connections_refused == 1
    subscriber.disconnect(b"\0")
    assert subscriber.connect(b"\2", "tcp://127.0.0.1:3")


@pytest.mark.parametrize(
    "address",
    [
        "",
        "tcp://*:1",
        "ipc:///tmp/socket",
        "inproc://a",
        "tcp://example.org:80",
        "tcp://127.0.0.1",
        "tcp://127.0.0.1:0",
        "tcp://127.0.0.1:65536",
        "tcp://127.0.0.1:1\n",
        "tcp://127.0.0.1:1;tcp://127.0.0.1:2",
        "tcp://0.0.0.0:1",
        "tcp://224.0.0.251:5353",
        "tcp://255.255.255.255:1",
        "tcp://256.0.0.1:1",
        "tcp://127.1:1",
        "tcp://" + "1" * 100,
        b"tcp://127.0.0.1:1",
        None,
    ],
)
def test_only_plain_addresses_are_connected_to(address: object) -> None:
    """A stranger's address can name one port of one machine, and nothing else that libzmq understands."""
    assert fault_of_address(address) is not None


def test_connecting_to_rubbish_tells_what_is_wrong(opened: Opener) -> None:
    """The error says what an address looks like."""
    with pytest.raises(UsageError, match="tcp://IPv4:port"):
        opened().connect(b"key", "ipc:///tmp/socket")


@pytest.mark.parametrize("host", ["0.0.0.0", "*", "192.0.2.1", "localhost"])
def test_host_that_cannot_be_bound_tells_what_to_do(host: str) -> None:
    """Not everywhere at once, not somebody else's address, no name."""
    with pytest.raises(BadConfig, match="one IPv4 address of this machine"):
        Transport(host=host)


def test_closing_lets_a_goodbye_leave(opened: Opener) -> None:
    """The last frame before `close` arrives; closing twice is as good as once."""
    publisher, subscriber = opened(), opened()
    joined(publisher, subscriber)
    publisher.publish(MINE + b"goodbye")
    publisher.close()
    publisher.close()
    assert frames(subscriber, 1) == [MINE + b"goodbye"]


async def test_ready_is_called_for_frames_and_presences(opened: Opener) -> None:
    """One callback serves both sockets, and neither needs a poll."""
    publisher, subscriber = opened(), opened()
    seen: list[Presence] = []
    heard: list[bytes] = []
    loop = asyncio.get_running_loop()
    publisher.listen(loop, lambda: seen.extend(publisher.presences()))
    subscriber.listen(loop, lambda: heard.extend(subscriber.receive(10)))
    subscriber.subscribe(MINE)
    subscriber.connect(b"key", publisher.addresses.publish)
    await until_in_loop(lambda: seen)
    publisher.publish(MINE)
    await until_in_loop(lambda: heard)
    assert (seen, heard) == ([Presence(MINE, True)], [MINE])


async def test_short_portions_drain_everything(opened: Opener) -> None:
    """A turn that takes few frames is called again for the rest, though no new edge comes."""
    publisher, subscriber = opened(), opened()
    joined(publisher, subscriber)
    heard: list[bytes] = []
    subscriber.listen(asyncio.get_running_loop(), lambda: heard.extend(subscriber.receive(3)))
    for _ in range(1000):
        publisher.publish(MINE)
    await until_in_loop(lambda: len(heard) == 1000)


async def test_pause_and_resume_lose_nothing(opened: Opener) -> None:
    """While paused `ready` is silent; after `resume` it is called for what came meanwhile, also for presences."""
    publisher, subscriber = opened(), opened()
    joined(publisher, subscriber)
    heard: list[bytes] = []
    seen: list[Presence] = []
    loop = asyncio.get_running_loop()

    def take() -> None:
        heard.extend(subscriber.receive(100))
        subscriber.pause()

    subscriber.listen(loop, take)
    publisher.listen(loop, lambda: seen.extend(publisher.presences()))
    publisher.pause()
    joined_late = opened()
    joined_late.subscribe(OTHER)
    joined_late.connect(b"key", publisher.addresses.publish)
    for number in range(500):
        publisher.publish(MINE + number.to_bytes(2, "big"))
    await until_in_loop(lambda: heard)
    while len(heard) < 500:
        before = len(heard)
        subscriber.resume()
        subscriber.resume()
        await until_in_loop(lambda before=before: len(heard) > before)
    assert heard == [MINE + number.to_bytes(2, "big") for number in range(500)]
    assert seen == []
    publisher.resume()
    await until_in_loop(lambda: seen == [Presence(OTHER, True)])


async def test_publishing_does_not_swallow_the_news_of_a_subscriber(opened: Opener) -> None:
    """A send takes the descriptor's signal with it; the presence that it announced is told all the same."""
    publisher, subscriber = opened(), opened()
    seen: list[Presence] = []
    publisher.listen(asyncio.get_running_loop(), lambda: seen.extend(publisher.presences()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    subscriber.subscribe(MINE)
    subscriber.connect(b"key", publisher.addresses.publish)
    end = time.monotonic() + 0.3
    while time.monotonic() < end:  # the loop stands still, and every send lets libzmq take in what came
        publisher.publish(OTHER)
    await until_in_loop(lambda: seen == [Presence(MINE, True)])


async def test_nothing_is_called_after_close(opened: Opener) -> None:
    """Closing removes the readers, so a descriptor used again by somebody else wakes nobody here."""
    publisher, subscriber = opened(), opened()
    calls: list[int] = []
    subscriber.listen(asyncio.get_running_loop(), lambda: calls.append(1))
    subscriber.connect(b"key", publisher.addresses.publish)
    subscriber.close()
    with contextlib.suppress(TimeoutError):
        await until_in_loop(lambda: calls, seconds=0.1)
    assert calls == []
