"""Where one may knock to find the market: a bounded table without any input or output.

A place is somebody's word and proves nothing, so there is no harm in a false one but the knock. Each path has its own
share of the table, and a place where nobody opens is asked ever less often: nobody crowds out the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class Way(StrEnum):
    """How a peer, or a place to knock, was found."""

    FOLDER = "folder"
    """Its file in the runtime folder of this computer."""
    MDNS = "mdns"
    """Its record on the local network."""
    SEED = "seed"
    """The settings name it."""
    REMEMBERED = "remembered"
    """It was there the last time."""
    EXCHANGE = "exchange"
    """Another member named it."""
    HELLO = "hello"
    """It knocked here itself."""


_TRUSTED = frozenset({Way.FOLDER, Way.SEED, Way.REMEMBERED, Way.HELLO})


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceLimits:
    """Every number of the table, and why it is that number."""

    places_max: int = 512  # ... of one way: more than a market has on one network
    per_peer_max: int = 4  # places said to be one peer's: a real one, and some lies or leftovers
    pause_first_ms: int = 250  # who starts with us is there a moment later
    pause_max_ms: int = 15_000  # a healed partition is noticed in this time
    rest_ms: int = 30_000  # until a seed that answered is asked again: it may know others by then
    attempts_max: int = 240  # knocks at a place where never anybody opened: an hour; a seed is tried for ever
    absent_max: int = 5_760  # ... and at one where a member was once: a day
    outcome_characters_max: int = 200  # what a knock came to, for people


@dataclass(slots=True)
class Place:
    """One place: addresses of one lobby on all the hosts it may have, or a seed as it was written."""

    addresses: tuple[str, ...]
    way: Way
    said: bytes | None
    """Whose it is said to be, or who answered there."""
    pause_ms: int
    due_ms: int
    answered: bool = False
    """A member has answered here."""
    failures: int = 0
    """Knocks in vain since then."""
    knocking: bool = False
    urgent: bool = False
    """A member says that it is here, which may be elsewhere than where it was met."""
    outcome: str = "not tried yet"

    @property
    def is_known(self) -> bool:
        """Not a stranger's word alone: our settings, our memory or a member say so, or a member has answered here."""
        return self.answered or self.way in _TRUSTED


