"""Attacks of outsiders on the locks: with no key, a random one, the wrong server key, garbage, and many parts."""

from __future__ import annotations

import socket as sockets
from collections.abc import Callable

import pytest
import zmq

from peer.net.locks import monitor, proof
from peer.net.locks.keys import Entry, Locks, TransportKeys, make_keys, public_of
from peer.net.locks.monitor import Monitor
from peer.net.transport import Transport
from protocol.errors import BadConfig
from tests.peer.net.wires import LOBBY_SECRET, Member, Register, Wires, open_transport, stranger

SKILL = b"s" + bytes(8)


def outcome(wires: Wires, address: str, server_key: bytes, keys: TransportKeys | None, kind: int) -> int:
    """How the handshake of a stranger ends: the kind of the monitor's event."""
    with stranger(kind, server_key, keys) as socket:
        kinds = monitor.SUCCEEDED | monitor.REFUSED | monitor.FAILED | monitor.DISCONNECTED
        watched = Monitor(socket.context, socket, kinds)
        socket.connect(address)
        events: list[monitor.Event] = []
        wires.until(lambda: events.extend(watched.take()) or events)
        return events[0].kind


DOORS: list[tuple[Callable[[Member], str], int]] = [
    (lambda member: member.publish_address, zmq.SUB),
    (lambda member: member.fetch_address, zmq.DEALER),
]


@pytest.mark.parametrize(("door", "kind"), DOORS, ids=["publish", "fetch"])
def test_outsider_gets_into_no_market_socket(wires: Wires, door: Callable[[Member], str], kind: int) -> None:
    """No key, a random key, a member's key and the wrong server key: none completes a handshake; the member's does."""
    holder, member = wires.member(), wires.member()
    address, server_key = door(holder), holder.keys.public
    for keys, server in (
        (None, server_key),
        (make_keys(), server_key),
        (member.keys, make_keys().public),
        (member.keys, public_of(LOBBY_SECRET)),
    ):
        assert outcome(wires, address, server, keys, kind) != monitor.SUCCEEDED
    assert outcome(wires, address, server_key, member.keys, kind) == monitor.SUCCEEDED


def test_lobby_needs_the_markets_key_and_no_membership(wires: Wires) -> None:
    """Whoever does not know which market it is stays outside; with a key of its own anybody else comes in."""
    holder = wires.member()
    lobby = public_of(LOBBY_SECRET)
    assert outcome(wires, holder.lobby_address, lobby, None, zmq.DEALER) != monitor.SUCCEEDED
    assert outcome(wires, holder.lobby_address, make_keys().public, make_keys(), zmq.DEALER) != monitor.SUCCEEDED
    assert outcome(wires, holder.lobby_address, lobby, make_keys(), zmq.DEALER) == monitor.SUCCEEDED


def test_knock_comes_with_the_knockers_key(wires: Wires) -> None:
    """The lobby knows whose key every message has: it is the connection's user id."""
    holder, newcomer = wires.member(), wires.member(known=False)
    knock = newcomer.transport.knocking(holder.lobby_address)
    knock.send(b"hello")
    wires.until(lambda: holder.transport.lobby.poll(0))
    _, message = holder.transport.lobby.recv_multipart(copy=False)
    knock.close()
    assert (message.bytes, message.get("User-Id")) == (b"hello", newcomer.keys.public.hex())


def test_stranger_that_becomes_a_member_is_let_in_by_itself(wires: Wires) -> None:
    """Not yet known is asked again each second, so whoever is certified meanwhile needs do nothing."""
    holder, newcomer = wires.member(), wires.member(known=False)
    newcomer.hear(holder)
    wires.until(lambda: holder.transport.responder.answers["market 300"])
    assert not holder.here()
    wires.register.peers[newcomer.keys.public] = newcomer.peer
    wires.until(lambda: holder.here() == {newcomer.peer})


