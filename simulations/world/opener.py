"""Frames opened once for all who hear them: the same outcome as `protocol.bundle.open_bundle`, at a fraction of it.

A statement is immutable, and whether a seal holds does not depend on who asks. So the first who hears a frame has it
opened by the production function, whole, and what came out is kept for the others as long as the frame is young. What
does depend on the hearer is asked anew each time: what it has seen, and whom it lets in. A frame with anything wrong in
it is opened by the production function every time.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Final, TypeVar

from msgspec.structs import force_setattr

from protocol.bundle import Bundle, Door, Opened, Seal, open_bundle, open_door
from protocol.keys import Digest, PeerId, Sealer
from protocol.statements import AnyStatement
from simulations.world.generations import Generations

YOUNG: Final = 4_096
"""Frames of one generation; two are kept."""
_BYTES: Final = ("payload", "id", "prev", "about")
_IN_COMMON: Final = ("market", "author", "feed")

V = TypeVar("V")


class SharedOpener:
    """Opens frames for all processes of one world: `protocol.bundle.Opener`."""

    def __init__(self) -> None:
        self._young: dict[bytes, Opened] = {}
        self._old: dict[bytes, Opened] = {}
        self._same: dict[bytes, bytes] = {}
        self._said = Generations[Digest, AnyStatement](YOUNG)

    def expect(self, statement: AnyStatement) -> None:
        """Somebody has said this: what is read of it keeps the bytes that its author keeps."""
        self._said.keep(statement.id, statement)

    def __call__(self, frame: bytes, *, market: bytes, sealer: Sealer, seen: Container[Digest], door: Door) -> Opened:
        whole = self._young.get(frame)
        if whole is None:
            whole = self._keep(frame, market, sealer)
        statements = whole.statements
        if whole.rulings or door is not open_door:
            return open_bundle(frame, market=market, sealer=sealer, seen=seen, door=door)
        if len(statements) == 1:
            known = statements[0].id
            return Opened([], [known], []) if known in seen else whole
        return _sift(statements, seen)

    def _keep(self, frame: bytes, market: bytes, sealer: Sealer) -> Opened:
        whole = self._old.get(frame)
        if whole is None:
            whole = open_bundle(frame, market=market, sealer=sealer, seen=frozenset(), door=open_door)
            self._share(whole)
        if len(self._young) >= YOUNG:
            self._old, self._young = self._young, {}
        self._young[frame] = whole
        return whole

    def _share(self, whole: Opened) -> None:
        """Keep equal bytes once: those of an author and its readers, and what nearly all statements have in common.

        The values stay what they were; a world of thousands holds hundreds of thousands of them.
        """
        same = self._same
        for statement in whole.statements:
            said = self._said.pop(statement.id)
            for name in _BYTES if said is not None else ():
                value: bytes | None = getattr(said, name)
                if value == getattr(statement, name):
                    force_setattr(statement, name, value)
            for name in _IN_COMMON:
                value = getattr(statement, name)
                force_setattr(statement, name, same.setdefault(value, value))
            if isinstance(statement.seal, Seal) and isinstance(statement.seal.source, Bundle):
                _share_bundle(statement.seal.source, statement, statement.seal.position)


def _share_bundle(bundle: Bundle, statement: AnyStatement, position: int) -> None:
    """A bundle is kept to cut evidence from it: of bytes that it shares with its statements."""
    bundle.market, bundle.author = statement.market, PeerId(statement.author)
    bundle.payloads = _with(bundle.payloads, position, statement.payload)
    bundle.ids = _with(bundle.ids, position, statement.id)


def _with(values: Sequence[V], position: int, value: V) -> Sequence[V]:
    return (value,) if len(values) == 1 else (*values[:position], value, *values[position + 1 :])


def _sift(statements: list[AnyStatement], seen: Container[Digest]) -> Opened:
    new, repeated = list[AnyStatement](), list[Digest]()
    for statement in statements:
        if statement.id in seen:
            repeated.append(statement.id)
        else:
            new.append(statement)
    return Opened(new, repeated, [])
