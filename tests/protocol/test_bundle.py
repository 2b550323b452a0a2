"""Frames from strangers: what is taken out of them, what is refused, in which order, and who is to blame."""

from __future__ import annotations

import re

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import limits, merkle
from protocol.bundle import (
    EVIDENCE_TAG,
    Bundle,
    Seal,
    _read_bundle,
    _read_by_rules,
    evidence_of,
    message_to_sign,
    open_bundle,
    open_evidence,
    seal,
)
from protocol.codec import Malformed, statement_id
from protocol.errors import Blame, Ruling, Verdict
from protocol.statements import NO_MARKET, AnyStatement, Bid, Progress
from tests.authors import MARKET, Author, charter_of, sealer_of
from tests.protocol.frames import ANOTHER_MARKET, BAD_SIGNATURE, BO, ELSEWHERE, MISFIT, bids, counting, pack, refusal
from tests.strategies import Sealed, bundles, changed

# What comes out


@pytest.mark.spec("M-4.1")
@given(bundles())
def test_what_is_sealed_comes_out(sealed: Sealed) -> None:
    """A frame yields its author's statements, in order, each with a way back to its evidence."""
    opened = open_bundle(sealed.frame, market=MARKET, sealer=BO)
    assert tuple(opened.statements) == sealed.statements
    assert not opened.rulings
    assert not opened.repeated
    for position, statement in enumerate(opened.statements):
        assert isinstance(statement.seal, Seal)
        assert isinstance(statement.seal.source, Bundle)
        assert statement.seal.position == position


@pytest.mark.spec("M-4.2")
@pytest.mark.parametrize("size", [1, 2, limits.BUNDLE_STATEMENTS_MAX])
def test_one_verify_opens_any_bundle(size: int) -> None:
    """Whether one statement or 512, one signature is verified."""
    sealer = counting()
    opened = open_bundle(seal(bids(size), sealer_of("ada")), market=MARKET, sealer=sealer)
    assert len(opened.statements) == size
    assert sealer.verified == 1


@pytest.mark.spec("M-4.1", "M-9.1")
@pytest.mark.parametrize("size", [0, limits.BUNDLE_STATEMENTS_MAX + 1])
def test_bundles_are_of_1_to_512(size: int) -> None:
    """An empty or overfull bundle is not sealed here, and refused when it comes from elsewhere."""
    said = bids(size)
    with pytest.raises(ValueError, match="a bundle holds 1 to 512 statements"):
        seal(said, sealer_of("ada"))
    refused = refusal(open_bundle(pack([one.payload for one in said]), market=MARKET, sealer=BO))
    assert refused == Ruling(Verdict.REJECT, Blame.CONNECTION, "too long" if size else "not a bundle")


# What is refused


@pytest.mark.spec("M-4.4")
@given(bundles(max_size=4), st.data())
def test_any_changed_byte_of_a_bundle_is_refused(sealed: Sealed, data: st.DataObject) -> None:
    """A frame that is not exactly what was sealed yields nothing; the connection is to blame, never the author."""
    refused = refusal(open_bundle(data.draw(changed(sealed.frame)), market=MARKET, sealer=BO))
    assert refused == ANOTHER_MARKET or (refused.verdict, refused.blame) == (Verdict.REJECT, Blame.CONNECTION)


@pytest.mark.spec("M-4.2", "M-4.4")
def test_every_byte_of_one_bundle_counts() -> None:
    """Each byte of a small frame in turn, its lowest and its highest bit."""
    frame = seal(bids(2), sealer_of("ada"))
    for at in range(len(frame)):
        for bit in (1, 128):
            other = frame[:at] + bytes([frame[at] ^ bit]) + frame[at + 1 :]
            refused = refusal(open_bundle(other, market=MARKET, sealer=BO))
            assert refused == ANOTHER_MARKET or refused.blame is Blame.CONNECTION


