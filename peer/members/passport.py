"""The certificate that a peer of this computer shows, from the first of these places that has one that holds.

    1  the file `certificate` in its own home: an admitter has signed one for just this peer
    2  itself, if the charter names it as an admitter
    3  the computer's own member key, which vouches for the peers here: offline, and anew at each start
    4  itself, in a market that is open to everybody

It refuses to know who is a member: whatever it makes is held against the charter like anybody else's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from peer.home import MarketHome, PeerHome
from peer.members.hostmember import HostMember
from protocol.certificate import Certificate, Right, fault_of, issue, read_certificate
from protocol.codec import Malformed
from protocol.errors import BadConfig
from protocol.keys import Ed25519Sealer
from protocol.limits import CERTIFICATE_MAX
from protocol.membership import Membership
from protocol.notices import Admission

VALID_MS: Final = 30 * 24 * 3600 * 1000
"""How long a certificate of our own making holds: a month, and a peer that runs on makes another in half of it."""
OPEN_RIGHTS: Final = (Right.BID, Right.ANNOUNCE, Right.OBSERVE)
"""What everybody may take in an open market."""
NEVER_VOUCHED: Final = frozenset({Right.GOVERN, Right.ADMIT})


class Passports:
    """Makes and remakes the certificate of one peer."""

    def __init__(
        self, market: MarketHome, home: PeerHome, membership: Membership, sealer: Ed25519Sealer, transport_key: bytes
    ) -> None:
        self._market, self._home, self._membership = market, home, membership
        self._sealer, self._transport_key = sealer, transport_key

    def issue(self, wall_ms: int) -> bytes:
        """Give a certificate that holds now. Raises BadConfig, with what stands against each, when there is none."""
        whys: list[str] = []
        for name, make in self._sources(wall_ms):
            raw = make()
            fault = self._fault_of(raw, wall_ms) if raw is not None else None
            if raw is not None and fault is None:
                return raw
            if fault is not None:
                whys.append(f"{name}: {fault}")
        name = self._membership.charter.body.name
        raise BadConfig(
            f"This computer is no member of the market {name!r}.",
            why="; ".join(whys) + "." if whys else "It has no certificate, and that market is not open to everybody.",
            do="Join it with: vendue join CODE. A member that may invite makes the code with: vendue invite",
        )

    def _sources(self, wall_ms: int) -> Iterator[tuple[str, Callable[[], bytes | None]]]:
        charter = self._membership.charter.body
        yield "the peer's own certificate", lambda: _read(self._home.certificate)
        if self._sealer.peer in charter.admitters:
            yield "its own word as an admitter", lambda: self._own(tuple(Right), wall_ms)
        yield "this computer's membership", lambda: self._vouched(wall_ms)
        if charter.admission is Admission.OPEN:
            yield "its own word", lambda: self._own(OPEN_RIGHTS, wall_ms)

    def _fault_of(self, raw: bytes, wall_ms: int) -> str | None:
        try:
            certified = read_certificate(raw)
        except Malformed as error:
            return str(error)
        claim = certified.certificate
        if (claim.member, claim.transport_key) != (self._sealer.peer, self._transport_key):
            return "certificate is for other keys"
        return fault_of(certified, self._membership.charter.body, self._membership.market, self._sealer, wall_ms)

    def _own(self, rights: tuple[Right, ...], wall_ms: int) -> bytes:
        me = self._sealer.peer
        claim = Certificate(
            market=self._membership.market, member=me, transport_key=self._transport_key, rights=rights, sponsor=me,
            issuer=me, from_ms=wall_ms, until_ms=wall_ms + VALID_MS,
        )  # fmt: skip
        return issue(claim, self._sealer)

    def _vouched(self, wall_ms: int) -> bytes | None:
        """Have the computer's own member vouch for us, within what it has itself."""
        raw = _read(self._market.certificate)
        if raw is None or not self._market.member.exists():
            return None
        host = HostMember.load(self._market.member)
        try:
            above = read_certificate(raw)
        except Malformed:
            return raw  # what is wrong with it is told
        own = above.certificate
        if own.member != host.peer or above.above is not None or host.peer == self._sealer.peer:
            return raw
        claim = Certificate(
            market=self._membership.market, member=self._sealer.peer, transport_key=self._transport_key,
            rights=tuple(right for right in own.rights if right not in NEVER_VOUCHED), sponsor=host.peer,
            issuer=host.peer, from_ms=max(wall_ms, own.from_ms), until_ms=min(wall_ms + VALID_MS, own.until_ms),
        )  # fmt: skip
        return issue(claim, host.sealer, above=raw, consent=self._sealer)


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(CERTIFICATE_MAX + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadConfig(f"The certificate {path} cannot be read: {error.strerror}.", do="Check its mode.") from None
