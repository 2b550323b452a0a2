"""What follows from a charter that is heard: a newer version is kept, told to the shell, and shown on once.

No version ever goes back, and two with one number convict the authority. It moves no contract: each lives under the
version that its announcement names.
"""

from __future__ import annotations

from protocol.actions import Action, Amended, Keep, Show
from protocol.convictions import Convictions
from protocol.gaps import Gaps
from protocol.holdings import Holdings
from protocol.notices import Charter
from protocol.statements import Statement
from protocol.topics import governance_topic, peer_topic


class Amendments:
    """One node's way with new versions of the charter."""

    def __init__(self, holdings: Holdings, convictions: Convictions, gaps: Gaps | None) -> None:
        """A governor expects something from every seat: `gaps` are those of its feeds."""
        self._charters = holdings.charters
        self._convictions = convictions
        self._gaps = gaps
        for charter in self._charters.values():
            self._expect_seats(charter)

    def _expect_seats(self, charter: Statement[Charter]) -> None:
        if self._gaps is not None:
            for seat in charter.body.governors:
                self._gaps.expect(seat.governor, seat.feed)

    def heard(self, charter: Statement[Charter]) -> list[Action]:
        """A version was heard, or fetched because a contract names it."""
        other = self._charters.other_of(charter)
        if other is not None:
            return self._convictions.by_version(other, charter)
        if not self.recall(charter):
            return []
        actions: list[Action] = [Keep(charter), Amended(charter)]
        if self._charters.newest is charter:
            actions.append(Show(governance_topic(charter.market), charter))
        return actions

    def recall(self, charter: Statement[Charter]) -> bool:
        """Take a version in, and say nothing: at replay. False when there is nothing new in it."""
        if not self._charters.learn(charter):
            return False
        self._expect_seats(charter)
        return True

    def seen(self, newcomer: bytes) -> list[Action]:
        """A peer can hear us: it may have missed the newest version."""
        newest = self._charters.find(self._charters.newest.id)
        return [Show(peer_topic(newcomer), newest)] if newest is not None and newest.body.version > 1 else []
