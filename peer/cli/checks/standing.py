"""What lets this computer into the market, and what a certificate says, in words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from peer.cli.checks.base import Check, bad, guarded
from peer.home import MarketHome
from peer.members.charters import newest_charter, verifier
from peer.members.hostmember import HostMember, wall_clock_ms
from protocol.certificate import REVOKED, Certificate, OutOfTime, fault_of, read_certificate
from protocol.codec import Malformed
from protocol.invitation import ROLES, role_of
from protocol.keys import short_peer
from protocol.notices import Admission

SOON_MS: Final = 7 * 24 * 3600 * 1000
"""A week: who reads it in time can act on a working day."""
CLOCK_DO: Final = "Compare the clocks of both computers (timedatectl), and set the one that is wrong."


def checks(market: MarketHome) -> Iterator[Check]:
    """The computer's own membership, which vouches for the peers here."""
    if market.charter.exists():
        yield from guarded("membership", lambda: _membership(market))


def _membership(market: MarketHome) -> Check:
    charter = newest_charter(market)
    version = f"charter version {charter.body.version}"
    if not market.certificate.exists() or not market.member.exists():
        if charter.body.admission is Admission.OPEN:
            return Check("membership", "ok", f"open to everybody; {version}")
        if market.governor.key.exists():
            return Check("membership", "note", f"Only its governor can take part from here; {version}.")
        return bad(
            "membership", f"This computer is no member of the market {charter.body.name!r}.",
            "Ask a member that may invite for a code (vendue invite), and run: vendue join CODE",
        )  # fmt: skip
    try:
        certified = read_certificate(market.certificate.read_bytes())
    except Malformed as error:
        return bad("membership", f"{market.certificate}: {error}.", "Join again: vendue join CODE")
    identity, now_ms = HostMember.load(market.member).peer, wall_clock_ms()
    claim = certified.certificate
    fault = fault_of(certified, charter.body, claim.market, verifier(), now_ms)
    if claim.member != identity:
        fault = "certificate is for another key"
    if fault is not None:
        return bad("membership", f"This computer's certificate does not hold: {fault}.", remedy_of(fault, ours=True))
    if claim.until_ms - now_ms < SOON_MS:
        return Check("membership", "note", f"{told(claim)}; {version}", "Run soon: vendue member renew")
    return Check("membership", "ok", f"{told(claim)}; {version}")


def told(claim: Certificate) -> str:
    """What a certificate gives, by whom, and until when."""
    role = next((f"{name}, with rights to " for name in ROLES if role_of(claim.rights) == name), "with rights to ")
    rights = role + (" and ".join(", ".join(map(str, claim.rights)).rsplit(", ", 1)) or "nothing")
    until = datetime.fromtimestamp(claim.until_ms // 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    sponsor = "itself" if claim.sponsor == claim.member else short_peer(claim.sponsor)
    return f"{rights}; answered for by {sponsor}, until {until}"


def remedy_of(fault: str, *, ours: bool) -> str:
    """What to do when a certificate does not hold, ours or another's."""
    whose = "here" if ours else "there"
    match fault:
        case OutOfTime.LATE:
            return f"Run {whose}: vendue member renew. And {CLOCK_DO[0].lower()}{CLOCK_DO[1:]}"
        case OutOfTime.EARLY:
            return CLOCK_DO
        case str() if fault == REVOKED:
            return "The market's authority has revoked it; if by mistake, invite that computer anew: vendue invite"
        case "two peers have one key":
            return "A home was copied: remove the copy, and let that peer make keys of its own."
    return f"Let that computer join anew: vendue invite, and {whose} vendue join CODE"
