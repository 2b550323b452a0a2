"""An address names one port of one machine, of either family, and nothing else that libzmq understands."""

from __future__ import annotations

import pytest

from peer.net.endpoints import (
    Endpoints,
    address,
    fault_of_address,
    fault_of_endpoints,
    fault_of_host,
    on_loopback,
    split_address,
)


@pytest.mark.parametrize(
    "rubbish",
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
        "tcp://::1:80",
        "tcp://[::]:80",
        "tcp://[ff02::fb]:5353",
        "tcp://[::ffff:192.0.2.1]:80",
        "tcp://[fe80::1%]:80",
        "tcp://[fe80::1%eth0;x]:80",
        "tcp://[::1]:0",
        "tcp://[::1]:80]:80",
        "tcp://[localhost]:80",
        b"tcp://127.0.0.1:1",
        None,
    ],
)
def test_only_plain_addresses_are_connected_to(rubbish: object) -> None:
    """A stranger's address is refused before libzmq sees it."""
    assert fault_of_address(rubbish) is not None


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "192.0.2.7", "::1", "2001:db8::7", "fe80::1%eth0", "fe80::abcd%veth-a.7"]
)
def test_both_families_and_zones_make_addresses(host: str) -> None:
    """What `address` writes has no fault, and can be taken apart again."""
    assert fault_of_host(host) is None
    assert fault_of_address(address(host, 65_535)) is None
    assert split_address(address(host, 80)) == (host, 80)


@pytest.mark.parametrize(
    "endpoints",
    [
        Endpoints((), 1, 2, 3),
        Endpoints(("127.0.0.1",), 1, 2, 2),
        Endpoints(("127.0.0.1",), 0, 1, 2),
        Endpoints(("127.0.0.1",), 1, 2, 65_536),
        Endpoints(("127.0.0.1", "127.0.0.1"), 1, 2, 3),
        Endpoints(("127.0.0.1", "0.0.0.0"), 1, 2, 3),
        Endpoints(tuple(f"192.0.2.{number}" for number in range(1, 10)), 1, 2, 3),
    ],
)
def test_endpoints_are_few_different_hosts_and_three_ports(endpoints: Endpoints) -> None:
    """Whoever names more is no computer."""
    assert fault_of_endpoints(endpoints) is not None
    assert fault_of_endpoints(Endpoints(("127.0.0.1", "::1"), 1, 2, 65_535)) is None


def test_only_this_computers_own_addresses_are_on_loopback() -> None:
    """Both families, and nothing that is no address."""
    assert [on_loopback(host) for host in ("127.0.0.9", "::1", "192.0.2.1", "2001:db8::1", "localhost")] == [
        True, True, False, False, False,
    ]  # fmt: skip