@pytest.mark.spec("M-4.3", "M-4.4")
def test_checks_run_cheapest_first() -> None:
    """A frame with every fault at once is refused for the first; with each fault mended, for the next."""

    def shut(author: bytes, statement: AnyStatement | None) -> str | None:
        return "shut"

    sealer = counting()
    bad = {"signature": b"\0" * 64}
    rubbish, outside = [b"rubbish"], {"market": ELSEWHERE}
    closed = {"door": shut, "seen": {statement_id(b"rubbish")}}

    def ruling(frame: bytes, **state: object) -> tuple[list[Ruling], int]:
        opened = open_bundle(frame, market=MARKET, sealer=sealer, **state)  # type: ignore[arg-type]
        return opened.rulings, len(opened.repeated)

    fault = Verdict.REJECT, Blame.CONNECTION
    assert ruling(bytes(limits.BUNDLE_MAX + 1), **closed) == ([Ruling(*fault, "frame too long")], 0)
    unheard = pack(rubbish, tag="vendue-bundle/2", **bad, **outside)
    assert ruling(unheard, **closed) == ([Ruling(*fault, "not a bundle")], 0)
    assert ruling(pack(rubbish, **bad, **outside), **closed) == ([ANOTHER_MARKET], 0)
    assert ruling(pack(rubbish, **bad), **closed) == ([Ruling(Verdict.IGNORE, Blame.NOBODY, "shut")], 0)
    assert ruling(pack(rubbish, **bad), seen=closed["seen"]) == ([], 1)
    assert sealer.verified == 0
    assert ruling(pack(rubbish, **bad)) == ([BAD_SIGNATURE], 0)
    (decoded,) = ruling(pack(rubbish))[0]
    assert (decoded.verdict, decoded.blame) == (Verdict.REJECT, Blame.AUTHOR)


@pytest.mark.spec("M-4.1", "M-4.4")
@pytest.mark.parametrize(
    "frame",
    [
        b"", b"\xc0", msgpack.packb([]), pack([1]), pack(["text"]), pack([[]]), pack([b"x"], market=b"short"),
        pack([b"x"], signature=b"short"), pack([b"x"], tag=EVIDENCE_TAG), pack([b"x"])[:-1], pack([b"x"]) + b"\xc0",
    ],
)  # fmt: skip
def test_what_is_no_bundle_is_the_connections_fault(frame: bytes) -> None:
    """Bytes of another shape were signed by nobody: only who handed them over is to blame."""
    refused = refusal(open_bundle(frame, market=MARKET, sealer=counting()))
    assert (refused.verdict, refused.blame) == (Verdict.REJECT, Blame.CONNECTION)


@pytest.mark.spec("M-4.4")
def test_foreign_market_is_ignored_not_blamed() -> None:
    """Two markets on one wire do not hear each other, and blame nobody."""
    frame = seal(bids(1, market=ELSEWHERE), sealer_of("ada"))
    assert refusal(open_bundle(frame, market=MARKET, sealer=BO)) == ANOTHER_MARKET
    evidence = open_bundle(frame, market=ELSEWHERE, sealer=BO).statements[0].seal.evidence()
    assert refusal(open_evidence(evidence, market=MARKET, sealer=BO)) == ANOTHER_MARKET


@pytest.mark.spec("M-4.6")
def test_first_charter_opens_in_any_market() -> None:
    """The one statement that is said before its market is there: bundle and evidence both open."""
    first = Author("authority").say(charter_of(), market=NO_MARKET)
    frame = seal([first], sealer_of("authority"))
    (opened,) = open_bundle(frame, market=MARKET, sealer=BO).statements
    assert opened == first
    assert open_evidence(opened.seal.evidence(), market=MARKET, sealer=BO).statements == [first]


@pytest.mark.spec("M-4.6")
def test_nothing_else_is_said_outside_a_market() -> None:
    """A bid in no market would count in all of them: its author is to blame."""
    ada = Author("ada")
    (bid,) = bids(1, ada, NO_MARKET)
    assert refusal(open_bundle(seal([bid], ada.sealer), market=MARKET, sealer=BO)) == MISFIT
    assert refusal(open_evidence(evidence_of(bid, ada.sealer), market=MARKET, sealer=BO)) == MISFIT


@pytest.mark.spec("M-4.6")
@pytest.mark.parametrize("inner", ["author", "market"])
def test_words_put_into_anothers_mouth_are_the_sealers_fault(inner: str) -> None:
    """A statement in another's name or of another market, under one's own signature, convicts who signed."""
    ada = Author("ada")
    (foreign,) = bids(1, Author("bo")) if inner == "author" else bids(1, ada, ELSEWHERE)
    assert refusal(open_bundle(pack([foreign.payload]), market=MARKET, sealer=BO)) == MISFIT
    signature = ada.sealer.sign(message_to_sign(MARKET, foreign.id))
    evidence = msgpack.packb((EVIDENCE_TAG, MARKET, ada.peer, signature, foreign.payload, 0, 1, []))
    assert refusal(open_evidence(evidence, market=MARKET, sealer=BO)) == MISFIT


