"""Ports of a range: three in a row for each peer, past those that are taken."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator

import pytest
import zmq

from peer.net.locks.binding import bind_at
from protocol.errors import BadConfig

OPENED: list[zmq.Socket[bytes]] = []


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    """A context that is thrown away with whatever is in it."""
    context = zmq.Context[zmq.Socket[bytes]]()
    yield context
    while OPENED:
        OPENED.pop().close(linger=0)
    context.term()


def three(context: zmq.Context[zmq.Socket[bytes]]) -> list[zmq.Socket[bytes]]:
    """The sockets of a peer."""
    opened = [context.socket(zmq.ROUTER) for _ in range(3)]
    OPENED.extend(opened)
    return opened


def free_range() -> range:
    """Nine ports that nobody listens on, below those that the system gives to whoever asks for any."""
    while True:
        first = random.randrange(20_000, 32_000)
        ports = range(first, first + 9)
        if all(_is_free(host, port) for host in ("127.0.0.1", "127.0.0.2") for port in ports):
            return ports


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def test_peers_of_one_computer_share_a_range(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    """Each takes the next three that are free on all hosts; when none are left, the error says what to do."""
    ports = free_range()
    with socket.socket() as other:
        other.bind(("127.0.0.2", ports.start + 1))
        other.listen()
        for taken in (3, 6):
            peer = bind_at(three(context), ("127.0.0.1", "127.0.0.2"), ports)
            assert peer == list(ports[taken : taken + 3])
        with pytest.raises(BadConfig, match="No 3 ports are free") as full:
            bind_at(three(context), ("127.0.0.1", "127.0.0.2"), ports)
    assert "--ports" in full.value.do


def test_an_address_of_somebody_else_is_told_at_once(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    """No other port would help."""
    with pytest.raises(BadConfig, match=r"203\.0\.113\.9"):
        bind_at(three(context), ("203.0.113.9",), free_range())
