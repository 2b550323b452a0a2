"""What a caller is told where nobody is who could help."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from peer.caller.presence import who_was_found
from peer.net.meet.attempts import Attempt, Outcome
from peer.net.meet.places import Way

ADA, BOB = b"a" * 32, b"b" * 32
WRONG_CLOCK = Attempt("tcp://192.0.2.1:7", Way.SEED, None, Outcome.REFUSED, why="one of the two clocks is wrong")


def peer(*known: bytes, attempts: tuple[Attempt, ...] = ()) -> Any:
    """A peer that has found some others, of whom Ada is connected."""
    found = [SimpleNamespace(peer_id=one) for one in known]
    return SimpleNamespace(
        node=SimpleNamespace(directory=SimpleNamespace(here={ADA})),
        discovery=SimpleNamespace(known=found, attempts=attempts),
    )


@pytest.mark.parametrize(
    ("runtime", "told"),
    [
        (peer(), "Nobody was found on this host or by multicast DNS."),
        (peer(ADA), "1 peer was found."),
        (peer(ADA, BOB), "2 peers were found, 1 not connected (yet)."),
        (
            peer(attempts=(WRONG_CLOCK, WRONG_CLOCK._replace(address="tcp://192.0.2.2:7", outcome=Outcome.SILENT))),
            "0 peers were found; 192.0.2.1:7: it refuses us: one of the two clocks is wrong.",
        ),
    ],
)
def test_who_was_found_is_told_and_why_not_more(runtime: Any, told: str) -> None:
    """Somebody who answers and is no use says why; that nobody answers somewhere is the doctor's business."""
    assert who_was_found(runtime) == told