class Places:
    """All places known, and when to knock at which."""

    def __init__(self, limits: PlaceLimits | None = None) -> None:
        self._limits = limits or PlaceLimits()
        self._places: dict[tuple[str, ...], Place] = {}
        self._ways: Counter[Way] = Counter()
        self._peers: Counter[bytes] = Counter()
        self.dropped = 0

    def __iter__(self) -> Iterator[Place]:
        return iter(list(self._places.values()))

    def __contains__(self, place: object) -> bool:
        return isinstance(place, Place) and self._places.get(place.addresses) is place

    def hint(self, addresses: tuple[str, ...], way: Way, said: bytes | None, now_ms: int) -> Place | None:
        """Take a place into the table, due at once; the one known there, or None when there is no room."""
        known = self._places.get(addresses)
        if known is not None:
            return known
        full = self._ways[way] >= self._limits.places_max
        crowded = said is not None and self._peers[said] >= self._limits.per_peer_max
        if (full or crowded) and not self._make_room(way, said if crowded else None):
            self.dropped += 1
            return None
        place = self._places[addresses] = Place(addresses, way, said, self._limits.pause_first_ms, now_ms)
        self._ways[way] += 1
        self._note(place, 1)
        return place

    def forget(self, place: Place) -> None:
        """Take a place out; may be called twice."""
        if place in self:
            del self._places[place.addresses]
            self._ways[place.way] -= 1
            self._note(place, -1)

    def strike(self, peer_id: bytes) -> None:
        """A peer is out: take out every place said to be its own, but for seeds."""
        for place in self:
            if place.said == peer_id and place.way is not Way.SEED:
                self.forget(place)

    def expect(self, addresses: tuple[str, ...], who: bytes, now_ms: int) -> None:
        """A member says itself that it is there: knock at once, even if it was met elsewhere.

        Its latest word displaces all that was said of it before: commands in a row are one peer at ever new ports.
        """
        for earlier in self:
            if earlier.said == who and earlier.addresses != addresses and earlier.way is not Way.SEED:
                self.forget(earlier)
        place = self.hint(addresses, Way.HELLO, who, now_ms)
        if place is not None and not place.knocking:
            place.urgent, place.due_ms = True, now_ms

    def ask_around(self, addresses: tuple[str, ...], who: bytes, now_ms: int) -> None:
        """A peer of this computer is there and met: knock a little later all the same, for it may know others."""
        place = self.hint(addresses, Way.FOLDER, who, now_ms)
        if place is not None and not place.knocking:
            place.urgent, place.due_ms = True, now_ms + self._limits.pause_first_ms

    def withdraw(self, addresses: tuple[str, ...], way: Way) -> None:
        """Whoever named this place takes it back: it goes, unless a member has answered there."""
        place = self._places.get(addresses)
        if place is not None and place.way is way and not place.answered:
            self.forget(place)

    def due(self, now_ms: int, is_met: Callable[[bytes], bool]) -> list[Place]:
        """Give the places to knock at now, the new ones first; those of peers that were met rest, but for seeds."""
        found = (
            place
            for place in self._places.values()
            if place.due_ms <= now_ms and not place.knocking and not _rests(place, is_met)
        )
        return sorted(found, key=lambda place: (place.failures, place.due_ms))

    def next_due_ms(self, is_met: Callable[[bytes], bool]) -> int | None:
        """Give the time when `due` has something, as far as time alone decides."""
        return min(
            (place.due_ms for place in self._places.values() if not place.knocking and not _rests(place, is_met)),
            default=None,
        )

    def opened(self, place: Place, who: bytes, now_ms: int) -> None:
        """A member answered here."""
        if place in self:
            self._note(place, -1)
            place.said = who
            self._note(place, 1)
        place.said, place.answered, place.knocking, place.urgent, place.failures = who, True, False, False, 0
        place.pause_ms = self._limits.pause_first_ms
        place.due_ms = now_ms + self._limits.rest_ms
        place.outcome = "a member answered"

    def in_vain(self, place: Place, why: str, now_ms: int) -> None:
        """Nobody opened, or nobody who counts: the pause grows, and in the end the place is given up."""
        place.knocking, place.urgent, place.outcome = False, False, why[: self._limits.outcome_characters_max]
        place.failures += 1
        place.due_ms = now_ms + place.pause_ms
        place.pause_ms = min(2 * place.pause_ms, self._limits.pause_max_ms)
        most = self._limits.absent_max if place.is_known else self._limits.attempts_max
        if place.failures >= most and place.way is not Way.SEED:
            self.forget(place)

    def wake(self, peer_id: bytes, now_ms: int) -> None:
        """A peer is no longer here: knock wherever it was, soon."""
        for place in self._places.values():
            if place.said == peer_id and not place.knocking:
                place.pause_ms = self._limits.pause_first_ms
                place.due_ms = min(place.due_ms, now_ms + place.pause_ms)

    def _make_room(self, way: Way, said: bytes | None) -> bool:
        """Give up the place of the same peer, or way, that failed most; those where a member was come last."""
        failed = [
            place
            for place in self._places.values()
            if place.failures
            and not place.knocking
            and place.way is not Way.SEED
            and (place.way is way if said is None else place.said == said)
        ]
        if failed:
            self.forget(max(failed, key=lambda place: (not place.answered, place.failures)))
        return bool(failed)

    def _note(self, place: Place, more: int) -> None:
        """Count the places said to be one peer's; a seed takes none of their few, and gives way to none."""
        if place.said is not None and place.way is not Way.SEED:
            self._peers[place.said] += more
            if self._peers[place.said] <= 0:
                del self._peers[place.said]


def _rests(place: Place, is_met: Callable[[bytes], bool]) -> bool:
    """Tell whether there is no need to knock: whoever is there is met. A seed may know others, so it never rests."""
    return place.way is not Way.SEED and not place.urgent and place.said is not None and is_met(place.said)
