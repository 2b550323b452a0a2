"""Invitations: a short code that lets a stranger in, and what a joiner and a lobby prove to each other with it.

A code is 30 bytes, 50 characters for people. Its last nine bytes are a secret that only the admitter can make again,
from its own private key, so nothing is stored before an invitation is used. The secret never travels: a joiner proves
that it has it. Before that, the lobby proves that it is the admitter of this very market (`standing_to_sign`).

Nothing here ever shows a secret: whatever holds one says `<... secret>` of itself. Sockets, the time, and the counting
of uses are the shell's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta

from protocol import limits
from protocol.certificate import Right, read_part
from protocol.codec import Malformed, unpack
from protocol.keys import PeerId, Sealer, Signature, fault_of_key
from protocol.statements import Bytes32, Part

PREFIX_LENGTH: Final = 10
"""How much of the market id a code carries: enough that no other market has it by chance or by trying."""
MARK_LENGTH: Final = 6
"""Bytes that mark an announced place: enough that a flood of guesses hits none."""
EPOCH_MS: Final = 1_735_689_600_000
"""2025-01-01 UTC: the minutes of a code are counted from here, and last until 2056."""
_MINUTE_MS: Final = 60_000
_CLAIMS_LENGTH: Final = 21
_SECRET_LENGTH: Final = 9
_LETTERS: Final = 50
_GROUP: Final = 5
_REQUEST_DOMAIN: Final = b"vendue.request.v1\0"
_STANDING_DOMAIN: Final = b"vendue.standing.v1\0"

ROLES: Final[Mapping[str, tuple[Right, ...]]] = MappingProxyType({
    "agent": (Right.BID, Right.ANNOUNCE),
    "worker": (Right.BID,),
    "caller": (Right.ANNOUNCE,),
    "observer": (Right.OBSERVE,),
    "admitter": (Right.BID, Right.ANNOUNCE, Right.ADMIT),
    "governor": (Right.BID, Right.ANNOUNCE, Right.GOVERN, Right.OBSERVE),
})  # fmt: skip
"""Role → the rights that an invitation for it carries, in the order of their bits."""
_BIT_OF: Final = {right: 1 << number for number, right in enumerate(Right)}


def bits_of(rights: Iterable[Right]) -> int:
    """Rights as one byte, a bit for each in the order of `Right`."""
    return sum(_BIT_OF[right] for right in {*rights})


def rights_of(bits: int) -> tuple[Right, ...]:
    """The rights of a byte. Raises ValueError for a bit that means nothing."""
    if bits >> len(_BIT_OF):
        raise ValueError("it names rights that this version does not know: install a newer one")
    return tuple(right for right, bit in _BIT_OF.items() if bits & bit)


def role_of(rights: Iterable[Right]) -> str:
    """The role with exactly these rights, or the rights themselves, in words."""
    wanted = {*rights}
    for role, given in ROLES.items():
        if wanted == {*given}:
            return role
    return " + ".join(right for right in Right if right in wanted) or "none"


def lobby_secret(prefix: bytes) -> bytes:
    """The X25519 private key of a market's lobbies, from the first ten bytes of its id: it hides and proves nothing."""
    return hashlib.sha256(b"vendue.lobby\0" + prefix[:PREFIX_LENGTH]).digest()


def market_tag(prefix: bytes) -> bytes:
    """Eight bytes by which a market's members find each other, and nobody finds the market's id."""
    return hashlib.sha256(b"vendue.market-tag\0" + prefix[:PREFIX_LENGTH]).digest()[:8]


def place_mark(prefix: bytes, peer: bytes, host: str, port: int) -> bytes:
    """Six bytes that go with a place announced on the network: who has neither the market's id nor a code of it can
    announce no place that anybody looks at. They prove nothing else: every member can make them.
    """
    key = hashlib.sha256(b"vendue.place\0" + prefix[:PREFIX_LENGTH]).digest()
    return hmac.digest(key, peer + port.to_bytes(2, "big") + host.encode(), "sha256")[:MARK_LENGTH]


