"""Members that do too much: what is dropped, who is kept out and comes back, and that nobody else is touched."""

from __future__ import annotations

import socket as sockets
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest
import zmq

from peer.net.guard.conduct import ConductLimits
from peer.net.guard.letters import LetterLimits
from peer.net.guard.rates import Rate
from peer.net.guard.sources import SourceLimits
from peer.net.guard.visitors import VisitorLimits
from peer.net.guard.waiting import WaitingLimits
from peer.net.transport import TransportLimits
from tests.peer.net.wires import Member, Wires, open_transport, stranger

SMALL = SourceLimits(
    member_frames=Rate(100, 200), member_bytes=Rate(1e6, 2e6), strikes=Rate(0.001, 3), queue_frames=32_768
)
QUICK = TransportLimits(conduct=ConductLimits(sources=SMALL, pause_ms=300, look_ms=50))


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Whatever is entered is left when the test ends."""
    with ExitStack() as entered:
        yield entered


def refused(member: Member, why: str) -> int:
    """How often a transport did not take what came."""
    return member.transport.refusals[why]


def flood(member: Member, topic: bytes, *, frames: int = 2_000, size: int = 100) -> None:
    """Publish many times what a member of these tests may."""
    for _ in range(frames):
        member.transport.publish(topic + bytes(size))


def test_flooding_member_is_kept_out_and_comes_back_by_itself(wires: Wires) -> None:
    """Its frames are dropped, it is disconnected both ways, others are heard, and after the pause it is as before."""
    reader, loud, honest = wires.member(QUICK), wires.member(QUICK), wires.member(QUICK)
    wires.join(loud, reader)
    wires.join(reader, loud)
    wires.join(honest, reader)
    flood(loud, reader.topic)
    wires.until(lambda: reader.transport.penalised(loud.peer))
    assert refused(reader, "too_much_of_member")
    honest.transport.publish(reader.topic + b"honest")
    wires.until(lambda: reader.topic + b"honest" in reader.heard)
    wires.until(lambda: loud.peer not in reader.here() and reader.peer not in loud.here())
    wires.until(lambda: not reader.transport.penalised(loud.peer))
    wires.until(lambda: loud.peer in reader.here() and reader.peer in loud.here())
    reader.heard.clear()
    loud.transport.publish(reader.topic + b"sorry")
    wires.until(lambda: reader.topic + b"sorry" in reader.heard)


def test_first_burst_of_a_flood_holds_up_nobody(wires: Wires) -> None:
    """Of two hundred frames that were let in before, ten are worked off before another member's only one."""
    slow = TransportLimits(
        conduct=ConductLimits(sources=SourceLimits(member_frames=Rate(0.001, 200))),
        waiting=WaitingLimits(pace=Rate(0.001, 10)),
    )
    reader, loud, honest = wires.member(slow), wires.member(), wires.member()
    wires.join(loud, reader)
    wires.join(honest, reader)
    flood(loud, reader.topic, frames=200)
    wires.until(lambda: reader.heard)
    honest.transport.publish(reader.topic + b"honest")
    wires.until(lambda: reader.topic + b"honest" in reader.heard)
    assert len(reader.heard) <= 11
    assert not reader.transport.has_more


def test_what_waits_of_a_member_is_thrown_away_when_it_is_kept_out(wires: Wires) -> None:
    """A flood was let in before it was known for one, and next to nothing of it is worked off."""
    limits = TransportLimits(conduct=QUICK.conduct, waiting=WaitingLimits(pace=Rate(0.001, 10)))
    reader, loud = wires.member(limits), wires.member()
    wires.join(loud, reader)
    wires.members.remove(reader)
    flood(loud, reader.topic, frames=150)
    wires.until(lambda: reader.heard.extend(reader.transport.receive(1_000)) or len(reader.heard) >= 10)
    flood(loud, reader.topic)
    wires.until(lambda: reader.heard.extend(reader.transport.receive(1_000)) or reader.transport.penalised(loud.peer))
    assert len(reader.heard) == 10
    assert refused(reader, "thrown_away") >= 140
    wires.members.append(reader)
    wires.until(lambda: not reader.transport.penalised(loud.peer))
    assert len(reader.heard) == 10


def test_too_many_bytes_are_too_much_as_well(wires: Wires) -> None:
    """A few frames of a megabyte."""
    reader, loud = wires.member(QUICK), wires.member()
    wires.join(loud, reader)
    flood(loud, reader.topic, frames=30, size=1_000_000)
    wires.until(lambda: reader.transport.penalised(loud.peer))
    assert len(reader.heard) <= 3


def test_sponsor_has_a_bound_for_all_its_peers_together(wires: Wires) -> None:
    """Ten peers of one computer are not ten computers; whoever is within its own rate is not punished for the rest."""
    limits = TransportLimits(
        conduct=ConductLimits(sources=SourceLimits(member_frames=Rate(0.001, 100), sponsor_share=2))
    )
    reader, crowd = wires.member(limits), [wires.member() for _ in range(4)]
    for member in crowd:
        wires.register.sponsors[member.peer] = b"sponsor"
        wires.join(member, reader)
    for member in crowd:
        flood(member, reader.topic, frames=60)
    wires.until(lambda: len(reader.heard) + refused(reader, "too_much_of_sponsor") == 240)
    assert 100 < len(reader.heard) <= 200
    assert not any(reader.transport.penalised(member.peer) for member in crowd)


