"""What came of a hello, in words, and what to do about it: each outcome has its remedy, told once, here."""

from __future__ import annotations

from typing import Final

from peer.cli.checks.base import Check, bad, unreached
from peer.cli.checks.standing import remedy_of
from peer.members.entering.clocks import CLOCKS_APART_MAX_MS, difference
from peer.net.meet.attempts import Attempt, Outcome
from peer.net.meet.probe import There, probe
from peer.telemetry import printable
from protocol.keys import short_peer

CLOCKS_NOTED_MS: Final = 5_000
"""Clocks that the network sets differ by far less."""
_NOWHERE: Final[dict[There, tuple[str, str]]] = {
    There.REFUSED: (
        "connection refused",
        "Nobody listens there: is that peer running, and is this still its address? There: vendue status",
    ),
    There.TIMED_OUT: (
        "timed out",
        "That computer is off, or a firewall drops it: let TCP to this port through (--ports keeps ports in a range).",
    ),
    There.UNREACHABLE: (
        "no route to it", "This computer is not on that network: look at `ip route`, and at --interface.",
    ),
    There.SILENT: (
        "it lets connect and says nothing",
        "Its process is stopped or hangs: look there with vendue status; kill -CONT PID goes on with a stopped one.",
    ),
    There.FOREIGN: (
        "something else than a peer is there", "Take the address of a lobby, as `vendue peers` shows it there.",
    ),
    There.PEER: (
        "a peer is there that does not answer in this market's lobby",
        "It is of another market, or this is not its lobby's port: `vendue peers` shows that there. Or it is held up.",
    ),
    There.FAILED: ("it cannot be called", "Look at the address."),
}  # fmt: skip


async def explain(about: str, attempt: Attempt) -> Check:
    """Tell one attempt; where nobody answered, by calling there once more to see what it is that is there."""
    where = f"{printable(attempt.address.removeprefix('tcp://'), 80)}, by {attempt.way}"
    match attempt.outcome:
        case Outcome.ANSWERED if attempt.said in (None, attempt.who):
            return Check(about, "ok", f"{where}: answered in {attempt.took_ms} ms")
        case Outcome.ANSWERED:
            assert attempt.who is not None, "whoever answered said who it is"
            says = f"{where}: another peer answers, {short_peer(attempt.who)}"
            return unreached(
                about, says, "Its address has changed hands: is it running, and where? There: vendue peers"
            )
        case Outcome.SILENT:
            says, do = _NOWHERE[await probe(attempt.address)]
            return unreached(about, f"{where}: {says}", do)
        case Outcome.REFUSED:
            why = printable(attempt.why, 120)
            return bad(about, f"{where}: it refuses us: {why}", remedy_of(attempt.why, ours=True))
        case Outcome.UNPROVEN:
            return bad(about, f"{where}: {attempt.phrase}", remedy_of(attempt.why, ours=False))
        case Outcome.OURSELVES:
            return Check(about, "note", f"{where}: that is this computer's own peer.")
    return bad(about, f"{where}: {attempt.phrase}", "Somebody else answers there in its place: find out who.")


def clock(apart_ms: int, whose: str) -> Check:
    """Compare our clock with another's, which may be the wrong one."""
    if abs(apart_ms) < CLOCKS_NOTED_MS:
        return Check("clocks", "ok", f"{abs(apart_ms) / 1000:.1f} s apart from {whose}")
    says = difference(-apart_ms, f"that of {whose}")
    do = "See on both computers which is wrong (timedatectl), and keep it right: timedatectl set-ntp true"
    return Check("clocks", "note", says, do) if abs(apart_ms) < CLOCKS_APART_MAX_MS else bad("clocks", says, do)
