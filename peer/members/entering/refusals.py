"""What an admitter's refusal means for the person who asked: an error, with what to do about it."""

from __future__ import annotations

from typing import Final

from peer.net.meet.knocks import Why
from protocol.errors import BadCode, BadConfig, BadEvidence, ClockWrong, NoPeers, VendueError

_REFUSALS: Final[dict[Why, tuple[type[VendueError], str, str, str]]] = {
    Why.WRONG_CODE: (
        BadCode, "The admitter does not know this code.", "It did not make it.", "Ask for a new one: vendue invite",
    ),
    Why.EXPIRED: (
        BadCode, "The code has expired.", "A code is good for an hour, if no other time was said.",
        "Ask for a new one: vendue invite --expires 1d",
    ),
    Why.USED_UP: (
        BadCode, "The code is used up.", "Others have joined with it.", "Ask for a new one: vendue invite",
    ),
    Why.BY_HAND: (
        BadConfig, "In this market members are admitted by hand, not by a code.", "",
        "Run vendue join --request, and have its admitter run vendue member admit with what it prints.",
    ),
    Why.REVOKED: (
        BadEvidence, "This computer's membership is revoked.", "", "Ask whoever keeps the market's authority.",
    ),
    Why.CLOCK: (
        ClockWrong, "The admitter finds that the clocks differ.", "", "Set this computer's clock.",
    ),
    Why.CERTIFICATE: (
        BadEvidence, "The certificate that was to be renewed does not hold any more.", "",
        "Ask for a new code: vendue invite",
    ),
    Why.NOT_HERE: (
        BadCode, "Whoever answers does not admit anybody by this code.", "The market has other admitters by now.",
        "Ask for a new one: vendue invite",
    ),
    Why.BUSY: (
        NoPeers, "The admitter cannot write down whom it lets in.", "Its disk may be full.", "Try again in a while.",
    ),
}  # fmt: skip


def refusal(why: Why) -> VendueError:
    """What a refusal means for the person who asked."""
    kind, what, reason, do = _REFUSALS[why]
    return kind(what, why=reason, do=do)