def test_frames_that_only_a_connection_can_be_blamed_for_are_counted_against_it(wires: Wires) -> None:
    """Bytes nobody signed: one may be an accident, many in a row are not."""
    reader, liar, honest = wires.member(QUICK), wires.member(), wires.member()
    wires.join(liar, reader)
    wires.join(honest, reader)

    def judged() -> bool:
        honest.transport.publish(reader.topic + b"good")
        liar.transport.publish(reader.topic + b"bad")
        for index, frame in enumerate(reader.transport.receive(100)):
            if frame.endswith(b"bad"):
                reader.transport.blame(index)
        return reader.transport.penalised(liar.peer)

    wires.members.remove(reader)
    wires.until(judged)
    wires.members.append(reader)
    assert not reader.transport.penalised(honest.peer)
    reader.transport.blame(10_000)


def test_message_of_several_parts_is_nobodys_mistake(wires: Wires, stack: ExitStack) -> None:
    """Bundles are one frame each; a publisher that sends more is kept out."""
    reader, rogue = wires.member(QUICK), wires.member()
    context = stack.enter_context(zmq.Context())
    publisher = stack.enter_context(context.socket(zmq.PUB))
    publisher.linger = 0
    publisher.setsockopt(zmq.CURVE_SERVER, 1)
    publisher.setsockopt(zmq.CURVE_SECRETKEY, rogue.keys.secret)
    port = publisher.bind_to_random_port("tcp://127.0.0.1")
    reader.transport.connect(rogue.peer, f"tcp://127.0.0.1:{port}", rogue.keys.public)

    def is_noticed() -> bool:
        publisher.send_multipart([reader.topic] * 2_000)
        return reader.transport.penalised(rogue.peer)

    wires.until(is_noticed)
    assert reader.heard == []


def test_message_that_never_ends_is_cut(wires: Wires, stack: ExitStack) -> None:
    """Parts without a last one are kept by libzmq and shown to nobody: the kernel's count of bytes gives them away."""
    conduct = ConductLimits(visitors=VisitorLimits(bytes_free=100_000), visitor_bytes_per_second=100_000, look_ms=50)
    holder = open_transport(limits=TransportLimits(conduct=conduct))
    stack.callback(holder.close)
    rogue = stack.enter_context(sockets.create_connection(("127.0.0.1", holder.endpoints.fetch)))
    rogue.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(48))
    rogue.sendall(b"\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06DEALER")
    came = b""
    while b"READY" not in came:
        came += rogue.recv(1_000)
    rogue.setblocking(False)

    part, sent = b"\x01\xff" + bytes(255), 0  # and more to come

    def is_noticed() -> bool:
        nonlocal sent
        with suppress(BlockingIOError, ConnectionError):
            sent += rogue.send((part * 40)[sent % len(part) :])
        holder.attend()
        return bool(holder.refusals["too_many_bytes"])

    def is_cut() -> bool:
        with suppress(BlockingIOError):
            try:
                while rogue.recv(1_000):
                    pass
            except ConnectionError:
                pass
            return True
        return False

    wires.until(is_noticed)
    wires.until(is_cut)


def letters(member: Member) -> list[bytes]:
    """Take every request that may be answered."""
    bodies: list[bytes] = []
    try:
        while True:
            letter = member.transport.asked()
            if letter is not None:
                bodies.append(letter.body)
    except zmq.Again:
        return bodies


def test_request_comes_with_its_member_and_too_many_are_dropped(wires: Wires, stack: ExitStack) -> None:
    """A bounded number at once; whoever goes on is kept out for a while."""
    limits = TransportLimits(letters=LetterLimits(requests=Rate(0.001, 10)))
    holder, member = wires.member(limits), wires.member()
    asker = member.transport.asking(holder.fetch_address, holder.keys.public)
    stack.callback(asker.close)
    asker.send(b"question")
    wires.until(lambda: holder.transport.answering.poll(0))
    letter = holder.transport.asked()
    assert letter is not None
    assert (letter.user, letter.body) == (member.peer, b"question")
    holder.transport.answering.send_multipart([letter.sender, b"answer"])
    wires.until(lambda: asker.poll(0))
    assert asker.recv() == b"answer"
    asker.send_multipart([b"part"] * 3)
    for _ in range(100):
        asker.send(b"question")
    taken: list[bytes] = []
    wires.until(lambda: taken.extend(letters(holder)) or holder.transport.penalised(member.peer))
    assert len(taken) < 10
    assert refused(holder, "odd_parts") == 1


