"""Vectors of certificates: which hold under which charter at which time, and who is a member by a set of them."""

from __future__ import annotations

from typing import Any

import msgpack

from protocol.bundle import evidence_of
from protocol.certificate import Right, fault_of, issue, read_certificate
from protocol.codec import Malformed
from protocol.membership import Membership
from protocol.notices import Admission, Charter
from protocol.statements import Statement
from tests.authors import sealer_of
from tests.standing import (
    ADMITTER,
    AUTHORITY,
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

CHARTERS = {
    "first": charter(),
    "open": charter(2, admission=Admission.OPEN),
    "without bo": charter(3, revoked=("bo",)),
    "without ada": charter(4, revoked=("ada",)),
    "without admitter": charter(5, admitters=()),
}
"""Name → a version of one charter."""


def _case(name: str, raw: bytes, under: str = "first", wall_ms: int = NOW_MS) -> dict[str, Any]:
    certified = read_certificate(raw)
    said = certified.certificate
    fault = fault_of(certified, CHARTERS[under].body, MARKET, SEALER, wall_ms)
    return {
        "name": name, "certificate": raw.hex(), "charter": under, "wall_ms": wall_ms, "fault": fault,
        "member": said.member.hex(), "rights": [right.value for right in said.rights], "sponsor": said.sponsor.hex(),
    }  # fmt: skip


def _cases() -> list[dict[str, Any]]:
    forged = msgpack.unpackb(admitted())
    without_consent = [*msgpack.unpackb(vouched())[:4], sealer_of("ada").sign(b"something else")]
    governor = issue(claim("admitter", rights=tuple(Right)), ADMITTER)
    return [
        _case("by an admitter", admitted()),
        _case("an admitter's own", governor),
        _case("a member vouches", vouched()),
        _case("by itself, in an open market", itself(), "open"),
        _case("by itself, in an invited market", itself()),
        _case("by itself, with a right to govern", itself(rights=(Right.GOVERN,)), "open"),
        _case("by who is no admitter", issue(claim(issuer=peer("bo")), sealer_of("bo"))),
        _case("of another market", admitted(market=bytes(32))),
        _case("five minutes early", admitted(), wall_ms=NOW_MS - 300_000),
        _case("more than five minutes early", admitted(), wall_ms=NOW_MS - 300_001),
        _case("in its last millisecond", admitted(), wall_ms=NOW_MS + HOUR_MS - 1),
        _case("expired", admitted(), wall_ms=NOW_MS + HOUR_MS),
        _case("another is revoked", vouched(), "without bo"),
        _case("revoked", admitted(), "without ada"),
        _case("who vouches is revoked", vouched(), "without ada"),
        _case("the admitter is no longer one", vouched(), "without admitter"),
        _case("a voucher for more rights than its issuer's", vouched(rights=(Right.OBSERVE,))),
        _case("a voucher for longer than its issuer's", vouched(until_ms=NOW_MS + HOUR_MS + 1)),
        _case("a voucher without the member's consent", msgpack.packb(without_consent)),
        _case("a forged signature", msgpack.packb([*forged[:2], bytes(64), None, None])),
    ]  # fmt: skip


def _refused() -> list[dict[str, str]]:
    fields, voucher = msgpack.unpackb(admitted()), msgpack.unpackb(vouched())
    tampered = {
        "nothing": b"", "cut short": admitted()[:-1], "a byte behind the end": admitted() + b"\xc0",
        "a tag of tomorrow": msgpack.packb(["vendue-certificate/2", *fields[1:]]),
        "consent without a certificate above": msgpack.packb([*fields[:4], bytes(64)]),
        "a chain of three": msgpack.packb([*voucher[:3], vouched(), voucher[4]]),
        "a longer form": b"\xdc\0\5" + admitted()[1:],
        "a right that there is not": msgpack.packb([fields[0], fields[1].replace(b"bid", b"bit"), *fields[2:]]),
    }  # fmt: skip
    return [{"name": name, "certificate": raw.hex(), "reason": _reason(raw)} for name, raw in tampered.items()]


def _reason(raw: bytes) -> str:
    try:
        read_certificate(raw)
    except Malformed as refusal:
        return str(refusal)
    raise AssertionError("this certificate was to be refused")


def members_by(charters: list[Statement[Charter]], certificates: list[bytes], wall_ms: int) -> dict[str, str]:
    """Who is a member by these, in this order: key → transport key."""
    here = Membership(CHARTERS["first"], sealer=SEALER, wall_ms=wall_ms)
    for each in charters:
        here.learn_charter(each)
    for raw in certificates:
        here.admit(raw)
    return {member.hex(): found.transport_key.hex() for member, found in sorted(here.members.items())}


def _sets() -> list[dict[str, Any]]:
    renewed = admitted(from_ms=NOW_MS + 1, transport_key=bytes(31) + b"\1")
    certificates = [admitted(), renewed, vouched(), admitted("bo"), itself("cy")]
    found = []
    for number in range(len(CHARTERS) + 1):
        known = list(CHARTERS)[: min(number + 1, len(CHARTERS))]
        wall_ms = NOW_MS if number < len(CHARTERS) else NOW_MS + HOUR_MS
        members = members_by([CHARTERS[name] for name in known], certificates, wall_ms)
        found.append({
            "name": f"until '{known[-1]}'" + ", an hour later" * (wall_ms > NOW_MS), "charters": known,
            "certificates": [raw.hex() for raw in certificates], "wall_ms": wall_ms, "members": members,
        })  # fmt: skip
    return found


def document() -> dict[str, Any]:
    """Certificates that hold and that do not, bytes that are none, and sets of them with who is in by them."""
    return {
        "says": "Section 10: each certificate under its charter at its time has this fault, or none; in any order.",
        "market": MARKET.hex(),
        "charters": {name: evidence_of(one, AUTHORITY.sealer).hex() for name, one in CHARTERS.items()},
        "cases": _cases(),
        "refused": _refused(),
        "sets": _sets(),
    }
