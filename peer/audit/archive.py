"""Contracts out of records: every statement that any journal or evidence file holds, put under its announcement again.

The statements may come in any order, repeated, and from several peers: the result depends on the set alone, so that
merging two records is joining their statements. It refuses to judge what it finds; the contracts do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from peer.journal import Row
from protocol import limits
from protocol.bundle import Seal, exhibit, open_bundle, open_evidence
from protocol.charter import has_seat
from protocol.codec import Malformed, decode, unpack
from protocol.contract import Contract
from protocol.keys import Digest, PeerId, Sealer, Signature, verify
from protocol.kinds import CHAIN_KINDS, OUTSIDE_CONTRACTS
from protocol.notices import Charter
from protocol.outbox import EXHIBITS_TAG
from protocol.statements import Announcement, AnyStatement, Award, Bid, Cancel, Permit, Recall, Statement, Veto

REMEMBERED_SIGNATURES: Final = 8_192
"""Signatures that a reader remembers: the statements of one bundle share theirs, and come one by one as evidence."""


class Reader:
    """The seal of who only reads: it verifies, each signature once, and has no key to sign with."""

    def __init__(self) -> None:
        self.peer = PeerId(bytes(32))
        self._known: dict[tuple[bytes, bytes, bytes], bool] = {}

    def sign(self, message: bytes) -> Signature:
        raise AssertionError("a reader signs nothing")

    def verify(self, author: bytes, message: bytes, signature: bytes) -> bool:
        asked = (author, message, signature)
        holds = self._known.get(asked)
        if holds is None:
            if len(self._known) >= REMEMBERED_SIGNATURES:
                self._known.pop(next(iter(self._known)))
            holds = self._known[asked] = verify(author, message, signature)
        return holds


class Archive(NamedTuple):
    """All contracts of a set of statements, and the statements that belong to none of them."""

    contracts: dict[Digest, Contract]
    statements: dict[Digest, AnyStatement]
    """Everything, by id: contracts have bounds of their own and may hold less."""
    strays: tuple[AnyStatement, ...]
    """Those about something that is not here, and those under a charter that is not here."""
    roots: dict[Digest, AnyStatement | None]
    """Where the way through what is about what ends for each statement; None where a step of it is not here."""

    def home(self, statement: AnyStatement) -> Digest | None:
        """The contract that a statement belongs to, if it is here."""
        root = self.roots[statement.id]
        return root.id if root is not None and root.id in self.contracts else None


def read_statements(rows: Iterable[Row], *, market: bytes, sealer: Sealer | None = None) -> Iterator[AnyStatement]:
    """Give all statements of a journal's rows; what does not hold is passed over.

    With the `sealer` of the journal's owner its own statements are sealed as well, so that they can be shown to others.
    """
    reader = Reader()
    for row in rows:
        if row.received is not None:
            yield from _open_frame(row.received, market, reader)
        own = [decode(payload) for payload in row.said]
        yield from own if sealer is None else _sealed(own, sealer)


def _open_frame(frame: bytes, market: bytes, reader: Reader) -> Iterator[AnyStatement]:
    """Open a bundle, or a frame of other peers' statements."""
    try:
        fields = unpack(frame, bytes_max=limits.STATEMENT_MAX * 2, items_max=limits.BUNDLE_STATEMENTS_MAX)
    except Malformed:
        return
    match fields:
        case [str(tag), list(pieces)] if tag == EXHIBITS_TAG:
            for piece in pieces:
                if isinstance(piece, bytes):
                    yield from open_evidence(piece, market=market, sealer=reader).statements
        case _:
            yield from open_bundle(frame, market=market, sealer=reader).statements


def _sealed(own: list[AnyStatement], sealer: Sealer) -> Iterator[AnyStatement]:
    most = limits.BUNDLE_STATEMENTS_MAX
    for start in range(0, len(own), most):
        batch = own[start : start + most]
        for statement, evidence in zip(batch, exhibit(batch, sealer), strict=True):
            yield decode(statement.payload, Seal(evidence, 0), statement.id)


