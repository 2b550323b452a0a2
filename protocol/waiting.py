"""The waiting room: statements about something that is not known yet, bounded in every direction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection

from msgspec import Struct

from protocol import limits
from protocol.keys import Digest
from protocol.statements import AnyStatement


class _Guest(Struct, frozen=True, gc=False):
    statement: AnyStatement
    until_ms: int


class WaitingRoom:
    """Missing id → the statements that wait for it. Who comes when it is full stays out: it will be said again."""

    def __init__(self, turned_away: Callable[[Digest], None]) -> None:
        """`turned_away` hears of every statement that found no room or waited too long: it must count as unseen."""
        self._turned_away = turned_away
        self._guests: dict[bytes, list[_Guest]] = {}
        self._of_author: Counter[bytes] = Counter()
        self._next_ask_ms: dict[bytes, int] = {}

    def __len__(self) -> int:
        return self._of_author.total()

    def admit(self, missing: bytes, statement: AnyStatement, now_ms: int) -> bool:
        """Let a statement wait for an id; False when there is no room."""
        author = statement.author
        if self._of_author[author] >= limits.WAITING_PER_AUTHOR_MAX or len(self) >= limits.WAITING_MAX:
            self._turned_away(statement.id)
            return False
        guests = self._guests.setdefault(missing, [])
        if any(guest.statement.id == statement.id for guest in guests):
            return True
        guests.append(_Guest(statement, now_ms + limits.WAITING_MS))
        self._of_author[author] += 1
        self._next_ask_ms.setdefault(missing, now_ms + limits.GAP_MS)
        return True

    def release(self, found: bytes) -> list[AnyStatement]:
        """Everybody who waited for an id that is known now."""
        if not self._guests:
            return []
        self._next_ask_ms.pop(found, None)
        guests = self._guests.pop(found, ())
        for guest in guests:
            self._leave(guest)
        return [guest.statement for guest in guests]

    def first_behind(self, missing: bytes) -> AnyStatement | None:
        """One who waits for an id."""
        guests = self._guests.get(missing)
        return guests[0].statement if guests else None

    def behind(self, missing: bytes) -> list[AnyStatement]:
        """Everybody who waits for an id, still."""
        return [guest.statement for guest in self._guests.get(missing, ())]

    def take(self, wanted: Collection[bytes]) -> list[AnyStatement]:
        """Those of the guests that are themselves what somebody else is missing."""
        found: list[AnyStatement] = []
        for missing in list(self._guests) if wanted else ():
            for guest in [guest for guest in self._guests[missing] if guest.statement.id in wanted]:
                self._guests[missing].remove(guest)
                self._leave(guest)
                found.append(guest.statement)
            if not self._guests[missing]:
                self.release(missing)
        return found

    def _leave(self, guest: _Guest) -> None:
        author = guest.statement.author
        self._of_author[author] -= 1
        if not self._of_author[author]:
            del self._of_author[author]

    def overdue(self, now_ms: int) -> list[tuple[Digest, AnyStatement]]:
        """The ids to ask for now, each with one who waits for it; those that waited too long go."""
        asked: list[tuple[Digest, AnyStatement]] = []
        for missing in [missing for missing, due in self._next_ask_ms.items() if due <= now_ms]:
            for guest in [guest for guest in self._guests[missing] if guest.until_ms <= now_ms]:
                self._guests[missing].remove(guest)
                self._leave(guest)
                self._turned_away(guest.statement.id)
            if not self._guests[missing]:
                self.release(missing)
                continue
            self._next_ask_ms[missing] = now_ms + limits.FETCH_AGAIN_MS
            asked.append((Digest(missing), self._guests[missing][0].statement))
        return asked

    def deadline_ms(self) -> int | None:
        return min(self._next_ask_ms.values()) if self._next_ask_ms else None
