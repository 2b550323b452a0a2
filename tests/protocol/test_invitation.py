"""Invitation codes: what they say, that a slip is noticed, and that their secret never shows."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.certificate import Right
from protocol.codec import Malformed
from protocol.invitation import (
    EPOCH_MS,
    ROLES,
    AdmitterKey,
    Request,
    bits_of,
    lobby_secret,
    make_code,
    market_tag,
    open_request,
    parse_code,
    place_mark,
    proof_of_redemption,
    proves_redemption,
    read_claims,
    rights_of,
    role_of,
    secret_of,
    sign_request,
    standing_to_sign,
)
from tests.authors import MARKET, sealer_of
from tests.strategies import changed

KEY = AdmitterKey(bytes(range(32)))
ADMITTER, ADA = sealer_of("admitter"), sealer_of("ada")
TERMS = {
    "market": MARKET, "admitter": ADMITTER.peer, "serial": b"\1\2\3", "rights": ROLES["agent"], "uses": 2,
    "until_ms": EPOCH_MS + 90_000,
}  # fmt: skip
CODE = make_code(KEY, **TERMS)  # type: ignore[arg-type]
NONCE = bytes(32)


@pytest.mark.spec("M-10.19")
def test_a_code_says_what_was_put_into_it() -> None:
    """Market, admitter, rights, uses and end, with an end within a minute rounded up."""
    read = parse_code(CODE)
    assert (read.market_prefix, read.admitter_prefix, read.serial) == (MARKET[:10], ADMITTER.peer[:3], b"\1\2\3")
    assert (read.rights, read.uses, read.until_ms) == (ROLES["agent"], 2, EPOCH_MS + 120_000)
    assert read_claims(read.claims)._replace(secret=read.secret) == read


@pytest.mark.spec("M-10.20")
def test_a_code_is_ten_groups_of_five() -> None:
    """Fifty characters: it can be read out and typed."""
    assert [len(group) for group in CODE.split("-")] == [5] * 10


@pytest.mark.spec("M-10.19")
def test_only_the_admitter_makes_the_secret_again() -> None:
    """Nothing is stored before an invitation is used, and no other key makes the same."""
    read = parse_code(CODE)
    assert secret_of(KEY, read) == read.secret
    assert secret_of(AdmitterKey(bytes(32)), read) != read.secret
    assert secret_of(KEY, read._replace(uses=3)) != read.secret


@pytest.mark.spec("M-10.20")
def test_a_code_is_read_as_people_type_it() -> None:
    """Capitals, spaces, hyphens anywhere or nowhere, and digits that look like letters."""
    for typed in (CODE.upper(), CODE.replace("-", ""), f"  {CODE.replace('-', ' ')}\n"):
        assert parse_code(typed) == parse_code(CODE)
    assert parse_code(CODE.replace("o", "0").replace("l", "1")) == parse_code(CODE)


@pytest.mark.spec("M-10.20")
def test_every_single_slip_is_noticed() -> None:
    """Each character changed into each other one, and each two neighbours swapped."""
    letters = CODE.replace("-", "")
    for at, right in enumerate(letters):
        for wrong in "abcdefghijklmnopqrstuvwxyz234567".replace(right, ""):
            with pytest.raises(ValueError, match="slip of the keyboard"):
                parse_code(letters[:at] + wrong + letters[at + 1 :])
        swapped = letters[:at] + letters[at + 1 : at + 2] + right + letters[at + 2 :]
        if swapped != letters:
            with pytest.raises(ValueError, match="slip of the keyboard"):
                parse_code(swapped)


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("", "it has 0 characters, not 50: copy the whole code"),
        (CODE[:-1], "it has 49 characters"),
        (CODE[:-1] + "!", "only the letters a to z and the digits 2 to 7"),
        (CODE[:-1] + "é", "only the letters a to z"),
    ],
)
def test_what_is_no_code_says_what_to_do(typed: str, reason: str) -> None:
    """The message does not repeat what was typed: it may hold most of a secret."""
    with pytest.raises(ValueError, match=reason) as raised:
        parse_code(typed)
    assert CODE[:5] not in str(raised.value)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"serial": b""}, "three random bytes"),
        ({"uses": 0}, "1 to 255"),
        ({"uses": 256}, "1 to 255"),
        ({"until_ms": EPOCH_MS - 60_000}, "between 2025 and 2056"),
        ({"until_ms": EPOCH_MS + (1 << 24) * 60_000}, "between 2025 and 2056"),
    ],
)
def test_a_code_that_cannot_be_written_is_refused(changes: dict[str, object], reason: str) -> None:
    """Each field has its few bytes."""
    with pytest.raises(ValueError, match=reason):
        make_code(KEY, **(TERMS | changes))  # type: ignore[arg-type]


@pytest.mark.spec("M-10.19")
@given(st.sets(st.sampled_from(Right)))
def test_rights_are_bits_and_back(rights: set[Right]) -> None:
    """In the order of the class, whatever order they came in."""
    assert set(rights_of(bits_of(rights))) == rights


def test_roles_are_sets_of_rights() -> None:
    """Each role has its rights in the order of their bits, and is found again from them."""
    for role, rights in ROLES.items():
        assert rights_of(bits_of(rights)) == rights
        assert role_of(rights) == role
    assert role_of((Right.GOVERN, Right.BID)) == "bid + govern"
    with pytest.raises(ValueError, match="install a newer one"):
        rights_of(32)


@pytest.mark.spec("M-10.19")
def test_secrets_do_not_show() -> None:
    """Not printed, not logged, not pickled: neither the admitter's key nor an invitation's secret."""
    read = parse_code(CODE)
    for shown in (repr(KEY), str(KEY), repr(read), str(read), f"{read}", repr([read])):
        assert "secret" in shown
        assert read.secret.hex() not in shown
        assert repr(read.secret)[2:-1] not in shown
    for copied in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError, match="neither copied nor stored"):
            copied(KEY)
    with pytest.raises(ValueError, match="32 bytes"):
        AdmitterKey(b"short")


@pytest.mark.spec("M-10.22")
def test_a_proof_is_for_one_joiner_and_one_conversation() -> None:
    """With any name in it changed it is another one."""
    names = [MARKET, ADMITTER.peer, ADA.peer, bytes(32), NONCE]
    proof = proof_of_redemption(parse_code(CODE).secret, *names)
    assert proves_redemption(proof, proof_of_redemption(parse_code(CODE).secret, *names))
    for at in range(len(names)):
        other = [*names[:at], b"\1" * 32, *names[at + 1 :]]
        assert not proves_redemption(proof, proof_of_redemption(parse_code(CODE).secret, *other))
    assert not proves_redemption(proof, proof_of_redemption(b"another", *names))


@pytest.mark.spec("M-10.21")
def test_what_a_lobby_signs_is_for_one_joiner_and_one_time() -> None:
    """No two conversations have the same words."""
    said = {
        standing_to_sign(market, nonce, key, wall_ms)
        for market in (MARKET, bytes(32)) for nonce in (NONCE, b"\1" * 32) for key in (ADA.peer, bytes(32))
        for wall_ms in (0, 1 << 62)
    }  # fmt: skip
    assert len(said) == 16
    assert len({len(message) for message in said}) == 1


@pytest.mark.spec("M-10.21")
def test_a_lobby_needs_ten_bytes_of_the_market_and_shows_none() -> None:
    """A code carries enough to reach it; what is on the wire does not say which market it is."""
    assert lobby_secret(MARKET) == lobby_secret(MARKET[:10])
    assert market_tag(MARKET) == market_tag(MARKET[:10])
    assert len(lobby_secret(MARKET)) == 32
    assert len(market_tag(MARKET)) == 8
    assert MARKET[:4] not in lobby_secret(MARKET) + market_tag(MARKET)


def test_mark_of_a_place_is_for_one_market_peer_host_and_port() -> None:
    """Who copies a mark announces the same place once more, and nothing else."""
    peer, other = bytes(32), bytes([1] * 32)
    places = [(MARKET, peer, "192.0.2.7", 1), (other, peer, "192.0.2.7", 1), (MARKET, other, "192.0.2.7", 1)]
    places += [(MARKET, peer, "192.0.2.71", 1), (MARKET, peer, "192.0.2.7", 257), (MARKET, peer, "192.0.2.7", 11)]
    assert len({place_mark(*place) for place in places}) == len(places)
    assert place_mark(MARKET[:10], peer, "::1", 1) == place_mark(MARKET, peer, "::1", 1)


def request(**changes: object) -> Request:
    """What ada asks for."""
    fields: dict[str, object] = {
        "market": MARKET, "admitter": ADMITTER.peer, "member": ADA.peer, "transport_key": bytes(32), "nonce": NONCE,
        "made_ms": 5, "claims": parse_code(CODE).claims, "proof": bytes(32),
    } | changes  # fmt: skip
    return Request(**fields)  # type: ignore[arg-type]


@pytest.mark.spec("M-10.22")
def test_a_request_is_signed_by_the_member() -> None:
    """Nobody gets a certificate for a key that it does not have."""
    assert open_request(sign_request(request(), ADA), market=MARKET, sealer=ADMITTER) == request()
    printed = request(admitter=None, claims=None, proof=None)
    assert open_request(sign_request(printed, ADA), market=MARKET, sealer=ADMITTER) == printed
    with pytest.raises(ValueError, match="signed by the member"):
        sign_request(request(), ADMITTER)
    with pytest.raises(Malformed, match="another market"):
        open_request(sign_request(request(), ADA), market=bytes(32), sealer=ADMITTER)


@pytest.mark.spec("M-10.22")
@given(changed(sign_request(request(), ADA)))
def test_any_changed_byte_of_a_request_is_noticed(raw: bytes) -> None:
    """It cannot be read, or its signature does not hold."""
    if raw != sign_request(request(), ADA):
        with pytest.raises(Malformed):
            open_request(raw, market=MARKET, sealer=ADMITTER)
