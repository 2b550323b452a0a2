"""The versions of one market's charter that are held here: the newest, and whom it lets stand.

Whether a version is one at all is `charter.fault_of_version`; what follows from learning one is `protocol.amendments`.
"""

from __future__ import annotations

from protocol import limits
from protocol.charter import fault_of_version, revoked_by
from protocol.keys import Digest
from protocol.notices import Charter
from protocol.statements import AnyStatement, Statement


class Charters(dict[bytes, Statement[Charter]]):
    """Versions by id. The newest counts for what begins now; a contract lives under the one that it names."""

    def __init__(self, first: Statement[Charter]) -> None:
        """`first` is whichever version is known first; its author is the authority."""
        super().__init__({first.id: first})
        self.first = self.newest = first
        self.revoked = revoked_by(first.body)
        """The keys that are out now."""
        self._of_version = {first.body.version: first}

    def learn(self, statement: Statement[Charter]) -> bool:
        """Take one more version; False when it is none, or nothing new. The newest never goes back."""
        version = statement.body.version
        if version in self._of_version or fault_of_version(statement, self.first) is not None:
            return False
        self[statement.id] = self._of_version[version] = statement
        if version > self.newest.body.version:
            self.newest, self.revoked = statement, revoked_by(statement.body)
        if len(self) > limits.CHARTERS_KEPT:
            self._forget_oldest()
        return statement.id in self

    def _forget_oldest(self) -> None:
        """Let go of the oldest version but the one that was known first: most are out of all contracts by then."""
        oldest = min(version for version, held in self._of_version.items() if held is not self.first)
        del self[self._of_version.pop(oldest).id]

    def other_of(self, statement: Statement[Charter]) -> Statement[Charter] | None:
        """Another charter with this one's number: the authority's fork, if both are versions."""
        other = self._of_version.get(statement.body.version)
        if other is None or other.id == statement.id or fault_of_version(statement, self.first) is not None:
            return None
        return other

    def find(self, known: Digest) -> Statement[Charter] | None:
        """A version to show to who asks for it: one that came as evidence."""
        held = self.get(known)
        return held if held is not None and held.seal is not None else None

    def lets_stand(self, statement: AnyStatement) -> bool:
        """Tell whether the author is not revoked, or had said this before it was."""
        author, feed, seq = statement.author, statement.feed, statement.seq
        return author not in self.revoked or any(
            (each.member, each.feed) == (author, feed) and seq <= each.last_seq for each in self.newest.body.revocations
        )
