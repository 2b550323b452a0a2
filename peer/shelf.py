"""What others may fetch from this peer: evidence of what it holds, by id, and of what it has said, by feed and seq."""

from __future__ import annotations

from peer.journal import Journal
from peer.net.requests import FeedRange, Ids
from protocol import limits
from protocol.bundle import evidence_of, exhibit
from protocol.codec import decode
from protocol.keys import Digest, Sealer
from protocol.node import Node


class Shelf:
    """One peer's answers; whatever is asked, they are bounded."""

    def __init__(self, node: Node, journal: Journal, sealer: Sealer) -> None:
        self._node, self._journal, self._sealer = node, journal, sealer

    def serve(self, request: Ids | FeedRange) -> list[bytes]:
        """Pieces of evidence for a question, none when nothing of it is held."""
        if isinstance(request, Ids):
            found = [self._node.holdings.find(Digest(known)) for known in request.ids[: limits.FETCH_IDS_MAX]]
            return [evidence_of(statement, self._sealer) for statement in found if statement is not None]
        if request.author != self._node.peer:
            return []
        last = min(request.last_seq, request.first_seq + limits.BUNDLE_STATEMENTS_MAX - 1)
        said = [decode(payload) for payload in self._journal.said(request.feed, request.first_seq, last)]
        said = [statement for statement in said if request.first_seq <= statement.seq <= last]
        return exhibit(said, self._sealer) if said else []
