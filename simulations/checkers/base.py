"""What a checker is: one promise, one sentence, and the moments at which it looks.

The order of the hooks in one turn of a peer is the order in which things happen there:

    heard → said (recorded, nothing left yet) → published → began, ended, convicted → turned

Work on pure tasks may begin, and end, before its acceptance is recorded. A turn that fails to record ends without
`turned`: its peer has crashed, and what it had only heard is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Final, Generic, Literal, TypeVar

from protocol.actions import Convict, Execute
from protocol.contract import Contract
from protocol.keys import Digest
from protocol.node import Node
from protocol.statements import AnyStatement
from simulations.testimony import Testimony

V = TypeVar("V")
PRUNE_AT: Final = 4_096
"""Contracts remembered of one life before those that it no longer holds are forgotten here too."""
UNTIMED: Final = 0
"""The `now_us` of journals: nothing is known of when it was, so the promises about time are not asked."""


class Broken(AssertionError):
    """A promise is broken: which, by whom or at whom, and in which contract."""

    def __init__(
        self, checker: Checker, what: str, *, contract: bytes | None = None, who: Testimony | None = None
    ) -> None:
        self.checker, self.what, self.contract, self.who = type(checker).__name__, what, contract, who
        where = f" in contract {contract.hex()[:12]}" if contract is not None else ""
        whose = f" at {who.name}" if who is not None else ""
        super().__init__(f"{self.checker}{whose}{where}: {what}")


class Checker:
    """One promise. A hook that is not overridden costs nothing: ask `hooks` for those that are."""

    kind: ClassVar[Literal["safety", "liveness"]] = "safety"

    def __init__(self, roster: Roster) -> None:
        self.roster = roster

    @property
    def promise(self) -> str:
        """The sentence."""
        return " ".join((self.__doc__ or "").split("\n\n", 1)[0].split())

    def heard(self, who: Testimony, statement: AnyStatement, now_us: int) -> None:
        """The seal held, the author was let in, and the node was handed the statement, for the first time."""

    def said(self, who: Testimony, statement: AnyStatement, now_us: int) -> None:
        """A new statement is on the disk, and has not left yet."""

    def published(self, who: Testimony, frame: bytes, now_us: int) -> None:
        """A frame leaves: its topic of nine bytes, and behind it a bundle or exhibits."""

    def began(self, who: Testimony, execute: Execute, now_us: int) -> None:
        """The agent begins work on an award."""

    def ended(self, who: Testimony, award_id: Digest, now_us: int) -> None:
        """That work has ended, or was stopped, or its peer has crashed."""

    def convicted(self, who: Testimony, convict: Convict, now_us: int) -> None:
        """Somebody is convicted here."""

    def turned(self, who: Testimony, touched: Sequence[Contract], now_us: int) -> None:
        """A turn is over; `touched` are the contracts held here whose set has grown in it."""

    def at_rest(self, everybody: Sequence[Testimony], now_us: int) -> None:
        """The faults have stopped, all is healed, and the time that every promise may take is over."""

    def broken(self, what: str, *, contract: bytes | None = None, who: Testimony | None = None) -> Broken:
        """What to raise."""
        return Broken(self, what, contract=contract, who=who)


def hooks(checkers: Iterable[Checker], name: str) -> list[Callable[..., Any]]:
    """The hooks of this name that are overridden: whoever calls them keeps the list."""
    plain = getattr(Checker, name)
    return [getattr(checker, name) for checker in checkers if getattr(type(checker), name) is not plain]


class Roster:
    """Who is who, as far as a checker may ask: which keys belong to honest peers."""

    def __init__(self) -> None:
        self._of: dict[bytes, list[Testimony]] = {}

    def join(self, who: Testimony) -> None:
        """A process is there, whatever becomes of it."""
        known = self._of.setdefault(who.peer, [])
        if who not in known:
            known.append(who)

    def replace(self, who: Testimony) -> None:
        """A process is there in the place of the one with the same key."""
        self._of[who.peer] = [who]

    def is_honest(self, peer: bytes) -> bool:
        """Tell whether a key belongs to honest processes alone; False for a stranger's. A copied key lies to nobody."""
        known = self._of.get(peer)
        return known is not None and all(one.honest for one in known)

    def is_liar(self, peer: bytes) -> bool:
        """Tell whether a key belongs to somebody here who may lie. A key that nobody here has says nothing."""
        return peer in self._of and not self.is_honest(peer)

    def of(self, peer: bytes) -> Testimony | None:
        """The one process that has a key, if there is one."""
        known = self._of.get(peer, ())
        return known[0] if len(known) == 1 else None

    def honest(self) -> list[Testimony]:
        """All honest processes, in the order of joining."""
        return [one for known in self._of.values() for one in known if one.honest]


class Lives(Generic[V]):
    """What a checker remembers of each process for the life of its node, for a restart may have lost it: by contract,
    or else by keys that are no ids of contracts and that it bounds itself (`by_contract=False`).
    """

    def __init__(self, *, by_contract: bool = True) -> None:
        self._of: dict[str, tuple[Node, dict[Any, V]]] = {}
        self._by_contract = by_contract

    def of(self, who: Testimony) -> dict[Any, V]:
        """The memory of this life."""
        life = self._of.get(who.name)
        if life is None or life[0] is not who.node:
            life = self._of[who.name] = (who.node, {})
        memory = life[1]
        if self._by_contract and len(memory) > PRUNE_AT:
            held = who.node.holdings.contracts
            if len(memory) > 2 * len(held):
                for gone in [known for known in memory if known not in held]:
                    del memory[gone]
        return memory