class AdmitterKey:
    """What an admitter makes the secrets of its invitations from: derived from its private key, and as secret."""

    __slots__ = ("_key",)

    def __init__(self, seed: bytes) -> None:
        """`seed` is the private key itself: `Ed25519PrivateKey.private_bytes_raw()`, 32 bytes."""
        if len(seed) != 32:
            raise ValueError("an Ed25519 private key is 32 bytes: give what private_bytes_raw() returns")
        self._key = hmac.digest(seed, b"vendue.invitation.v1\0", "sha256")

    def __repr__(self) -> str:
        return "<AdmitterKey secret>"

    def __reduce__(self) -> str:
        raise TypeError("an admitter's key is neither copied nor stored")

    def secret(self, claims: bytes) -> bytes:
        return hmac.digest(self._key, claims, "sha256")[:_SECRET_LENGTH]


class Invitation(NamedTuple):
    """What a code says, and its secret."""

    market_prefix: bytes
    """The first ten bytes of the market id."""
    admitter_prefix: bytes
    """The first three bytes of the admitter's key: who alone redeems the code."""
    serial: bytes
    rights: tuple[Right, ...]
    uses: int
    until_minutes: int
    """Since `EPOCH_MS`."""
    secret: bytes

    @property
    def until_ms(self) -> int:
        """When it can no longer be redeemed, by the wall clock."""
        return EPOCH_MS + self.until_minutes * _MINUTE_MS

    @property
    def claims(self) -> bytes:
        """The code without its secret: what a joiner names it by, 21 bytes."""
        return b"".join((
            self.market_prefix, self.admitter_prefix, self.serial, bytes((bits_of(self.rights), self.uses)),
            self.until_minutes.to_bytes(3, "big"),
        ))  # fmt: skip

    def __repr__(self) -> str:
        return f"<Invitation {self.serial.hex()} as {role_of(self.rights)}, secret>"


def read_claims(claims: bytes) -> Invitation:
    """The invitation that 21 bytes name, without its secret. Raises ValueError."""
    if len(claims) != _CLAIMS_LENGTH:
        raise ValueError("an invitation is named by 21 bytes")
    minutes = int.from_bytes(claims[18:], "big")
    return Invitation(claims[:10], claims[10:13], claims[13:16], rights_of(claims[16]), claims[17], minutes, b"")


