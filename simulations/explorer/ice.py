"""How a peer is kept between two inputs: a few kilobytes, with all that many states share kept once beside them.

Statements, frames, rows of disks and keys are never changed, so every state that has one points to the same. Of the
watch over a peer only its memory is kept with the state: there is one watch for each role, and whoever was thawed last
has it.
"""

from __future__ import annotations

import io
import pickle
from typing import Any, Final

from protocol.recent import Recent
from protocol.statements import Statement
from simulations.checkers.base import Lives
from simulations.checkers.watch import Watch
from simulations.explorer.actor import Actor, Price, Row
from simulations.explorer.promises import watch_over
from simulations.explorer.setting import Role, Setting
from simulations.world.seals import KeyedSealer

_SHARED_FROM: Final = 32
"""Byte strings of this length and more are shared: keys, ids, payloads and frames."""
_BY_IDENTITY: Final = frozenset({Role, Setting, KeyedSealer, Price, Row})

Memory = dict[int, Any]
"""What the checkers of one watch remember: the number of the place → what is there."""


class Ice:
    """Freezes peers and thaws them."""

    def __init__(self) -> None:
        self._shared: list[Any] = []
        self._places: dict[Any, int] = {}
        self._watches: dict[int, Watch] = {}
        self._memories: dict[int, list[tuple[object, str, type]]] = {}

    def freeze(self, actor: Actor) -> bytes:
        """The state of a peer as bytes that `thaw` takes."""
        buffer = io.BytesIO()
        watch, actor.watch = actor.watch, None
        _Pickler(buffer, self).dump((actor, self._memory(actor) if watch is not None else None))
        actor.watch = watch
        return buffer.getvalue()

    def thaw(self, frozen: bytes) -> Actor:
        """The peer again, a new one each time."""
        actor: Actor
        actor, memory = _Unpickler(io.BytesIO(frozen), self._shared).load()
        if memory is not None:
            actor.watch = self.watch(actor)
            self._remember(actor, memory)
        return actor

    def watch(self, actor: Actor) -> Watch:
        """The watch over whoever has this role, without a memory."""
        watch = self._watches.get(actor.role.number)
        if watch is None:
            watch = self._watches[actor.role.number] = watch_over(actor, actor.setting)
            self._memories[actor.role.number] = _memories_of(watch)
        watch.roster.replace(actor)
        self._remember(actor, {})
        return watch

    def _memory(self, actor: Actor) -> Memory:
        """What there is to remember; most promises of most states have nothing."""
        memory: Memory = {}
        for number, (checker, name, _) in enumerate(self._memories[actor.role.number]):
            remembered = getattr(checker, name)
            if remembered:
                memory[number] = remembered
        return memory

    def _remember(self, actor: Actor, memory: Memory) -> None:
        for number, (checker, name, kind) in enumerate(self._memories[actor.role.number]):
            setattr(checker, name, memory[number] if number in memory else kind())

    def place(self, value: Any) -> int | None:
        """Where a value is that many states share; None for one that belongs to its state alone."""
        kind = type(value)
        key: Any
        if kind is bytes:
            if len(value) < _SHARED_FROM:
                return None
            key = value
        elif kind is Statement:
            # The same statement said and heard differ: what was heard can be shown as it came.
            key = (value.id, value.seal is None)
        elif kind in _BY_IDENTITY:
            key = id(value)
        else:
            return None
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = len(self._shared)
            self._shared.append(value)
        return place


def _memories_of(watch: Watch) -> list[tuple[object, str, type]]:
    """Where checkers keep what they remember: in whose attribute, and what an empty one is."""
    places: list[tuple[object, str, type]] = []
    for checker in watch.checkers:
        for name, value in vars(checker).items():
            if isinstance(value, Lives):
                places.append((value, "_of", dict))
            elif name != "roster":
                places.append((checker, name, type(value)))
    return places


def _recent(most: int, items: list[tuple[Any, Any]]) -> Recent[Any, Any]:
    recent = Recent[Any, Any](most)
    recent.update(items)
    return recent


class _Pickler(pickle.Pickler):
    def __init__(self, buffer: io.BytesIO, ice: Ice) -> None:
        super().__init__(buffer, protocol=5)
        self.dispatch_table = {Recent: lambda recent: (_recent, (recent._most, list(recent.items())))}
        self.persistent_id = ice.place  # type: ignore[method-assign]


class _Unpickler(pickle.Unpickler):
    def __init__(self, buffer: io.BytesIO, shared: list[Any]) -> None:
        super().__init__(buffer)
        self.persistent_load = shared.__getitem__  # type: ignore[method-assign]
