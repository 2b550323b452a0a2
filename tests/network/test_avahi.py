"""A foreign implementation of multicast DNS sees what we say, and that we leave."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.network import avahi
from tests.network.avahi import Avahi
from tests.network.computers import Computers
from tests.network.test_market import SHOUT
from tests.waiting import wait_until


def test_avahi_lists_our_peers_with_their_record_and_sees_them_leave(computers: Computers, tmp_path: Path) -> None:
    """Address, port and text are those that our own peers use; a goodbye is heard at once."""
    if fault := avahi.missing():
        pytest.skip(fault)
    a, b = computers["a"], computers["b"]
    with Avahi(computers["c"].host, tmp_path / "avahi", "_vendue._tcp") as foreign:
        b.agents(SHOUT.format(price=1), "shouter.py")
        running = b.start("run", "shouter.py").wait_for("Ctrl-C")
        wait_until(lambda: bool(foreign.listed))
        listed = foreign.listed
        assert {each.address for each in listed if each.family == "IPv4"} == {b.host.addresses[0]}
        assert all('"p=' in each.text and '"m=' in each.text for each in listed)
        assert a.host.addresses[0] not in {each.address for each in listed}
        assert running.stop(signal.SIGTERM) == 0
        wait_until(lambda: not foreign.listed)