def test_request_of_many_parts_ends_its_connection(wires: Wires, stack: ExitStack) -> None:
    """Two parts are a request, three a mistake, and more are neither."""
    holder, member = wires.member(), wires.member()
    asker = member.transport.asking(holder.fetch_address, holder.keys.public)
    stack.callback(asker.close)
    asker.send_multipart([b"part"] * 1_000)
    wires.until(lambda: letters(holder) or holder.transport.penalised(member.peer))
    assert refused(holder, "odd_parts") == 1


def test_expelled_peer_loses_every_connection_in_both_directions(wires: Wires, stack: ExitStack) -> None:
    """Also one that has not said a word yet; and nothing that it sends is heard any more."""
    holder, revoked, honest = wires.member(), wires.member(), wires.member()
    wires.join(holder, revoked, honest)
    wires.join(revoked, holder)
    silent = stack.enter_context(stranger(zmq.DEALER, holder.keys.public, revoked.keys))
    silent.connect(holder.fetch_address)
    wires.until(lambda: holder.transport.responder.answers["market 200"] == 3)
    wires.register.out.add(revoked.keys.public)
    del wires.register.peers[revoked.keys.public]
    holder.transport.expel(revoked.peer)
    wires.until(lambda: holder.here() == {honest.peer} and not revoked.here())
    silent.send(b"let me in")
    revoked.transport.publish(holder.topic + b"still here")
    wires.until(lambda: holder.transport.responder.answers["market 400"])
    wires.until(lambda: not holder.transport.connections(revoked.peer) and not letters(holder))
    honest.hear(holder)
    holder.transport.publish(honest.topic + b"alone")
    wires.until(lambda: honest.heard == [honest.topic + b"alone"])
    assert holder.heard == []


def test_expelled_peer_that_may_come_comes_again(wires: Wires) -> None:
    """Cutting is all: for a member whose rights have changed it is a moment's absence."""
    holder, member = wires.member(), wires.member()
    wires.join(holder, member)
    holder.transport.expel(member.peer)
    wires.until(lambda: [presence.here for presence in holder.seen] == [True, False, True])


def test_refused_publisher_is_called_again(wires: Wires) -> None:
    """Who was refused for good is given up by libzmq, and not by us: the other may have learnt better."""
    reader, publisher = wires.member(TransportLimits(conduct=ConductLimits(redial_ms=200, look_ms=50))), wires.member()
    wires.register.out.add(reader.keys.public)
    reader.hear(publisher)
    wires.until(lambda: publisher.transport.responder.answers["market 400"])
    wires.register.out.clear()
    wires.until(lambda: publisher.here() == {reader.peer})


def test_connections_of_one_member_are_bounded(wires: Wires, stack: ExitStack) -> None:
    """One member cannot take the places of many."""
    limits = TransportLimits(conduct=ConductLimits(visitors=VisitorLimits(per_member_max=3)))
    holder, member = wires.member(limits), wires.member()
    for _ in range(10):
        rogue = stack.enter_context(stranger(zmq.XSUB, holder.keys.public, member.keys))
        rogue.setsockopt(zmq.RECONNECT_IVL, -1)
        rogue.connect(holder.publish_address)
        rogue.send(b"\1" + member.topic)
    wires.until(lambda: refused(holder, "too_many_of_member") == 7 and holder.transport.connections(member.peer) == 3)
    assert holder.here() == {member.peer}


def test_idle_connections_of_one_host_are_bounded(wires: Wires, stack: ExitStack) -> None:
    """Whoever says nothing is not kept for long, and not in any number; members get in."""
    limits = TransportLimits(conduct=ConductLimits(visitors=VisitorLimits(silent_per_host_max=20)))
    holder, member = wires.member(limits), wires.member()
    for _ in range(100):
        stack.enter_context(sockets.create_connection(("127.0.0.1", holder.transport.endpoints.publish)))
    wires.until(lambda: refused(holder, "too_many_of_host") >= 80)
    wires.join(holder, member)


def test_nobody_stays_in_the_lobby(wires: Wires, stack: ExitStack) -> None:
    """A visit is a question or two; then the place is free again."""
    conduct = ConductLimits(visitors=VisitorLimits(passing_ms=200, silent_ms=200), look_ms=50)
    holder, newcomer = wires.member(TransportLimits(conduct=conduct)), wires.member(known=False)
    knock = newcomer.transport.knocking(holder.lobby_address)
    stack.callback(knock.close)
    knock.send(b"hello")
    wires.until(lambda: holder.transport.lobby.poll(0))
    wires.until(lambda: refused(holder, "silent") + refused(holder, "stayed_too_long"))


def test_member_that_comes_and_goes_all_the_time_is_kept_out_for_a_while(wires: Wires) -> None:
    """Each handshake costs us a fraction of a millisecond: a member has some, and more when time has passed."""
    conduct = ConductLimits(handshakes=Rate(0.001, 5))
    holder, restless, calm = wires.member(TransportLimits(conduct=conduct)), wires.member(), wires.member()
    for _ in range(5):
        wires.join(holder, restless)
        restless.transport.disconnect(holder.peer)
        wires.until(lambda: not holder.here())
    restless.hear(holder)
    wires.until(lambda: holder.transport.responder.answers["market 300"])
    wires.join(holder, calm)
    assert holder.here() == {calm.peer}
