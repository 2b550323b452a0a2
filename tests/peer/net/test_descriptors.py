"""Descriptors run out for strangers first: a member goes on trading, and newcomers get in when they have left."""

from __future__ import annotations

import os
import resource
import socket as sockets
import subprocess
import sys
from contextlib import ExitStack

from peer.net import descriptors


def test_limit_is_raised_as_far_as_it_may_be() -> None:
    """The soft limit is a default for programs that use select; the hard one is the computer's word."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    command = (
        "import resource; from peer.net import descriptors; resource.setrlimit(resource.RLIMIT_NOFILE, (100, 150));"
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
