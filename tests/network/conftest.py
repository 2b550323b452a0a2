"""Networks of this test's own, on this machine; where it cannot make them, the tests say why they were skipped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from peer.bench.hosts import Bridge, Host, Network, fault_of_machine
from tests.network.computers import Computers


@pytest.fixture(scope="session")
def machine() -> None:
    """A machine that can make networks."""
    if fault := fault_of_machine():
        pytest.skip(fault)


@pytest.fixture
def network(machine: None) -> Iterator[Network]:
    """A network with nothing in it yet."""
    with Network() as network:
        yield network


@pytest.fixture
def bridged(network: Network) -> tuple[Bridge, list[Host]]:
    """Three hosts on a bridge: a, b and c."""
    return network.on_one_bridge("abc")


@pytest.fixture
def computers(bridged: tuple[Bridge, list[Host]], tmp_path: Path) -> Iterator[Computers]:
    """Three computers on a bridge, with nothing on them yet: the command line in homes of their own."""
    with Computers(*bridged, folder=tmp_path) as computers:
        yield computers
