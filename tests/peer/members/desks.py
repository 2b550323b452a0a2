"""A market with a desk, and computers that come to it: everything but the sockets is real."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from peer.home import MarketHome
from peer.members.admitting.admission import Desk, DeskLimits
from peer.members.admitting.admitters import admitter_here
from peer.members.admitting.register import Register
from peer.members.charters import keep_charter, load_authority, market_id, newest_charter, write_charter
from peer.members.entering.founding import found_market
from peer.members.hostmember import HostMember
from peer.net.meet.knocks import Item, Knock, Redeem, Renew, open_item
from protocol.certificate import Certificate, Right, read_certificate
from protocol.invitation import (
    ROLES,
    Invitation,
    Request,
    make_code,
    market_tag,
    parse_code,
    proof_of_redemption,
    sign_request,
)
from protocol.notices import Admission, Charter, Revocation

START_MS = 1_800_000_000_000
HOUR_MS = 3_600_000


@dataclass
class Bench:
    """One market by invitation, its admitter's desk, and a clock that stands still."""

    home: MarketHome
    admission: Admission = Admission.INVITE
    limits: DeskLimits = field(default_factory=DeskLimits)
    now_ms: int = START_MS

    def __post_init__(self) -> None:
        if not self.home.charter.exists():
            found_market(self.home, admission=self.admission)
        self.admitter, first = admitter_here(self.home)
        self.market = market_id(first)
        self.register = Register(self.home.register)
        self.desk = Desk(
            self.admitter, self.register, charters=self.charters, newest=lambda: newest_charter(self.home),
            wall_ms=lambda: self.now_ms, limits=self.limits,
        )  # fmt: skip

    def charters(self) -> list[bytes]:
        """The first version, and the newest if there is one."""
        version = newest_charter(self.home).body.version
        paths = [self.home.charter] + [self.home.charter_version(version)] * (version > 1)
        return [path.read_bytes() for path in paths]

    def amend(self, **changes: object) -> Charter:
        """Have the authority say another version."""
        before = newest_charter(self.home)
        authority = load_authority(self.home, before, None)
        body = msgspec.structs.replace(before.body, version=before.body.version + 1, **changes)
        keep_charter(self.home, write_charter(body, authority, before), authority)
        return body

    def revoke(self, *members: bytes) -> None:
        """Have the authority revoke members."""
        revocations = tuple(Revocation(member=member, feed=bytes(8), last_seq=0) for member in members)
        self.amend(revocations=revocations)

    def invite(self, *, role: str = "agent", uses: int = 1, until_ms: int | None = None) -> Invitation:
        """Make a code, and read it as a joiner does."""
        code = make_code(
            self.admitter.codes, market=self.market, admitter=self.admitter.sealer.peer, serial=os.urandom(3),
            rights=ROLES[role], uses=uses, until_ms=until_ms or self.now_ms + HOUR_MS,
        )  # fmt: skip
        return parse_code(code)

    def knock(self, invitation: Invitation, nonce: bytes, asker: bytes) -> Item | None:
        """Knock at the desk."""
        knock = Knock(market_tag(invitation.market_prefix), invitation.admitter_prefix, nonce)
        return open_item(self.desk.knock(knock, asker))

    def redeem(self, invitation: Invitation, host: HostMember, **changes: object) -> Item | None:
        """Show a code, with whatever is to be wrong about the request."""
        asker = changes.pop("asker", host.transport_key)
        assert isinstance(asker, bytes)
        return open_item(self.desk.redeem(Redeem(self.request(invitation, host, **changes), "ada's"), asker))

    def renew(self, host: HostMember, certificate: bytes, **changes: object) -> Item | None:
        """Ask for a new certificate."""
        request = self.request(None, host, **changes)
        return open_item(self.desk.renew(Renew(request, certificate), host.transport_key))

    def request(self, invitation: Invitation | None, host: HostMember, **changes: object) -> bytes:
        """A request as an honest joiner makes it, but for the changes."""
        nonce, admitter = os.urandom(32), self.admitter.sealer.peer
        proof = None
        if invitation is not None:
            proof = proof_of_redemption(invitation.secret, self.market, admitter, host.peer, host.transport_key, nonce)
        honest = Request(
            market=self.market, admitter=admitter, member=host.peer, transport_key=host.transport_key, nonce=nonce,
            made_ms=self.now_ms, claims=None if invitation is None else invitation.claims, proof=proof,
        )  # fmt: skip
        return sign_request(msgspec.structs.replace(honest, **changes), host.sealer)


def computer() -> HostMember:
    """A computer that is no member yet."""
    return HostMember(Ed25519PrivateKey.generate())


def bench(folder: Path, **options: object) -> Bench:
    """A market in a folder."""
    return Bench(MarketHome(folder / "markets" / "fair"), **options)  # type: ignore[arg-type]


def read(certificate: bytes) -> Certificate:
    """What a certificate says."""
    return read_certificate(certificate).certificate


AGENT = (Right.BID, Right.ANNOUNCE)