@pytest.mark.spec("M-4.5")
def test_one_bad_statement_does_not_spoil_the_others() -> None:
    """Each statement has a verdict of its own, once the signature holds."""
    good, other = bids(2)
    opened = open_bundle(pack([good.payload, b"\xc0", other.payload]), market=MARKET, sealer=BO)
    assert opened.statements == [good, other]
    assert opened.rulings == [Ruling(Verdict.REJECT, Blame.AUTHOR, "not an array of nine fields")]


@pytest.mark.spec("M-4.3")
def test_door_sees_the_author_and_then_each_statement() -> None:
    """A revocation that names a last seq shuts out what came after it, and blames nobody."""
    early, late = bids(2)

    def door(author: bytes, statement: AnyStatement | None) -> str | None:
        return "revoked" if statement is not None and statement.seq > early.seq else None

    opened = open_bundle(seal([early, late], sealer_of("ada")), market=MARKET, sealer=BO, door=door)
    assert opened.statements == [early]
    assert opened.rulings == [Ruling(Verdict.IGNORE, Blame.NOBODY, "revoked")]


# What was heard before


@pytest.mark.spec("M-4.7")
def test_what_was_heard_before_is_a_question() -> None:
    """Ids heard before come out as repeats, the rest as statements; when all are known nothing is verified."""
    sealer = counting()
    known, fresh = bids(2)
    frame = seal([known, fresh], sealer_of("ada"))
    opened = open_bundle(frame, market=MARKET, sealer=sealer, seen={known.id})
    assert (opened.statements, opened.repeated, opened.rulings) == ([fresh], [known.id], [])
    again = open_bundle(frame, market=MARKET, sealer=sealer, seen={known.id, fresh.id})
    assert (again.statements, again.repeated, again.rulings) == ([], [known.id, fresh.id], [])
    assert sealer.verified == 1


@pytest.mark.spec("M-2.5")
def test_sealed_anew_is_the_same_statement() -> None:
    """One id, many seals: saying the same again in other company changes no id."""
    first, second = bids(2)
    alone, together = seal([first], sealer_of("ada")), seal([second, first], sealer_of("ada"))
    ids = {one.id for frame in (alone, together) for one in open_bundle(frame, market=MARKET, sealer=BO).statements}
    assert ids == {first.id, second.id}


def test_largest_bundle_of_small_statements_fits_a_frame() -> None:
    """A bundle of 512 ordinary statements is within the frame's bound."""
    said = [Author("ada").say(Progress(permille=1, note="n" * 200, partial=b""), about=bytes(32)) for _ in range(512)]
    assert len(seal(said, sealer_of("ada"))) < limits.BUNDLE_MAX


# What a frame may cost


def test_one_statement_does_not_keep_a_large_bundle() -> None:
    """Out of a large frame each statement comes as evidence of its own, or one kept would keep them all."""
    payloads = [bids(1)[0].payload, *[bytes([number]) * 100_000 for number in range(8)]]
    root = merkle.root([statement_id(payload) for payload in payloads])
    signature = sealer_of("ada").sign(message_to_sign(MARKET, root))
    frame = msgpack.packb(("vendue-bundle/1", MARKET, sealer_of("ada").peer, signature, payloads))
    (opened,) = open_bundle(frame, market=MARKET, sealer=BO).statements
    assert isinstance(opened.seal, Seal)
    assert isinstance(opened.seal.source, bytes)
    assert len(opened.seal.source) < 1_000
    assert open_evidence(evidence_of(opened, BO), market=MARKET, sealer=BO).statements == [opened]


@given(place=st.integers(0, 2_000), byte=st.integers(0, 255), cut=st.integers(0, 3), size=st.integers(1, 3))
def test_a_frame_read_in_one_go_is_what_the_rules_read(place: int, byte: int, cut: int, size: int) -> None:
    """Whatever byte was changed or cut off: both take the same frames, and see the same in them (SPEC section 4)."""
    ann = Author("ann")
    frame = bytearray(seal([ann.say(Bid(price=n, duration_ms=1), about=bytes(32)) for n in range(size)], ann.sealer))
    frame[place % len(frame)] = byte
    tampered = bytes(frame[: len(frame) - cut])
    try:
        expected = _read_by_rules(tampered)
    except Malformed as error:
        with pytest.raises(Malformed, match=re.escape(str(error))):
            _read_bundle(tampered)
        return
    read = _read_bundle(tampered)
    assert [read.market, read.author, read.signature] == [expected.market, expected.author, expected.signature]
    assert [*read.payloads] == [*expected.payloads]
    assert [*read.ids] == [*expected.ids]
