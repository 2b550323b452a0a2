"""Certificates: who a member is, which transport key is its own, what it may do, who answers for it, and how long.

A certificate is a claim and signatures. Whether it holds is a function of it, a charter, the market and the wall
clock; the rules are checked in this order (SPEC section 10):

    1  the market is this one, and the claim is one that can be made at all
    2  it is valid now, but for a little slack before its beginning, for clocks differ
    3  neither the member nor who issued it is revoked
    4  the issuer may issue it: an admitter of the charter; a member that vouches for another peer of its own computer
       (its own certificate stands above, and nothing is above that one); in an open market the member itself
    5  the signatures are the issuer's and, where a member vouches, that of the member vouched for

It knows no set of members: that is `protocol.membership`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

from protocol import limits
from protocol.charter import revoked_by
from protocol.codec import Malformed, unpack
from protocol.keys import Sealer, fault_of_key
from protocol.notices import Admission, Charter
from protocol.statements import Bytes32, Part

CERTIFICATE_TAG: Final = "vendue-certificate/1"
DOMAIN: Final = b"vendue.certificate.v1\0"
_SIGNATURE_LENGTH: Final = 64


class Right(StrEnum):
    """What a member may do."""

    BID = "bid"
    """Bid, and do the work."""
    ANNOUNCE = "announce"
    """Announce tasks, and manage them."""
    GOVERN = "govern"
    """Vote; whether a vote counts is for the seats of the charter."""
    ADMIT = "admit"
    """Sign certificates, if the charter names it as an admitter."""
    OBSERVE = "observe"
    """Hear everything."""


class Certificate(Part, frozen=True, kw_only=True):
    """What is signed: a claim about one member in one market. Times are of the wall clock."""

    market: Bytes32
    member: Bytes32
    transport_key: Bytes32
    """X25519: what the member's sockets prove."""
    rights: Annotated[tuple[Right, ...], Meta(max_length=len(Right))]
    sponsor: Bytes32
    """Who answers for the member, and shares its bounds: the member itself, or who issued this."""
    issuer: Bytes32
    from_ms: Annotated[int, Meta(ge=0, le=limits.COUNTER_MAX)]
    until_ms: Annotated[int, Meta(ge=0, le=limits.COUNTER_MAX)]


class Certified(Struct, frozen=True, kw_only=True):
    """A certificate as it came, read but not yet believed."""

    certificate: Certificate
    payload: bytes
    signature: bytes
    above: Certified | None
    """The issuer's own certificate, where a member vouches."""
    consent: bytes | None
    """There, the signature of the member vouched for: nobody can vouch for a peer that is not its own."""
    raw: bytes
    """The bytes received: nothing is ever encoded a second time."""


class OutOfTime(StrEnum):
    """Faults that the clock alone may mend, or has made."""

    EARLY = "certificate is not valid yet: one of the two clocks is wrong"
    LATE = "certificate has expired"


REVOKED: Final = "member is revoked"

P = TypeVar("P", bound=Part)


def read_part(raw: bytes, kind: type[P], *, items_max: int) -> P:
    """Read one strict MessagePack array of a class's fields. Raises Malformed."""
    fields = unpack(raw, bytes_max=limits.CERTIFICATE_MAX, items_max=items_max)
    try:
        # With bytes named as a type of the input, a string is never taken for the base64 of a byte string.
        return msgspec.convert(fields, kind, builtin_types=(bytes,))
    except (msgspec.ValidationError, RecursionError, OverflowError):
        raise Malformed("fields do not fit") from None


def issue(
    certificate: Certificate, sealer: Sealer, above: bytes | None = None, *, consent: Sealer | None = None
) -> bytes:
    """Sign a certificate as its issuer. Who vouches shows its own certificate `above`, and the member consents."""
    if sealer.peer != certificate.issuer:
        raise ValueError("a certificate is signed by the issuer that it names: name the key that signs")
    if (above is None) != (consent is None):
        raise ValueError("whoever vouches shows a certificate of its own, and the member consents: give both or none")
    if above is not None and read_certificate(above).above is not None:
        raise ValueError("a peer that is vouched for vouches for nobody: show the certificate that an admitter issued")
    if consent is not None and consent.peer != certificate.member:
        raise ValueError("the consent is the member's: sign with the key that the certificate is for")
    payload = msgspec.msgpack.encode(certificate)
    message = DOMAIN + payload
    return _pack(payload, sealer.sign(message), above, consent.sign(message) if consent is not None else None)


