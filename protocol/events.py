"""What can happen to a node. The shell makes events out of frames, calls and time; the node knows nothing else."""

from __future__ import annotations

from msgspec import Struct

from protocol.keys import Digest, PeerId
from protocol.notices import Card
from protocol.statements import Announcement, AnyStatement, Failure, Permit, Result, Veto


class Heard(Struct, frozen=True, gc=False):
    """A statement came in: its seal holds, its author was let in."""

    statement: AnyStatement


class HeardAgain(Struct, frozen=True, gc=False):
    """A statement came in that was seen before. Nothing is folded, but it is a question."""

    id: Digest


class Announce(Struct, frozen=True, kw_only=True):
    """Our user wants a task done."""

    task: Announcement
    parent: Digest | None = None
    """The award under which this is a sub-contract."""
    patience_ms: int = 0
    """How long to wait for a first bid before the task is cancelled; 0: until the deadline."""
    check: bool = False
    """The result is shown to our user before it is settled."""


class Withdraw(Struct, frozen=True):
    """Our user no longer wants a task."""

    contract: Digest


class Checked(Struct, frozen=True, kw_only=True):
    """Our user has looked at a result."""

    contract: Digest
    result: Digest
    passed: bool


class Worked(Struct, frozen=True, kw_only=True):
    """Our agent has finished, one way or the other."""

    award: Digest
    outcome: Result | Failure


class Advanced(Struct, frozen=True, kw_only=True):
    """Our agent is at work, and says how far it is."""

    award: Digest
    permille: int
    note: str = ""
    partial: bytes = b""


class Vote(Struct, frozen=True, kw_only=True):
    """The person at a governor's desk has decided: a vote on exactly this statement, or (None) a standing permit."""

    about: Digest | None
    body: Permit | Veto


class Present(Struct, frozen=True):
    """We have something to offer: say our card."""

    card: Card


class Seen(Struct, frozen=True):
    """A peer can hear us, for the first time or again."""

    peer: PeerId


class Lost(Struct, frozen=True):
    """A peer no longer hears us."""

    peer: PeerId


class Tick(Struct, frozen=True, gc=False):
    """Time has passed."""


Event = Heard | HeardAgain | Announce | Withdraw | Checked | Worked | Advanced | Vote | Present | Seen | Lost | Tick
