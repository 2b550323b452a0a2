"""The setting `interface`: names and addresses of this computer, and nothing that nobody asked for."""

from __future__ import annotations

import pytest

from peer.net.interfaces import Interface, interfaces, port_range, resolve
from protocol.errors import BadConfig

HERE = [
    Interface("lo", ("127.0.0.1", "::1")),
    Interface("eth0", ("192.0.2.2", "fd00::2", "fe80::1%eth0")),
    Interface("wlan0", ("169.254.7.7", "fe80::2%wlan0")),
]


@pytest.mark.parametrize(
    ("said", "hosts"),
    [
        ("127.0.0.1", ("127.0.0.1",)),
        ("127.0.0.9", ("127.0.0.9",)),
        ("eth0", ("192.0.2.2", "fd00::2")),
        ("wlan0", ("169.254.7.7", "fe80::2%wlan0")),
        ("lo, 192.0.2.2,eth0", ("127.0.0.1", "::1", "192.0.2.2", "fd00::2")),
        ("[FD00::2]", ("fd00::2",)),
        ("fe80::1%eth0", ("fe80::1%eth0",)),
    ],
)
def test_names_and_addresses_become_addresses_in_the_order_said(said: str, hosts: tuple[str, ...]) -> None:
    """A name means all addresses that others can use; one said twice counts once; all of 127/8 is this computer."""
    assert resolve(said, here=HERE) == hosts


@pytest.mark.parametrize("said", ["eth7", "203.0.113.9", "0.0.0.0", "::", "*", " , ", "fe80::1%wlan0"])
def test_what_is_not_here_is_refused_with_a_list_of_what_is(said: str) -> None:
    """Neither a misspelt name, nor a foreign address, nor every address at once."""
    with pytest.raises(BadConfig) as refused:
        resolve(said, here=HERE)
    assert "eth0 (192.0.2.2, fd00::2, fe80::1%eth0)" in refused.value.do


def test_no_more_addresses_than_a_peer_can_say() -> None:
    """What would be cut off silently is refused instead."""
    many = [Interface("eth0", tuple(f"192.0.2.{number}" for number in range(9)))]
    with pytest.raises(BadConfig, match="names 9 addresses"):
        resolve("eth0", here=many)


def test_ports_are_a_range_with_room_for_a_peer() -> None:
    """Nothing said is any port; what has no room for three, or no sense, is refused."""
    assert port_range("") is None
    assert port_range("7300-7399") == range(7300, 7400)
    for said in ("7300-7301", "0-100", "65534-65536", "9-1"):
        with pytest.raises(BadConfig, match="ports"):
            port_range(said)


def test_this_computer_has_its_own_loopback() -> None:
    """What the system lists can be said again."""
    loopback = next(each for each in interfaces() if "127.0.0.1" in each.hosts)
    assert "127.0.0.1" in resolve(loopback.name)
