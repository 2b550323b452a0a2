"""Vectors of what is written down exactly: statements and their ids, keys and their printed form, tokens and topics."""

from __future__ import annotations

from typing import Any

import msgpack

from protocol.codec import Malformed, decode, statement_id
from protocol.job import idempotency_token
from protocol.keys import PRIME, SMALL_ORDER_Y, fault_of_key, print_peer
from protocol.kinds import KINDS
from protocol.notices import Card, Checkpoint, Offered, Pause
from protocol.statements import (
    Acceptance,
    AnyStatement,
    Body,
    EffectClass,
    Failure,
    FailureClass,
    Progress,
    Refusal,
    Settlement,
    Standing,
    StandingUse,
)
from protocol.topics import governance_topic, peer_topic, skill_topic
from tests.authors import Author, permit, sealer_of, veto
from tests.vectors.telling import LAPSED, WITHDRAWN, Telling
from tests.walks import DECLINE, RENEWAL, RESULT


def one_of_each() -> list[AnyStatement]:
    """A statement of every kind, in the order of the table of kinds."""
    told = Telling(governors=1, effect=EffectClass.REVERSIBLE)
    governor, ada, manager = told.governors[0], told.ada, told.manager
    terms = Standing(manager=manager.peer, skill="sum", price_max=50, uses=2)
    standing = told.say(governor, permit(terms), None)
    bid = told.bid(ada)
    award = told.award(told.bo, standing=StandingUse(permit=standing.id, number=1))
    about: list[tuple[Author, Body, AnyStatement | None]] = [
        (told.cy, Refusal(reason="zu tun – später"), told.announcement),
        (told.bo, Acceptance(permits=(standing.id,)), award),
        (told.bo, DECLINE, award),
        (told.bo, Progress(permille=500, note="half", partial=b"4"), award),
        (manager, RENEWAL, award),
        (told.bo, RESULT, award),
        (told.bo, Failure(failure_class=FailureClass.FATAL, reason="no such file", done="nothing"), award),
        (manager, LAPSED, award),
        (manager, Settlement(), award),
        (manager, WITHDRAWN, told.announcement),
        (governor, veto(), award),
        (ada, Card(name="ada", skills=(Offered(skill="sum", input_schema=b"{}", output_schema=b"{}"),), capacity=8,
                   addresses=("tcp://127.0.0.1:5000",), transport_key=None, certificate=None), None),
        (governor, Checkpoint(origin="vendue/governor", size=3, root=bid.id), None),
        (governor, Pause(skill="sum", awards_per_minute=0, duration_ms=60_000, reason="stop"), None),
    ]  # fmt: skip
    said = [told.say(*each) for each in about]
    found = {one.kind: one for one in (told.charter, told.announcement, bid, award, standing, *said)}
    return [found[tag] for tag in KINDS]


def plain(value: object) -> object:
    """A decoded MessagePack value as JSON: byte strings become `{"hex": ...}`."""
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def _refused() -> list[dict[str, str]]:
    """Payloads that are no statement, each with the rule that it breaks."""
    bid = Telling().bid(Author("ada"))
    fields = msgpack.unpackb(bid.payload)
    body = fields[8]
    tampered = {
        "a field too few": fields[:8], "a field too many": [*fields, None],
        "a kind of tomorrow": ["propose/2", *fields[1:]],
        "a float, though whole": [*fields[:8], [float(body[0]), body[1]]],
        "a boolean for a number": [*fields[:8], [True, body[1]]],
        "a negative price": [*fields[:8], [-1, body[1]]],
        "a price above the bound": [*fields[:8], [2**53 + 1, body[1]]],
        "a body field too many": [*fields[:8], [*body, 1]], "a seq of zero": [*fields[:4], 0, *fields[5:]],
        "a market of 31 bytes": [fields[0], fields[1][:31], *fields[2:]],
        "a byte string for the kind": [fields[0].encode(), *fields[1:]],
        "a map for a body": [*fields[:8], {"price": 1}],
    }  # fmt: skip
    raw = {name: msgpack.packb(value) for name, value in tampered.items()}
    raw |= {
        "nothing": b"", "a byte behind the end": bid.payload + b"\xc0", "cut short": bid.payload[:-1],
        "an extension type": bid.payload.replace(b"\x92\x0a", b"\x92\xd4\x01\x00"),
    }  # fmt: skip
    return [{"name": name, "payload": payload.hex(), "reason": _reason(payload)} for name, payload in raw.items()]


def _reason(payload: bytes) -> str:
    try:
        decode(payload)
    except Malformed as refusal:
        return str(refusal)
    raise AssertionError("this payload was to be refused")


def _statement(name: str, payload: bytes) -> dict[str, Any]:
    """A payload with its id, and what is in it."""
    fields = plain(msgpack.unpackb(payload))
    return {"name": name, "payload": payload.hex(), "id": statement_id(payload).hex(), "fields": fields}


def _longer() -> dict[str, Any]:
    """One bid in longer integers: another id, the same body."""
    bid = Telling().bid(Author("ada"))
    return _statement("longer integers", bid.payload.replace(b"\x92\x0a", b"\x92\xcd\x00\x0a"))


def document() -> dict[str, Any]:
    """Statements of every kind and their ids; payloads that are refused."""
    statements = [_statement(one.kind, one.payload) for one in one_of_each()]
    return {
        "says": "Section 2: these payloads are statements with these ids; the others are refused.",
        "statements": [*statements, _longer()],
        "refused": _refused(),
    }


def keys() -> dict[str, Any]:
    """Keys that are admitted, with everything that is derived from them, and keys that are not."""
    announcement = Telling().announcement
    bad = [y | sign << 255 for y in sorted(SMALL_ORDER_Y) for sign in (0, 1)] + [PRIME, PRIME + 1, PRIME + 18]
    encoded = [value.to_bytes(32, "little") for value in bad]
    return {
        "says": "Sections 3 and 8: keys and how they are printed, keys that are refused, topics, and a token.",
        "peers": [
            {"key": peer.hex(), "printed": print_peer(peer), "topic": peer_topic(peer).hex()}
            for peer in (sealer_of(name).peer for name in ("manager", "ada", "bo", "governor 0"))
        ],
        "refused": [{"key": key.hex(), "reason": fault_of_key(key)} for key in encoded],
        "skills": [{"skill": skill, "topic": skill_topic(skill).hex()} for skill in ("sum", "größer")],
        "markets": [{"market": announcement.market.hex(), "topic": governance_topic(announcement.market).hex()}],
        "tokens": [{
            "manager": announcement.author.hex(), "idempotency_key": announcement.body.idempotency_key.hex(),
            "token": idempotency_token(announcement).hex(),
        }],
    }  # fmt: skip
