"""Descriptors run out for strangers first: a member goes on trading, and newcomers get in when they have left."""

from __future__ import annotations

import os
import resource
import socket as sockets
import subprocess
import sys
from contextlib import ExitStack

from peer.net.locks import descriptors
from peer.net.locks.keys import make_keys
from tests.peer.net.wires import Wires

LIMIT = 200
IDLE = 400
HOLDER = f"""
import resource, sys, time
resource.setrlimit(resource.RLIMIT_NOFILE, ({LIMIT}, {LIMIT}))
from peer.net.locks.keys import TransportKeys
from peer.net.transport import Transport
from protocol.topics import peer_topic
from tests.peer.net.wires import LOBBY_SECRET, Register
public, secret, *members = map(bytes.fromhex, sys.argv[1:])
register = Register()
register.peers = {{key: bytes([number]) * 32 for number, key in enumerate(members, start=1)}}
transport = Transport(keys=TransportKeys(public, secret), lobby_secret=LOBBY_SECRET, warden=register)
print(*transport.endpoints[1:], flush=True)
while True:
    transport.receive(100)
    transport.presences()
    try:
        with open(sys.executable, "rb"):  # as a journal or a worker may
            state = b"open"
    except OSError:
        state = b"full"
    if transport.refusals["no_descriptors"]:
        state += b" and strangers were turned away"
    for peer in register.peers.values():
        transport.publish(peer_topic(peer) + state)
    time.sleep(0.005)
"""


def test_limit_is_raised_as_far_as_it_may_be() -> None:
    """The soft limit is a default for programs that use select; the hard one is the computer's word."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    command = (
        "import resource; from peer.net.locks import descriptors;"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, 150));"
        "print(descriptors.raise_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["150", "150", "150"]
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (soft, hard)


def test_only_the_remote_that_was_meant_is_cut() -> None:
    """A descriptor that belongs to another connection by now, to a file or to nobody is left alone."""
    with ExitStack() as stack:
        listener = stack.enter_context(sockets.create_server(("127.0.0.1", 0)))
        client = stack.enter_context(sockets.create_connection(listener.getsockname()))
        accepted = stack.enter_context(listener.accept()[0])
        remote = descriptors.remote_of(accepted.fileno())
        assert remote == client.getsockname()
        assert remote is not None
        assert not descriptors.cut(accepted.fileno(), remote._replace(port=1))
        client.sendall(b"still connected")
        assert accepted.recv(100) == b"still connected"
        received = descriptors.bytes_received(accepted.fileno())
        assert received in (15, None)
        assert descriptors.cut(accepted.fileno(), remote)
        assert client.recv(100) == b""
        read, write = os.pipe()
        stack.callback(os.close, read)
        stack.callback(os.close, write)
        for other in (read, listener.fileno(), 10_000_000):
            assert descriptors.remote_of(other) is None
            assert not descriptors.cut(other, remote)
            assert not descriptors.bytes_received(other)


def test_idle_connections_take_no_descriptor_that_members_need() -> None:
    """At a limit of two hundred, four hundred idle connections change nothing for a member, nor for a newcomer."""
    wires, keys = Wires(), make_keys()
    member, newcomer = wires.member(), wires.member()
    words = [*keys, member.keys.public, newcomer.keys.public]
    with ExitStack() as stack:
        stack.callback(wires.close)
        command = [sys.executable, "-c", HOLDER, *(word.hex() for word in words)]
        holder = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE))
        stack.callback(holder.kill)
        assert holder.stdout is not None
        publish, fetch, lobby = map(int, holder.stdout.readline().split())
        address = f"tcp://127.0.0.1:{publish}"
        member.transport.connect(b"holder", address, keys.public)
        wires.until(lambda: member.heard)
        rogues = stack.enter_context(ExitStack())
        for number in range(IDLE):
            port = (publish, fetch, lobby)[number % 3]
            rogues.enter_context(sockets.create_connection(("127.0.0.1", port), timeout=10))
        calm = member.topic + b"open and strangers were turned away"
        member.heard.clear()
        wires.until(lambda: member.heard[-20:].count(calm) == 20)
        newcomer.transport.connect(b"holder", address, keys.public)
        wires.until(lambda: newcomer.heard)
        rogues.close()
        member.heard.clear()
        wires.until(lambda: member.heard)
        assert holder.poll() is None