def make_code(
    key: AdmitterKey,
    *,
    market: bytes,
    admitter: bytes,
    serial: bytes,
    rights: Iterable[Right],
    uses: int,
    until_ms: int,
) -> str:
    """Write an invitation for people. `serial` is three random bytes; it is redeemed until `until_ms` (wall clock)."""
    minutes = -((EPOCH_MS - until_ms) // _MINUTE_MS)
    if len(serial) != 3:
        raise ValueError("a serial is three random bytes")
    if not 1 <= uses <= 255:
        raise ValueError("an invitation is for 1 to 255 members: make several")
    if not 0 <= minutes < 1 << 24:
        raise ValueError("an invitation ends between 2025 and 2056: look at this computer's clock")
    known = [right for right in Right if right in {*rights}]
    invitation = Invitation(market[:PREFIX_LENGTH], admitter[:3], serial, tuple(known), uses, minutes, b"")
    raw = invitation.claims + key.secret(invitation.claims)
    text = base64.b32encode(raw).decode().lower() + _check_characters(raw)
    return "-".join(text[at : at + _GROUP] for at in range(0, _LETTERS, _GROUP))


def parse_code(text: str) -> Invitation:
    """Read a code as a person has typed it. Raises ValueError that says what to do; it never repeats the code."""
    letters = re.sub(r"[-\s]", "", text).lower().translate(_LOOK_ALIKES)
    if len(letters) != _LETTERS:
        raise ValueError(f"it has {len(letters)} characters, not {_LETTERS}: copy the whole code, hyphens or not")
    if not re.fullmatch(r"[a-z2-7]+", letters):
        raise ValueError("a code has only the letters a to z and the digits 2 to 7: copy it again")
    raw = base64.b32decode(letters[:-2].upper())
    if _check_characters(raw) != letters[-2:]:
        raise ValueError("its check characters do not fit: a slip of the keyboard; compare it with the original")
    return read_claims(raw[:_CLAIMS_LENGTH])._replace(secret=raw[_CLAIMS_LENGTH:])


_LOOK_ALIKES: Final = str.maketrans("01", "ol")


def _check_characters(raw: bytes) -> str:
    """Two base32 characters: CRC-10 (x^10+x^9+x^5+x^4+x+1), which notices each slip within two neighbouring letters."""
    rest = int.from_bytes(raw, "big") << 10
    for shift in range(rest.bit_length() - 11, -1, -1):
        if rest >> (shift + 10) & 1:
            rest ^= 0b110_0011_0011 << shift
    return "".join("abcdefghijklmnopqrstuvwxyz234567"[part] for part in (rest >> 5, rest & 31))


def secret_of(key: AdmitterKey, invitation: Invitation) -> bytes:
    """The secret of an invitation, as only its admitter can make it again."""
    return key.secret(invitation.claims)


def proof_of_redemption(
    secret: bytes, market: bytes, admitter: bytes, member: bytes, transport_key: bytes, nonce: bytes
) -> bytes:
    """What shows that a joiner has the secret, for these keys and this conversation alone: 32 bytes."""
    message = b"".join((b"vendue.redeem.v1\0", market, admitter, member, transport_key, nonce))
    return hmac.digest(secret, message, "sha256")


def proves_redemption(proof: bytes, expected: bytes) -> bool:
    """Compare two proofs, in a time that does not tell where they differ."""
    return hmac.compare_digest(proof, expected)


def standing_to_sign(market: bytes, nonce: bytes, transport_key: bytes, wall_ms: int) -> bytes:
    """What an admitter signs to show a joiner, by its own nonce (32 bytes), that it is here and this is its clock."""
    return _STANDING_DOMAIN + market + nonce + transport_key + wall_ms.to_bytes(8, "big")


class Request(Part, frozen=True, kw_only=True):
    """What a joiner asks for: a certificate for these keys, by an invitation, by renewal, or by a person's hand."""

    market: Bytes32
    admitter: Bytes32 | None
    """Nil in a request that is printed: whoever is asked may admit."""
    member: Bytes32
    transport_key: Bytes32
    nonce: Bytes32
    made_ms: Annotated[int, Meta(ge=0, le=limits.COUNTER_MAX)]
    """The joiner's wall clock: an old request is not answered again with a new certificate."""
    claims: Annotated[bytes, Meta(min_length=_CLAIMS_LENGTH, max_length=_CLAIMS_LENGTH)] | None
    """The invitation, without its secret."""
    proof: Bytes32 | None


def sign_request(request: Request, sealer: Sealer) -> bytes:
    """Pack a request with the member's signature: nobody gets a certificate for a key that it does not have."""
    if sealer.peer != request.member:
        raise ValueError("a request is signed by the member that it is for: name the key that signs")
    payload = msgspec.msgpack.encode(request)
    return msgspec.msgpack.encode((payload, sealer.sign(_REQUEST_DOMAIN + payload)))


def open_request(raw: bytes, *, market: bytes, sealer: Sealer) -> Request:
    """Read a request whose signature holds. Raises Malformed with a fixed phrase.

    Whether it is for this admitter, fresh, and for the transport key of the connection is for whoever asks to compare.
    """
    if len(raw) > limits.CERTIFICATE_MAX:
        raise Malformed("request too long")
    match unpack(raw, bytes_max=limits.CERTIFICATE_MAX, items_max=2):
        case [bytes(payload), bytes(signature)]:
            request = read_part(payload, Request, items_max=len(Request.__struct_fields__))
        case _:
            raise Malformed("not a request")
    if request.market != market:
        raise Malformed("request is for another market")
    if fault_of_key(request.member) is not None or not sealer.verify(
        request.member, _REQUEST_DOMAIN + payload, Signature(signature)
    ):
        raise Malformed("signature of the request does not hold")
    return request


def requester(request: Request) -> PeerId:
    """Who asks."""
    return PeerId(request.member)
