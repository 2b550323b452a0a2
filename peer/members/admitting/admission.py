"""The admission desk: what an admitter's peer answers in its lobby to who wants to become a member, or to stay one.

    knock    who the admitter is, to a joiner that does not know yet whether it can trust this lobby
    redeem   a certificate for who proves to have a code, a use of which is on the disk before anybody hears of it;
             or for who has a seat: the charter itself has let it in
    renew    a new certificate for a member whose own holds, or did until lately

Right codes are always looked at, so that nobody who tries wrong ones keeps others out; it is the wrong ones that, when
there are too many, get no answer. It refuses to know sockets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from peer.members.admitting.register import BY_SEAT, Entry, Register
from peer.members.charters import market_id
from peer.members.hostmember import certify, wall_clock_ms
from peer.net.meet.knocks import (
    ADDRESSES_MAX,
    Admitted,
    Elsewhere,
    Knock,
    NotAdmitted,
    Redeem,
    Renew,
    Standing,
    Why,
    pack,
)
from protocol.certificate import Certified, Right, fault_of, read_certificate
from protocol.codec import Malformed
from protocol.errors import VendueError
from protocol.invitation import (
    ROLES,
    AdmitterKey,
    Invitation,
    Request,
    market_tag,
    open_request,
    proof_of_redemption,
    proves_redemption,
    read_claims,
    secret_of,
    standing_to_sign,
)
from protocol.keys import Ed25519Sealer, PeerId
from protocol.limits import CLOCK_SLACK_MS
from protocol.notices import Admission, Charter
from protocol.statements import Statement

Where = Callable[[bytes], Sequence[str]]
"""Tells where the lobby of the member is whose key begins so, as far as that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskLimits:
    """Every number of the desk, and why it is that number."""

    wrong_per_minute_max: int = 30  # answers to wrong codes: people mistype some, and a script tries on in the dark
    renewal_grace_ms: int = 30 * 24 * 3600 * 1000  # a computer that was off for the holidays is still a member
    renewal_pause_ms: int = 60 * 60 * 1000  # who asks again within an hour gets what it got


_NO_LIMITS: Final = DeskLimits()


@dataclass(frozen=True, slots=True, repr=False)
class Admitter:
    """Who signs certificates, and what it makes the secrets of its codes from. It shows neither."""

    sealer: Ed25519Sealer
    codes: AdmitterKey