def _pack(payload: bytes, signature: bytes, above: bytes | None, consent: bytes | None) -> bytes:
    return msgspec.msgpack.encode((CERTIFICATE_TAG, payload, signature, above, consent))


def read_certificate(raw: bytes) -> Certified:
    """Take a certificate apart; nothing is verified. Raises Malformed with a fixed phrase."""
    certified = _read(raw)
    if certified.above is not None and certified.above.above is not None:
        raise Malformed("a chain of three certificates")
    return certified


def _read(raw: bytes) -> Certified:
    if len(raw) > limits.CERTIFICATE_MAX:
        raise Malformed("certificate too long")
    fields: Any = unpack(raw, bytes_max=limits.CERTIFICATE_MAX, items_max=5)
    match fields:
        case [str(tag), bytes(payload), bytes(signature), above, consent]:
            fits = tag == CERTIFICATE_TAG and len(signature) == _SIGNATURE_LENGTH
            if above is not None:
                fits = fits and type(above) is bytes and type(consent) is bytes and len(consent) == _SIGNATURE_LENGTH
            if not fits or (above is None) != (consent is None):
                raise Malformed("not a certificate")
            if _pack(payload, signature, above, consent) != raw:
                raise Malformed("certificate is not written in its shortest form")
            return Certified(
                certificate=read_part(payload, Certificate, items_max=len(Certificate.__struct_fields__)),
                payload=payload, signature=signature, above=_read(above) if above is not None else None,
                consent=consent, raw=raw,
            )  # fmt: skip
    raise Malformed("not a certificate")


def fault_of(certified: Certified, charter: Charter, market: bytes, sealer: Sealer, wall_ms: int) -> str | None:
    """Say, in a fixed phrase, why a certificate does not hold under a charter at this time, or None: it holds."""
    fault = fault_of_claim(certified, charter, revoked_by(charter), market, wall_ms)
    return fault or fault_of_signatures(certified, sealer)


def fault_of_claim(
    certified: Certified, charter: Charter, revoked: frozenset[bytes], market: bytes, wall_ms: int
) -> str | None:
    """The faults that come and go with the charter and the time: all but those of the signatures."""
    claim, above = certified.certificate, certified.above
    if claim.market != market:
        return "certificate is of another market"
    if len(set(claim.rights)) != len(claim.rights):
        return "certificate names a right twice"
    if fault_of_key(claim.member) is not None:
        return "member's key is not admitted"
    if claim.sponsor not in (claim.member, claim.issuer):
        return "sponsor is neither the member nor the issuer"
    if wall_ms + limits.CLOCK_SLACK_MS < claim.from_ms:
        return OutOfTime.EARLY
    if wall_ms >= claim.until_ms:
        return OutOfTime.LATE
    if not revoked.isdisjoint((claim.member, claim.sponsor, claim.issuer)):
        return REVOKED
    if above is not None:
        return _fault_of_voucher(claim, above.certificate) or fault_of_claim(above, charter, revoked, market, wall_ms)
    return _fault_of_issuer(claim, charter)


def _fault_of_issuer(claim: Certificate, charter: Charter) -> str | None:
    if claim.issuer in charter.admitters:
        return None
    if claim.issuer != claim.member:
        return "issuer is no admitter of this market"
    if charter.admission is not Admission.OPEN:
        return "market is not open: an admitter lets members in"
    return "a right that only an admitter gives" if {Right.GOVERN, Right.ADMIT} & {*claim.rights} else None


def _fault_of_voucher(claim: Certificate, above: Certificate) -> str | None:
    """A member vouches for less than it has itself, and answers for it."""
    if claim.issuer != above.member or claim.member == above.member:
        return "the certificate above is not the issuer's"
    if claim.sponsor != claim.issuer:
        return "who vouches is the sponsor"
    if not {*claim.rights} <= {*above.rights} - {Right.GOVERN, Right.ADMIT}:
        return "rights beyond those of who vouches"
    if claim.from_ms < above.from_ms or claim.until_ms > above.until_ms:
        return "validity beyond that of who vouches"
    return None


def fault_of_signatures(certified: Certified, sealer: Sealer) -> str | None:
    """The faults that nothing mends."""
    claim, message = certified.certificate, DOMAIN + certified.payload
    if not sealer.verify(claim.issuer, message, certified.signature):
        return "signature of the issuer does not hold"
    if certified.above is None:
        return None
    if not sealer.verify(claim.member, message, certified.consent or b""):
        return "consent of the member does not hold"
    return fault_of_signatures(certified.above, sealer)