def gather(statements: Iterable[AnyStatement], *charters: Statement[Charter]) -> dict[Digest, Contract]:
    """Build every contract that the statements speak of, by id; `charters` are the versions that contracts name."""
    return sort_out(statements, {charter.id: charter.body for charter in charters}).contracts


def sort_out(statements: Iterable[AnyStatement], charters: Mapping[Digest, Charter]) -> Archive:
    """Put every statement under its announcement, however far the way there is through what is about what."""
    held = _once(statements)
    contracts = {
        one.id: Contract(one, charters[Digest(one.body.charter)])  # type: ignore[arg-type]
        for one in held.values()
        if isinstance(one.body, Announcement) and Digest(one.body.charter) in charters
    }
    of_contract: dict[Digest, list[AnyStatement]] = {contract_id: [] for contract_id in contracts}
    strays: list[AnyStatement] = []
    roots: dict[Digest, AnyStatement | None] = {}
    for statement in held.values():
        root = _root(statement, held, roots)
        if root is not None and root.id in contracts:
            of_contract[root.id].append(statement)
        elif root is None or isinstance(root.body, Announcement):
            strays.append(statement)
    for contract_id, members in of_contract.items():
        _fill(contracts[contract_id], members, held)
    return Archive(contracts, held, tuple(strays), roots)


def _once(statements: Iterable[AnyStatement]) -> dict[Digest, AnyStatement]:
    """Hold each statement once, sealed if any copy is, in the order of their ids."""
    held: dict[Digest, AnyStatement] = {}
    for statement in statements:
        if statement.id not in held or held[statement.id].seal is None:
            held[statement.id] = statement
    return {known: held[known] for known in sorted(held)}


def _root(
    statement: AnyStatement, held: Mapping[Digest, AnyStatement], roots: dict[Digest, AnyStatement | None]
) -> AnyStatement | None:
    """Follow `about` to its end, and remember it for all on the way. Digests make no circles."""
    way: list[Digest] = []
    here: AnyStatement | None = statement
    while here is not None and here.id not in roots:
        way.append(here.id)
        if here.about is None or isinstance(here.body, Announcement) or type(here.body) in OUTSIDE_CONTRACTS:
            roots[here.id] = here
        else:
            here = held.get(Digest(here.about))
    root = roots[here.id] if here is not None else None
    roots.update(dict.fromkeys(way, root))
    return root


def _fill(contract: Contract, members: list[AnyStatement], held: Mapping[Digest, AnyStatement]) -> None:
    """Let a contract learn its own, most needed first, for it may be full before the end; then what its chain cites."""
    cited: set[bytes] = set()
    for step in members:
        if step.author == contract.manager and type(step.body) in CHAIN_KINDS:
            cited.update(cites(step))
    for statement in sorted(members, key=lambda one: _need(one, contract, cited)):
        contract.learn(statement)
    for known in sorted(cited & held.keys()):
        if isinstance(held[Digest(known)].body, Permit):
            contract.learn(held[Digest(known)])
    while any(contract.learn(held[known]) for known in sorted(contract.reading.missing & held.keys())):
        pass


def _need(statement: AnyStatement, contract: Contract, cited: set[bytes]) -> int:
    body = statement.body
    if type(body) in CHAIN_KINDS and statement.author == contract.manager:
        return 0
    if statement.id in cited:
        return 1
    if isinstance(body, Permit | Veto) and has_seat(contract.charter, statement):
        return 2
    return 4 if isinstance(body, Bid) else 3


def cites(statement: AnyStatement) -> tuple[bytes, ...]:
    """The ids that a statement rests on, besides its own predecessor: what it is about, and what its body names."""
    named: list[bytes] = [] if statement.about is None else [statement.about]
    match statement.body:
        case Award(considered=considered, standing=standing):
            named += considered
            named += () if standing is None else (standing.permit,)
        case Recall(answer=answer) | Cancel(answer=answer):
            named += () if answer is None else (answer,)
        case Permit(grounds=ids) | Veto(grounds=ids):
            named += ids
        case _:
            named += getattr(statement.body, "permits", ())
    return tuple(dict.fromkeys(named))
