"""How a peer is kept between two inputs: a few kilobytes, with all that many states share kept once beside them.

Statements, frames, rows of disks and keys are never changed, so every state that has one points to the same.
"""

from __future__ import annotations

import io
import pickle
from typing import Any, Final

from protocol.recent import Recent
from protocol.statements import Statement
from simulations.explorer.actor import Actor, Price, Row
from simulations.explorer.setting import Role, Setting
from simulations.world.seals import KeyedSealer

_SHARED_FROM: Final = 32
"""Byte strings of this length and more are shared: keys, ids, payloads and frames."""
_BY_IDENTITY: Final = frozenset({Role, Setting, KeyedSealer, Price, Row})


class Ice:
    """Freezes peers and thaws them."""

    def __init__(self) -> None:
        self._shared: list[Any] = []
        self._places: dict[Any, int] = {}

    def freeze(self, actor: Actor) -> bytes:
        """The state of a peer as bytes that `thaw` takes."""
        buffer = io.BytesIO()
        _Pickler(buffer, self).dump(actor)
        return buffer.getvalue()

    def thaw(self, frozen: bytes) -> Actor:
        """The peer again, a new one each time."""
        actor: Actor = _Unpickler(io.BytesIO(frozen), self._shared).load()
        return actor

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
