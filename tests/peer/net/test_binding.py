"""Several hosts of both families, the same port on each of them."""

from __future__ import annotations

import socket as sockets
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
import zmq

from peer.net.endpoints import address
from peer.net.locks import binding
from protocol.errors import BadConfig
from tests.peer.net.wires import Wires


def _has_v6() -> bool:
    try:
        with sockets.create_server(("::1", 0), family=sockets.AF_INET6):
            return True
    except OSError:
        return False


needs_v6 = pytest.mark.skipif(not _has_v6(), reason="this computer has no ::1")


@pytest.fixture
def bind() -> Iterator[Callable[..., int]]:
    """Bind a socket of a Context that is gone when the test ends."""
    with ExitStack() as stack:
        context = stack.enter_context(zmq.Context())
        yield lambda *hosts: binding.bind(stack.enter_context(context.socket(zmq.ROUTER)), hosts)


@needs_v6
def test_members_meet_on_every_host_of_a_publisher(wires: Wires) -> None:
    """Over IPv4 and IPv6, by one port; presence and frames are the same on both."""
    publisher, first, second = wires.member(hosts=("127.0.0.1", "::1", "127.0.0.2")), wires.member(), wires.member()
    port = publisher.transport.endpoints.publish
    for reader, host in ((first, "::1"), (second, "127.0.0.2")):
        assert reader.transport.connect(publisher.peer, address(host, port), publisher.keys.public)
    wires.until(lambda: publisher.here() == {first.peer, second.peer})
    for reader in (first, second):
        publisher.transport.publish(reader.topic + b"hello")
    wires.until(lambda: first.heard and second.heard)
    publisher.transport.expel(first.peer)
    wires.until(lambda: [presence.here for presence in publisher.seen if presence.peer == first.peer][1:2] == [False])


@needs_v6
def test_flood_over_ipv6_is_attributed(wires: Wires) -> None:
    """A descriptor is told apart by its address, however libzmq writes it."""
    reader, publisher = wires.member(), wires.member(hosts=("::1",))
    wires.join(publisher, reader)
    publisher.transport.publish(reader.topic)
    wires.until(lambda: reader.heard)
    assert reader.transport.refusals["nobodys"] == 0


def test_port_that_is_taken_on_one_host_is_tried_on_none(
    bind: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The port of the first host may belong to somebody else on the second: then it is another one."""
    with sockets.create_server(("127.0.0.2", 0)) as taken:
        real, seen = binding._port_of, list[int]()

        def port_of(endpoint: str) -> int:
            seen.append(real(endpoint))
            return taken.getsockname()[1] if len(seen) == 1 else seen[-1]

        monkeypatch.setattr(binding, "_port_of", port_of)
        assert bind("127.0.0.1", "127.0.0.2") == seen[-1]
        assert len(seen) == 2


def test_endless_bad_luck_ends(bind: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many ports somebody is told."""
    with sockets.create_server(("127.0.0.2", 0)) as taken:
        monkeypatch.setattr(binding, "_port_of", lambda endpoint: taken.getsockname()[1])
        with pytest.raises(BadConfig, match="No port was free on every host"):
            bind("127.0.0.1", "127.0.0.2")


@pytest.mark.parametrize("hosts", [(), ("127.0.0.1", "127.0.0.1"), tuple(f"127.0.0.{n}" for n in range(1, 12))])
def test_hosts_are_few_and_different(bind: Callable[..., int], hosts: tuple[str, ...]) -> None:
    """As many as the others are told of."""
    with pytest.raises(BadConfig, match="were given to bind to"):
        bind(*hosts)
