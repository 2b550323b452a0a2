"""Attacks by subscriptions: on what others hear, on who is here, and on the publisher's memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import zmq

from peer.net.guard.doorkeeping import Presence
from peer.net.locks.keys import make_keys
from protocol.topics import peer_topic
from tests.peer.net.wires import Member, Wires, stranger

SKILL = b"s" + b"\2" * 8


class Rogues:
    """Members' keys in hands that do not keep the rules: raw XSUB sockets."""

    def __init__(self, wires: Wires, stack: ExitStack) -> None:
        self._wires, self._stack = wires, stack

    def __call__(self, publisher: Member, member: Member | None = None) -> tuple[zmq.Socket[bytes], bytes]:
        """A socket connected to `publisher`, under a member's key or a new one's; and whose it is."""
        keys, peer = (make_keys(), b"") if member is None else (member.keys, member.peer)
        if member is None:
            peer = self._wires.register.peers[keys.public] = keys.public
        socket = self._stack.enter_context(stranger(zmq.XSUB, publisher.keys.public, keys))
        socket.connect(publisher.publish_address)
        return socket, peer


@pytest.fixture
def rogues(wires: Wires) -> Iterator[Rogues]:
    """Sockets that are closed when the test ends."""
    with ExitStack() as stack:
        yield Rogues(wires, stack)


def refused(member: Member, why: str) -> int:
    """How often a transport did not give what was asked."""
    return member.transport.refusals[why]


def test_subscription_to_anothers_topic_hears_nothing_and_ends_the_connection(wires: Wires, rogues: Rogues) -> None:
    """What is for one peer is heard by that peer alone, and its presence is not touched by whoever tries."""
    publisher, victim = wires.member(), wires.member()
    wires.join(publisher, victim)
    rogue, peer = rogues(publisher)
    rogue.send(b"\1" + victim.topic)
    wires.until(lambda: refused(publisher, "not_for_them"))
    publisher.transport.publish(victim.topic + b"secret")
    wires.until(lambda: victim.heard == [victim.topic + b"secret"])
    assert publisher.transport.penalised(peer)
    assert not rogue.poll(0)
    assert publisher.seen == [Presence(victim.peer, victim.topic, True)]


def test_liars_that_leave_take_nobody_with_them(wires: Wires, rogues: Rogues) -> None:
    """It is not told whose subscription ended; the member is here until its own last connection is not."""
    publisher, victim, witness = wires.member(), wires.member(), wires.member()
    wires.join(publisher, victim)
    for _ in range(5):
        rogue, _ = rogues(publisher)
        for prefix in (b"\1", b"\1", b"\0", b"\1"):
            rogue.send(prefix + victim.topic)
    wires.until(lambda: refused(publisher, "not_for_them") == 5)
    wires.join(publisher, witness)
    wires.until(lambda: not len(publisher.transport.liars))
    assert publisher.here() == {victim.peer, witness.peer}
    victim.transport.disconnect(publisher.peer)
    wires.until(lambda: publisher.here() == {witness.peer})


def test_presence_lasts_as_long_as_one_connection_of_the_peer(wires: Wires, rogues: Rogues) -> None:
    """Here with the first that has the topic, gone with the last, whichever ends first and however."""
    publisher, member = wires.member(), wires.member()
    first, _ = rogues(publisher, member)
    first.send(b"\1" + member.topic)
    wires.until(lambda: publisher.here() == {member.peer})
    second, _ = rogues(publisher, member)
    for topic in (member.topic, SKILL):
        second.send(b"\1" + topic)

    def second_hears() -> bool:
        publisher.transport.publish(SKILL)
        return bool(second.poll(0))

    wires.until(second_hears)
    first.close()
    witness = wires.member()
    wires.join(publisher, witness)
    wires.until(lambda: publisher.transport.connections(member.peer) == 1)
    assert publisher.here() == {member.peer, witness.peer}
    second.send(b"\0" + member.topic)
    wires.until(lambda: publisher.here() == {witness.peer})
    assert [presence for presence in publisher.seen if presence.peer == member.peer] == [
        Presence(member.peer, member.topic, True),
        Presence(member.peer, member.topic, False),
    ]


