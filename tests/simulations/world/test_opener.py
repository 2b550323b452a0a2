"""A frame that is opened once for all comes out as the production function would have it, for every hearer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from protocol.bundle import Opened, evidence_of, open_bundle, open_door, seal
from protocol.keys import Digest
from protocol.statements import AnyStatement, Bid
from simulations.world.opener import SharedOpener
from tests.authors import MARKET, Author


def facts(opened: Opened) -> tuple[list[Digest], list[Digest], list[str]]:
    """What came out, as far as a node can tell."""
    return [each.id for each in opened.statements], opened.repeated, [ruling.reason for ruling in opened.rulings]


def shut_door(author: bytes, statement: AnyStatement | None) -> str | None:
    """Nobody comes in."""
    return "shut"


@given(
    size=st.integers(1, 5), known=st.sets(st.integers(0, 4)), place=st.integers(0, 2_000), flip=st.integers(0, 255),
    shut=st.booleans(),
)  # fmt: skip
def test_the_shared_opener_is_the_production_function(
    size: int, known: set[int], place: int, flip: int, shut: bool
) -> None:
    """Whatever a hearer has seen, whatever byte was changed, whomever it lets in, and whoever asked before."""
    ann = Author("ann")
    said = [ann.say(Bid(price=price, duration_ms=1), about=bytes(32)) for price in range(size)]
    frame = bytearray(seal(said, ann.sealer))
    frame[place % len(frame)] ^= flip
    seen = {said[index].id for index in known if index < size}
    door = shut_door if shut else open_door
    opener = SharedOpener()
    for hearer in (set[Digest](), seen, seen):
        shared = opener(bytes(frame), market=MARKET, sealer=ann.sealer, seen=hearer, door=door)
        assert facts(shared) == facts(
            open_bundle(bytes(frame), market=MARKET, sealer=ann.sealer, seen=hearer, door=door)
        )


def test_all_hearers_of_a_frame_hold_the_same_statement() -> None:
    """That is what it is for: decoded once, held once."""
    ann, opener = Author("ann"), SharedOpener()
    frame = seal([ann.say(Bid(price=1, duration_ms=1), about=bytes(32))], ann.sealer)
    first, second = (
        opener(bytes(bytearray(frame)), market=MARKET, sealer=ann.sealer, seen=set(), door=open_door) for _ in range(2)
    )
    assert first.statements[0] is second.statements[0]


def test_what_is_read_keeps_the_bytes_of_its_author() -> None:
    """Equal bytes are kept once, in statements and in the bundles that evidence is cut from; the values stay."""
    ann, opener = Author("ann"), SharedOpener()
    said = [ann.say(Bid(price=price, duration_ms=1), about=bytes(range(32))) for price in (1, 2)]
    for statement in said:
        opener.expect(statement)
    frame = seal(said, ann.sealer)
    read = opener(frame, market=MARKET, sealer=ann.sealer, seen=set(), door=open_door).statements
    plain = open_bundle(frame, market=MARKET, sealer=ann.sealer).statements
    for mine, theirs, other in zip(said, read, plain, strict=True):
        assert theirs == other
        assert theirs.payload is mine.payload
        assert theirs.id is mine.id
        assert evidence_of(theirs, ann.sealer) == evidence_of(other, ann.sealer)
