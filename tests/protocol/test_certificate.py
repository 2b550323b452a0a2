"""Certificates: which hold, which do not, and that each says why."""

from __future__ import annotations

import contextlib

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import limits
from protocol.certificate import Certificate, OutOfTime, Right, fault_of, issue, read_certificate
from protocol.codec import Malformed
from protocol.notices import Admission, Charter
from protocol.statements import Statement
from tests.authors import sealer_of
from tests.standing import (
    ADMITTER,
    HOUR_MS,
    MARKET,
    NOW_MS,
    SEALER,
    admitted,
    charter,
    claim,
    itself,
    peer,
    vouched,
)
from tests.strategies import changed

OPEN = charter(2, admission=Admission.OPEN)


def fault(raw: bytes, under: Statement[Charter] | None = None, wall_ms: int = NOW_MS) -> str | None:
    """Why a certificate does not hold."""
    return fault_of(read_certificate(raw), (under or charter()).body, MARKET, SEALER, wall_ms)


@pytest.mark.spec("M-10.4", "M-10.5")
@pytest.mark.parametrize("raw", [admitted(), vouched()], ids=["by an admitter", "vouched"])
def test_a_certificate_by_who_may_issue_it_holds(raw: bytes) -> None:
    """By an admitter, or by a member for another peer of its own computer."""
    assert fault(raw) is None
    assert read_certificate(raw).raw == raw


@pytest.mark.spec("M-10.4")
def test_an_admitter_certifies_itself() -> None:
    """A governor's own certificate is issued by itself, with whatever rights it has."""
    own = claim("admitter", issuer=ADMITTER.peer, rights=tuple(Right))
    assert fault(issue(own, ADMITTER)) is None


@pytest.mark.spec("M-10.4")
def test_anybody_certifies_itself_where_the_market_is_open() -> None:
    """With the rights to bid, announce and observe, and no others."""
    raw = itself(rights=(Right.BID, Right.ANNOUNCE, Right.OBSERVE))
    assert fault(raw, OPEN) is None
    assert fault(raw) == "market is not open: an admitter lets members in"
    for right in (Right.GOVERN, Right.ADMIT):
        assert fault(itself(rights=(right,)), OPEN) == "a right that only an admitter gives"


@pytest.mark.spec("M-10.3")
def test_a_certificate_holds_from_its_beginning_to_its_end() -> None:
    """With a little slack before, for clocks differ, and none behind."""
    assert fault(admitted(), wall_ms=NOW_MS - limits.CLOCK_SLACK_MS) is None
    assert fault(admitted(), wall_ms=NOW_MS - limits.CLOCK_SLACK_MS - 1) == OutOfTime.EARLY
    assert fault(admitted(), wall_ms=NOW_MS + HOUR_MS - 1) is None
    assert fault(admitted(), wall_ms=NOW_MS + HOUR_MS) == OutOfTime.LATE


STOLEN = msgpack.packb([*msgpack.unpackb(vouched())[:4], sealer_of("ada").sign(b"no consent")])
LONG_PAST = {"from_ms": 0, "until_ms": NOW_MS - 1}


@pytest.mark.spec("M-10.2", "M-10.3", "M-10.4", "M-10.5")
@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (admitted(market=bytes(32)), "certificate is of another market"),
        (admitted(rights=(Right.BID, Right.BID)), "certificate names a right twice"),
        (admitted(member=bytes(32), sponsor=ADMITTER.peer), "member's key is not admitted"),
        (admitted(sponsor=peer("bo")), "sponsor is neither the member nor the issuer"),
        (issue(claim(issuer=peer("bo")), sealer_of("bo")), "issuer is no admitter of this market"),
        (vouched(sponsor=peer("child")), "who vouches is the sponsor"),
        (vouched(rights=(Right.OBSERVE,)), "rights beyond those of who vouches"),
        (vouched(until_ms=NOW_MS + HOUR_MS + 1), "validity beyond that of who vouches"),
        (vouched(from_ms=NOW_MS - 1), "validity beyond that of who vouches"),
        (vouched(above=admitted("bo")), "the certificate above is not the issuer's"),
        (vouched(above=admitted(**LONG_PAST), **LONG_PAST), OutOfTime.LATE),
        (vouched(above=itself()), "market is not open: an admitter lets members in"),
        (STOLEN, "consent of the member does not hold"),
    ],
)  # fmt: skip
def test_a_certificate_that_does_not_hold_says_why(raw: bytes, reason: str) -> None:
    """One rule broken at a time."""
    assert fault(raw) == reason


