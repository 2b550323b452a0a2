"""Vectors of invitations: codes and what they say, slips, and what joiner and lobby prove to each other."""

from __future__ import annotations

import hashlib
from typing import Any

from protocol.invitation import (
    EPOCH_MS,
    ROLES,
    AdmitterKey,
    Request,
    lobby_secret,
    make_code,
    market_tag,
    parse_code,
    place_mark,
    proof_of_redemption,
    sign_request,
    standing_to_sign,
)
from protocol.keys import Ed25519Sealer
from tests.authors import MARKET, sealer_of
from tests.standing import transport

SEED = hashlib.sha256(b"an admitter of these vectors alone").digest()
ADMITTER, ADA = Ed25519Sealer.from_seed(SEED), sealer_of("ada")
KEY = AdmitterKey(SEED)
NONCE = hashlib.sha256(b"nonce").digest()


def _code(role: str, serial: bytes, uses: int, until_ms: int) -> dict[str, Any]:
    code = make_code(
        KEY, market=MARKET, admitter=ADMITTER.peer, serial=serial, rights=ROLES[role], uses=uses, until_ms=until_ms
    )
    read = parse_code(code)
    return {
        "name": role, "code": code, "serial": serial.hex(), "rights": [right.value for right in read.rights],
        "uses": uses, "asked_until_ms": until_ms, "until_ms": read.until_ms, "claims": read.claims.hex(),
        "secret": read.secret.hex(),
    }  # fmt: skip


def _refused(code: str) -> list[dict[str, str]]:
    letters = code.replace("-", "")
    typed = {
        "a character too few": code[:-1], "a character too many": code + "a", "a letter that is none": code[:-1] + "!",
        "a wrong letter": ("b" if code[0] == "a" else "a") + code[1:],
        "two letters swapped": letters[:-4] + letters[-3] + letters[-4] + letters[-2:],
    }  # fmt: skip
    return [{"name": name, "code": text, "reason": _reason(text)} for name, text in typed.items()]


def _reason(text: str) -> str:
    try:
        parse_code(text)
    except ValueError as refusal:
        return str(refusal)
    raise AssertionError("this code was to be refused")


def _conversation(code: str) -> dict[str, str]:
    """One joiner and one lobby, in the order in which they speak."""
    read, wall_ms, key = parse_code(code), EPOCH_MS + 1, transport("ada")
    standing = standing_to_sign(MARKET, NONCE, key, wall_ms)
    proof = proof_of_redemption(read.secret, MARKET, ADMITTER.peer, ADA.peer, key, NONCE)
    request = Request(
        market=MARKET, admitter=ADMITTER.peer, member=ADA.peer, transport_key=key, nonce=NONCE, made_ms=wall_ms,
        claims=read.claims, proof=proof,
    )  # fmt: skip
    return {
        "member": ADA.peer.hex(), "transport_key": key.hex(), "nonce": NONCE.hex(), "wall_ms": str(wall_ms),
        "standing": standing.hex(), "signature_of_standing": ADMITTER.sign(standing).hex(), "proof": proof.hex(),
        "request": sign_request(request, ADA).hex(),
    }  # fmt: skip


def document() -> dict[str, Any]:
    """Codes by one admitter whose private key stands beside them: it is for these vectors alone."""
    codes = [
        _code(role, bytes([number, 2, 3]), 1 + number * 50, EPOCH_MS + number * 90_000)
        for number, role in enumerate(ROLES)
    ]
    return {
        "says": "Section 10: invitation codes, how a lobby is reached, and what is proved with a code.",
        "market": MARKET.hex(),
        "lobby_private_key": lobby_secret(MARKET).hex(),
        "market_tag": market_tag(MARKET).hex(),
        "places": [
            {
                "peer": ADMITTER.peer.hex(),
                "host": host,
                "port": port,
                "mark": place_mark(MARKET, ADMITTER.peer, host, port).hex(),
            }
            for host, port in (("192.0.2.7", 7300), ("2001:db8::7", 65535))
        ],
        "admitter": ADMITTER.peer.hex(),
        "admitter_private_key": SEED.hex(),
        "codes": codes,
        "refused": _refused(codes[0]["code"]),
        "conversation": _conversation(codes[0]["code"]),
    }
