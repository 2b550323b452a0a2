"""Who is here and what they offer, as their signed cards say. It knows no address and dials nobody."""

from __future__ import annotations

from protocol import limits
from protocol.keys import PeerId
from protocol.notices import Card
from protocol.statements import Statement


class Directory:
    """Cards by peer, and peers by skill. Only peers that can hear us count as here."""

    def __init__(self) -> None:
        self.cards: dict[bytes, Statement[Card]] = {}
        self.here: set[PeerId] = set()
        self._offering: dict[str, set[bytes]] = {}

    def introduce(self, card: Statement[Card]) -> bool:
        """Learn a card; the newest of a feed counts. False when it is older than the one known, or there is no room."""
        known = self.cards.get(card.author)
        if known is not None and known.feed == card.feed and known.seq >= card.seq:
            return False
        if known is None and len(self.cards) >= limits.CARDS_MAX:
            return False
        self.cards[card.author] = card
        self._offering.clear()
        return True

    def arrive(self, newcomer: PeerId) -> None:
        self.here.add(newcomer)
        self._offering.clear()

    def leave(self, gone: PeerId) -> None:
        self.here.discard(gone)
        self._offering.clear()

    def skills_of(self, member: bytes) -> list[str]:
        """The skills on a member's card; none while it has shown none."""
        card = self.cards.get(member)
        return [offered.skill for offered in card.body.skills] if card is not None else []

    def name_of(self, member: bytes) -> str:
        """The name on a member's card: what it calls itself, and no proof of anything."""
        card = self.cards.get(member)
        return card.body.name if card is not None else ""

    def offering(self, skill: str) -> set[bytes]:
        """The members here whose card has a skill. The set is shared: do not change it."""
        found = self._offering.get(skill)
        if found is None:
            found = {member for member in self.here if skill in self.skills_of(member)}
            if len(self._offering) < limits.CARDS_MAX:
                self._offering[skill] = found
        return found
