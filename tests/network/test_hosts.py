"""Hosts of namespaces are hosts: what the other tests of this folder stand on."""

from __future__ import annotations

import os
import socket
import subprocess

import pytest

from peer.bench.hosts import Bridge, Host, Network
from tests.waiting import wait_until

ONE_SECOND = 1.0


def hears(to: Host, sender: Host, *, times: int = 1) -> int:
    """How many of so many datagrams come from one host to the other's first IPv4 address."""
    with to.namespace.entered():
        ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sender.namespace.entered():
        mouth = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with ear, mouth:
        ear.bind((to.addresses[0], 0))
        ear.settimeout(ONE_SECOND)
        mouth.settimeout(ONE_SECOND)
        heard = 0
        for _ in range(times):
            try:
                mouth.sendto(b"psst", ear.getsockname())
            except OSError:
                return heard
        try:
            while heard < times:
                ear.recv(16)
                heard += 1
        except TimeoutError:
            pass
        return heard


def test_hosts_on_a_bridge_hear_each_other_and_a_cut_one_hears_nothing(bridged: tuple[Bridge, list[Host]]) -> None:
    """A pulled plug is a partition of one; the others go on, and it hears again when it is plugged in."""
    bridge, (a, b, c) = bridged
    assert hears(a, b) == 1
    bridge.cut(c)
    assert (hears(c, a), hears(a, c), hears(a, b)) == (0, 0, 1)
    bridge.heal(c)
    wait_until(lambda: hears(c, a) == 1)  # a system notices a carrier within a second


def test_both_families_and_multicast_pass(bridged: tuple[Bridge, list[Host]]) -> None:
    """IPv6 addresses are usable at once, and multicast comes to whoever has joined."""
    _, (a, b, _) = bridged
    with a.namespace.entered(), socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as server:
        server.bind((a.addresses[1], 0))
        server.listen()
        with b.namespace.entered(), socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as client:
            client.settimeout(ONE_SECOND)
            client.connect(server.getsockname())
    with a.namespace.entered():
        ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with b.namespace.entered():
        mouth = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with ear, mouth:
        group, port = "224.0.0.251", 5353
        ear.bind((group, port))
        ear.setsockopt(
            socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + socket.inet_aton(a.addresses[0])
        )
        ear.settimeout(ONE_SECOND)
        mouth.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(b.addresses[0]))
        mouth.sendto(b"who is there", (group, port))
        assert ear.recv(64) == b"who is there"


def test_a_capture_has_what_passed(bridged: tuple[Bridge, list[Host]]) -> None:
    """Whoever owns the bridge sees every frame."""
    bridge, (a, b, _) = bridged
    with bridge.captured() as frames:
        assert hears(a, b) == 1
    assert any(b"psst" in frame for frame in frames)


def test_frames_are_lost_as_asked(bridged: tuple[Bridge, list[Host]]) -> None:
    """Half of them, and then none."""
    _, (a, b, _) = bridged
    a.lose(0.5)
    assert 0 < hears(a, b, times=100) < 100
    a.lose(0)
    assert hears(a, b, times=100) == 100


def test_a_host_on_two_bridges_is_the_only_one_that_both_sides_reach(network: Network) -> None:
    """A multi-homed host forwards nothing."""
    left, right = network.bridge(), network.bridge()
    a, b, c = network.host("a", left), network.host("b", left, right), network.host("c", right)
    assert len(b.addresses) == 4
    wait_until(lambda: hears(a, b) == 1)
    assert hears(c, a) == 0
    b.addresses.reverse()
    b.addresses[0] = b.addresses[1]
    wait_until(lambda: hears(b, c) == 1)


def test_nothing_of_it_is_seen_outside_and_nothing_stays(bridged: tuple[Bridge, list[Host]]) -> None:
    """No interface of ours is in the machine's own network, and a process in a host sees only that host's."""
    _, (a, _, _) = bridged
    outside = socket.if_nameindex()
    assert not {"br0", "a", "b", "c"} & {name for _, name in outside}
    assert set(a.namespace.run("ls", "/proc/self/net/dev_snmp6").split()) == {"eth0", "lo"}
    with Network() as other:
        other.host("d", other.bridge())
        running = subprocess.Popen(other.hosts[0].namespace.command("sleep", "60"))
        path = other.hosts[0].namespace.path
        assert os.path.exists(path)
        running.kill()
        running.wait()
    assert not os.path.exists(path)
    assert socket.if_nameindex() == outside


def test_a_command_that_fails_says_what_it_said(network: Network) -> None:
    """A network half made is an error, not a strange test."""
    with pytest.raises(subprocess.CalledProcessError) as error:
        network.bridge().namespace.ip("link set nonesuch up")
    assert "nonesuch" in str(error.value.stderr)
