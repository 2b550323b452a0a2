"""Bundles and evidence: what one turn says on one topic under one signature, and one statement cut out of it.

What is signed is ``domain ‖ market ‖ root`` of the RFC 6962 tree whose leaves are the statements' ids; the root of one
statement is its id. `open_bundle` checks cheapest first, in this order (SPEC section 4):

    1  size                        the connection's fault
    2  shape                       the connection's fault
    3  market                      ignored: another market on the same wire
    4  author admitted, not revoked  (the door; whether it may say this very thing is asked behind 8)
    5  not all ids seen before     ignored, but each repeat is a question
    6  signature                   the connection's fault until here
    7  strict decode               the author's fault from here on
    8  envelope fits the bundle    the author's fault

The fold is the next check, and belongs to `protocol.contract`.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, NamedTuple, Protocol

import msgpack
from msgspec import Meta, Struct
from msgspec.msgpack import Decoder

from protocol import limits, merkle
from protocol.codec import Malformed, decode, statement_id, unpack
from protocol.errors import Blame, Ruling, Verdict
from protocol.keys import Digest, PeerId, Sealer, Signature
from protocol.notices import Charter
from protocol.statements import NO_MARKET, AnyStatement, Bytes32

BUNDLE_TAG: Final = "vendue-bundle/1"
EVIDENCE_TAG: Final = "vendue-evidence/1"
DOMAIN: Final = b"vendue.bundle.v1\0"
_SIGNATURE_LENGTH: Final = 64
_Payload = Annotated[bytes, Meta(max_length=limits.STATEMENT_MAX)]
_Payloads = Annotated[list[_Payload], Meta(min_length=1, max_length=limits.BUNDLE_STATEMENTS_MAX)]
_Signature = Annotated[bytes, Meta(min_length=_SIGNATURE_LENGTH, max_length=_SIGNATURE_LENGTH)]
_Fields = tuple[Literal["vendue-bundle/1"], Bytes32, Bytes32, _Signature, _Payloads]
_read: Final = Decoder(_Fields).decode
"""Reads a whole bundle in one go, bounds and all."""

Door = Callable[[bytes, AnyStatement | None], str | None]
"""Says, in a fixed phrase, why an author (and then its statement) may not come in, or None. It is asked for the author
before anything costs more, and for each statement behind the signature.
"""


def open_door(author: bytes, statement: AnyStatement | None) -> str | None:
    """The door of an open market, and of evidence from before: everybody comes in."""
    return None


@dataclass(slots=True, eq=False)
class Bundle:
    """One author's statements under one signature, as received or as sealed."""

    market: bytes
    author: PeerId
    signature: Signature
    payloads: Sequence[bytes]
    ids: Sequence[Digest]
    _tree: list[list[bytes]] | None = None

    @property
    def tree(self) -> list[list[bytes]]:
        """The tree over the ids, built once: for the root first, and later for whatever is cut out."""
        if self._tree is None:
            self._tree = merkle.levels(self.ids)
        return self._tree

    @property
    def root(self) -> bytes:
        """The root of the tree; of one statement it is its id, and most bundles have one."""
        return self.ids[0] if len(self.ids) == 1 else self.tree[-1][0]

    def cut(self, index: int) -> bytes:
        """The evidence of statement `index` (from 0): bytes that stand alone."""
        return _pack_evidence(
            self.market, self.author, self.signature, self.payloads[index], index, len(self.ids),
            merkle.path_in(self.tree, index),
        )  # fmt: skip


class Seal(Struct, frozen=True, gc=False):
    """Where a statement came in: the bundle it can be cut from, or the evidence it was."""

    source: Bundle | bytes
    position: int

    def evidence(self) -> bytes:
        """The statement as evidence bytes."""
        return self.source if isinstance(self.source, bytes) else self.source.cut(self.position)


class Opened(NamedTuple):
    """What came out of a frame: new statements, questions (ids heard before), and rulings on the rest."""

    statements: list[AnyStatement]
    repeated: list[Digest]
    rulings: list[Ruling]


