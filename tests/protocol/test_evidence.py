"""One statement cut out of a bundle: it stands alone, and no byte of it can be changed."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import limits, merkle
from protocol.bundle import (
    BUNDLE_TAG,
    EVIDENCE_TAG,
    evidence_of,
    message_to_sign,
    open_bundle,
    open_evidence,
    seal,
)
from protocol.codec import statement_id
from protocol.errors import Blame, Ruling, Verdict
from tests.authors import MARKET, Author, sealer_of
from tests.protocol.frames import ANOTHER_MARKET, BO, bids, counting, refusal
from tests.strategies import Sealed, bundles, changed


@pytest.mark.spec("M-4.8")
@given(bundles(), st.data())
def test_evidence_cut_from_any_place_stands_alone(sealed: Sealed, data: st.DataObject) -> None:
    """A statement cut from its bundle opens by itself, and is cut no further: it is its own evidence."""
    statement = data.draw(st.sampled_from(open_bundle(sealed.frame, market=MARKET, sealer=BO).statements))
    evidence = evidence_of(statement, BO)
    opened = open_evidence(evidence, market=MARKET, sealer=BO)
    assert opened == ([statement], [], [])
    assert opened.statements[0].body == statement.body
    assert evidence_of(opened.statements[0], BO) == evidence


@pytest.mark.spec("M-4.8")
def test_every_place_of_a_full_bundle_can_be_cut() -> None:
    """The first, the last and some in between of 512, each with a path of nine hashes."""
    said = open_bundle(seal(bids(512), sealer_of("ada")), market=MARKET, sealer=BO).statements
    for position in (0, 1, 255, 256, 510, 511):
        evidence = said[position].seal.evidence()
        assert len(msgpack.unpackb(evidence)[-1]) == 9
        assert open_evidence(evidence, market=MARKET, sealer=BO).statements == [said[position]]


@pytest.mark.spec("M-4.8", "M-9.1")
def test_evidence_from_an_overfull_bundle_is_refused() -> None:
    """A tree of 513 was never a bundle, however well its path and signature hold."""
    said = bids(limits.BUNDLE_STATEMENTS_MAX + 1)
    ids, ada = [one.id for one in said], sealer_of("ada")
    signature = ada.sign(message_to_sign(MARKET, merkle.root(ids)))
    evidence = msgpack.packb(
        (EVIDENCE_TAG, MARKET, ada.peer, signature, said[0].payload, 0, len(ids), merkle.inclusion_path(ids, 0))
    )
    refused = refusal(open_evidence(evidence, market=MARKET, sealer=BO))
    assert refused == Ruling(Verdict.REJECT, Blame.CONNECTION, "path does not fit")


def test_own_statement_is_evidence_too() -> None:
    """What we said ourselves is sealed when it is asked for."""
    (own,) = bids(1)
    assert open_evidence(evidence_of(own, sealer_of("ada")), market=MARKET, sealer=BO).statements == [own]


@pytest.mark.spec("M-4.4")
@given(bundles(), st.data())
def test_any_changed_byte_of_evidence_is_refused(sealed: Sealed, data: st.DataObject) -> None:
    """Changed evidence yields nothing, by the connection's fault, unless only the size of the tree was changed.

    The size is not signed: where the same path fits another size, or the size is written with more bytes, the statement
    is proved all the same, unchanged.
    """
    statement = data.draw(st.sampled_from(open_bundle(sealed.frame, market=MARKET, sealer=BO).statements))
    evidence = statement.seal.evidence()
    other = data.draw(changed(evidence))
    opened = open_evidence(other, market=MARKET, sealer=BO)
    if opened.statements:
        assert opened.statements == [statement]
        was, now = msgpack.unpackb(evidence), msgpack.unpackb(other)
        assert {number for number in range(8) if was[number] != now[number]} <= {6}
    else:
        refused = refusal(opened)
        assert refused == ANOTHER_MARKET or (refused.verdict, refused.blame) == (Verdict.REJECT, Blame.CONNECTION)


def evidence_with(number: int, value: object) -> bytes:
    """Good evidence of the second of three bids, with one field replaced."""
    second = open_bundle(seal(bids(3), sealer_of("ada")), market=MARKET, sealer=BO).statements[1]
    fields = msgpack.unpackb(second.seal.evidence())
    fields[number] = value
    evidence: bytes = msgpack.packb(fields)
    return evidence


@pytest.mark.spec("M-4.4", "M-4.8")
@pytest.mark.parametrize(
    ("number", "value", "reason"),
    [
        (0, BUNDLE_TAG, "not evidence"),
        (1, b"short", "not evidence"),
        (2, b"short", "not evidence"),
        (3, b"short", "bad signature"),
        (4, "text", "not evidence"),
        (4, b"another payload", "bad signature"),
        (5, True, "not evidence"),
        (5, -1, "path does not fit"),
        (5, 3, "path does not fit"),
        (5, 0, "bad signature"),
        (6, True, "not evidence"),
        (6, 0, "path does not fit"),
        (6, 513, "path does not fit"),
        (6, 2**64 - 1, "path does not fit"),
        (7, [], "path does not fit"),
        (7, [b"short"], "path does not fit"),
        (7, [1, 2], "not evidence"),
        (7, [bytes(32)] * 11, "too long"),
    ],
)
def test_evidence_that_does_not_hold_is_the_connections_fault(number: int, value: object, reason: str) -> None:
    """Each field of evidence, replaced by what it cannot be, is refused by name."""
    refused = refusal(open_evidence(evidence_with(number, value), market=MARKET, sealer=BO))
    assert refused == Ruling(Verdict.REJECT, Blame.CONNECTION, reason)


@pytest.mark.spec("M-4.7")
def test_known_evidence_is_not_verified_again() -> None:
    """Evidence of what is held costs a hash and no signature."""
    sealer = counting()
    (own,) = bids(1)
    opened = open_evidence(evidence_of(own, sealer_of("ada")), market=MARKET, sealer=sealer, seen={own.id})
    assert opened == ([], [own.id], [])
    assert sealer.verified == 0


@pytest.mark.spec("M-4.4")
def test_signed_rubbish_is_the_authors_fault_in_evidence_too() -> None:
    """Behind a signature that holds there is somebody to blame."""
    ada = Author("ada")
    signature = ada.sealer.sign(message_to_sign(MARKET, statement_id(b"\xc0")))
    evidence = msgpack.packb((EVIDENCE_TAG, MARKET, ada.peer, signature, b"\xc0", 0, 1, []))
    refused = refusal(open_evidence(evidence, market=MARKET, sealer=BO))
    assert refused == Ruling(Verdict.REJECT, Blame.AUTHOR, "not an array of nine fields")
