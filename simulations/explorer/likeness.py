"""When two states of one peer are alike: the same statements held, said and waited for, and the same timers set.

The state is read as a tree of values; a time in it becomes its distance from the peer's own clock, apart from the rest,
so that a state a little later is the same shape with smaller distances. What is long past is only past: no rule looks
further back than `LOOKBACK_MS`. The order in which dicts and sets were filled is not looked at.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Mapping, Set
from enum import Enum
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Final

from protocol import limits
from protocol.bidder import Bidder
from protocol.contractor import Contractor
from protocol.manager import Manager
from protocol.statements import Statement

TIME_MIN: Final = 10**11
"""Clocks here start beyond this and nothing else counts so far: what is larger is a time."""
LOOKBACK_MS: Final = 5_000
"""The longest look back of any rule: a lease and its grace, here no more than 2.7 s."""
_HEAPS: Final = frozenset({"_timers", "_open"})
_IGNORED: Final = frozenset({
    # Remembered results: what they are made from is in the state too.
    "_reading", "_walked", "_offering", "bytes",
    # How long the next pause is, and when it was.
    "pause_ms", "now_ms",
    # Counters that order equal timers, and statistics.
    "_timers_set", "verdicts",
    # What never changes, who looks on, and what a turn leaves empty.
    "charter", "gate", "policy", "quotes", "setting", "sealer", "_sealer", "_door", "_opener", "_journal", "_wire",
    "role", "on_learnt", "watch", "touched",
    # What is on the disk, or not yet: see `Actor.on_disk`.
    "rows", "_received", "_received_due_ms",
})  # fmt: skip

Times = tuple[int, ...]


class Shape:
    """Reads one state, once."""

    def __init__(self, now_ms: int) -> None:
        self.times: list[int] = []
        self._now_ms = now_ms
        self._words: list[bytes] = []
        self._met: dict[int, int] = {}

    def digest(self) -> bytes:
        """What was read, but for its times."""
        hashed = hashlib.blake2b(digest_size=16)
        for word in self._words:
            hashed.update(b"%d:" % len(word))
            hashed.update(word)
        return hashed.digest()

    def read(self, value: object) -> None:
        """Read a value, with all that hangs under it."""
        kind = type(value)
        if kind is int:
            self._read_int(value)  # type: ignore[arg-type]
        elif kind is bytes:
            self._words.append(value)  # type: ignore[arg-type]
        elif kind is Statement:
            self._words.append(value.id + (b"own" if value.seal is None else b"heard"))  # type: ignore[attr-defined]
        elif value is None or kind in (str, bool) or isinstance(value, Enum):
            self._words.append(repr(value).encode())
        elif isinstance(value, Mapping):
            self._read_sorted("dict", value.items())
        elif isinstance(value, Set):
            self._read_sorted("set", [(member, None) for member in value])
        elif isinstance(value, list | tuple | deque):
            self._words.append(b"%d in order" % len(value))
            for member in value:
                self.read(member)
        elif not isinstance(value, FunctionType | MethodType | BuiltinFunctionType):
            self._read_object(value)

    def _read_int(self, value: int) -> None:
        if value < TIME_MIN:
            self._words.append(b"%d" % value)
        else:
            self._words.append(b"time")
            self.times.append(max(value - self._now_ms, -LOOKBACK_MS))

    def _read_sorted(self, name: str, items: object) -> None:
        pairs = sorted(items, key=lambda pair: _sortable(pair[0]))  # type: ignore[call-overload]
        self._words.append(b"%b of %d" % (name.encode(), len(pairs)))
        for key, value in pairs:
            self.read(key)
            self.read(value)

    def _read_object(self, value: object) -> None:
        met = self._met.get(id(value))
        if met is not None:
            self._words.append(b"the same as %d" % met)
            return
        self._met[id(value)] = len(self._met)
        self._words.append(type(value).__name__.encode())
        for name in _attributes(value):
            if name not in _IGNORED:
                self._words.append(name.encode())
                self._read_attribute(value, name, getattr(value, name))

    def _read_attribute(self, owner: object, name: str, value: object) -> None:
        if name == "_answered_ms":  # from when on it is answered again; later than that it does not matter
            assert isinstance(value, Mapping)
            again = {known: answered_ms + limits.ANSWER_AGAIN_MS for known, answered_ms in value.items()}
            value = {known: again_ms for known, again_ms in again.items() if self._now_ms < again_ms}
        elif name in _HEAPS and isinstance(value, list):
            if isinstance(owner, Manager | Contractor):
                return  # tenders and jobs say themselves what is due
            if isinstance(owner, Bidder) and name == "_timers":
                value = [due for due, contract in value if contract in owner._bids]
            value = sorted(value)
        self.read(value)


def ages(times: Times, lease_ms: int) -> Times:
    """Which timers are set or due, and which of the past a rule may still look at; not how far they are.

    One that rings before a question may be answered again is of its own kind, for else a future might know only such.
    """
    return tuple([_ahead(time) if time >= 0 else _age(time, lease_ms) for time in times])


def _ahead(time: int) -> int:
    return 0 if time == 0 else 1 if time <= limits.ANSWER_AGAIN_MS else 2


def _age(time: int, lease_ms: int) -> int:
    return -1 if time > -limits.ANSWER_AGAIN_MS else -2 if time > -lease_ms else -3


def _sortable(key: object) -> object:
    return repr(key) if not isinstance(key, int) else f"{key:020d}"


_NAMES: dict[type, tuple[str, ...]] = {}


def _attributes(value: object) -> tuple[str, ...]:
    kind = type(value)
    names = _NAMES.get(kind)
    if names is None:
        slots = [name for each in kind.__mro__ for name in getattr(each, "__slots__", ())]
        names = _NAMES[kind] = tuple(sorted(slots)) if slots else ()
    return names or tuple(sorted(vars(value)))