@pytest.mark.spec("M-10.5")
@pytest.mark.parametrize("right", [Right.GOVERN, Right.ADMIT])
def test_who_vouches_passes_on_no_government(right: Right) -> None:
    """Not even an admitter's or governor's own: seats and admitters are the charter's."""
    assert fault(vouched(rights=(right,), above=admitted(rights=tuple(Right)))) == "rights beyond those of who vouches"


@pytest.mark.spec("M-10.3")
@pytest.mark.parametrize("gone", ["child", "ada", "admitter"])
def test_who_depends_on_a_revoked_key_is_out(gone: str) -> None:
    """The member, who vouches for it, and who issued to them."""
    assert fault(vouched(), charter(2, revoked=(gone,))) == "member is revoked"
    assert fault(vouched(), charter(2, revoked=("bo",))) is None


@pytest.mark.spec("M-10.4")
def test_an_admitter_that_the_charter_no_longer_names_admits_nobody() -> None:
    """What it has issued must be issued again by another."""
    assert fault(admitted(), charter(2, admitters=())) == "issuer is no admitter of this market"


def test_a_certificate_is_signed_by_whom_it_names() -> None:
    """A slip of our own says so before anything is signed."""
    with pytest.raises(ValueError, match="issuer that it names"):
        issue(claim(), sealer_of("bo"))
    with pytest.raises(ValueError, match="give both or none"):
        issue(claim(), ADMITTER, admitted())
    with pytest.raises(ValueError, match="consent is the member's"):
        issue(claim("child", issuer=peer("ada")), sealer_of("ada"), admitted(), consent=sealer_of("bo"))
    with pytest.raises(ValueError, match="vouches for nobody"):
        vouched("grandchild", by="child", above=vouched())


FIELDS = msgpack.unpackb(admitted())
CHILD = msgpack.unpackb(vouched())


@pytest.mark.spec("M-10.1")
@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "truncated"),
        (b"\xc0", "not a certificate"),
        (admitted() + b"\0", "bytes behind the end"),
        (msgpack.packb(["vendue-certificate/2", *FIELDS[1:]]), "not a certificate"),
        (msgpack.packb(FIELDS[:4]), "not a certificate"),
        (msgpack.packb([*FIELDS[:4], bytes(64)]), "not a certificate"),
        (msgpack.packb([FIELDS[0], FIELDS[1], FIELDS[2][1:], None, None]), "not a certificate"),
        (msgpack.packb([FIELDS[0], b"\xc0", *FIELDS[2:]]), "fields do not fit"),
        (msgpack.packb([FIELDS[0], FIELDS[1] + b"\xc0", *FIELDS[2:]]), "bytes behind the end"),
        (b"\xdc\0\5" + admitted()[1:], "certificate is not written in its shortest form"),
        (admitted() + bytes(limits.CERTIFICATE_MAX), "certificate too long"),
        (msgpack.packb([*CHILD[:3], vouched(), CHILD[4]]), "a chain of three certificates"),
        (msgpack.packb([*CHILD[:3], b"\xc0", CHILD[4]]), "not a certificate"),
    ],
)  # fmt: skip
def test_bytes_that_are_no_certificate_are_refused(raw: bytes, reason: str) -> None:
    """In a fixed phrase without anything of what was sent."""
    with pytest.raises(Malformed, match=reason):
        read_certificate(raw)


@pytest.mark.spec("M-10.1")
def test_two_certificates_of_the_longest_fields_fit() -> None:
    """The bound is large enough for whatever may hold."""
    longest = {"rights": tuple(Right), "from_ms": limits.COUNTER_MAX, "until_ms": limits.COUNTER_MAX}
    assert len(vouched(above=admitted(**longest), **longest)) <= limits.CERTIFICATE_MAX


@pytest.mark.spec("M-10.2")
@given(st.sampled_from((admitted(), vouched())).flatmap(lambda raw: st.tuples(st.just(raw), changed(raw))))
def test_any_changed_byte_is_noticed(both: tuple[bytes, bytes]) -> None:
    """Changed, lost, added or cut off: it cannot be read, or it does not hold."""
    original, raw = both
    with contextlib.suppress(Malformed):
        assert raw == original or fault(raw) is not None


@pytest.mark.spec("M-10.1")
def test_fields_travel_in_the_order_of_the_class() -> None:
    """What is signed is an array without names."""
    assert msgpack.unpackb(FIELDS[1]) == [
        getattr(claim(), name) if name != "rights" else ["bid", "announce"] for name in Certificate.__struct_fields__
    ]
    assert msgspec.msgpack.decode(FIELDS[1], type=Certificate) == claim()
