"""States of a peer that count as one have the same future: whatever is given to either of them does the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import pytest

from simulations.explorer.actor import Actor
from simulations.explorer.likeness import LOOKBACK_MS, Shape
from simulations.explorer.locals import Locals
from simulations.explorer.search import Search
from simulations.explorer.worlds import WORLDS

OTHERS_MAX = 1
"""States that are compared with the first of their kind."""


class Whole(Shape):
    """Reads all of a state, and all that is past."""

    def _attributes(self, value: object) -> list[str]:
        slots = [name for each in type(value).__mro__ for name in getattr(each, "__slots__", ())]
        unread = {"watch", "setting", "role", "rows", "_journal", "_wire", "touched", "bytes", "_reading", "_walked"}
        return sorted({*slots, *getattr(value, "__dict__", ())} - unread)

    def _read_attribute(self, owner: object, name: str, value: object) -> None:
        self.read(value)

    def _passed(self, time: int) -> int:
        return max(time, -LOOKBACK_MS)


class Paused(Shape):
    """Reads what counts, and how long the next pauses are: they do not count, but they do make a difference."""

    def _attributes(self, value: object) -> list[str]:
        return [*super()._attributes(value), *(["pause_ms"] if hasattr(value, "pause_ms") else [])]

    def _read_attribute(self, owner: object, name: str, value: object) -> None:
        if name in ("_due", "_incomplete", "_open"):
            self.read(value)
        super()._read_attribute(owner, name, value)


def read(shape: Shape, actor: Actor) -> tuple[object, ...]:
    """One state, as it reads."""
    for part in (actor.role.number, actor, actor.on_disk()):
        shape.read(part)
    return shape.digest(), *shape.times


class Doubted:
    """All that was said to be alike in a search, as far as its times are exactly so."""

    def __init__(self) -> None:
        self.alike: dict[tuple[object, ...], dict[tuple[object, ...], tuple[int, bytes]]] = defaultdict(dict)

    def note(self, number: int, whole: tuple[object, ...], frozen: bytes, tidy: Actor) -> None:
        """Remember a state as it was, and its number."""
        alike = self.alike[number, *read(Paused(tidy.now_ms), tidy)]
        if len(alike) <= OTHERS_MAX:
            alike.setdefault(whole, (number, frozen))

    def pairs(self) -> Iterator[tuple[int, bytes, bytes]]:
        """Two states that differ and count as one."""
        for alike in self.alike.values():
            (number, first), *others = alike.values()
            for _, other in others:
                yield number, first, other


@pytest.mark.parametrize(("name", "faults_max"), [("bidder-reversible", 1), ("governed-pure", 0)])
def test_states_that_count_as_one_do_the_same(name: str, faults_max: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The production code is given every input that a search gives it, in each of the states."""
    doubted, add = Doubted(), Locals.add

    def noted(table: Locals, actor: Actor) -> int:
        whole, frozen = read(Whole(actor.now_ms), actor), table._ice.freeze(actor)
        number = add(table, actor)
        if table.exact:
            doubted.note(number, whole, frozen, actor)
        return number

    monkeypatch.setattr(Locals, "add", noted)
    search = Search(WORLDS[name].setting)
    search.run(faults_max)
    monkeypatch.undo()
    table = search.future.table
    given_to = defaultdict(list)
    for number, given in list(table._outcomes):
        given_to[number].append(given)
    compared = 0
    for number, first, other in doubted.pairs():
        for given in given_to[number]:
            assert table.run(table._ice.thaw(first), number, given) == table.run(table._ice.thaw(other), number, given)
            compared += 1
    assert compared >= 100