class Opener(Protocol):
    """Opens frames as `open_bundle` does."""

    def __call__(
        self, frame: bytes, *, market: bytes, sealer: Sealer, seen: Container[Digest], door: Door
    ) -> Opened: ...


def message_to_sign(market: bytes, root: bytes) -> bytes:
    """The bytes under a bundle's signature; prefix-free from checkpoints and certificates by its domain."""
    return DOMAIN + market + root


def seal(statements: Sequence[AnyStatement], sealer: Sealer) -> bytes:
    """Pack statements of one author and one market as a frame with one signature."""
    if not 0 < len(statements) <= limits.BUNDLE_STATEMENTS_MAX:
        raise ValueError(f"a bundle holds 1 to {limits.BUNDLE_STATEMENTS_MAX} statements, not {len(statements)}")
    market = statements[0].market
    root = merkle.root([statement.id for statement in statements])
    signature = sealer.sign(message_to_sign(market, root))
    frame: bytes = msgpack.packb((BUNDLE_TAG, market, sealer.peer, signature, [s.payload for s in statements]))
    return frame


def _reject(blame: Blame, reason: str) -> Ruling:
    return Ruling(Verdict.REJECT, blame, reason)


def _read_bundle(frame: bytes) -> Bundle:
    if len(frame) > limits.BUNDLE_MAX:
        raise Malformed("frame too long")
    try:
        _, market, author, signature, payloads = _read(frame)
    except (ValueError, RecursionError):
        return _read_by_rules(frame)
    return Bundle(market, PeerId(author), Signature(signature), payloads, list(map(statement_id, payloads)))


def _read_by_rules(frame: bytes) -> Bundle:
    """Read a frame more slowly. Raises Malformed with the rule that it breaks."""
    fields = unpack(frame, bytes_max=limits.STATEMENT_MAX, items_max=limits.BUNDLE_STATEMENTS_MAX)
    match fields:
        case [str(tag), bytes(market), bytes(author), bytes(signature), list(payloads)]:
            fits = tag == BUNDLE_TAG and len(market) == 32 and len(author) == 32 and len(signature) == _SIGNATURE_LENGTH
            if fits and payloads and all(type(payload) is bytes for payload in payloads):
                ids = [statement_id(payload) for payload in payloads]
                return Bundle(market, PeerId(author), Signature(signature), payloads, ids)
    raise Malformed("not a bundle")


def open_bundle(
    frame: bytes, *, market: bytes, sealer: Sealer, seen: Container[Digest] = frozenset(), door: Door = open_door
) -> Opened:
    """Check a frame and take its statements out; never raises, whatever the bytes are."""
    try:
        bundle = _read_bundle(frame)
    except Malformed as error:
        return Opened([], [], [_reject(Blame.CONNECTION, str(error))])
    if bundle.market != market and bundle.market != NO_MARKET:
        return Opened([], [], [Ruling(Verdict.IGNORE, Blame.NOBODY, "another market")])
    if (fault := door(bundle.author, None)) is not None:
        return Opened([], [], [Ruling(Verdict.IGNORE, Blame.NOBODY, fault)])
    new, repeated = list[int](), list[Digest]()
    for index, known in enumerate(bundle.ids):
        if known in seen:
            repeated.append(known)
        else:
            new.append(index)
    if not new:
        return Opened([], repeated, [])
    if not sealer.verify(bundle.author, message_to_sign(bundle.market, bundle.root), bundle.signature):
        return Opened([], [], [_reject(Blame.CONNECTION, "bad signature")])
    return _take_out(bundle, new, repeated, door)


def _fits(statement: AnyStatement, market: bytes, author: bytes) -> bool:
    """Tell whether the envelope is the bundle's; said in no market is only the first version of a charter."""
    if market == NO_MARKET and not (type(statement.body) is Charter and statement.body.version == 1):
        return False
    return statement.author == author and statement.market == market


