"""A remote that fills a queue of ours and hangs up ends nobody's process.

libzmq 4.3.5 ends the whole process where a socket that beats loses a connection whose queue was full. That cannot be
caught, so each case is a process of its own.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

VICTIM = """
import time
import zmq
from peer.net.endpoints import address
from peer.net.locks.keys import Locks, make_keys
from peer.net.sockets import Sockets, TransportLimits

class NoLocks(Locks):
    def serve(self, socket, domain): pass
    def dial(self, socket, server_key): pass

def fill(stranger, socket):
    # Until the queues of both are full, and what the system keeps between them.
    for _ in range(200_000):
        try:
            socket.send(b"\\1" + bytes(400), zmq.NOBLOCK)
        except zmq.Again:
            time.sleep(0.002)
            if not socket.poll(50, zmq.POLLOUT):
                break
    time.sleep(0.1)
    stranger.destroy(linger=0)

ours, stranger = zmq.Context(), zmq.Context()
limits = TransportLimits(receive_queue_frames=8, fetch_queue_frames=8, heartbeat_interval_ms=100)
sockets = Sockets(ours, limits, NoLocks(make_keys(), bytes(31) + b"\\1"))
endpoints = sockets.bind(["127.0.0.1"])
"""
COME = """
door = stranger.socket({kind})
door.connect(address("127.0.0.1", endpoints.{port}))
fill(stranger, door)
"""
CALLED = """
door = stranger.socket({kind})
port = door.bind_to_random_port("tcp://127.0.0.1")
{call}
assert door.poll(10_000, zmq.POLLIN | zmq.POLLOUT if door.type == zmq.DEALER else zmq.POLLIN), "it did not call"
fill(stranger, door)
"""
END = """
time.sleep(0.6)
print("alive")
"""
CASES = {
    "subscriptions": COME.format(kind="zmq.XSUB", port="publish"),
    "questions": COME.format(kind="zmq.DEALER", port="fetch"),
    "knocks": COME.format(kind="zmq.DEALER", port="lobby"),
    "frames": CALLED.format(
        kind="zmq.XPUB",
        call="sockets.subscriber.subscribe(b'')\nsockets.connect(sockets.subscriber, address('127.0.0.1', port), b'')",
    ),
    "answers": CALLED.format(kind="zmq.DEALER", call="asking = sockets.dealer(address('127.0.0.1', port), b'')"),
}
"""What is filled → how a stranger does it."""


@pytest.mark.parametrize("what", CASES)
def test_whoever_fills_a_queue_and_hangs_up_ends_nobody(what: str) -> None:
    """The reader is busy meanwhile, as in a long turn; behind it come several beats."""
    done = subprocess.run(
        [sys.executable, "-c", VICTIM + CASES[what] + END], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr
