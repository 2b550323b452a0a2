"""When two states of one peer are alike: the same statements held, said and waited for, and the same timers set.

The state is read as a tree of values; a time in it becomes its distance from the peer's own clock, apart from the rest,
so that a state a little later is the same shape with smaller distances. What is over is only over, but for the few
times that a rule counts from (`Kind`). What no rule will look at again is not read: see `_moot`. The order in which
dicts and sets were filled is not looked at.
"""

from __future__ import annotations

import hashlib
import marshal
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from enum import Enum, IntEnum
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, Final

from protocol import limits
from protocol.bidder import Bidder
from protocol.contractor import Contractor
from protocol.governor import Governor
from protocol.incomplete import Incomplete
from protocol.job import Job
from protocol.manager import Manager
from protocol.statements import Statement
from protocol.states import State
from protocol.tender import Tender
from protocol.vigil import Vigil

TIME_MIN: Final = 10**11
"""Clocks here start beyond this and nothing else counts so far: what is larger is a time."""
LOOKBACK_MS: Final = 5_000
"""The longest look back of any rule: a lease and its grace, here no more than 2.7 s."""
_HEAPS: Final = frozenset({"_timers", "_open"})
IGNORED: Final = frozenset({
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
    # What makes room among thousands of contracts, and how long an award waits for a place: here is one task.
    "_ended", "_ended_set", "_open_of", "forget_at", "offered_at",
})  # fmt: skip
_PAUSED: Final = frozenset({"_due", "_incomplete"})
_ENDED: Final = frozenset({"deadline_at", "bid_until", "patience_until", "phase_until"})
_AWARDED: Final = frozenset({"bid_until"})
_ANSWERED: Final = frozenset({"first_said"})
_NOTHING: Final = frozenset[str]()


class Kind(IntEnum):
    """What a rule may ask of a time."""

    DUE = 0
    """Whether it has come."""
    SAID = 1
    """How long ago it was: leases are counted from it."""
    LEASE = 2
    """Whether it has come, and which of two was later."""
    AGAIN = 3
    """Whether it has come: it is never over, for a question that may be answered again was never answered."""


_SPECIAL: Final = _HEAPS | _PAUSED | {"_answered_ms", "_queue", "first_said", "lease_until"}
_PLAIN: Final = frozenset({bytes, str, bool, type(None)})
_MARSHALLED_PLAINLY: Final = 2
"""The last version of marshal's format in which equal values are equal bytes, whoever else has them."""
_KINDS: Final = {"first_said": Kind.SAID, "lease_until": Kind.LEASE, "_answered_ms": Kind.AGAIN}
Times = tuple[int, ...]
Kinds = tuple[Kind, ...]


class Shape:
    """Reads one state, once."""

    def __init__(self, now_ms: int) -> None:
        self.times: list[int] = []
        self.kinds: list[Kind] = []
        self._kind = Kind.DUE
        self._now_ms = now_ms
        self._words: list[object] = []
        self._met: dict[int, int] = {}

    def digest(self) -> bytes:
        """What was read, but for its times."""
        return hashlib.blake2b(marshal.dumps(self._words, _MARSHALLED_PLAINLY), digest_size=16).digest()

    def read(self, value: object) -> None:
        """Read a value, with all that hangs under it."""
        kind = type(value)
        if kind in _PLAIN:
            self._words.append(value)
        elif kind is int:
            self._read_int(value)  # type: ignore[arg-type]
        elif kind is Statement:
            self._words.append(value.id)  # type: ignore[attr-defined]
            self._words.append(value.seal is None)  # type: ignore[attr-defined]
        else:
            _reader(kind)(self, value)

    def _read_int(self, value: int) -> None:
        if value < TIME_MIN:
            self._words.append(value)
        else:
            self._words.append(...)
            self.times.append(self._passed(value - self._now_ms))
            self.kinds.append(self._kind)

    def _read_enum(self, value: Enum) -> None:
        self._words.append(value.value)

    def _read_mapping(self, value: Mapping[object, object]) -> None:
        self._words.append(len(value))
        for key in _in_order(value):
            self.read(key)
            self.read(value[key])

    def _read_set(self, value: Set[object]) -> None:
        self._read_list(_in_order(value))

    def _read_list(self, value: Sequence[object]) -> None:
        self._words.append(len(value))
        for member in value:
            self.read(member)

    def _read_nothing(self, value: object) -> None:
        """Code is the same in every state."""

    def _read_object(self, value: object) -> None:
        met = self._met.get(id(value))
        if met is not None:
            self._words.append(met)
            return
        self._met[id(value)] = len(self._met)
        self._words.append(type(value).__name__)
        for name in self._attributes(value):
            self._words.append(name)
            self._read_attribute(value, name, getattr(value, name))

    def _attributes(self, value: object) -> Sequence[str]:
        """What of an object may make a difference."""
        moot = _moot(value)
        names = _attributes(value)
        return [name for name in names if name not in moot] if moot else names

    def _passed(self, time: int) -> int:
        return passed(time, self._kind)

    def _read_attribute(self, owner: object, name: str, value: object) -> None:
        if name not in _SPECIAL:
            self.read(value)
            return
        if name == "_answered_ms":  # from when on it is answered again
            assert isinstance(value, Mapping)
            value = {known: answered_ms + limits.ANSWER_AGAIN_MS for known, answered_ms in value.items()}
        elif name in _HEAPS and isinstance(value, list):
            if isinstance(owner, Manager | Contractor):
                return  # tenders and jobs say themselves what is due
            if isinstance(owner, Bidder):
                value = [due for due, contract in value if contract in owner._bids]
            elif isinstance(owner, Vigil):
                value = [(due, contract) for due, _, contract in value]
            value = sorted(value)
        elif name in _PAUSED and isinstance(owner, Incomplete | Governor):
            assert isinstance(value, Mapping)
            value = {contract: due for contract, (due, _) in value.items()}
        elif name == "_queue":
            assert not value, "here is one task, and a place for it"
        self._kind = _KINDS.get(name, Kind.DUE)
        self.read(value)
        self._kind = Kind.DUE


