"""What one peer shows a checker, whether it is simulated or its journal was written by a real process.

A checker sees the node as it stands and what its disk says it has said. It is never told what the truth is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, NoReturn, Protocol

import msgpack

from protocol import limits
from protocol.bundle import open_bundle, open_evidence
from protocol.charter import market_of
from protocol.codec import Malformed, decode, unpack
from protocol.contract import Contract
from protocol.errors import BadEvidence
from protocol.feed import Feed
from protocol.keys import Digest, PeerId, Signature
from protocol.node import Node
from protocol.notices import Charter
from protocol.outbox import EXHIBITS_TAG
from protocol.policy import Policy
from protocol.statements import AnyStatement, Statement
from protocol.turn import Turn

NO_RULES: Final = Policy(version=Digest(bytes(32)))


class Testimony(Protocol):
    """One process, as a checker sees it."""

    @property
    def name(self) -> str: ...

    @property
    def peer(self) -> PeerId: ...

    @property
    def honest(self) -> bool:
        """No lie was planted in it; False for liars, and for both lives of a copied home."""

    @property
    def alive(self) -> bool:
        """It runs now: it has not crashed, and nobody has paused it."""

    @property
    def node(self) -> Node:
        """The node as it stands; another object after every restart."""

    @property
    def capacity(self) -> int: ...

    def clock_ms(self, now_us: int) -> int:
        """What this peer's own clock shows: the time that its node is told."""

    def said(self) -> Sequence[AnyStatement]:
        """Everything that its disk says it has said, in that order, in all its feeds."""


def touched_by(node: Node, statements: Iterable[AnyStatement]) -> list[Contract]:
    """The contracts held by a node that these statements belong to, each once, in the order of the statements."""
    found = {}
    for statement in statements:
        contract = node.holdings.contract_about(statement.id) or node.holdings.contract_about(statement.about)
        if contract is not None:
            found[contract.id] = contract
    return list(found.values())


class Row(NamedTuple):
    """One row of a journal: a frame heard, or the payloads that one turn said. `peer.journal.Row` is the same."""

    received: bytes | None
    said: Sequence[bytes]


class Told(NamedTuple):
    """What one row told: statements heard, or said."""

    heard: list[AnyStatement]
    said: list[AnyStatement]


class Recorded:
    """The testimony of a journal: its rows are replayed into a fresh node, as after a restart.

    Whoever has the file reads it; here come only its rows. They are replayed one by one (`step`), so that a checker
    sees the node as it stood after each.
    """

    alive = True

    def __init__(
        self,
        name: str,
        charter: Statement[Charter],
        rows: Iterable[tuple[bytes | None, Sequence[bytes]]],
        *,
        peer: PeerId | None = None,
        honest: bool = True,
        capacity: int = limits.REMEMBERED_ANSWERS,
    ) -> None:
        """`peer` must be given where the journal has said nothing. Raises BadEvidence for rows that are no journal's.

        A journal does not say how much its peer works on at once; who knows the `capacity` says it.
        """
        self.name, self.honest, self.capacity = name, honest, capacity
        self._rows = [Row(received, tuple(said)) for received, said in rows]
        self._said = [_read(name, payload) for row in self._rows for payload in row.said]
        if not self._said and peer is None:
            raise BadEvidence(f"The journal of {name} has said nothing.", do="Say whose it is, with peer=...")
        last = self._said[-1] if self._said else None
        self.peer = peer or PeerId(last.author if last is not None else b"")
        if any(statement.author != self.peer for statement in self._said):
            raise BadEvidence(f"The journal of {name} has said what another peer signs.", do="Do not mix journals.")
        feed = Feed(market=market_of(charter), author=self.peer, feed_id=last.feed if last is not None else bytes(8))
        governs = any(seat.governor == self.peer for seat in charter.body.governors)
        self.node = Node(charter, feed, capacity=capacity, policy=NO_RULES if governs else None)
        self._sealer = _Silent(self.peer)
        self._turn = Turn(self.node, _Nowhere(), _Nowhere(), self._sealer)
        self._replayed = 0
        self._next: Told | None = None

    def clock_ms(self, now_us: int) -> int:
        return now_us // 1000

    def said(self) -> Sequence[AnyStatement]:
        return self._said

    def peek(self) -> Told | None:
        """What the next row tells, before it is replayed; None behind the last."""
        if self._next is None and self._replayed < len(self._rows):
            received, said = self._rows[self._replayed]
            heard = statements_in(received, self.node.market, self._sealer) if received is not None else []
            self._next = Told(heard, [decode(payload) for payload in said])
        return self._next

    def step(self) -> None:
        """Replay one row: the node then stands as it stood when that was recorded."""
        if self.peek() is not None:
            row = self._rows[self._replayed]
            self._turn.replay(row.received, row.said)
            self._next = None
            self._replayed += 1


def statements_in(frame: bytes, market: Digest, sealer: _Silent) -> list[AnyStatement]:
    """The statements of a frame that was let in before: a bundle, or exhibits."""
    try:
        tag, *fields = unpack(frame, bytes_max=limits.STATEMENT_MAX * 2, items_max=limits.BUNDLE_STATEMENTS_MAX)
    except (Malformed, TypeError, ValueError):
        raise BadEvidence("A journal's row is no frame.", do="Read it with protocol.turn, or mend the file.") from None
    if tag != EXHIBITS_TAG:
        return open_bundle(frame, market=market, sealer=sealer).statements
    pieces = [open_evidence(piece, market=market, sealer=sealer) for piece in fields[0]]
    return [statement for opened in pieces for statement in opened.statements]


def _read(name: str, payload: bytes) -> AnyStatement:
    try:
        return decode(payload)
    except (Malformed, msgpack.UnpackException) as error:
        raise BadEvidence(f"The journal of {name} has said what is no statement: {error}.") from error


class _Silent:
    """The seal of a journal: what is in it was verified when it came in, and nothing more is said."""

    def __init__(self, peer: PeerId) -> None:
        self.peer = peer

    def sign(self, message: bytes) -> Signature:
        raise AssertionError("a journal says nothing new")

    def verify(self, author: bytes, message: bytes, signature: bytes) -> bool:
        return True


class _Nowhere:
    """The journal and the wire of a peer that takes no turn."""

    def record(self, received: Sequence[bytes], said: Sequence[AnyStatement], *, durable: bool) -> NoReturn:
        raise AssertionError("a journal that is read records nothing")

    def publish(self, frame: bytes) -> NoReturn:
        raise AssertionError("a journal that is read publishes nothing")