def test_eavesdropper_cannot_shift_whose_subscription_is_granted(wires: Wires, rogues: Rogues) -> None:
    """A message that is no subscription makes libzmq grant the next one to another connection: none is granted then."""
    publisher, witness = wires.member(), wires.member()
    wires.join(publisher, witness)
    for _ in range(20):
        victim = wires.member()
        spy, peer = rogues(publisher)
        honest, _ = rogues(publisher, victim)
        for one in (spy, honest):
            one.send(b"\1" + SKILL)

        def both_hear(*both: zmq.Socket[bytes]) -> bool:
            publisher.transport.publish(SKILL)
            return all(one.poll(0) for one in both)

        wires.until(lambda both=(spy, honest): both_hear(*both))
        for socket, message in ((spy, b"no subscription"), (honest, b"\1" + victim.topic), (spy, b"\1" + SKILL)):
            socket.send(message)
            time.sleep(0.02)
            publisher.transport.publish(SKILL)  # libzmq takes in what came, and nobody reads it yet
        publisher.turn()
        publisher.transport.publish(victim.topic + b"secret")
        wires.until(lambda peer=peer: publisher.transport.penalised(peer))
        while spy.poll(20):
            assert not spy.recv().startswith(victim.topic)
        if refused(publisher, "out_of_step"):
            return
    pytest.fail("twenty attempts did not meet")


@pytest.mark.parametrize("message", [b"no subscription", b"", b"\1" + bytes(10), b"\1p" + bytes(300)])
def test_odd_message_ends_the_connection(wires: Wires, rogues: Rogues, message: bytes) -> None:
    """No subscriber of ours says anything but topics of nine bytes, or none."""
    publisher, member = wires.member(), wires.member()
    rogue, peer = rogues(publisher)
    rogue.send(message)
    wires.until(lambda: refused(publisher, "odd_subscriptions"))
    wires.until(lambda: publisher.transport.penalised(peer))
    wires.join(publisher, member)


def test_huge_topic_ends_the_connection_before_it_is_read(wires: Wires, rogues: Rogues) -> None:
    """Every byte of a topic costs the publisher fifty, so a long one is not even taken in."""
    publisher, member = wires.member(), wires.member()
    rogue, _ = rogues(publisher, member)
    rogue.setsockopt(zmq.RECONNECT_IVL, -1)
    rogue.send(b"\1" + member.topic)
    wires.until(lambda: publisher.here() == {member.peer})
    rogue.send(b"\1" + bytes(100_000))
    wires.until(lambda: not publisher.here())


def test_flood_of_subscriptions_ends_with_its_connection(wires: Wires, rogues: Rogues) -> None:
    """A peer has so many skills and no more; beyond that it is cut, kept out for a while, and its topics are freed."""
    publisher, member = wires.member(), wires.member()
    wires.join(publisher, member)
    rogue, peer = rogues(publisher)
    for number in range(10_000):
        rogue.send(b"\1s" + number.to_bytes(8, "big"))
    wires.until(lambda: refused(publisher, "floods"))
    assert publisher.transport.penalised(peer)
    publisher.transport.publish(member.topic + b"on we go")
    wires.until(lambda: member.heard == [member.topic + b"on we go"])
    assert refused(publisher, "floods") == 1


def test_flood_of_others_topics_leaves_nothing_behind(wires: Wires, rogues: Rogues) -> None:
    """Thousands of lies are forgotten with the connection they came on."""
    publisher, member = wires.member(), wires.member()
    rogue, _ = rogues(publisher)
    for number in range(5_000):
        rogue.send(b"\1" + peer_topic(number.to_bytes(32, "big")))
    wires.until(lambda: refused(publisher, "not_for_them") == 1)
    wires.join(publisher, member)
    wires.until(lambda: not len(publisher.transport.liars))


def test_everything_is_heard_only_with_the_right_and_asking_is_no_offence(wires: Wires) -> None:
    """A right may be newer than what the publisher knows: the empty topic is not granted, and that is all."""
    publisher, curious, observer = wires.member(), wires.member(), wires.member()
    wires.register.observers.add(observer.peer)
    for one in (curious, observer):
        one.transport.subscribe(b"")
    wires.join(publisher, curious, observer)
    publisher.transport.publish(SKILL + b"for observers")
    publisher.transport.publish(curious.topic + b"for the curious")
    wires.until(lambda: curious.heard and len(observer.heard) == 2)
    assert curious.heard == [curious.topic + b"for the curious"]
    assert not publisher.transport.penalised(curious.peer)


def test_member_that_is_none_any_more_hears_nothing_new(wires: Wires) -> None:
    """A revoked member's new subscription on a live connection is not granted."""
    publisher, member = wires.member(), wires.member()
    wires.join(publisher, member)
    del wires.register.peers[member.keys.public]
    member.transport.subscribe(SKILL)
    wires.until(lambda: refused(publisher, "not_for_them"))
    publisher.transport.publish(SKILL + b"secret")
    publisher.transport.publish(member.topic + b"end")
    wires.until(lambda: member.heard)
    assert member.heard == [member.topic + b"end"]