def _moot(value: object) -> frozenset[str]:
    """What no rule will look at again, as the object is now."""
    if isinstance(value, Tender):
        reading = value.contract.reading
        if reading.end is not None or reading.fault is not None:
            return _ENDED
        if value.watched and value.watched[0] is not State.OPEN:
            return _AWARDED  # it is set anew when the task is open again
    if isinstance(value, Job) and value.answered:
        return _ANSWERED
    return _NOTHING


def passed(time: int, kind: Kind) -> int:
    """A distance, as far as it counts: what is over is over, but for what a rule counts from."""
    return max(time, -LOOKBACK_MS if kind in (Kind.SAID, Kind.LEASE) else 0)


def ages(times: Times, kinds: Kinds, lease_ms: int) -> Times:
    """Which timers are set or due, and which of the past a rule may still look at; not how far they are.

    One that rings before a question may be answered again is of its own kind, for else a future might know only such.
    """
    return tuple([_age(time, kind, lease_ms) for time, kind in zip(times, kinds, strict=True)])


def _age(time: int, kind: Kind, lease_ms: int) -> int:
    if kind is Kind.SAID:
        return -1 if time > -lease_ms else -2
    return 0 if time <= 0 else 1 if time <= limits.ANSWER_AGAIN_MS else 2


def _in_order(values: Collection[object]) -> list[object]:
    try:
        return sorted(values)  # type: ignore[type-var]
    except TypeError:
        return sorted(values, key=repr)


def _attributes(value: object) -> tuple[str, ...]:
    kind = type(value)
    known = getattr(value, "__dict__", ())
    names = _NAMES.get((kind, len(known)))
    if names is None:
        slots = [name for each in kind.__mro__ for name in getattr(each, "__slots__", ())]
        names = tuple(sorted({*slots, *known} - IGNORED))
        _NAMES[kind, len(known)] = names
    return names


def _reader(kind: type) -> Callable[[Shape, Any], None]:
    reader = _READERS.get(kind)
    if reader is None:
        reader = next((of for base, of in _READ_AS if issubclass(kind, base)), Shape._read_object)
        _READERS[kind] = reader
    return reader


_NAMES: dict[tuple[type, int], tuple[str, ...]] = {}
"""What is read of an object of a class with so many attributes of its own."""
_READERS: dict[type, Callable[[Shape, Any], None]] = {}
_READ_AS: Final[tuple[tuple[Any, Callable[[Shape, Any], None]], ...]] = (
    (Enum, Shape._read_enum),
    (Mapping, Shape._read_mapping),
    (Set, Shape._read_set),
    ((list, tuple, deque), Shape._read_list),
    ((FunctionType, MethodType, BuiltinFunctionType), Shape._read_nothing),
)