class Desk:
    """One admitter's desk. Each answer is a list of at most one item, as the lobby wants it."""

    def __init__(
        self,
        admitter: Admitter,
        register: Register,
        *,
        charters: Callable[[], Sequence[bytes]],
        newest: Callable[[], Statement[Charter]],
        wall_ms: Callable[[], int] = wall_clock_ms,
        limits: DeskLimits = _NO_LIMITS,
    ) -> None:
        """`charters` gives the first version and, if there is one, the newest, as evidence; `newest` what it says."""
        self._admitter, self._register = admitter, register
        self._charters, self._newest, self._wall_ms, self._limits = charters, newest, wall_ms, limits
        self._market = market_id(newest())
        self._wrong = deque[int](maxlen=limits.wrong_per_minute_max)

    @property
    def admitter(self) -> PeerId:
        """Whose desk it is."""
        return self._admitter.sealer.peer

    def knock(self, knock: Knock, asker: bytes) -> list[bytes]:
        """Say who is here, signed for this asker and its nonce alone."""
        sealer = self._admitter.sealer
        if knock.market_tag != market_tag(self._market) or not sealer.peer.startswith(knock.admitter_prefix):
            return [pack(NotAdmitted(Why.NOT_HERE))]
        now_ms = self._wall_ms()
        signature = sealer.sign(standing_to_sign(self._market, knock.nonce, asker, now_ms))
        return [pack(Standing(tuple(self._charters()), sealer.peer, now_ms, signature))]

    def redeem(self, redeem: Redeem, asker: bytes) -> list[bytes]:
        """Let in who has a code."""
        return self._answer(lambda: self._redeemed(redeem, asker))

    def renew(self, renew: Renew, asker: bytes) -> list[bytes]:
        """Give a member a new certificate with the same rights."""
        return self._answer(lambda: self._renewed(renew, asker))

    def _answer(self, judge: Callable[[], bytes | Why | None]) -> list[bytes]:
        try:
            judged = judge()
        except VendueError:  # the register cannot be written: whoever asks can ask again
            judged = Why.BUSY
        match judged:
            case Why():
                return [pack(NotAdmitted(judged))]
            case bytes():
                return [pack(Admitted(judged))]
        return []

    # Redeeming

    def _redeemed(self, redeem: Redeem, asker: bytes) -> bytes | Why | None:
        request = self._open(redeem.request, asker)
        if request is None:
            return Why.NOT_HERE
        if request.claims is None and any(seat.governor == request.member for seat in self._newest().body.governors):
            return self._seated(request, redeem.label)
        if self._newest().body.admission is Admission.LIST:
            return Why.BY_HAND
        invitation = self._proven(request)
        if invitation is None:
            return self._wrong_code()
        if self._is_revoked(request.member):
            return Why.REVOKED
        before = self._register.admitted(invitation.claims, request.member)
        if before is not None and read_certificate(before).certificate.transport_key == request.transport_key:
            return before
        now_ms = self._wall_ms()
        if now_ms >= invitation.until_ms:
            return Why.EXPIRED
        if abs(now_ms - request.made_ms) > CLOCK_SLACK_MS:
            return Why.CLOCK
        certificate = self._certify(request, invitation.rights, now_ms)
        entry = Entry(invitation.claims, request.member, certificate, redeem.label, now_ms)
        return self._register.admit(entry, uses=invitation.uses) or Why.USED_UP

    def _seated(self, request: Request, label: str) -> bytes | Why:
        """A governor's certificate, for who governs by the word of the authority."""
        now_ms = self._wall_ms()
        if self._is_revoked(request.member):
            return Why.REVOKED
        if abs(now_ms - request.made_ms) > CLOCK_SLACK_MS:
            return Why.CLOCK
        lately = self._lately(request, now_ms)
        if lately is None:
            lately = self._certify(request, ROLES["governor"], now_ms)
            self._register.keep(Entry(BY_SEAT, request.member, lately, label, now_ms))
        return lately

    def _open(self, raw: bytes, asker: bytes) -> Request | None:
        """A request that is for this admitter, and by who has the transport key that it names."""
        try:
            request = open_request(raw, market=self._market, sealer=self._admitter.sealer)
        except Malformed:
            return None
        ours = request.admitter == self._admitter.sealer.peer and request.transport_key == asker
        return request if ours and self._admitter.sealer.peer in self._newest().body.admitters else None

    def _proven(self, request: Request) -> Invitation | None:
        """The invitation that a request proves to have, or None."""
        if request.claims is None or request.proof is None:
            return None
        try:
            invitation = read_claims(request.claims)
        except ValueError:
            return None
        ours = self._market.startswith(invitation.market_prefix)
        expected = proof_of_redemption(
            secret_of(self._admitter.codes, invitation), self._market, self._admitter.sealer.peer, request.member,
            request.transport_key, request.nonce,
        )  # fmt: skip
        holds = proves_redemption(request.proof, expected)
        return invitation if ours and holds else None

    def _wrong_code(self) -> Why | None:
        now_ms = self._wall_ms()
        often = len(self._wrong) == self._wrong.maxlen and now_ms - self._wrong[0] < 60_000
        if often:
            return None
        self._wrong.append(now_ms)
        return Why.WRONG_CODE

    def _is_revoked(self, member: bytes) -> bool:
        return any(revocation.member == member for revocation in self._newest().body.revocations)

    def _certify(self, request: Request, rights: tuple[Right, ...], now_ms: int) -> bytes:
        return certify(
            self._admitter.sealer, market=self._market, member=request.member, transport_key=request.transport_key,
            rights=rights, wall_ms=now_ms,
        )  # fmt: skip

    # Renewing

    def _renewed(self, renew: Renew, asker: bytes) -> bytes | Why | None:
        request = self._open(renew.request, asker)
        if request is None:
            return Why.NOT_HERE
        now_ms = self._wall_ms()
        if abs(now_ms - request.made_ms) > CLOCK_SLACK_MS:
            return Why.CLOCK
        try:
            certified = read_certificate(renew.certificate)
        except Malformed:
            return Why.CERTIFICATE
        if self._is_revoked(request.member):
            return Why.REVOKED
        if certified.certificate.member != request.member or not self._held_lately(certified, now_ms):
            return Why.CERTIFICATE
        lately = self._lately(request, now_ms)
        if lately is not None:
            return lately
        certificate = self._certify(request, certified.certificate.rights, now_ms)
        self._register.renewed(request.member, certificate, now_ms)
        return certificate

    def _held_lately(self, certified: Certified, now_ms: int) -> bool:
        """Whether an admitter's certificate holds, or did not long ago; not one that a member vouches for."""
        until_ms = certified.certificate.until_ms
        if certified.above is not None or now_ms - until_ms > self._limits.renewal_grace_ms:
            return False
        at_ms = min(now_ms, until_ms - 1)
        return fault_of(certified, self._newest().body, self._market, self._admitter.sealer, at_ms) is None

    def _lately(self, request: Request, now_ms: int) -> bytes | None:
        """The certificate that a member got a short while ago, if it is of the same transport key."""
        known = self._register.newest(request.member)
        if known is None:
            return None
        claim = read_certificate(known).certificate
        recent = now_ms - claim.from_ms < self._limits.renewal_pause_ms
        return known if recent and claim.transport_key == request.transport_key else None


def direct(knock: Knock, market: bytes, where: Where) -> list[bytes]:
    """What a member that admits nobody answers a knock: where the admitter may be, if it knows."""
    addresses = where(knock.admitter_prefix) if knock.market_tag == market_tag(market) else ()
    return [pack(Elsewhere(tuple(addresses)[:ADDRESSES_MAX]))] if addresses else [pack(NotAdmitted(Why.NOT_HERE))]
