"""What is told of an address that a hello came to nothing at."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest
import zmq

from peer.net.meet.probe import There, probe


@pytest.fixture
def listening() -> Iterator[tuple[socket.socket, str]]:
    """A plain socket that listens, and its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server, f"tcp://127.0.0.1:{server.getsockname()[1]}"


async def test_socket_of_libzmq_is_told_by_its_first_bytes() -> None:
    """It speaks before anybody has shown a key."""
    with zmq.Context[zmq.Socket[bytes]]() as context, context.socket(zmq.ROUTER) as router:
        router.setsockopt(zmq.LINGER, 0)
        port = router.bind_to_random_port("tcp://127.0.0.1")
        assert await probe(f"tcp://127.0.0.1:{port}") is There.PEER


async def test_nobody_somebody_silent_and_another_program_are_told_apart(
    listening: tuple[socket.socket, str],
) -> None:
    """A kernel accepts for a process that is stopped, and then nothing comes; a web server says something else."""
    server, where = listening
    assert await probe(where, wait_s=0.2) is There.SILENT

    def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as web:
        assert await probe(f"tcp://127.0.0.1:{web.sockets[0].getsockname()[1]}") is There.FOREIGN
    server.close()
    assert await probe(where) is There.REFUSED


async def test_what_is_no_address_is_not_called() -> None:
    """A stranger's word may be anything."""
    assert await probe("ipc:///tmp/x") is There.FAILED
