"""What the tests of wires share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.peer.net.wires import Wires


@pytest.fixture
def wires() -> Iterator[Wires]:
    """A market's members, whose transports are closed when the test ends, however it ends."""
    market = Wires()
    yield market
    market.close()