def _take_out(bundle: Bundle, new: list[int], repeated: list[Digest], door: Door) -> Opened:
    statements: list[AnyStatement] = []
    rulings: list[Ruling] = []
    shared = sum(map(len, bundle.payloads)) <= limits.BUNDLE_SHARED_MAX
    for index in new:
        try:
            # Whoever keeps one statement of a large bundle must not keep the rest of it.
            kept = Seal(bundle, index) if shared else Seal(bundle.cut(index), 0)
            statement = decode(bundle.payloads[index], kept, bundle.ids[index])
        except Malformed as error:
            rulings.append(_reject(Blame.AUTHOR, str(error)))
            continue
        if not _fits(statement, bundle.market, bundle.author):
            rulings.append(_reject(Blame.AUTHOR, "envelope does not fit the bundle"))
        elif (fault := door(bundle.author, statement)) is not None:
            rulings.append(Ruling(Verdict.IGNORE, Blame.NOBODY, fault))
        else:
            statements.append(statement)
    return Opened(statements, repeated, rulings)


def _pack_evidence(
    market: bytes, author: bytes, signature: bytes, payload: bytes, index: int, size: int, path: Sequence[bytes]
) -> bytes:
    evidence: bytes = msgpack.packb((EVIDENCE_TAG, market, author, signature, payload, index, size, list(path)))
    return evidence


def evidence_of(statement: AnyStatement, sealer: Sealer) -> bytes:
    """Evidence of a statement held: cut from what it came in, or sealed anew when it is our own."""
    if isinstance(statement.seal, Seal):
        return statement.seal.evidence()
    signature = sealer.sign(message_to_sign(statement.market, statement.id))
    return _pack_evidence(statement.market, sealer.peer, signature, statement.payload, 0, 1, ())


def exhibit(statements: Sequence[AnyStatement], sealer: Sealer) -> list[bytes]:
    """Evidence of several statements of our own, all under one signature made for the purpose."""
    ids = tuple(statement.id for statement in statements)
    market = statements[0].market
    signature = sealer.sign(message_to_sign(market, merkle.root(ids)))
    payloads = tuple(statement.payload for statement in statements)
    bundle = Bundle(market, sealer.peer, signature, payloads, ids)
    return [bundle.cut(index) for index in range(len(ids))]


def _read_evidence(evidence: bytes) -> tuple[bytes, bytes, bytes, bytes, Digest, bytes]:
    fields: Any = unpack(evidence, bytes_max=limits.STATEMENT_MAX, items_max=limits.PATH_MAX)
    match fields:
        case [
            str(tag),
            bytes(market),
            bytes(author),
            bytes(signature),
            bytes(payload),
            int(index),
            int(size),
            list(path),
        ]:
            if (
                tag != EVIDENCE_TAG
                or type(index) is bool
                or type(size) is bool
                or len(market) != 32
                or len(author) != 32
            ):
                raise Malformed("not evidence")
            known_id = statement_id(payload)
            if not all(type(sibling) is bytes for sibling in path):
                raise Malformed("not evidence")
            root = merkle.root_from_inclusion(known_id, index, size, path)
            if root is None or size > limits.BUNDLE_STATEMENTS_MAX:
                raise Malformed("path does not fit")
            return market, author, signature, payload, known_id, root
    raise Malformed("not evidence")


def open_evidence(evidence: bytes, *, market: bytes, sealer: Sealer, seen: Container[Digest] = frozenset()) -> Opened:
    """Check one piece of evidence and take its statement out; never raises, whatever the bytes are.

    The door does not apply: what was said while its author was a member stands.
    """
    try:
        said_in, author, signature, payload, known_id, root = _read_evidence(evidence)
    except Malformed as error:
        return Opened([], [], [_reject(Blame.CONNECTION, str(error))])
    if said_in not in (market, NO_MARKET):
        return Opened([], [], [Ruling(Verdict.IGNORE, Blame.NOBODY, "another market")])
    if known_id in seen:
        return Opened([], [known_id], [])
    if not sealer.verify(author, message_to_sign(said_in, root), signature):
        return Opened([], [], [_reject(Blame.CONNECTION, "bad signature")])
    try:
        statement = decode(payload, Seal(evidence, 0), known_id)
    except Malformed as error:
        return Opened([], [], [_reject(Blame.AUTHOR, str(error))])
    if not _fits(statement, said_in, author):
        return Opened([], [], [_reject(Blame.AUTHOR, "envelope does not fit the bundle")])
    return Opened([statement], [], [])
