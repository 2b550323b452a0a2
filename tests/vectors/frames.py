"""Vectors of frames: bundles and evidence, right and tampered, with the ruling on each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgpack

from protocol import merkle
from protocol.bundle import BUNDLE_TAG, EVIDENCE_TAG, Opened, message_to_sign, open_bundle, open_evidence, seal
from protocol.codec import statement_id
from protocol.keys import Digest
from protocol.statements import NO_MARKET, AnyStatement, Bid
from tests.authors import Author, sealer_of
from tests.vectors.telling import Telling

READER = sealer_of("reader")
NEUTRAL = bytes([1]) + bytes(31)
"""A key under which a careless library takes one signature for every message."""


def expected(opened: Opened) -> dict[str, Any]:
    """What a reader takes out of a frame, in the words of the vectors."""
    return {
        "statements": [one.id.hex() for one in opened.statements],
        "repeated": [known.hex() for known in opened.repeated],
        "rulings": [{"verdict": r.verdict.value, "blame": r.blame.value, "reason": r.reason} for r in opened.rulings],
    }


def pack(speaker: Author, market: bytes, payloads: Sequence[object], **changed: object) -> bytes:
    """A bundle by hand, well signed unless told otherwise."""
    ids = [statement_id(payload) for payload in payloads if isinstance(payload, bytes)]
    signature = speaker.sealer.sign(message_to_sign(market, merkle.root(ids)))
    fields = {"tag": BUNDLE_TAG, "market": market, "author": speaker.peer, "signature": signature} | changed
    frame: bytes = msgpack.packb([*fields.values(), payloads])
    return frame


def _flip(raw: bytes, at: int) -> bytes:
    return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


class Speech:
    """Three bids by ada, and what the vectors do to them."""

    def __init__(self) -> None:
        self.told = told = Telling()
        self.ada, self.market = told.ada, told.market
        self.bids: list[AnyStatement] = [told.bid(told.ada, price) for price in (10, 11, 12)]
        self.frame = seal(self.bids, self.ada.sealer)
        self.foreign = told.bid(told.bo)

    def bundles(self) -> dict[str, tuple[bytes, Sequence[Digest]]]:
        """Name → the frame, and the ids that its reader has seen before."""
        ada, market, ids = self.ada, self.market, [bid.id for bid in self.bids]
        payloads = [bid.payload for bid in self.bids]
        outside = Telling().ada.say(Bid(price=1, duration_ms=1), market=NO_MARKET)
        charter = self.told.charter
        return {
            "one statement": (seal(self.bids[:1], ada.sealer), []),
            "three statements": (self.frame, []),
            "one of three seen before": (self.frame, ids[1:2]),
            "all seen before": (self.frame, ids),
            "all seen before, and the signature wrong": (pack(ada, market, payloads, signature=bytes(64)), ids),
            "the first version of a charter": (seal([charter], Author("authority").sealer), []),
            "a payload changed": (_flip(self.frame, len(self.frame) - 1), []),
            "a signature of zeros": (pack(ada, market, payloads, signature=bytes(64)), []),
            "another author": (pack(ada, market, payloads, author=self.told.bo.peer), []),
            "an author of small order": (
                pack(ada, market, payloads, author=NEUTRAL, signature=NEUTRAL + bytes(32)), []),
            "statements swapped": (pack(ada, market, payloads, signature=self._reversed()), []),
            "no statements": (pack(ada, market, []), []),
            "another tag": (pack(ada, market, payloads, tag="vendue-bundle/2"), []),
            "a byte behind the end": (self.frame + b"\xc0", []),
            "nothing": (b"", []),
            "another market": (pack(ada, bytes([7]) * 32, payloads), []),
            "another's statement under one's own seal": (pack(ada, market, [self.foreign.payload]), []),
            "a bid in no market": (pack(ada, NO_MARKET, [outside.payload]), []),
            "signed rubbish between two statements": (pack(ada, market, [payloads[0], b"\xc0", payloads[2]]), []),
        }  # fmt: skip

    def _reversed(self) -> bytes:
        """A signature over the same statements in another order."""
        root = merkle.root([bid.id for bid in reversed(self.bids)])
        return self.ada.sealer.sign(message_to_sign(self.market, root))

    def evidence(self) -> dict[str, tuple[bytes, Sequence[Digest]]]:
        """Name → the evidence, and the ids that its reader has seen before."""
        opened = open_bundle(self.frame, market=self.market, sealer=READER)
        cut = [one.seal.evidence() for one in opened.statements]
        second = cut[1]

        def but(number: int, value: object) -> bytes:
            fields = msgpack.unpackb(second)
            fields[number] = value
            changed: bytes = msgpack.packb(fields)
            return changed

        path = msgpack.unpackb(second)[7]
        bo = self.told.bo
        signature = self.ada.sealer.sign(message_to_sign(self.market, self.foreign.id))
        return {
            "the first of three": (cut[0], []), "the second of three": (second, []), "the third of three": (cut[2], []),
            "sealed alone": (self.told.evidence(self.bids[0]), []),
            "seen before": (second, [self.bids[1].id]),
            "another tag": (but(0, BUNDLE_TAG), []), "another market": (but(1, bytes([7]) * 32), []),
            "another author": (but(2, bo.peer), []), "a signature of zeros": (but(3, bytes(64)), []),
            "another payload": (but(4, self.foreign.payload), []), "another index": (but(5, 0), []),
            "an index outside": (but(5, 3), []), "a boolean for the index": (but(5, True), []),
            "a size of nothing": (but(6, 0), []), "a size above the bound": (but(6, 513), []),
            "a path too short": (but(7, path[:-1]), []), "a path too long": (but(7, [*path, bytes(32)]), []),
            "a hash of 31 bytes": (but(7, [path[0][:31], *path[1:]]), []),
            "a changed path": (but(7, [_flip(path[0], 0), *path[1:]]), []),
            "another's statement under one's own seal": (msgpack.packb(
                (EVIDENCE_TAG, self.market, self.ada.peer, signature, self.foreign.payload, 0, 1, [])), []),
        }  # fmt: skip


def bundles() -> dict[str, Any]:
    """Bundles, what was seen before, and what a reader takes out of them."""
    speech = Speech()
    cases = [
        {"name": name, "seen": [known.hex() for known in seen], "frame": frame.hex(),
         **expected(open_bundle(frame, market=speech.market, sealer=READER, seen=frozenset(seen)))}
        for name, (frame, seen) in speech.bundles().items()
    ]  # fmt: skip
    says = "Section 4: frames without their topic, in a market whose door is open."
    return {"says": says, "market": speech.market.hex(), "cases": cases}


def evidence() -> dict[str, Any]:
    """Evidence, what was seen before, and what a reader takes out of it."""
    speech = Speech()
    cases = [
        {"name": name, "seen": [known.hex() for known in seen], "evidence": piece.hex(),
         **expected(open_evidence(piece, market=speech.market, sealer=READER, seen=frozenset(seen)))}
        for name, (piece, seen) in speech.evidence().items()
    ]  # fmt: skip
    return {"says": "Section 4: statements that stand alone.", "market": speech.market.hex(), "cases": cases}