def test_impostor_at_a_members_address_is_not_heard(wires: Wires) -> None:
    """Whoever sits at the right address with the wrong key says nothing to us, and hears nothing from us."""
    reader, impostor = wires.member(), wires.member()
    reader.transport.connect(b"victim", impostor.publish_address, make_keys().public)
    honest = wires.member()
    wires.join(honest, reader)
    impostor.transport.publish(reader.topic + b"lies")
    honest.transport.publish(reader.topic + b"truth")
    wires.until(lambda: reader.heard)
    assert (reader.heard, impostor.seen) == ([reader.topic + b"truth"], [])


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff" + bytes(8) + b"\x7f\x03\0CURVE" + bytes(60),
        b"\xff" * 100_000,
        b"\0" * 100_000,
        b"\xff" + bytes(8) + b"\x7f\x03\0NULL" + bytes(48) + b"\x04\xff\xff\xff\xff",
    ],
)
def test_garbage_on_the_wire_hurts_nobody(wires: Wires, garbage: bytes) -> None:
    """Bytes that are no ZMTP end their connection, and members go on."""
    holder, member = wires.member(), wires.member()
    for port in holder.transport.endpoints[1:]:
        with sockets.create_connection(("127.0.0.1", port)) as rogue:
            rogue.sendall(garbage)
    wires.join(holder, member)
    holder.transport.publish(member.topic + b"still here")
    wires.until(lambda: member.heard == [member.topic + b"still here"])


def test_secret_is_in_no_representation(wires: Wires) -> None:
    """Logs and tracebacks show objects; a secret key in one is a lost key."""
    keys = make_keys()
    for text in (repr(keys), str(keys), f"{keys}", repr([keys]), repr({"keys": keys})):
        assert keys.secret.hex() not in text
        assert repr(keys.secret) not in text


# The self-test


async def test_locks_that_hold_are_proved(wires: Wires) -> None:
    """It takes a few handshakes on each socket of the market, and leaves nothing behind."""
    member = wires.member()
    await member.transport.prove_locks()
    assert member.transport.responder.answers == {"market 400": 2}
    assert not member.transport.responder.never


async def test_self_test_finds_a_warden_that_lets_everybody_in() -> None:
    """A key that was made a moment ago is nobody's."""

    class Asleep(Register):
        def judge(self, key: bytes) -> tuple[Entry, bytes]:
            return Entry.MEMBER, bytes(32)

    transport = Transport(keys=make_keys(), lobby_secret=LOBBY_SECRET, warden=Asleep())
    try:
        with pytest.raises(BadConfig, match="A key that nobody knows got in"):
            await transport.prove_locks()
    finally:
        transport.close()


async def test_self_test_finds_sockets_without_locks() -> None:
    """Without CURVE a client without a key comes in."""
    transport = open_transport()
    try:
        with pytest.raises(BadConfig, match="A client without a key got in"):
            await Transport.prove_locks(transport)
    finally:
        transport.close()


async def test_self_test_finds_that_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a responder, and without a domain that demands one, libzmq lets every key in."""

    def forget(self: Locks, socket: zmq.Socket[bytes], domain: bytes) -> None:
        socket.setsockopt(zmq.CURVE_SERVER, 1)
        socket.setsockopt(zmq.CURVE_SECRETKEY, self._secrets[domain])

    monkeypatch.setattr(Locks, "serve", forget)
    transport = Transport(keys=make_keys(), lobby_secret=LOBBY_SECRET, warden=Register())
    transport.responder.socket.close()
    try:
        with pytest.raises(BadConfig, match="A key that nobody knows got in"):
            await transport.prove_locks()
    finally:
        transport.close()


async def test_self_test_finds_a_responder_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handshake that nobody decides about ends by its time limit: nobody gets in, and no member either."""
    transport = Transport(keys=make_keys(), lobby_secret=LOBBY_SECRET, warden=Register())
    monkeypatch.setattr(proof, "_HANDSHAKE_MS", 200)
    monkeypatch.setattr(transport, "attend", lambda: None)
    try:
        with pytest.raises(BadConfig, match="does not ask"):
            await transport.prove_locks()
    finally:
        transport.close()


def test_libzmq_without_curve_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It could only run unlocked."""
    monkeypatch.setattr(zmq, "has", lambda capability: False)
    with pytest.raises(BadConfig, match="has no CURVE"):
        Transport(keys=make_keys(), lobby_secret=LOBBY_SECRET, warden=Register())
